/**
 * The shapes of events as perf script prints them: `: probe_libc:malloc: (7f0d1f8b3930) size=`, a number, the line's end. A probe's lines
 * differ in their numbers alone.
 * Invariant: a shape is kept only of an event that the reader's general path took, and says what that does with its numbers.
 */
import { Op } from '../../core/trace/events.ts';
import { ENTRY, RETURN } from '../uprobes/record_kinds.ts';
import { argumentPlaces, type UprobeEvent } from './arguments.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import { isPlain, putDoubles } from '../shared/doubles.ts';
import * as Plan from './lane_plan.ts';
import { SPACE, EQUALS } from '../shared/letters.ts';

const ARROW = Buffer.from('<- ');
const BRACKET = Buffer.from('(');
const HEX_PREFIX = Buffer.from('0x');

/** A number's place on the line, and how it is written. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly hex: boolean;
}

/** Shapes by number, as columns for the lane. */
export class EventShapes {
  count = 0;
  /** For shape s: its header and steps at s times SHAPE (lane_plan.ts). */
  readonly plan: Int32Array;
  /** Text before the first number. */
  readonly texts: Float64Array;
  /** Those behind it, four bytes a word, little-endian. */
  readonly words: Int32Array;
  /** Shape -> the one that came after it last. */
  readonly after: Uint8Array;
  #words = 0;

  constructor(memory: LaneMemory) {
    this.plan = memory.int32(Plan.MOST_SHAPES * Plan.SHAPE);
    this.texts = memory.float64((Plan.MOST_SHAPES * Plan.MOST_TEXT) / 8);
    this.words = memory.int32(Plan.MOST_SHAPES * (Plan.MOST_TEXT / 4 + Plan.MOST_VALUES + 1));
    this.after = memory.uint8(Plan.MOST_SHAPES);
  }

  /**
   * Remembers the shape of `event`, if there is none of its kind and place yet. It stands from the colon behind its time on; `bytes[end]` is a newline.
   * @returns false if its lines are not for the lane.
   */
  learn(bytes: Uint8Array, start: number, end: number, event: UprobeEvent, place: number): boolean {
    const { op, isReturn, plain } = event;
    if (!plain) return false;
    const kind = kindOf(event);
    for (let shape = 0; shape < this.count * Plan.SHAPE; shape += Plan.SHAPE)
      if (this.plan[shape + Plan.RECORD_KIND] === kind && this.plan[shape + Plan.PLACE_NUMBER] === place) return true;
    if (this.count === Plan.MOST_SHAPES) return false;
    // A return of posix_memalign gives no address, those of free and malloc_usable_size are not taken.
    if (isReturn && (op === Op.posix_memalign || op === Op.free || op === Op.malloc_usable_size)) return false;
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, end + 1);
    const spans = spansOf(line, start, end, event);
    if (spans === undefined) return false;
    const pieces = spans.map((span, i) => line.subarray(i === 0 ? start : spans[i - 1].end, span.start));
    pieces.push(line.subarray(spans[spans.length - 1].end, end + 1));
    if (pieces.reduce((sum, { length }) => sum + length, 0) > Plan.MOST_TEXT) return false;
    if (!isPlain(bytes, start, spans[0].start)) return false;
    const shape = this.count++ * Plan.SHAPE;
    this.#writeHeader(shape, event, place, spans.length);
    this.#writeFirst(shape, pieces[0], spans[0]);
    for (let i = 1; i < pieces.length; i++) this.#writeStep(shape + Plan.STEPS + (i - 1) * Plan.STEP, pieces[i], spans[i]);
    return true;
  }

  #writeHeader(shape: number, event: UprobeEvent, place: number, count: number): void {
    const { plan } = this;
    const { op, isReturn, caller } = event;
    const hasCaller = isReturn && caller > 0;
    plan.fill(Plan.ZERO, shape, shape + Plan.STEPS);
    plan[shape + Plan.RECORD_KIND] = kindOf(event);
    plan[shape + Plan.PLACE_NUMBER] = place;
    plan[shape + Plan.FIRST_WORD] = this.#words;
    if (isReturn) {
      plan[shape + Plan.CALLER] = hasCaller ? Plan.FIRST_VALUE : Plan.ZERO;
      plan[shape + Plan.PTR] = Plan.FIRST_VALUE + (hasCaller ? 1 : 0);
      plan[shape + Plan.OLD] = Plan.PLACE;
      return;
    }
    const { old, size, extra } = argumentPlaces(op, count);
    const slot = (argument: number) => (argument < 0 ? Plan.ZERO : Plan.FIRST_VALUE + argument);
    const whole = plan[shape + Plan.RECORD_KIND] < ENTRY;
    plan[shape + Plan.PTR] = whole ? slot(old) : Plan.PLACE;
    plan[shape + Plan.OLD] = whole ? Plan.ZERO : slot(old);
    plan[shape + Plan.SIZE] = slot(size);
    plan[shape + Plan.EXTRA] = slot(extra);
  }

  #writeFirst(shape: number, piece: Uint8Array, span: Span): void {
    const { plan } = this;
    const first = (shape / Plan.SHAPE) * (Plan.MOST_TEXT / 8);
    plan[shape + Plan.TEXT_LENGTH] = piece.length;
    plan[shape + Plan.FIRST_DOUBLE] = first;
    plan[shape + Plan.LAST_DOUBLE] = putDoubles(new DataView(Uint8Array.from(piece).buffer), 0, piece.length, this.texts, first);
    plan[shape + Plan.FIRST_FOLLOWING] = followingOf(span);
  }

  #writeStep(step: number, piece: Uint8Array, span: Span | undefined): void {
    const { plan } = this;
    plan[step + Plan.WHOLE] = piece.length >> 2;
    plan[step + Plan.REST] = piece.length & 3;
    plan[step + Plan.MASK] = (1 << (8 * (piece.length & 3))) - 1;
    plan[step + Plan.FOLLOWING] = span === undefined ? Plan.LINE_END : followingOf(span);
    const padded = new Uint8Array((piece.length & ~3) + 4);
    padded.set(piece);
    const view = new DataView(padded.buffer);
    for (let at = 0; at < padded.length; at += 4) this.words[this.#words++] = view.getInt32(at, true);
  }
}

