/**
 * Files for speedscope held to the rules of its file format (github.com/jlfwong/speedscope, src/lib/file-format-spec.ts, "sampled" profiles).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readProfile } from '../read_profile.ts';
import { type Profile, SAMPLE_TYPES } from '../profile.ts';
import { prepareReport, type ReportOptions } from './report.ts';
import { speedscope } from './speedscope.ts';

const FOLDER = new URL('../../fixtures/profiles/', import.meta.url);
const FILES = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(heap|dhat\.json|out|ms|pb\.gz)$/.test(name));
const open = (name: string): Profile => {
  const opened = readProfile(readFileSync(new URL(name, FOLDER)), name);
  if (opened === undefined) throw new Error(`${name} is no profile`);
  return opened.profile;
};

/** What of a value does not follow the format, by its place. */
function violations(file: unknown): string[] {
  const found: string[] = [];
  const check = (isGood: boolean, place: string) => {
    if (!isGood) found.push(place);
  };
  const isText = (value: unknown) => typeof value === 'string';
  const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
  const isIndex = (value: unknown, length: number) => isNumber(value) && Number.isInteger(value) && value >= 0 && value < length;
  const list = (value: unknown, place: string): unknown[] => {
    check(Array.isArray(value), place);
    return Array.isArray(value) ? value : [];
  };
  /** The object with each key that it must or may have checked, and no others. */
  const object = (value: unknown, place: string, must: Record<string, (part: unknown) => boolean>, may: typeof must = {}) => {
    const parts = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    for (const [key, isGood] of Object.entries(must)) check(Object.hasOwn(parts, key) && isGood(parts[key]), `${place}.${key}`);
    for (const key of Object.keys(parts)) {
      const isGood = must[key] ?? may[key];
      check(isGood?.(parts[key]) === true, `${place}.${key}`);
    }
    return parts;
  };
  const any = () => true;
  const { shared, profiles, activeProfileIndex } = object(
    file,
    'file',
    { $schema: (value) => value === 'https://www.speedscope.app/file-format-schema.json', shared: any, profiles: any },
    { name: isText, exporter: isText, activeProfileIndex: any },
  );
  const frames = list(object(shared, 'shared', { frames: any })['frames'], 'frames');
  frames.forEach((frame, i) => object(frame, `frames[${i}]`, { name: isText }, { file: isText, line: isNumber, col: isNumber }));
  const parts = list(profiles, 'profiles');
  check(activeProfileIndex === undefined || isIndex(activeProfileIndex, parts.length), 'activeProfileIndex');
  parts.forEach((part, i) => {
    const { samples, weights, startValue, endValue } = object(part, `profiles[${i}]`, {
      type: (value) => value === 'sampled',
      name: isText,
      unit: (value) => ['none', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes'].includes(String(value)),
      startValue: isNumber,
      endValue: isNumber,
      samples: any,
      weights: any,
    });
    const stacks = list(samples, `profiles[${i}].samples`);
    const values = list(weights, `profiles[${i}].weights`);
    check(stacks.length === values.length, `profiles[${i}]: as many weights as samples`);
    check(Number(endValue) >= Number(startValue), `profiles[${i}]: ends behind its start`);
    check(
      values.every((value) => isNumber(value) && value >= 0),
      `profiles[${i}].weights`,
    );
    check(
      stacks.every((stack) => list(stack, `profiles[${i}].samples`).every((frame) => isIndex(frame, frames.length))),
      `profiles[${i}].samples: frames that are there`,
    );
    const sum = values.reduce<number>((total, value) => total + Number(value), 0);
    check(sum === Number(endValue) - Number(startValue), `profiles[${i}]: spans its weights`);
  });
  return found;
}

function fileOf(profile: Profile, options: ReportOptions, sampleType: string): unknown {
  return JSON.parse(speedscope(prepareReport([profile], options), sampleType, () => {}));
}

test.each(FILES)('%s', (name) => {
  const profile = open(name);
  const types = [...(profile.kind === 'other' ? [] : SAMPLE_TYPES), ...(profile.measures ?? []).map(({ type }) => type)];
  for (const sampleType of types) {
    for (const more of [{}, { base: profile }, { thread: '*' }, { focus: 'a' }]) {
      expect(violations(fileOf(profile, { sampleType, ...more }, sampleType))).toEqual([]);
    }
  }
});

test('units are the format’s own, or none', () => {
  const units = (name: string, sampleType: string) => {
    const { profiles } = fileOf(open(name), { sampleType }, sampleType) as { profiles: { unit: string }[] };
    return profiles.map(({ unit }) => unit);
  };
  expect(units('go/cpu.pb.gz', 'cpu')).toEqual(['nanoseconds']);
  expect(units('go/cpu.pb.gz', 'samples')).toEqual(['none']);
  expect(units('go/heap.pb.gz', 'inuse_space')).toEqual(['bytes']);
  expect(units('go/heap.pb.gz', 'inuse_objects')).toEqual(['none']);
});

test('the rules find what is wrong', () => {
  const good = fileOf(open('go/cpu.pb.gz'), {}, 'cpu') as {
    shared: { frames: object[] };
    profiles: { samples: number[][]; weights: number[] }[];
  };
  const changed = (change: (file: typeof good) => void) => {
    const file = structuredClone(good);
    change(file);
    return violations(file);
  };
  expect(changed(() => {})).toEqual([]);
  expect(changed((file) => file.shared.frames.push({ name: 1 }))).not.toEqual([]);
  expect(changed((file) => file.profiles[0].samples.push([0]))).not.toEqual([]);
  expect(changed((file) => file.profiles[0].samples[0].push(99))).not.toEqual([]);
  expect(changed((file) => (file.profiles[0].weights[0] = -1))).not.toEqual([]);
  expect(changed((file) => Object.assign(file.profiles[0], { unit: 'ns' }))).not.toEqual([]);
  expect(changed((file) => Object.assign(file, { extra: 1 }))).not.toEqual([]);
});
