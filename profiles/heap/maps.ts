/**
 * The mappings of a process (Linux, proc(5), /proc/PID/maps).
 * Invariant: mappings are sorted by start; those that overlap a former one are left out of lookups only by their later start.
 */

/** One line of /proc/PID/maps. */
export interface Mapping {
  readonly start: bigint;
  /** First address after it. */
  readonly end: bigint;
  /** As printed, for example `r-xp`. */
  readonly permissions: string;
  /** Offset in the file, bytes. */
  readonly offset: bigint;
  /** Empty for anonymous memory; a name in brackets for `[stack]`, `[vdso]` … */
  readonly path: string;
}

const LINE = /^\s*([0-9a-f]+)-([0-9a-f]+)\s+([-rwxsp]{4})\s+([0-9a-f]+)\s+\S+\s+\d+\s*(.*)$/is;

/** Reads the lines that are mappings; all others are passed over. Sorted by start. */
export function parseMaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, start, end, permissions, offset, path] = match;
    mappings.push({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), permissions, offset: BigInt(`0x${offset}`), path: path.trim() });
  }
  return mappings.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

/** Index of the mapping that holds an address, -1 if none does. */
export function findMapping(mappings: readonly Mapping[], address: bigint): number {
  let low = 0;
  let high = mappings.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mappings[middle].start <= address) low = middle + 1;
    else high = middle;
  }
  return low > 0 && address < mappings[low - 1].end ? low - 1 : -1;
}
