/**
 * The fast lane of perf script recordings without stacks, and of the kernel's trace file: lines of threads and probes that were seen before, many in one loop, straight into
 * the sorting window.
 * Invariant: a line that is taken here gives the record that the reader's general path gives; any other line ends the stretch untouched, and
 * so does the last one that fits, because what follows it may be its stack.
 * Differs: everything in locals, texts compared four bytes at once.
 */
import { MOST_CPU } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import { fourDigits, HEX, twelveHex } from '../shared/cursor.ts';
import { CLOSE_BRACKET, COLON, DOT, SPACE, ZERO } from '../shared/letters.ts';
import { TEXT_DOUBLES } from '../shared/text_rows.ts';
import type { ProbeCalls } from '../uprobes/probe_calls.ts';
import { ENTRY, RETURN } from '../uprobes/record_kinds.ts';
import type { CallerStacks } from './caller_stacks.ts';
import { EventShapes } from './event_shapes.ts';
import * as Plan from './lane_plan.ts';
import { LineHeads } from './line_heads.ts';

/** What the lane knows of lines, and where it was when it ended. */
export class UprobeLane {
  readonly heads = new LineHeads();
  readonly shapes = new EventShapes();
  readonly callers: CallerStacks;
  readonly values = new Float64Array(Plan.FIRST_VALUE + Plan.MOST_VALUES);
  /** Head and shape of the line taken last. */
  head = 0;
  shape = 0;
  /** Lines taken by the last stretch. */
  taken = 0;
  /** A word stands between CPU and time. */
  readonly flagged: boolean;

  constructor(callers: CallerStacks, flagged: boolean) {
    this.callers = callers;
    this.flagged = flagged;
  }

  forgetHeads(): void {
    this.heads.clear();
    this.head = 0;
  }
}

/**
 * Takes lines from `start` on that begin at `furthest` at most, until one does not fit or the window is full. LONGEST_FIT bytes behind
 * `furthest` can be read, and there is a newline further on. `view` is of the same bytes; the time of a record is known.
 * @returns The start of the first line that was not taken.
 */
