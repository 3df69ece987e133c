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

/** Stacks of one file: each text is read once. */
export class ValgrindStacks {
  readonly stacks: StackTable;
  readonly #places = new Map<string, Place>();
  #path: FrameIndex[] = [];

  constructor(stacks: StackTable) {
    this.stacks = stacks;
  }

  /** The stack of these frames, leaf first. */
  intern(texts: readonly string[]): StackIndex {
    this.#path.length = 0;
    for (let start = 0; start < texts.length; ) {
      const { pc, frame } = this.#place(texts[start]);
      let end = start + 1;
      // A recursive call has the address of its caller as well, but the same text.
      const seen = new Set([texts[start]]);
      while (pc !== undefined && end < texts.length && !seen.has(texts[end]) && this.#place(texts[end]).pc === pc) seen.add(texts[end++]);
      const outermost = end === start + 1 ? frame : this.#place(texts[end - 1]).frame;
      const inlined = texts.slice(start, end - 1).map((text) => inlinedFrame(this.#place(text).frame));
      this.#path.push(
        this.stacks.frames.intern({
          ...(pc === undefined ? {} : { pc: start === 0 ? pc : BigInt.asUintN(64, pc + 1n) }),
          ...outermost,
          ...(inlined.length === 0 ? {} : { inlined }),
        }),
      );
      start = end;
    }
    return this.stacks.intern(this.#path);
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
