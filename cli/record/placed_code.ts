/**
 * Which file's code was where in memory, and when: by what was seen of the process from time to time, and by the script's lines for code that takes its place.
 * Invariant: a place is that of a file only between two such lines between which it was seen there. What came and went unseen is nobody's.
 */
import { existsSync } from 'node:fs';
import { firstAbove } from '../../core/trace/search.ts';
import type { Observed, Seen } from './observed.ts';
import { PLACED } from './probes.ts';
import { mappedFile } from './proc.ts';

/** Code that takes its place in memory. */
export interface Placement {
  readonly start: number;
  readonly end: number;
  /** Nanoseconds. */
  readonly time: number;
}

/** Code of a file in memory: a line of /proc/PID/maps. */
export interface Code {
  readonly start: number;
  readonly end: number;
  /** Path of the file, as the process has it. */
  readonly path: string;
  /** The line with the path by which the file is found from here. */
  readonly line: string;
  readonly seen: readonly Seen[];
}

/** What an address was from a time on, nanoseconds; undefined code is not known. */
export interface Owner {
  readonly since: number;
  readonly code: Code | undefined;
}

const PLACEMENT = new RegExp(`^${PLACED}([0-9a-f]{1,16}) ([0-9a-f]{1,16}) (\\d{1,19})$`);
const LINE = /^(([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+) +)((\/.*?)(?: \(deleted\))?)$/;

/** Reads a line of the script's; undefined for another one. */
export function placementOf(line: string): Placement | undefined {
  const [, start, length, time] = PLACEMENT.exec(line) ?? [];
  if (start === undefined) return undefined;
  const from = Number.parseInt(start, 16);
  return { start: from, end: from + Number.parseInt(length as string, 16), time: Number(time) };
}

/** All code of files that a process was seen to have; what was seen last comes last. */
export function codeOf({ pid, code }: Observed): Code[] {
  const found: Code[] = [];
  for (const [text, seen] of code) {
    const [, head, start, end, inode, shown, path] = (LINE.exec(text) ?? []) as unknown as string[];
    if (head === undefined) continue;
    const place = mappedFile(pid, `${start}-${end}`, Number(inode), shown as string, path as string);
    const [from, to] = [Number.parseInt(start as string, 16), Number.parseInt(end as string, 16)];
    found.push({ start: from, end: to, path: shown as string, line: `${head}${existsSync(place) ? place : shown}`, seen });
  }
  return found.sort((a, b) => (a.seen.at(-1)?.look ?? 0) - (b.seen.at(-1)?.look ?? 0));
}

/** Tells what addresses were, from which times on: with one answer each as a rule. */
export class PlacedCode {
  readonly #code: readonly Code[];
  /** Start and end -> times, ascending. */
  readonly #placements = new Map<string, { readonly start: number; readonly end: number; readonly times: number[] }>();
  /** Answers for those that lie in the same code and placements. */
  readonly #known = new Map<string, readonly Owner[]>();

  constructor(code: readonly Code[], placements: readonly Placement[]) {
    this.#code = code;
    for (const { start, end, time } of [...placements].sort((a, b) => a.time - b.time)) {
      const key = `${start} ${end}`;
      const known = this.#placements.get(key);
      if (known === undefined) this.#placements.set(key, { start, end, times: [time] });
      else known.times.push(time);
    }
  }

  /** In order of time; the first one counts for all times before the second. None where no code was seen. */
  ownersOf(address: number): readonly Owner[] {
    const holds = ({ start, end }: { readonly start: number; readonly end: number }) => start <= address && address < end;
    const code = this.#code.filter(holds);
    if (code.length === 0) return [];
    const placements = [...this.#placements.values()].filter(holds);
    const key = [...code, ...placements].map(({ start, end }) => `${start} ${end}`).join();
    let owners = this.#known.get(key);
    if (owners === undefined) {
      const times = placements.flatMap((placement) => placement.times).sort((a, b) => a - b);
      this.#known.set(key, (owners = ownersBetween(times, code)));
    }
    return owners;
  }
}

/** Whose a place was that code came to at these times. */
function ownersBetween(times: readonly number[], code: readonly Code[]): Owner[] {
  const byPeriod: (Code | undefined)[] = new Array<undefined>(times.length + 1).fill(undefined);
  /** How many of the times lie before one. */
  const periodOf = (time: number) => firstAbove(times, times.length, time);
  for (const one of code)
    for (const { first, last } of one.seen)
      for (const [begin, end] of [first, last]) if (periodOf(begin) === periodOf(end)) byPeriod[periodOf(begin)] = one;
  const owners: Owner[] = [];
  for (const [period, owner] of byPeriod.entries()) {
    // Before anything came there was no code, or it would have been seen when the recording began.
    if (period === 0 && owner === undefined && byPeriod.length > 1) continue;
    if (owners.length === 0 || owners.at(-1)?.code !== owner)
      owners.push({ since: owners.length === 0 ? 0 : (times[period - 1] as number), code: owner });
  }
  return owners;
}
