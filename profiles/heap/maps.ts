/**
 * The mappings of a process (Linux, proc(5), /proc/PID/maps), and the shorter lines of gperftools' dumps under `--- Memory map:` (base/sysinfo.cc, DumpAddressMap;
 * jeprof, ParseLibraries): `40000000-40015000: /lib/ld-2.3.2.so`, and `$build` in paths for what a line `build=/folder` says; and FreeBSD's /proc/curproc/map
 * (procfs_doprocmap): `0x800600000 0x80061a000 26 0 0xfffff800035a0000 r-x 75 33 0x1004 COW NC vnode /libexec/ld-elf.so.1 NCH -1`, which tells no offset: it is 0, as for jeprof.
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

const SHORT_LINE = /^\s*([0-9a-f]+)-([0-9a-f]+):\s*(\S.*)$/i;
const FREEBSD_LINE =
  /^0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+\d+\s+\d+\s+0x[0-9a-f]+\s+([-rwx]{3})\s+\d+\s+\d+\s+0x[0-9a-f]+\s+(?:NC|C)OW?\s+N?NC\s+vnode\s+(\S.*)$/i;
/** Whether memory is charged to a user, and to which. */
const FREEBSD_END = / N?CH -?\d+$/;
const BUILD_LINE = /^\s*build=(.*)$/;
const LINE = /^\s*([0-9a-f]+)-([0-9a-f]+)\s+([-rwxsp]{4})\s+([0-9a-f]+)\s+\S+\s+\d+\s*(.*)$/is;

/** Reads the lines that are mappings; all others are passed over. Sorted by start. */
export function parseMaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  let build = '';
  const add = (start: string, end: string, permissions: string, offset: string, path: string) => {
    const whole = path.trim().replace(/\$build\b/g, () => build);
    mappings.push({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), permissions, offset: BigInt(`0x${offset}`), path: whole });
  };
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match !== null) {
      const [, start, end, permissions, offset, path] = match;
      add(start, end, permissions, offset, path);
      continue;
    }
    const short = SHORT_LINE.exec(line);
    const bsd = short === null ? FREEBSD_LINE.exec(line) : null;
    if (short !== null) add(short[1], short[2], 'r-xp', '0', short[3]);
    else if (bsd !== null) add(bsd[1], bsd[2], `${bsd[3]}p`, '0', bsd[4].trimEnd().replace(FREEBSD_END, ''));
    else build = BUILD_LINE.exec(line)?.[1] ?? build;
  }
  return mappings.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

/** False of what is mapped to be read or written: an address there is of code that was unloaded before, and whose place others took. */
export const isCode = ({ permissions }: Mapping) => permissions.includes('x');

/** Path of the program. The first executable mapping is its: Linux lists it before libraries in every layout but that of a program started by its loader. */
export function mainProgram(mappings: readonly Mapping[]): string | undefined {
  return mappings.find((mapping) => isCode(mapping) && mapping.path.startsWith('/'))?.path;
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
