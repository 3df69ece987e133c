/**
 * Stacks as Valgrind's tools write their frames (coregrind/m_debuginfo/debuginfo.c, describe_IP), one text each:
 *
 *     0x1094C3: parse_request (leaky.c:28)
 *     0x48417B4: malloc (in /usr/libexec/valgrind/vgpreload_dhat-amd64-linux.so)
 *     0x1FFF0009DE: ???
 *
 * Invariant: a stack has one frame for each call; functions inlined at an address, which Valgrind lists as frames of their own, are its `inlined`.
 * Differs: callers have their return addresses; Valgrind writes addresses one before those.
 */
import type { Frame, InlinedFrame, StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';

/** What one text says. */
interface Place {
  readonly pc: bigint | undefined;
  /** The frame without its address. */
  readonly frame: Frame;
}

/** Functions that can be one call: no compiler inlines as many into each other, and each further one would make its frame another, as long as all before. */
const MOST_INLINED = 256;

/** Stacks of one file: each text is read once. A path of texts grows and shrinks at its outermost end, so that a tree of them is walked without beginning anew. */
export class ValgrindStacks {
  readonly stacks: StackTable;
  readonly #places = new Map<string, Place>();
  /** The path, leaf first. */
  readonly #texts: string[] = [];
  /** Calls of the path: where in `#texts` each begins, and the frame that it is, of the first `#known` calls. */
  readonly #starts: number[] = [];
  readonly #frames: FrameIndex[] = [];
  #known = 0;
  /** Calls of a single text, by that: those of stacks' ends, and those that were called from. */
  readonly #leaves = new Map<string, FrameIndex>();
  readonly #callers = new Map<string, FrameIndex>();

  constructor(stacks: StackTable) {
    this.stacks = stacks;
  }

  /** The stack of these frames, leaf first. */
  intern(texts: readonly string[]): StackIndex {
    while (this.#texts.length > 0) this.pop();
    for (const text of texts) this.push(text);
    return this.internPath();
  }

  /** Adds a frame to the path, outside of those that it has. */
  push(text: string): void {
    const call = this.#starts.length - 1;
    if (call >= 0 && this.#isInlinedIn(text, call)) this.#known = Math.min(this.#known, call);
    else this.#starts.push(this.#texts.length);
    this.#texts.push(text);
  }

  /** Takes the outermost frame off the path. */
  pop(): void {
    this.#texts.pop();
    const call = this.#starts.length - 1;
    if (this.#starts[call] === this.#texts.length) this.#starts.pop();
    this.#known = Math.min(this.#known, call);
  }

  /** The stack that the path is. */
  internPath(): StackIndex {
    for (; this.#known < this.#starts.length; this.#known++) this.#frames[this.#known] = this.#frameOf(this.#known);
    return this.stacks.intern(this.#frames, this.#known);
  }

  /** True if the frame behind the last call has its address: what was called last is then inlined in it. */
  #isInlinedIn(text: string, call: number): boolean {
    const start = this.#starts[call];
    const { pc } = this.#place(this.#texts[start]);
    if (pc === undefined || this.#texts.length - start >= MOST_INLINED || this.#place(text).pc !== pc) return false;
    // A recursive call has the address of its caller as well, but the same text.
    return !this.#texts.includes(text, start);
  }

  #frameOf(call: number): FrameIndex {
    const start = this.#starts[call];
    const outermost = (this.#starts[call + 1] ?? this.#texts.length) - 1;
    if (start < outermost) return this.#newFrame(start, outermost);
    const known = start === 0 ? this.#leaves : this.#callers;
    const text = this.#texts[start];
    let frame = known.get(text);
    if (frame === undefined) known.set(text, (frame = this.#newFrame(start, outermost)));
    return frame;
  }

  /** The frame of the texts from `start` to `outermost`. */
  #newFrame(start: number, outermost: number): FrameIndex {
    const { pc } = this.#place(this.#texts[start]);
    const inlined = this.#texts.slice(start, outermost).map((text) => inlinedFrame(this.#place(text).frame));
    return this.stacks.frames.intern({
      ...(pc === undefined ? {} : { pc: start === 0 ? pc : BigInt.asUintN(64, pc + 1n) }),
      ...this.#place(this.#texts[outermost]).frame,
      ...(inlined.length === 0 ? {} : { inlined }),
    });
  }

  #place(text: string): Place {
    let place = this.#places.get(text);
    if (place === undefined) {
      place = readFrame(text);
      this.#places.set(text, place);
    }
    return place;
  }
}

function inlinedFrame({ fn = '???', file, line }: Frame): InlinedFrame {
  return { fn, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
}

const ADDRESS = /^0x([0-9a-f]{1,16}): /i;
/** Programs that write DHAT's format themselves add a column. */
const FILE_AND_LINE = /^([^:]+(?::[^:0-9][^:]*)*):(\d{1,9})(?::\d+)?$/;

/** Reads a frame's text. Text of another form is a name. */
function readFrame(text: string): Place {
  const address = ADDRESS.exec(text);
  const pc = address === null ? undefined : BigInt(`0x${address[1]}`);
  const rest = address === null ? text : text.slice(address[0].length);
  return { pc, frame: readPlace(rest) };
}

function readPlace(text: string): Frame {
  if (!text.endsWith(')')) return named(text);
  const object = text.indexOf(' (in ');
  if (object >= 0) return { ...named(text.slice(0, object)), module: text.slice(object + 5, -1) };
  const open = text.lastIndexOf(' (');
  const source = open < 0 ? null : FILE_AND_LINE.exec(text.slice(open + 2, -1));
  if (source === null) return named(text);
  return { ...named(text.slice(0, open)), file: source[1], line: Number(source[2]) };
}

function named(fn: string): Frame {
  return fn === '' || fn === '???' ? {} : { fn };
}
