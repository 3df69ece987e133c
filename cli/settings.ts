/**
 * Values of flags that are more than a word: points in a trace, hexadecimal states, sizes.
 * Each reader says in its error what it expects, by example.
 */
import { InputError } from '../core/trace/input_error.ts';

/** Where a replay ends: before the event of that number, after a time in ns since the start, or at the most allocated bytes. */
export type Until = { readonly event: number } | { readonly time: number } | 'peak';

const TIME_UNITS_NS = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['min', 60e9],
  ['h', 3600e9],
]);

/** A number with a unit of time, in ns; undefined if it is none. */
function nanosecondsOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ]+)$/.exec(text);
  const unit = TIME_UNITS_NS.get(match?.[2] ?? '');
  return unit === undefined ? undefined : Math.round(Number(match?.[1]) * unit);
}

/** Reads `--until`: `5000`, `1.5s` or `peak`. */
export function parseUntil(text: string): Until {
  if (text === 'peak') return 'peak';
  if (/^\d{1,15}$/.test(text)) return { event: Number(text) };
  const time = nanosecondsOf(text);
  if (time === undefined) {
    throw new InputError(
      '--until',
      `"${text}" is no point in a trace`,
      'an event number (5000), a time since the start (1.5s, 200ms) or peak',
    );
  }
  return { time };
}

/** Units of a time that is said to the nanosecond. */
const EXACT_UNITS = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
] as const;

/** What a report says of the point where a trace was stopped. */
export function momentOf(until: Until): string {
  if (until === 'peak') return 'at the peak';
  if ('event' in until) return `before event ${until.event}`;
  const [unit, ns] = EXACT_UNITS.find(([, length]) => until.time >= length) ?? EXACT_UNITS[3];
  return `${until.time / ns} ${unit} after the start`;
}

/** Reads a length of time, in ns: `30s`, `1.5m`. */
export function parseDuration(flag: string, text: string): number {
  const value = nanosecondsOf(text) ?? 0;
  // Timers count milliseconds in 31 bits: 24 days.
  if (!(value > 0 && value < 2 ** 31 * 1e6))
    throw new InputError(flag, `"${text}" is no length of time`, `a number with a unit, up to 24 days: ${flag} 30s`);
  return value;
}

/** Reads a 64-bit number in hexadecimal, with or without 0x. */
export function parseHex(flag: string, text: string): bigint {
  const digits = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text);
  if (digits === null) throw new InputError(flag, `"${text}" is not a 64-bit hexadecimal number`, `for example ${flag} 0x7ffff7cd3b78`);
  return BigInt(`0x${digits[1]}`);
}

/** Reads a whole number from `least` up. */
export function parseCount(flag: string, text: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (value < least) throw new InputError(flag, `"${text}" is not a whole number from ${least} up`);
  return value;
}

const SIZE_UNITS = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
  ['t', 1024 ** 4],
]);

/** Reads a size in bytes: `4096`, `64k`, `1.5M`, `2GiB`; units are powers of 1024. */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw new InputError(flag, `"${text}" is not a size`, `bytes, or with a unit: ${flag} 64k`);
  return Math.round(Number(match[1]) * (SIZE_UNITS.get((match[2] as string).toLowerCase()) as number));
}
