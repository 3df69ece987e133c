/**
 * The shapes of event lines: what stands between their numbers. A writer spells the lines of one operation alike, so that after the first
 * one only numbers have to be read (event_lane.ts).
 * Invariant: a shape is kept only of a line whose event was taken. So there is a first event when there is a shape, and the trace is known
 * to have times when a shape has one.
 */
import { Op } from '../../core/trace/events.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import type { EventLine } from './event_line.ts';
import { Key, NEEDS } from './line_keys.ts';
import * as Plan from './shape_plan.ts';

/** Shapes kept: the operations, with stacks and without, and as much again. */
const MOST_SHAPES = 48;

/** The columns of a plan, and the keys whose numbers go there if the operation has them. */
const COLUMNS: readonly (readonly [column: number, keys: number])[] = [
  [Plan.PTR, Key.ptr],
  [Plan.OLD, Key.old],
  [Plan.SIZE, Key.size],
  [Plan.EXTRA, Key.count | Key.alignment],
];

/** Shapes seen, as columns for the lane. */
export class LineShapes {
  /** For shape s, a multiple of SHAPE: its header and steps at s (shape_plan.ts). */
  readonly plan: Int32Array;
  /** Texts, four bytes a word, little-endian. */
  readonly words: Int32Array;
  /** Hash of what distinguishes lines -> the shape that such a line last had, -1 if there was none. */
  readonly likely: Int32Array;
  /** Numbers of the line being read, by slot. */
  readonly values: Float64Array;
  /** Text of a shape, its numbers left out -> where it is. */
  readonly #shapes = new Map<string, number>();
  #words = 0;

  constructor(memory: LaneMemory) {
    this.plan = memory.int32(MOST_SHAPES * Plan.SHAPE);
    this.words = memory.int32(MOST_SHAPES * (Plan.MOST_TEXT / 4 + Plan.MOST_VALUES + 1));
    this.likely = memory.int32(Plan.HINTS).fill(-1);
    this.values = memory.float64(Plan.FIRST_VALUE + Plan.MOST_VALUES);
  }

  /** Shapes kept. */
  get count(): number {
    return this.#shapes.size;
  }

  /** Remembers the shape of the line start..end, which `line` has just scanned. `bytes[end]` is a newline. */
  learn(bytes: Uint8Array, start: number, end: number, line: EventLine): void {
    const { spans, spanCount, present } = line;
    if (line.bad !== 0 || spanCount < 0 || line.op === Op.thread_exit || (present & Key.start_ts) !== 0) return;
    const pieces: Uint8Array[] = [];
    let at = start;
    for (let span = 0; span < 4 * spanCount; span += 4) {
      pieces.push(bytes.subarray(at, spans[span + 1]));
      at = spans[span + 2];
    }
    pieces.push(bytes.subarray(at, end + 1));
    if (pieces.reduce((sum, { length }) => sum + length, 0) > Plan.MOST_TEXT) return;
    const text = pieces.map((piece) => Buffer.from(piece).toString('latin1')).join('#');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const hint = Math.imul(view.getInt32(start + Plan.HINT_AT, true), Plan.HINT_FACTOR) >>> Plan.HINT_SHIFT;
    const known = this.#shapes.get(text);
    if (known !== undefined) {
      this.likely[hint] = known;
      return;
    }
    if (this.#shapes.size === MOST_SHAPES) {
      this.#shapes.clear();
      this.#words = 0;
      this.likely.fill(-1);
    }
    const shape = this.#shapes.size * Plan.SHAPE;
    this.#shapes.set(text, shape);
    this.likely[hint] = shape;
    this.#write(shape, pieces, line);
  }

  #write(shape: number, pieces: readonly Uint8Array[], { op, present, spans }: EventLine): void {
    const { plan } = this;
    const slotOf = (keys: number) => {
      for (let i = 0; i < pieces.length - 1; i++) if ((spans[4 * i] & keys) !== 0) return Plan.FIRST_VALUE + i;
      return Plan.ZERO;
    };
    plan[shape + Plan.OP] = op;
    plan[shape + Plan.TIME] = (present & Key.ts) === 0 ? Plan.NUMBER : slotOf(Key.ts);
    plan[shape + Plan.TID] = slotOf(Key.tid);
    plan[shape + Plan.STACK] = slotOf(Key.stack);
    plan[shape + Plan.CPU] = slotOf(Key.cpu);
    for (const [column, keys] of COLUMNS) plan[shape + column] = slotOf(keys & NEEDS[op]);
    plan[shape + Plan.FIRST_WORD] = this.#words;
    plan[shape + Plan.NEXT] = 0;
    if (shape > 0) plan[shape - Plan.SHAPE + Plan.NEXT] = shape;
    pieces.forEach((piece, i) => {
      const step = shape + Plan.STEPS + i * Plan.STEP;
      plan[step + Plan.WHOLE] = piece.length >> 2;
      plan[step + Plan.REST] = piece.length & 3;
      plan[step + Plan.MASK] = (1 << (8 * (piece.length & 3))) - 1;
      plan[step + Plan.KIND] = i === pieces.length - 1 ? Plan.LINE_END : kindOf(spans[4 * i], spans[4 * i + 3]);
      const padded = new Uint8Array((piece.length & ~3) + 4);
      padded.set(piece);
      const view = new DataView(padded.buffer);
      for (let at = 0; at < padded.length; at += 4) this.words[this.#words++] = view.getInt32(at, true);
    });
  }
}

function kindOf(key: number, hex: number): number {
  if (hex === 1) return Plan.HEX_DIGITS;
  return key === Key.ts ? Plan.CLOCK : Plan.DECIMAL;
}