export function runUprobeLane(
  lane: UprobeLane,
  calls: ProbeCalls,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  furthest: number,
): number {
  const { values, flagged } = lane;
  const { count: headCount, lengths, texts: headTexts, lasts, hasCpu, thread: headThread } = lane.heads;
  const { count: shapeCount, plan, texts, words, after } = lane.shapes;
  const { keys: callerKeys, stacks: callerStacks } = lane.callers;
  const { records } = calls;
  const { seconds: originSeconds, nanos: originNanos } = calls.origin;
  const rows = calls.room();
  const { op, thread, time: times, ptr, old, size, extra, stack, cpu: cpus, capacity } = rows;
  const hex = HEX;
  const first = rows.length;
  let row = first;
  let before = row > 0 ? times[row - 1] : -Infinity;
  let inOrder = true;
  let { head, shape: number } = lane;
  let former = head;
  let takenHead = head;
  let formerLine = start;
  let line = start;
  lines: for (; row < capacity && line <= furthest; row++) {
    let guess = head;
    for (;;) {
      const last = lasts[head];
      if (view.getFloat64(line + lengths[head] - 8, true) === headTexts[last]) {
        let place = head * TEXT_DOUBLES;
        for (let from = line; place < last && view.getFloat64(from, true) === headTexts[place]; from += 8) place++;
        if (place === last) break;
      }
      head = head + 1 === headCount ? 0 : head + 1;
      if (head === guess) break lines;
    }
    let at = line + lengths[head];
    let cpu = -1;
    if (hasCpu[head] !== 0) {
      cpu = 0;
      const from = at;
      for (let digit = bytes[at] - ZERO; digit >>> 0 < 10; digit = bytes[++at] - ZERO) cpu = (cpu * 10 + digit) | 0;
      if (at === from || at > from + Plan.MOST_DECIMAL || cpu > MOST_CPU || bytes[at++] !== CLOSE_BRACKET || cpus === undefined) break;
    }
    while (bytes[at] === SPACE) at++;
    if (flagged && (bytes[at] - ZERO) >>> 0 > 9) {
      while (bytes[at] > SPACE) at++;
      while (bytes[at] === SPACE) at++;
    }
    let seconds = 0;
    const secondsAt = at;
    for (let digit = bytes[at] - ZERO; digit >>> 0 < 10; digit = bytes[++at] - ZERO) seconds = (seconds * 10 + digit) | 0;
    if (at === secondsAt || at > secondsAt + Plan.MOST_DECIMAL || at > line + Plan.LATEST_TIME || bytes[at++] !== DOT) break;
    const four = fourDigits(view, at);
    let nanos = 0;
    if (bytes[at + 6] === COLON) {
      const fifth = bytes[at + 4] - ZERO;
      const sixth = bytes[at + 5] - ZERO;
      if (four < 0 || fifth >>> 0 > 9 || sixth >>> 0 > 9) break;
      nanos = (four * 100 + fifth * 10 + sixth) * 1000;
      at += 6;
    } else {
      const eight = fourDigits(view, at + 4);
      const ninth = bytes[at + 8] - ZERO;
      if (four < 0 || eight < 0 || ninth >>> 0 > 9) break;
      nanos = four * 100000 + eight * 10 + ninth;
      at += 9;
    }

    const eventAt = at;
    const formerShape = number;
    number = after[number];
    guess = number;
    let shape = 0;
    shapes: for (;;) {
      shape = number * Plan.SHAPE;
      at = eventAt + plan[shape + Plan.TEXT_LENGTH];
      const last = plan[shape + Plan.LAST_DOUBLE];
      let place = last;
      if (view.getFloat64(at - 8, true) === texts[last]) {
        place = plan[shape + Plan.FIRST_DOUBLE];
        for (let from = eventAt; place < last && view.getFloat64(from, true) === texts[place]; from += 8) place++;
      } else place = -1;
      if (place === last) {
        let following = plan[shape + Plan.FIRST_FOLLOWING];
        let word = plan[shape + Plan.FIRST_WORD];
        let slot = Plan.FIRST_VALUE;
        for (let step = shape + Plan.STEPS; ; step += Plan.STEP) {
          const from = at;
          if (following === Plan.DECIMAL) {
            let value = 0;
            for (let digit = bytes[at] - ZERO; digit >>> 0 < 10; digit = bytes[++at] - ZERO) value = (value * 10 + digit) | 0;
            if (at === from || at > from + Plan.MOST_DECIMAL) break;
            values[slot++] = value;
          } else {
            let address = twelveHex(bytes, at);
            if (address >= 0) at += Plan.MOST_HEX;
            else {
              address = 0;
              for (let digit = hex[bytes[at]]; digit < 16 && at < from + Plan.MOST_HEX; digit = hex[bytes[++at]])
                address = address * 16 + digit;
              if (at === from) break;
            }
            values[slot++] = address;
          }
          const end = word + plan[step + Plan.WHOLE];
          for (; word < end && view.getInt32(at, true) === words[word]; word++) at += 4;
          if (word !== end || ((view.getInt32(at, true) ^ words[word++]) & plan[step + Plan.MASK]) !== 0) break;
          at += plan[step + Plan.REST];
          following = plan[step + Plan.FOLLOWING];
          if (following === Plan.LINE_END) break shapes;
        }
      }
      number = number + 1 === shapeCount ? 0 : number + 1;
      if (number === guess) break lines;
    }

    let context: number = NO_STACK;
    const callerSlot = plan[shape + Plan.CALLER];
    if (callerSlot !== Plan.ZERO) {
      const caller = values[callerSlot];
      const place = Math.imul(caller | 0, Plan.HASH_FACTOR) >>> Plan.CALLER_SHIFT;
      if (caller === 0 || callerKeys[place] !== caller) break;
      context = callerStacks[place];
    }
    values[Plan.PLACE] = plan[shape + Plan.PLACE_NUMBER];
    const now = (seconds - originSeconds) * 1e9 + (nanos - originNanos);
    const kind = plan[shape + Plan.RECORD_KIND];
    const index = headThread[head];
    if (kind < ENTRY || kind >= RETURN) records[index]++;
    op[row] = kind;
    thread[row] = index;
    times[row] = now;
    ptr[row] = values[plan[shape + Plan.PTR]];
    old[row] = values[plan[shape + Plan.OLD]];
    size[row] = values[plan[shape + Plan.SIZE]];
    extra[row] = values[plan[shape + Plan.EXTRA]];
    stack[row] = context;
    if (cpus !== undefined) cpus[row] = cpu;
    if (now < before) inOrder = false;
    before = now;
    after[formerShape] = number;
    takenHead = former;
    former = head;
    formerLine = line;
    line = at;
  }
  // The last one goes back.
  if (row > first) {
    row--;
    if (op[row] < ENTRY || op[row] >= RETURN) records[thread[row]]--;
  }
  lane.head = takenHead;
  lane.shape = number;
  lane.taken = row - first;
  if (row > first) calls.filled(row, inOrder);
  return formerLine;
}
