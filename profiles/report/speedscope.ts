/**
 * Profiles for speedscope (its file format, `file-format-spec.ts`, "sampled" profiles).
 * What the format cannot say: negative values, which a difference may have; they are left out with a note.
 * Invariant: weights are whole and positive, and stacks are root first.
 */
import { integer } from './numbers.ts';
import type { ReportPart } from './report.ts';

const SCHEMA = 'https://www.speedscope.app/file-format-schema.json';

/** What the format has units for. */
const UNITS: ReadonlySet<string> = new Set(['bytes', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds']);

interface Frame {
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
}

/** The file's text: a profile for each part. `note` takes what was left out. */
export function speedscope(parts: readonly ReportPart[], sampleType: string, note: (text: string) => void): string {
  const frames: Frame[] = [];
  const numbers = new Map<string, number>();
  const frameOf = (frame: Frame) => {
    const key = JSON.stringify(frame);
    let number = numbers.get(key);
    if (number === undefined) numbers.set(key, (number = frames.push(frame) - 1));
    return number;
  };
  let negative = 0;
  const profiles = parts.map(({ profile, addresses, title, unit }) => {
    // Address row -> its frames, outermost first.
    const known: number[][] = [];
    const framesOf = (row: number) =>
      (known[row] ??= (addresses.symbols[row] ?? [{ short: addresses.hex[row], full: addresses.hex[row], location: '?' }]).map(
        ({ full, location }) => {
          const match = /^([^?:].*):(\d+)(?: |$)/s.exec(location);
          const name = full.replace(/<[0-9a-f]{16}>$/, '');
          return frameOf(match === null ? { name } : { name, file: match[1], line: Number(match[2]) });
        },
      ));
    const samples: number[][] = [];
    const weights: number[] = [];
    for (let row = 0; row < profile.length; row++) {
      const value = profile.present[row] === 0 ? 0 : Math.round(profile.values[row]);
      if (value < 0) negative += value;
      if (value <= 0) continue;
      samples.push([...profile.path(row)].reverse().flatMap(framesOf));
      weights.push(value);
    }
    return {
      type: 'sampled',
      name: `${sampleType}${title}`,
      unit: UNITS.has(unit.base) ? unit.base : 'none',
      startValue: 0,
      endValue: weights.reduce((sum, weight) => sum + weight, 0),
      samples,
      weights,
    };
  });
  if (negative < 0) note(`speedscope shows no less than nothing: ${integer(negative)} left out`);
  return `${JSON.stringify({ $schema: SCHEMA, name: parts[0]?.program ?? '', exporter: 'jereplay', shared: { frames }, profiles })}\n`;
}
