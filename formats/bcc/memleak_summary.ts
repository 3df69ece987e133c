/**
 * Tables that bcc's memleak prints at intervals: stacks with what they allocated and did not free.
 *
 *     [23:54:13] Top 10 stacks with outstanding allocations:
 *     	21528 bytes in 69 allocations from stack
 *     		0x000055b85204324c	leak_session+0xe [leaky]
 *
 * The memleak of libbpf-tools (print_stack_frames in its memleak.c) indents less and numbers frames, and names the source where it can:
 *
 *     21528 bytes in 69 allocations from stack
 *     	0 [<000055b85204324c>] leak_session+0xe [leaky]
 *     	1 [<000055b85204360c>] handle+0xb2 /src/leaky.c:29
 *     	2 [<00007f155652324a>] <null sym>
 *
 * What was copied from a terminal has blanks in place of tabs, and some behind the lines: a frame is a line with an indent, however wide.
 *
 * Invariant: contexts are those of the last table, largest first; a table that the input's end cuts is dropped for the one before it,
 * unless it is the only one. A line of it that is no part of one is counted.
 * What the format cannot say: anything below the top of the table, and what was allocated in all.
 */
import type { ContextSums } from '../../core/trace/context_sums.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { InputError } from '../format.ts';
import { ascii, textOf } from '../shared/cursor.ts';
import { LineScanner } from '../shared/lines.ts';

/** What every table's heading says. */
export const SUMMARY_HEADING = ascii('stacks with outstanding allocations');
/** What every context of one ends with: a table that was copied may lack its heading. */
export const CONTEXT_END = ascii(' allocations from stack');

const HEADING = /(?:\bTop (\d+) )?stacks with outstanding allocations/;
const CONTEXT = /^\s*(\d+) bytes in (\d+) allocations from stack$/;
/** One of a context's blocks, by `-a`. */
const BLOCK = /^\s+addr = (?:0x)?[0-9a-f]+ size = \d+$/;
/** In place of frames, where memleak's table of stacks was full. */
const NO_STACK = /^\s+stack information lost$/;
/** Address and symbol are set apart by a tab, a space in older versions, and before the module stands a space. */
const FRAME = /^\s+(?:0x([0-9a-f]{1,16})\s+)?(\S.*?)(?:\+0x([0-9a-f]{1,13}))?(?: \[([^\]]*)\])?(?: \(([0-9a-f]+)\))?$/s;

/** Of libbpf-tools; what was copied may have lost the blanks before it. */
const IS_NUMBERED = /^\s*\d+ \[</;
const NUMBERED_FRAME = /^\s*\d+ \[<([0-9a-f]{16})>\](?: <[^>]*>|(?: (.*?)\+0x([0-9a-f]{1,13}))?(?: \[([^\]]*)\]| (.+):(\d{1,10}))?)$/s;
/** What stands at the end of some recordings: memleak's last word, and what a terminal shows of Ctrl-C. */
const LAST_WORD = /^(?:\^C)?(?:done)?$/;

/** Outstanding allocations of one stack. */
export interface OutstandingContext {
  bytes: number;
  objects: number;
  /** Leaf first. */
  stack: Frame[];
}

/** Reads tables of outstanding allocations. */
export class MemleakSummaryReader {
  readonly #lines: LineScanner;
  #last: OutstandingContext[] | undefined;
  #current: OutstandingContext[] | undefined;
  #open: OutstandingContext | undefined;
  #torn = false;
  #mostStacks = Infinity;
  #strangers = 0;
  #headless = false;
  /** Whether another line stands between the open context and here. */
  #interrupted = false;

  /** `name` is the input's, for errors. */
  constructor(name: string) {
    this.#lines = new LineScanner(name, this.#onLine.bind(this));
  }

  /** How many stacks a table has at most, by its heading; Infinity if it does not say. */
  get mostStacks(): number {
    return this.#mostStacks;
  }

  /** Whether the last table has no heading. */
  get headless(): boolean {
    return this.#headless;
  }

