/**
 * Stack lines of `perf script`: address, symbol+0xoffset, module; functions that the compiler inlined come before the one that holds them.
 * Invariant: equal runs of lines give one frame.
 * What the format cannot say: newer versions print addresses relative to the file that the code lies in. Such a number is no address
 * of the process, and the same in several files, so it is kept in the name where there is no symbol, and else dropped.
 */
import type { Frame, FrameTable, InlinedFrame } from '../../core/trace/stacks.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { textOf } from '../shared/cursor.ts';

const LINE = /^([0-9a-f]{1,16}) (.*) \((.*)\)$/s;
/** Without the module, or nothing but the address (`-F ip,sym`, `-F ip`). */
const WITHOUT_MODULE = /^([0-9a-f]{1,16})(?: (.+))?$/s;
const SYMBOL = /^(.*)\+0x([0-9a-f]{1,13})$/s;
const SOURCE = /^(.+):(\d{1,15})( \(inlined\))?$/s;
/** In place of a source line that is not known: the file and the place in it. */
const NO_SOURCE = /^.+\[[0-9a-f]+\]( \(inlined\))?$/s;
/** Behind the module, where in it the address lies (`-F +dsoff`). */
const MODULE_OFFSET = /(?<=.)\+0x[0-9a-f]{1,16}$/;
const INLINED = 'inlined';
const UNKNOWN = '[unknown]';
/** Below it a number is taken for an offset in a file, above it for an address of the process. */
const LOWEST_ADDRESS = 1n << 32n;
const HIGHEST_ADDRESS = 1n << 47n;

/** A stack line, as read. */
interface StackLine {
  readonly address: string;
  readonly fn: string | undefined;
  readonly offset: number | undefined;
  /** Undefined for an inlined function. */
  readonly module: string | undefined;
  /** Line of its own, after the frame's (`-F +srcline`); `file` is undefined where none is known. `inlined`: the frame is an inlined function's. */
  readonly source: SourceLine | undefined;
}

interface SourceLine {
  readonly file: string | undefined;
  readonly line: number;
  readonly inlined: boolean;
}

/** Collects the stack lines of one event into frames. */
export class PerfStack {
  readonly #frames: FrameTable;
  readonly #lines = new ByteTable();
  readonly #parsed: (StackLine | undefined)[] = [];
  /** Row of `#lines` -> frame of that line alone, -1 if it is not known yet. */
  readonly #single: number[] = [];
  /** Inlined functions that wait for the one that holds them. */
  #inlined: StackLine[] = [];
  /** The line of the frame added last, and the functions inlined there, until the line behind it has come. */
  #last: StackLine | undefined;
  #lastInlined: StackLine[] = [];
  /** FrameIndex values, leaf first. */
  readonly entries = new Int32Array(1024);
  length = 0;

  constructor(frames: FrameTable) {
    this.#frames = frames;
  }

