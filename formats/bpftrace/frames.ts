/**
 * Stack lines of bpftrace: `ustack(perf)` (address, symbol+offset, module), `ustack(bpftrace)` (symbol+offset) and `ustack(raw)` (address).
 * Invariant: equal lines give one frame, and an address that has had a name keeps it: bpftrace looks symbols up when it prints,
 * so the same frame loses its name once the process is gone, often in the middle of a stack.
 * Only where a recording says that other code lay in a place from a time on do its calls name the address by that.
 * A walk of frame pointers through code that has none ends in data; the stack ends at the first address that cannot be code.
 */
import type { Frame, FrameTable } from '../../core/trace/stacks.ts';
import { firstAbove } from '../../core/trace/search.ts';
import type { FrameIndex } from '../../core/units.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { textOf } from '../shared/cursor.ts';

/** Result for a line that is no frame. */
export const NOT_A_FRAME = -1;
/** Result for an address that cannot be code: the walk went astray. */
export const ASTRAY = -2;

/** Lowest address that a process can map by default (vm.mmap_min_addr), and the end of user space. */
const LOWEST = 65536n;
const HIGHEST = 1n << 47n;

const NAMED = /^([0-9a-f]{1,16}) (.+)\+(\d{1,15}) \((.*)\)$/s;
const BARE = /^(?:0x([0-9a-f]{1,16})|([0-9a-f]{5,16}))(?: 0x[0-9a-f]+ \(.*\))?$/s;
/** What an address is from a time on: its symbol, or none, and the file. */
const SINCE = /^(\d{1,19}) ([0-9a-f]{1,16}) (?:0x[0-9a-f]+|(.+)\+(\d{1,15})) \((.*)\)$/s;
const SYMBOL = /^(.+)\+(\d{1,15})$/s;
/** Without an offset, as some versions print the address of a symbol itself. */
const NAMED_START = /^([0-9a-f]{1,16}) (\D.*) \((.*)\)$/s;

/** Frames of stack lines. */
export class BpftraceFrames {
  readonly #frames: FrameTable;
  readonly #lines = new ByteTable();
  /** Row of `#lines` -> FrameIndex, NOT_A_FRAME or ASTRAY. */
  readonly #byLine: number[] = [];
  /** Row of `#lines` -> address of a frame without a name, or undefined. */
  readonly #bareAddress: (bigint | undefined)[] = [];
  readonly #named = new Map<bigint, FrameIndex>();
  /** Address -> what it is from which times on, nanoseconds, in order of time. */
  readonly #later = new Map<bigint, { readonly since: number[]; readonly frames: FrameIndex[] }>();
  /** Time of the call whose frames are read, nanoseconds. */
  now = 0;

  constructor(frames: FrameTable) {
    this.#frames = frames;
  }

  /** The frame of a stack line without its indent, NOT_A_FRAME or ASTRAY. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const lines = this.#lines;
    const known = lines.length;
    const row = lines.intern(bytes, start, end);
    if (row === known) this.#byLine[row] = this.#add(textOf(bytes, start, end), row);
    const bare = this.#bareAddress[row];
    return (bare === undefined ? undefined : this.#nameOf(bare)) ?? this.#byLine[row];
  }

  /** The frame at a return address that the script printed, with the symbol's name if it printed one. */
  caller(pc: bigint, fn: string | undefined): number {
    if (pc < LOWEST || pc >= HIGHEST) return ASTRAY;
    const known = this.#nameOf(pc);
    if (known !== undefined) return known;
    if (fn === undefined) return this.#frames.intern({ pc });
    const frame = this.#frames.intern({ pc, fn });
    this.#named.set(pc, frame);
    return frame;
  }

  /** Takes what an address is from a time on: `772218247019 55d0c0001234 main+12 (/usr/bin/app)`. False for another line. */
  rename(line: string): boolean {
    const [, time, address, fn, offset, module] = SINCE.exec(line) ?? [];
    const pc = BigInt(`0x${address ?? 0}`);
    if (pc < LOWEST || pc >= HIGHEST) return false;
    const frame = this.#frames.intern(fn === undefined ? { pc, module } : { pc, fn, offset: Number(offset), module });
    const later = this.#later.get(pc) ?? { since: [], frames: [] };
    later.since.push(Number(time));
    later.frames.push(frame);
    this.#later.set(pc, later);
    return true;
  }

  #nameOf(pc: bigint): FrameIndex | undefined {
    const later = this.#later.size === 0 ? undefined : this.#later.get(pc);
    return later?.frames[firstAbove(later.since, later.since.length, this.now) - 1] ?? this.#named.get(pc);
  }

  #add(line: string, row: number): number {
    this.#bareAddress[row] = undefined;
    let match = BARE.exec(line);
    if (match !== null) {
      const pc = BigInt(`0x${match[1] ?? match[2]}`);
      if (pc < LOWEST || pc >= HIGHEST) return ASTRAY;
      this.#bareAddress[row] = pc;
      return this.#frames.intern({ pc });
    }
    match = NAMED.exec(line);
    if (match !== null) return this.#addNamed({ pc: BigInt(`0x${match[1]}`), fn: match[2], offset: Number(match[3]), module: match[4] });
    match = NAMED_START.exec(line);
    if (match !== null) return this.#addNamed({ pc: BigInt(`0x${match[1]}`), fn: match[2], module: match[3] });
    match = SYMBOL.exec(line);
    if (match !== null) return this.#frames.intern({ fn: match[1], offset: Number(match[2]) });
    return NOT_A_FRAME;
  }

  #addNamed(frame: Frame & { pc: bigint }): number {
    if (frame.pc < LOWEST || frame.pc >= HIGHEST) return ASTRAY;
    const index = this.#frames.intern(frame);
    if (!this.#named.has(frame.pc)) this.#named.set(frame.pc, index);
    return index;
  }
}
