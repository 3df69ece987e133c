/**
 * The fast lane of an NDJSON trace: event lines of shapes that were seen before, which nearly all lines are.
 * Invariant: what a line does here is what the general path (EventLine.scan, then NdjsonReader's `#event`) would do; a line that needs
 * anything more ends the stretch untouched.
 * Differs: one loop over many lines with everything in locals. Texts are compared and decimal digits summed four bytes at once.
 */
import { MOST_CPU } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { HEX, twelveHex } from '../shared/cursor.ts';
import type { TimeOrigin } from '../shared/time_origin.ts';
import type { LineShapes } from './line_shape.ts';
import {
  CLOCK,
  CPU,
  DECIMAL,
  EXTRA,
  FIRST_VALUE,
  FIRST_WORD,
  HEX_DIGITS,
  HINT_AT,
  HINT_FACTOR,
  HINT_SHIFT,
  KIND,
  LONGEST_FIT,
  MASK,
  MOST_DIGITS,
  MOST_HEX,
  MOST_TIME_DIGITS,
  NEXT,
  NUMBER,
  OLD,
  OP,
  PTR,
  REST,
  SIZE,
  STACK,
  STEP,
  STEPS,
  TID,
  TIME,
  WHOLE,
  ZERO,
} from './shape_plan.ts';

const POWERS_OF_10 = Float64Array.of(1, 10, 100, 1000);

/** What the lane looks up besides shapes. */
export interface LaneTables {
  /** Rows of the threads whose ids came last in their slot; the number of slots is a power of two, -1 stands for none. */
  readonly tids: Float64Array;
  readonly rows: Int32Array;
  /** Stack ids of the file -> StackIndex; below NO_STACK for ids that were not defined. */
  readonly stacks: Int32Array;
}

/**
 * Takes lines from `start` on until the batch is full, a line does not fit, or `limit`, where there is a newline, is near.
 * `view` is of the same bytes; `number` is that of the event that comes next.
 * @returns The start of the first line that was not taken. The batch has grown by one row for each that was.
 */
export function runEventLane(
  { plan, words, likely, values }: LineShapes,
  { tids, rows, stacks }: LaneTables,
  origin: TimeOrigin,
  builder: BatchBuilder,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  limit: number,
  number: number,
): number {
  const { batch } = builder;
  const { op, thread, time, ptr, old, size, extra, stack, cpu, capacity } = batch;
  const { seconds: originSeconds, nanos: originNanos } = origin;
  const powers = POWERS_OF_10;
  const hexDigits = HEX;
  const furthest = limit - LONGEST_FIT;
  const before = number - batch.length;
  const tidMask = tids.length - 1;
  let { lastTime, raised } = builder;
  let row = batch.length;
  let line = start;
  lines: while (line <= furthest && row < capacity) {
    const hint = Math.imul(view.getInt32(line + HINT_AT, true), HINT_FACTOR) >>> HINT_SHIFT;
    const guess = likely[hint];
    if (guess < 0) break;
    let shape = guess;
    let at = line;
    let seconds = 0;
    shapes: for (;;) {
      let word = plan[shape + FIRST_WORD];
      let slot = FIRST_VALUE;
      steps: for (let step = shape + STEPS; ; step += STEP) {
        for (const last = word + plan[step + WHOLE]; word < last; word++) {
          if (view.getInt32(at, true) !== words[word]) break steps;
          at += 4;
        }
        if (((view.getInt32(at, true) ^ words[word]) & plan[step + MASK]) !== 0) break;
        word++;
        at += plan[step + REST];
        const kind = plan[step + KIND];
        const first = at;
        if (kind <= CLOCK) {
          let value = 0;
          for (;;) {
            const digits = view.getInt32(at, true) ^ 0x30303030;
            // The highest bit of each byte that is no digit, and perhaps of some after it: of a byte above 9 either it or its sum with 0x76 has it.
            const others = ((digits + 0x76767676) | 0 | digits) & 0x80808080;
            // Of the digits before the first such byte the last one goes to the end of the word, as if there were zeros before them.
            const count = others === 0 ? 4 : (31 - Math.clz32(others & -others)) >> 3;
            if (count === 0) break;
            const ended = digits << (32 - 8 * count);
            const pairs = (Math.imul(ended, 10) + (ended >>> 8)) & 0x00ff00ff;
            const four = (pairs & 0xff) * 100 + (pairs >>> 16);
            at += count;
            if (count < 4) {
              value = value * powers[count] + four;
              break;
            }
            value = value * 10000 + four;
            if (at > first + MOST_TIME_DIGITS) break steps;
          }
          const count = at - first;
          if (count === 0 || (count > 1 && bytes[first] === 0x30)) break;
          if (count > MOST_DIGITS) {
            if (kind === DECIMAL || count > MOST_TIME_DIGITS) break;
            // Wall-clock nanoseconds pass 2^53: seconds and nanoseconds are summed apart.
            const split = at - 9;
            for (let digit = first; digit < split; digit++) seconds = seconds * 10 + bytes[digit] - 0x30;
            value = 0;
            for (let digit = split; digit < at; digit++) value = value * 10 + bytes[digit] - 0x30;
          }
          values[slot++] = value;
        } else if (kind === HEX_DIGITS) {
          let address = twelveHex(bytes, at);
          if (address >= 0 && hexDigits[bytes[at + 12]] > 15) at += 12;
          else {
            let high = 0;
            let low = 0;
            for (let digit = hexDigits[bytes[at]]; digit <= 15; digit = hexDigits[bytes[++at]]) {
              high = (high << 4) | (low >>> 28);
              low = (low << 4) | digit;
              if (at - first >= MOST_HEX) break steps;
            }
            if (at === first) break;
            address = high * 4294967296 + (low >>> 0);
          }
          values[slot++] = address;
        } else break shapes;
      }
      shape = plan[shape + NEXT];
      if (shape === guess) break lines;
      at = line;
      seconds = 0;
    }

    values[NUMBER] = before + row;
    let now = (seconds - originSeconds) * 1e9 + (values[plan[shape + TIME]] - originNanos);
    const tid = values[plan[shape + TID]];
    const place = tid & tidMask;
    if (now < 0 || tids[place] !== tid) break;
    let context: number = NO_STACK;
    const stackSlot = plan[shape + STACK];
    if (stackSlot !== ZERO) {
      const id = values[stackSlot];
      if (id >= stacks.length) break;
      context = stacks[id | 0];
      if (context < NO_STACK) break;
    }
    const cpuSlot = plan[shape + CPU];
    if (cpuSlot !== ZERO) {
      if (cpu === undefined || values[cpuSlot] > MOST_CPU) break;
      cpu[row] = values[cpuSlot];
    }
    if (now < lastTime) {
      now = lastTime;
      raised++;
    }
    lastTime = now;
    op[row] = plan[shape + OP];
    thread[row] = rows[place];
    time[row] = now;
    ptr[row] = values[plan[shape + PTR]];
    old[row] = values[plan[shape + OLD]];
    size[row] = values[plan[shape + SIZE]];
    extra[row] = values[plan[shape + EXTRA]];
    stack[row] = context;
    row++;
    likely[hint] = shape;
    line = at;
  }
  batch.length = row;
  builder.lastTime = lastTime;
  builder.raised = raised;
  return line;
}
