/**
 * The fast lane of perf script recordings without stacks, and of the kernel's trace file: lines of threads and probes that were seen before, many in one loop, straight into
 * the sorting window.
 * Invariant: a line that is taken here gives the record that the reader's general path gives; any other line ends the stretch untouched, and
 * so does the last one that fits, because what follows it may be its stack.
 */
import {
  CALLER,
  CALLER_SHIFT,
  DECIMAL,
  EXTRA,
  FIRST_DOUBLE,
  FIRST_FOLLOWING,
  FIRST_VALUE,
  FIRST_WORD,
  FOLLOWING,
  HASH_FACTOR,
  LAST_DOUBLE,
  LATEST_TIME,
  LINE_END,
  MASK,
  MOST_DECIMAL,
  MOST_HEX,
  OLD,
  PLACE,
  PLACE_NUMBER,
  PTR,
  RECORD_KIND,
  REST,
  SHAPE,
  SIZE,
  STEP,
  STEPS,
  TEXT_LENGTH,
  WHOLE,
  ZERO as NO_SLOT,
} from '../perf/lane_plan';
import { CLOSE_BRACKET, COLON, DOT, SPACE, ZERO } from '../shared/letters';
import { TEXT_DOUBLES } from '../shared/text_rows';
import { ENTRY, RETURN } from '../uprobes/record_kinds';
import { extrasOf, MOST_CPU, NO_STACK, oldsOf, opsOf, ptrsOf, sizesOf, stacksOf, threadsOf } from './columns';
import { hexDigit } from './hex';
import { isPiece, numberFor } from './shape';

/** The value of a decimal digit; more than 9 for any other byte. */
function digitAt(at: usize): u32 {
  return <u32>load<u8>(at) - ZERO;
}

/** Whether the `length` bytes at `at` are those of a text kept as doubles from `first` to `last`. */
function isText(at: usize, length: u32, first: usize, last: usize): bool {
  if (load<u64>(at + length - 8) !== load<u64>(last)) return false;
  for (let place = first; place < last; place += 8) {
    if (load<u64>(at) !== load<u64>(place)) return false;
    at += 8;
  }
  return true;
}

/** What `readTime` has read: a CPU, -1 if there is none, and a time. */
let cpu: i32 = -1;
let seconds: u32 = 0;
let nanos: u32 = 0;

/** Reads what stands between the thread and the probe. @returns Where it ends; 0 if it is not as usual. */
function readTime(line: usize, start: usize, hasCpu: bool, flagged: bool): usize {
  let at = start;
  cpu = -1;
  if (hasCpu) {
    cpu = 0;
    for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) cpu = cpu * 10 + digit;
    if (at === start || at > start + MOST_DECIMAL || cpu > MOST_CPU || load<u8>(at++) !== CLOSE_BRACKET) return 0;
  }
  while (load<u8>(at) === SPACE) at++;
  if (flagged && digitAt(at) > 9) {
    while (load<u8>(at) > <u8>SPACE) at++;
    while (load<u8>(at) === SPACE) at++;
  }
  const secondsAt = at;
  seconds = 0;
  for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) seconds = seconds * 10 + digit;
  if (at === secondsAt || at > secondsAt + MOST_DECIMAL || at > line + LATEST_TIME || load<u8>(at++) !== DOT) return 0;
  const micros = load<u8>(at + 6) === COLON;
  const end = at + (micros ? 6 : 9);
  nanos = 0;
  for (; at < end; at++) {
    const digit = digitAt(at);
    if (digit > 9) return 0;
    nanos = nanos * 10 + digit;
  }
  if (micros) nanos *= 1000;
  return at;
}

/** Compares the event at `start` with a shape, and puts its numbers into `values`. @returns Where the line ends; 0 if it does not fit. */
function readEvent(start: usize, shape: usize, texts: usize, words: usize, values: usize): usize {
  const length = load<u32>(shape, TEXT_LENGTH << 2);
  if (!isText(start, length, texts + (load<u32>(shape, FIRST_DOUBLE << 2) << 3), texts + (load<u32>(shape, LAST_DOUBLE << 2) << 3)))
    return 0;
  let at = start + length;
  let following = load<u32>(shape, FIRST_FOLLOWING << 2);
  let word = words + (load<u32>(shape, FIRST_WORD << 2) << 2);
  let slot = values + (FIRST_VALUE << 3);
  let step = shape + (STEPS << 2);
  while (following !== LINE_END) {
    const from = at;
    if (following === DECIMAL) {
      let value: u32 = 0;
      for (let digit = digitAt(at); digit < 10; digit = digitAt(++at)) value = value * 10 + digit;
      if (at === from || at > from + MOST_DECIMAL) return 0;
      store<f64>(slot, <f64>value);
    } else {
      let address: u64 = 0;
      const end = from + MOST_HEX;
      for (let digit = hexDigit(load<u8>(at)); digit < 16 && at < end; digit = hexDigit(load<u8>(++at))) address = (address << 4) | digit;
      if (at === from) return 0;
      store<f64>(slot, <f64>address);
    }
    slot += 8;
    const whole = load<u32>(step, WHOLE << 2);
    if (!isPiece(at, word, whole, load<u32>(step, MASK << 2))) return 0;
    word += (whole + 1) << 2;
    at += (whole << 2) + load<u32>(step, REST << 2);
    following = load<u32>(step, FOLLOWING << 2);
    step += STEP << 2;
  }
  return at;
}

