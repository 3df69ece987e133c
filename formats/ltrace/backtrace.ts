/**
 * Backtraces of calls (-w, ltrace 0.7.91): after the line where a call returns, a line a frame, leaf first, and an empty line.
 *   with libunwind: ` > module(function+0xoffset) [0xaddress]`, ` > module(???) [0xaddress]`, ` > Error: text`
 *   with elfutils:  ` > module(function+0xoffset) [address]`, below it `\tfile:line:column` if that is known, ` > [...]` where more frames are
 * Source: output_right and frame_callback in ltrace's output.c.
 * Invariant: addresses are those returned to. The first one is printed with the breakpoint's byte behind it, and elfutils prints the others less one.
 */
import type { Frame, StackTable } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { textOf } from '../shared/cursor.ts';
import { TAB, SPACE, GREATER } from '../shared/letters.ts';

const FRAME = /^ > (.*)\((\(null\)|[^()]*?)(?:\+(?:0x([0-9a-f]{1,13})|0x[0-9a-f]+|\(nil\)))?\) \[(?:(0x)?([0-9a-f]{1,16})|\(nil\))\]$/;
/** What stands where there are no frames, or no more of them. */
const NO_FRAME = /^ > (?:\[\.\.\.\]|Error: .*)$/;
const SOURCE = /^\t(.+?)(?::(\d{1,15}))?(?::\d+)?$/;
/** In place of a module or a function that is not known. */
const UNKNOWN = new Set(['(null)', 'unmapped_area', '???', '']);
/** Most frames kept of a backtrace. */
const MOST_FRAMES = 4096;

/** True for a line of a backtrace, but for the empty one that ends it. */
export function isBacktraceLine(line: string): boolean {
  return FRAME.test(line) || NO_FRAME.test(line) || line.startsWith('\t');
}

/** Collects the lines of one backtrace after the other. */
export class Backtrace {
  readonly #stacks: StackTable;
  readonly #lines = new ByteTable();
  /** Row of `#lines` -> the frame, or what else it is. */
  readonly #parsed: (FrameLine | 'no frame' | 'no line')[] = [];
  readonly #frames: FrameLine[] = [];
  /** True until its empty line has come. */
  #isOpen = false;

  constructor(stacks: StackTable) {
    this.#stacks = stacks;
  }

  /** A call may have returned: its backtrace may follow. */
  begin(): void {
    this.#isOpen = true;
    this.#frames.length = 0;
  }

  /** Takes the line start..end, if it is one of a backtrace. `isSure` says that those of the recording have an empty line even if they have no frames. */
  take(bytes: Uint8Array, start: number, end: number, isSure: boolean): boolean {
    if (start === end) {
      const ends = this.#isOpen && (isSure || this.#frames.length > 0);
      this.#isOpen &&= !ends;
      return ends;
    }
    const frames = this.#frames;
    if (bytes[start] === TAB) return this.#isOpen && frames.length > 0 && this.#source(textOf(bytes, start, end));
    if (bytes[start] !== SPACE || bytes[start + 1] !== GREATER || bytes[start + 2] !== SPACE) return false;
    const row = this.#lines.intern(bytes, start, end);
    const parsed = (this.#parsed[row] ??= parse(textOf(bytes, start, end)));
    if (parsed === 'no line') return false;
    if (parsed !== 'no frame' && this.#isOpen && frames.length < MOST_FRAMES) frames.push(parsed);
    return true;
  }

  /** The stack of the lines taken since `begin`; undefined if they had no frame. */
  stack(): StackIndex | undefined {
    const { frames } = this.#stacks;
    if (this.#frames.length === 0) return undefined;
    return this.#stacks.intern(this.#frames.map((line, at) => frames.intern(frameOf(line, at === 0))));
  }

  /** Takes where the frame before is in the source. */
  #source(text: string): boolean {
    const frames = this.#frames;
    const match = SOURCE.exec(text);
    const last = frames[frames.length - 1];
    if (match === null || last.source !== undefined) return false;
    frames[frames.length - 1] = { ...last, source: { file: match[1], ...(match[2] === undefined ? {} : { line: Number(match[2]) }) } };
    return true;
  }
}

/** A line as read: of the module and the function what is known. */
interface FrameLine {
  readonly address: bigint;
  readonly byElfutils: boolean;
  readonly module: string;
  readonly fn: string;
  /** Undefined if it is not known, or more than any function has. */
  readonly offset?: number;
  /** Taken from the line below. */
  readonly source?: { readonly file: string; readonly line?: number };
}

function parse(text: string): FrameLine | 'no frame' | 'no line' {
  const match = FRAME.exec(text);
  if (match === null) return NO_FRAME.test(text) ? 'no frame' : 'no line';
  const [, module, fn, offset, prefix, address] = match as (string | undefined)[];
  if (address === undefined || /^0+$/.test(address) || module === undefined || fn === undefined) return 'no frame';
  return {
    address: BigInt(`0x${address}`),
    byElfutils: prefix === undefined,
    module: UNKNOWN.has(module) ? '' : module,
    // A symbol's version is no part of its name.
    fn: UNKNOWN.has(fn) ? '' : fn.replace(/@.*$/, ''),
    ...(offset === undefined ? {} : { offset: Number.parseInt(offset, 16) }),
  };
}

function frameOf({ address, byElfutils, module, fn, offset, source }: FrameLine, isFirst: boolean): Frame {
  const further = isFirst ? -1 : byElfutils ? 1 : 0;
  return {
    pc: BigInt.asUintN(64, address + BigInt(further)),
    ...(fn === '' ? {} : { fn }),
    ...(fn === '' || offset === undefined || offset + further < 0 ? {} : { offset: offset + further }),
    ...(module === '' ? {} : { module }),
    ...source,
  };
}
