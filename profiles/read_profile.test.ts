import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { writeCollapsed } from './collapsed/collapsed.ts';
import { writePprof } from './pprof/write.ts';
import { isProfile, readProfile } from './read_profile.ts';
import { renderReport } from './report/report.ts';

const FIXTURES = new URL('../fixtures/profiles/', import.meta.url);
const dumps = readdirSync(FIXTURES).filter((name) => name.endsWith('.heap'));

test.each(dumps)('%s opens without its name, and so does all that is made of it', (name) => {
  const bytes = readFileSync(new URL(name, FIXTURES));
  expect(isProfile(bytes.subarray(0, 65536))).toBe(true);
  const dump = readProfile(bytes, 'a');
  if (dump === undefined) throw new Error('not opened');
  const total = dump.profile.samples.total('alloc_space');
  expect(dump.profile.samples.length).toBeGreaterThan(0);
  expect(new TextDecoder().decode(dump.dumpText)).toMatch(/^heap_v2\/\d+\n {2}t\*: /);

  const raw = readProfile(Buffer.from(renderReport('raw', dump.profile, dump)), 'a');
  expect(raw?.profile.samples).toEqual(dump.profile.samples);
  const pprof = readProfile(writePprof(dump.profile), 'a');
  expect(pprof?.profile.source).toBe('pprof');
  expect(Math.abs((pprof?.profile.samples.total('alloc_space') ?? 0) - total)).toBeLessThan(dump.profile.samples.length);
  const folded = readProfile(Buffer.from(writeCollapsed(dump.profile, 'alloc_space')), 'a');
  if (total > 0) expect(Math.abs((folded?.profile.samples.total('inuse_space') ?? 0) - total)).toBeLessThan(dump.profile.samples.length);
});

test.each(['', '{"op":"trace"}\n', '= Start\n@ a:(f)[0x1] + 0x2 0x3\n', 'v 10400 3\n'])('%j is no profile', (text) => {
  expect(isProfile(Buffer.from(text))).toBe(false);
  expect(readProfile(Buffer.from(text), 'a')).toBe(undefined);
});
