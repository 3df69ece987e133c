/**
 * Where the recorded process had mapped its program and libraries (raw heaptrack files, `m` lines).
 * Invariant: each of `#runs` is sorted by address, and less than half as long as the one before. A new listing replaces the one before, but not what is known
 * of code outside of it.
 * The lines give virtual addresses and lengths of loadable segments (ELF program headers), and neither file offsets nor permissions: segments with frames
 * in them are taken as code, and offsets as equal to the addresses within the file, as GNU ld lays code out.
 */

/** A mapped segment. */
interface Segment {
  readonly path: string;
  readonly start: bigint;
  /** First address behind it. */
  readonly end: bigint;
  /** Its address within the file. */
  readonly address: bigint;
  code: boolean;
}

const PAGE_MASK = 0xfffn;

/** Segments of a process. */
export class Modules {
  /** Segments of this listing, in runs: lines may stand between those that look for a module. */
  #runs: Segment[][] = [];
  /** Those that came since something was looked for. */
  #added: Segment[] = [];
  /** Segments of earlier listings that had code, by address. */
  readonly #former = new Map<bigint, Segment>();

  /** A new listing begins. */
  clear(): void {
    for (const segment of this.#runs.flat()) if (segment.code) this.#former.set(segment.start, segment);
    this.#runs = [];
    this.#added = [];
  }

  /** Adds a segment of the file at `path`, loaded at `base`. */
  add(path: string, base: bigint, address: bigint, size: bigint): void {
    const start = base + address;
    const end = start + size;
    // One that is listed again.
    const before = this.#former.get(start);
    this.#added.push({ path, start, end, address, code: before?.path === path && before.end === end });
  }

  /** The file that the code at `pc` is of. */
  moduleAt(pc: bigint): string | undefined {
    if (this.#added.length > 0) this.#sortAdded();
    for (let run = this.#runs.length - 1; run >= 0; run--) {
      const segments = this.#runs[run];
      const found = segments[firstBehind(segments, pc)] as Segment | undefined;
      if (found === undefined || found.start > pc) continue;
      found.code = true;
      return found.path;
    }
    return undefined;
  }

  /** Makes a run of what was added, and of those before that are no longer than twice that. */
  #sortAdded(): void {
    let run = this.#added;
    this.#added = [];
    while (this.#runs.length > 0 && this.#runs[this.#runs.length - 1].length <= 2 * run.length)
      run = [...(this.#runs.pop() as Segment[]), ...run];
    this.#runs.push(run.sort(byStart));
  }

  /** All segments as /proc/PID/maps would list them, and former ones where they overlap none; undefined if there are none. */
  mapsText(): string | undefined {
    const listed = [...this.#runs.flat(), ...this.#added].sort(byStart);
    const former = [...this.#former.values()].filter(({ start, end }) => {
      const next = firstBehind(listed, start);
      return next === listed.length || listed[next].start >= end;
    });
    const shown = [...listed, ...apart(former)].sort(byStart);
    if (shown.length === 0) return undefined;
    const hex = (value: bigint, digits: number) => value.toString(16).padStart(digits, '0');
    return shown
      .map(({ path, start, end, address, code }) => {
        const from = start & ~PAGE_MASK;
        const to = (end + PAGE_MASK) & ~PAGE_MASK;
        return `${hex(from, 8)}-${hex(to, 8)} ${code ? 'r-xp' : 'r--p'} ${hex(address & ~PAGE_MASK, 8)} 00:00 0 ${path}\n`;
      })
      .join('');
  }
}

/** The first of sorted segments that ends behind `address`. */
function firstBehind(segments: readonly Segment[], address: bigint): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (segments[middle].end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Segments of which none overlaps another: of two that do, the first of `segments` is kept. */
function apart(segments: readonly Segment[]): Segment[] {
  const ranks = new Map(segments.map((segment, rank) => [segment, rank]));
  const rankOf = (segment: Segment): number => ranks.get(segment) as number;
  const kept: Segment[] = [];
  for (const segment of [...segments].sort(byStart)) {
    const last = kept[kept.length - 1] as Segment | undefined;
    if (last === undefined || last.end <= segment.start) kept.push(segment);
    else if (rankOf(segment) < rankOf(last)) kept[kept.length - 1] = segment;
  }
  return kept;
}

function byStart(a: Segment, b: Segment): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}