function followingOf({ hex }: Span): number {
  return hex ? Plan.HEX_DIGITS : Plan.DECIMAL;
}

/** The kind of record that an event becomes: a call's entry or return, or a whole one of those that give nothing. */
function kindOf({ op, isReturn }: UprobeEvent): number {
  if (isReturn) return op + RETURN;
  return op === Op.free || op === Op.malloc_usable_size ? op : op + ENTRY;
}

/** The numbers of an event's line: a return address, then what stands behind equals signs; undefined if they are too many or odd. */
function spansOf(line: Buffer, start: number, end: number, event: UprobeEvent): Span[] | undefined {
  const spans: Span[] = [];
  let arguments_ = 0;
  const add = (from: number, hex: boolean): boolean => {
    const prefixed = line.subarray(from, from + 2).equals(HEX_PREFIX);
    const first = prefixed ? from + 2 : from;
    let last = first;
    const digit = hex || prefixed ? /[0-9a-fA-F]/ : /[0-9]/;
    while (last < end && digit.test(String.fromCharCode(line[last]))) last++;
    spans.push({ start: first, end: last, hex: hex || prefixed });
    return last > first;
  };
  const before = event.callerFirst ? BRACKET : ARROW;
  if (event.isReturn && event.caller > 0 && !add(line.indexOf(before, start) + before.length, true)) return undefined;
  for (let at = line.indexOf(EQUALS, start); at >= 0 && at < end; at = line.indexOf(EQUALS, at + 1)) {
    if (!add(at + 1, false)) return undefined;
    arguments_++;
    const after = spans[spans.length - 1].end;
    if (after < end && line[after] !== SPACE) return undefined;
  }
  // A return has one value, and an entry at least one.
  const usual = event.isReturn ? arguments_ === 1 : arguments_ > 0 && arguments_ < Plan.MOST_VALUES;
  return usual ? spans : undefined;
}