  /** Lines of the last table that are no part of one. */
  get strangers(): number {
    return this.#strangers;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  /**
   * The contexts of the last table, largest first.
   * @throws InputError if there is no table.
   */
  end(): OutstandingContext[] {
    if (this.#lines.end('whole', () => {})) this.#torn = true;
    const contexts = this.#torn ? (this.#last ?? this.#current) : this.#current;
    if (contexts === undefined) throw new InputError(this.#lines.place, 'no table of outstanding allocations');
    return contexts.sort((a, b) => b.bytes - a.bytes || b.objects - a.objects);
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    const line = textOf(bytes, start, end).trimEnd();
    const heading = HEADING.exec(line);
    if (heading !== null) {
      this.#last = this.#current;
      this.#current = [];
      this.#open = undefined;
      this.#strangers = 0;
      this.#headless = false;
      this.#mostStacks = Number(heading[1] ?? Infinity);
      return;
    }
    const context = CONTEXT.exec(line);
    if (this.#current === undefined && context !== null) {
      this.#current = [];
      this.#headless = true;
    }
    if (this.#current === undefined || BLOCK.test(line) || NO_STACK.test(line) || LAST_WORD.test(line)) return;
    if (context !== null) {
      this.#interrupted = false;
      this.#open = { bytes: Number(context[1]), objects: Number(context[2]), stack: [] };
      this.#current.push(this.#open);
      return;
    }
    const isNumbered = IS_NUMBERED.test(line);
    const isOpen = this.#open !== undefined && (isNumbered || !this.#interrupted);
    const frame = !isOpen ? undefined : isNumbered ? numberedFrameOf(line) : frameOf(line);
    if (frame !== undefined) {
      this.#open!.stack.push(frame);
      return;
    }
    // A frame with a number is one behind a line of another, too; others are known by where they stand.
    this.#interrupted = true;
    this.#strangers++;
  }
}

/** The last table of an input, as sums. @throws InputError if there is none. */
export async function sumMemleakTable(chunks: AsyncIterable<Uint8Array>, name: string): Promise<ContextSums> {
  const reader = new MemleakSummaryReader(name);
  for await (const chunk of chunks) reader.write(chunk);
  const contexts = reader.end();
  const { mostStacks, strangers, headless } = reader;
  return {
    source: 'memleak',
    contexts: contexts.map(({ stack, objects, bytes }) => ({
      stack,
      inuseObjects: objects,
      inuseBytes: bytes,
      allocObjects: 0,
      allocBytes: 0,
    })),
    sampleIntervalBytes: 1,
    accumulated: false,
    freedOnly: false,
    requested: true,
    warnings: [
      'these are the allocations of memleak’s last table: those older than its -o, scaled neither for its -s nor for what it lost',
      ...(headless ? ['the table’s heading is missing: stacks above the first one may be, too'] : []),
      ...(contexts.length < mostStacks ? [] : ['the table may leave out stacks smaller than these; memleak -T shows more']),
      ...(strangers === 0 ? [] : [`lines of memleak’s last table that are neither a stack nor one of its frames: ${strangers}`]),
    ],
  };
}

function frameOf(line: string): Frame | undefined {
  const match = FRAME.exec(line);
  if (match === null) return undefined;
  const [, pc, fn, offset, module] = match;
  return {
    ...(pc === undefined ? { fn } : { pc: BigInt(`0x${pc}`), ...(fn === '[unknown]' ? {} : { fn }) }),
    ...(offset === undefined ? {} : { offset: Number.parseInt(offset, 16) }),
    ...(module === undefined || module === 'unknown' ? {} : { module }),
  };
}

function numberedFrameOf(line: string): Frame | undefined {
  const match = NUMBERED_FRAME.exec(line);
  if (match === null) return undefined;
  const [, pc, fn, offset, dso, place, row] = match as (string | undefined)[];
  // Without a source, the file of the code stands in its place, at line 0.
  const isSource = place !== undefined && row !== '0';
  const module = dso ?? (isSource ? undefined : place);
  return {
    pc: BigInt(`0x${pc}`),
    ...(fn === undefined ? {} : { fn, offset: Number.parseInt(offset ?? '0', 16) }),
    ...(module === undefined ? {} : { module }),
    ...(isSource ? { file: place, line: Number(row) } : {}),
  };
}