/** A call's entry is told by its return, which counts. */
function counts(kind: i32): bool {
  return kind < ENTRY || kind >= RETURN;
}

/** See `Lanes`. */
export function runUprobeLane(
  headCount: u32,
  headLengths: usize,
  headTexts: usize,
  headLasts: usize,
  headHasCpu: usize,
  headThreads: usize,
  shapeCount: u32,
  plan: usize,
  shapeTexts: usize,
  words: usize,
  after: usize,
  values: usize,
  callerKeys: usize,
  callerStacks: usize,
  flagged: bool,
  records: usize,
  originSeconds: f64,
  originNanos: f64,
  columns: usize,
  cpus: usize,
  capacity: u32,
  firstRow: u32,
  results: usize,
  start: usize,
  furthest: usize,
): usize {
  const times = columns;
  const ptrs = ptrsOf(columns, capacity);
  const olds = oldsOf(columns, capacity);
  const sizes = sizesOf(columns, capacity);
  const extras = extrasOf(columns, capacity);
  const threads = threadsOf(columns, capacity);
  const stacks = stacksOf(columns, capacity);
  const ops = opsOf(columns, capacity);
  let head = load<u32>(results);
  let number = load<u32>(results, 4);
  let takenHead = head;
  let former = head;
  let formerLine = start;
  let inOrder = true;
  let row = firstRow;
  let before = row > 0 ? load<f64>(times + ((row - 1) << 3)) : -Infinity;
  let line = start;
  for (; row < capacity && line <= furthest; row++) {
    const guess = head;
    let isKnown = false;
    do {
      const text = headTexts + ((head * TEXT_DOUBLES) << 3);
      isKnown = isText(line, load<u32>(headLengths + (head << 2)), text, headTexts + (load<u32>(headLasts + (head << 2)) << 3));
      if (isKnown) break;
      head = head + 1 === headCount ? 0 : head + 1;
    } while (head !== guess);
    if (!isKnown) break;
    const hasCpu = load<u8>(headHasCpu + head) !== 0;
    if (hasCpu && cpus === 0) break;
    const eventAt = readTime(line, line + load<u32>(headLengths + (head << 2)), hasCpu, flagged);
    if (eventAt === 0) break;

    const formerShape = number;
    number = load<u8>(after + number);
    const likely = number;
    let shape = plan + ((number * SHAPE) << 2);
    let end = readEvent(eventAt, shape, shapeTexts, words, values);
    while (end === 0) {
      number = number + 1 === shapeCount ? 0 : number + 1;
      if (number === likely) break;
      shape = plan + ((number * SHAPE) << 2);
      end = readEvent(eventAt, shape, shapeTexts, words, values);
    }
    if (end === 0) break;

    let context = NO_STACK;
    if (load<u32>(shape, CALLER << 2) !== NO_SLOT) {
      const caller = numberFor(CALLER, shape, values);
      const place = (<u32>(<u64>caller) * <u32>HASH_FACTOR) >> CALLER_SHIFT;
      if (caller === 0 || load<f64>(callerKeys + (place << 3)) !== caller) break;
      context = load<i32>(callerStacks + (place << 2));
    }
    store<f64>(values, <f64>load<u32>(shape, PLACE_NUMBER << 2), PLACE << 3);
    const now = (<f64>seconds - originSeconds) * 1e9 + (<f64>nanos - originNanos);
    const kind = load<i32>(shape, RECORD_KIND << 2);
    const thread = load<u32>(headThreads + (head << 2));
    if (counts(kind)) store<f64>(records + (thread << 3), load<f64>(records + (thread << 3)) + 1);
    store<u8>(ops + row, <u8>kind);
    store<u32>(threads + (row << 2), thread);
    store<f64>(times + (row << 3), now);
    store<f64>(ptrs + (row << 3), numberFor(PTR, shape, values));
    store<f64>(olds + (row << 3), numberFor(OLD, shape, values));
    store<f64>(sizes + (row << 3), numberFor(SIZE, shape, values));
    store<f64>(extras + (row << 3), numberFor(EXTRA, shape, values));
    store<i32>(stacks + (row << 2), context);
    if (cpus !== 0) store<i16>(cpus + (row << 1), <i16>cpu);
    if (now < before) inOrder = false;
    before = now;
    store<u8>(after + formerShape, <u8>number);
    takenHead = former;
    former = head;
    formerLine = line;
    line = end;
  }
  // The last one goes back.
  if (row > firstRow) {
    row--;
    const thread = load<u32>(threads + (row << 2));
    if (counts(load<u8>(ops + row))) store<f64>(records + (thread << 3), load<f64>(records + (thread << 3)) - 1);
  }
  store<u32>(results, takenHead);
  store<u32>(results, number, 4);
  store<u32>(results, row - firstRow, 8);
  store<u32>(results, inOrder ? 1 : 0, 12);
  return formerLine;
}
