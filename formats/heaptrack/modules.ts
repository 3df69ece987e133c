/**
 * Where the recorded process had mapped its program and libraries (raw heaptrack files, `m` lines).
 * Invariant: `#segments` is sorted by address whenever it is searched. A new listing replaces the one before, but not what is known of code outside of it.
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
  #segments: Segment[] = [];
  /** Segments of earlier listings that had code, by address. */
  readonly #former = new Map<bigint, Segment>();
  #sorted = true;

  /** A new listing begins. */
  clear(): void {
    for (const segment of this.#segments) if (segment.code) this.#former.set(segment.start, segment);
    this.#segments = [];
  }

  /** Adds a segment of the file at `path`, loaded at `base`. */
  add(path: string, base: bigint, address: bigint, size: bigint): void {
    const start = base + address;
    const end = start + size;
    // One that is listed again.
    const before = this.#former.get(start);
    this.#segments.push({ path, start, end, address, code: before?.path === path && before.end === end });
    this.#sorted = false;
  }

  /** The file that the code at `pc` is of. */
  moduleAt(pc: bigint): string | undefined {
    if (!this.#sorted) {
      this.#segments.sort(byStart);
      this.#sorted = true;
    }
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle].end <= pc) low = middle + 1;
      else high = middle;
    }
    const found = this.#segments[low] as Segment | undefined;
    if (found === undefined || found.start > pc) return undefined;
    found.code = true;
    return found.path;
  }

  /** All segments as /proc/PID/maps would list them; undefined if there are none. */
  mapsText(): string | undefined {
    const shown: Segment[] = [...this.#segments];
    for (const segment of this.#former.values()) {
      if (!shown.some(({ start, end }) => segment.start < end && start < segment.end)) shown.push(segment);
    }
    if (shown.length === 0) return undefined;
    shown.sort(byStart);
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

function byStart(a: Segment, b: Segment): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}