  clear(): void {
    this.length = 0;
    this.#last = undefined;
    if (this.#inlined.length > 0) this.#inlined = [];
  }

  /** Takes a stack line without its indent; false if it is none. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    const lines = this.#lines;
    const known = lines.length;
    const row = lines.intern(bytes, start, end);
    if (row === known) {
      this.#parsed[row] = parseLine(textOf(bytes, start, end));
      this.#single[row] = -1;
    }
    const line = this.#parsed[row];
    if (line === undefined) return false;
    if (line.source !== undefined) {
      this.#addSource(line);
      return true;
    }
    if (line.module === undefined) {
      this.#last = undefined;
      if (this.#inlined.length > 0 && this.#inlined[0].address !== line.address) this.finish();
      this.#inlined.push(line);
      return true;
    }
    if (this.#inlined.length > 0 && this.#inlined[0].address !== line.address) this.finish();
    this.#last = line;
    if (this.#inlined.length > 0) {
      this.#lastInlined = this.#inlined;
      this.#push(this.#frames.intern({ ...frameOf(line), inlined: this.#inlined.map(inlinedOf) }));
      this.#inlined = [];
    } else {
      this.#lastInlined = [];
      if (this.#single[row] < 0) this.#single[row] = this.#frames.intern(frameOf(line));
      this.#push(this.#single[row]);
    }
    return true;
  }

  /** Ends the stack: inlined functions whose holder is missing become a frame, the outermost being the holder. */
  finish(): void {
    const outermost = this.#inlined.pop();
    if (outermost === undefined) return;
    const inlined = this.#inlined.map(inlinedOf);
    this.#push(this.#frames.intern(inlined.length > 0 ? { ...frameOf(outermost), inlined } : frameOf(outermost)));
    this.#inlined.length = 0;
  }

  #addSource({ source }: StackLine): void {
    const { file, line, inlined } = source!;
    const holder = this.#last;
    if (inlined && holder !== undefined) {
      // Only its source line tells that the frame before is no frame of its own.
      this.length--;
      this.#inlined = [...this.#lastInlined, { ...holder, module: undefined }];
    }
    this.#last = undefined;
    if (file === undefined) return;
    const last = this.#inlined.length - 1;
    if (last >= 0) this.#inlined[last] = { ...this.#inlined[last], source: { file, line, inlined } };
    else if (this.length > 0) {
      const frame = this.#frames.frames[this.entries[this.length - 1]];
      if (frame.file === undefined) this.entries[this.length - 1] = this.#frames.intern({ ...frame, file, line });
    }
  }

  #push(frame: number): void {
    if (this.length < this.entries.length) this.entries[this.length++] = frame;
  }
}

function parseLine(text: string): StackLine | undefined {
  const match = LINE.exec(text);
  // A name may end in brackets too: `apply<void (*)(int)>(int)`.
  const whole = match !== null && isBalanced(match[3]) ? match : WITHOUT_MODULE.exec(text);
  if (whole === null) return sourceOf(text);
  const [, address, name = UNKNOWN, place = UNKNOWN] = whole;
  const symbol = SYMBOL.exec(name);
  const fn = symbol === null ? name : symbol[1];
  return {
    address,
    fn: fn === UNKNOWN ? undefined : fn,
    offset: symbol === null ? undefined : Number.parseInt(symbol[2], 16),
    module: place === INLINED ? undefined : place.replace(MODULE_OFFSET, ''),
    source: undefined,
  };
}

function sourceOf(text: string): StackLine | undefined {
  const [, file, line, inlined] = SOURCE.exec(text) ?? [];
  const without = NO_SOURCE.exec(text);
  if (file === undefined && without === null) return undefined;
  const known = file !== undefined && file !== '??';
  const source = { file: known ? file : undefined, line: known ? Number(line) : 0, inlined: (inlined ?? without?.[1]) !== undefined };
  return { address: '', fn: undefined, offset: undefined, module: undefined, source };
}

/** False if a bracket closes that was not opened. */
function isBalanced(text: string): boolean {
  let depth = 0;
  for (const letter of text) {
    if (letter === '(') depth++;
    else if (letter === ')' && --depth < 0) return false;
  }
  return true;
}

function frameOf({ address, fn, offset, module, source }: StackLine): Frame {
  const value = BigInt(`0x${address}`);
  const frame: { -readonly [key in keyof Frame]: Frame[key] } = {};
  const isAddress = value >= LOWEST_ADDRESS && value < HIGHEST_ADDRESS;
  if (isAddress) frame.pc = value;
  if (fn !== undefined) frame.fn = fn;
  else if (!isAddress) frame.fn = `${(module ?? UNKNOWN).replace(/^.*\//, '')}+0x${address}`;
  if (offset !== undefined) frame.offset = offset;
  if (module !== undefined && module !== UNKNOWN) frame.module = module;
  if (source !== undefined) {
    if (source.file !== undefined) frame.file = source.file;
    frame.line = source.line;
  }
  return frame;
}

function inlinedOf({ fn, source }: StackLine): InlinedFrame {
  const name = fn ?? UNKNOWN;
  return source?.file === undefined ? { fn: name } : { fn: name, file: source.file, line: source.line };
}
