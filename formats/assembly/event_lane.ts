/**
 * The fast lane of an NDJSON trace: event lines of shapes that were seen before, which nearly all lines are.
 * Invariant: what a line does here is what the general path (EventLine.scan, then NdjsonReader's `#event`) would do; a line that needs
 * anything more ends the stretch untouched.
 */
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
} from '../ndjson/shape_plan';
import { extrasOf, MOST_CPU, NO_STACK, oldsOf, opsOf, ptrsOf, sizesOf, stacksOf, threadsOf } from './columns';
import { areDigits, areHexDigits, hexDigit, hexNumberOf, numberOf } from './hex';
import { isPiece, numberFor } from './shape';

const NS_PER_S = 1_000_000_000;

/** Seconds of the time on the line read last; its nanoseconds, or all of a short time, are among its numbers. */
let seconds: f64 = 0;

/** Compares the line with a shape, and puts its numbers into `values`. @returns Where it ends; 0 if it does not fit. */
function scan(line: usize, shape: usize, words: usize, values: usize): usize {
  let at = line;
  let word = words + (load<u32>(shape, FIRST_WORD << 2) << 2);
  let slot = values + (FIRST_VALUE << 3);
  seconds = 0;
  let step = shape + (STEPS << 2);
  while (true) {
    const whole = load<u32>(step, WHOLE << 2);
    if (!isPiece(at, word, whole, load<u32>(step, MASK << 2))) return 0;
    word += (whole + 1) << 2;
    at += (whole << 2) + load<u32>(step, REST << 2);
    const kind = load<i32>(step, KIND << 2);
    const first = at;
    if (kind <= CLOCK) {
      let value: u64 = 0;
      if (kind === CLOCK && areDigits(load<u64>(at))) {
        value = numberOf(load<u64>(at));
        at += 8;
      }
      for (let digit: u32 = load<u8>(at) - 0x30; digit < 10; digit = load<u8>(++at) - 0x30) value = value * 10 + digit;
      const count = <i32>(at - first);
      if (count === 0 || (count > 1 && load<u8>(first) === 0x30)) return 0;
      if (count > MOST_DIGITS) {
        if (kind === DECIMAL || count > MOST_TIME_DIGITS || <i64>value < 0) return 0;
        // Wall-clock nanoseconds pass 2^53.
        seconds = <f64>(value / NS_PER_S);
        value %= NS_PER_S;
      }
      store<f64>(slot, <f64>value);
    } else if (kind === HEX_DIGITS) {
      let address: u64 = 0;
      if (areHexDigits(load<u64>(at))) {
        address = hexNumberOf(load<u64>(at));
        at += 8;
      }
      for (let digit = hexDigit(load<u8>(at)); digit < 16; digit = hexDigit(load<u8>(++at))) address = (address << 4) | digit;
      const count = <i32>(at - first);
      if (count === 0 || count > MOST_HEX) return 0;
      store<f64>(slot, <f64>address);
    } else return at;
    slot += 8;
    step += STEP << 2;
  }
}

/** See `Lanes`. */
export function runEventLane(
  plan: usize,
  words: usize,
  likely: usize,
  values: usize,
  tids: usize,
  rows: usize,
  threadSlots: u32,
  stacks: usize,
  stackCount: u32,
  originSeconds: f64,
  originNanos: f64,
  columns: usize,
  cpus: usize,
  capacity: u32,
  firstRow: u32,
  firstNumber: f64,
  results: usize,
  start: usize,
  limit: usize,
): usize {
  const times = columns;
  const ptrs = ptrsOf(columns, capacity);
  const olds = oldsOf(columns, capacity);
  const sizes = sizesOf(columns, capacity);
  const extras = extrasOf(columns, capacity);
  const threads = threadsOf(columns, capacity);
  const contexts = stacksOf(columns, capacity);
  const ops = opsOf(columns, capacity);
  const tidMask: u64 = threadSlots - 1;
  let lastTime = load<f64>(results);
  let raised = load<u32>(results, 8);
  let row = firstRow;
  let line = start;
  // a line that fits has one newline, its last byte; so none passes the one at `limit`
  while (line < limit && row < capacity) {
    const hint = (load<u32>(line + HINT_AT) * <u32>HINT_FACTOR) >> HINT_SHIFT;
    const guess = load<i32>(likely + (hint << 2));
    if (guess < 0) break;
    let number = guess;
    let shape = plan + (number << 2);
    let end = scan(line, shape, words, values);
    while (end === 0) {
      number = load<i32>(shape, NEXT << 2);
      if (number === guess) break;
      shape = plan + (number << 2);
      end = scan(line, shape, words, values);
    }
    if (end === 0) break;

    store<f64>(values, firstNumber + <f64>(row - firstRow), NUMBER << 3);
    let now = (seconds - originSeconds) * NS_PER_S + (numberFor(TIME, shape, values) - originNanos);
    const tid = numberFor(TID, shape, values);
    const place = <u32>(<u64>tid & tidMask);
    if (now < 0 || load<f64>(tids + (place << 3)) !== tid) break;
    let context = NO_STACK;
    if (load<u32>(shape, STACK << 2) !== ZERO) {
      const id = numberFor(STACK, shape, values);
      if (id >= stackCount) break;
      context = load<i32>(stacks + ((<u32>id) << 2));
      if (context < NO_STACK) break;
    }
    if (load<u32>(shape, CPU << 2) !== ZERO) {
      const cpu = numberFor(CPU, shape, values);
      if (cpus === 0 || cpu > MOST_CPU) break;
      store<u16>(cpus + (row << 1), <u16>cpu);
    }
    if (now < lastTime) {
      now = lastTime;
      raised++;
    }
    lastTime = now;
    store<u8>(ops + row, <u8>load<u32>(shape, OP << 2));
    store<i32>(threads + (row << 2), load<i32>(rows + (place << 2)));
    store<f64>(times + (row << 3), now);
    store<f64>(ptrs + (row << 3), numberFor(PTR, shape, values));
    store<f64>(olds + (row << 3), numberFor(OLD, shape, values));
    store<f64>(sizes + (row << 3), numberFor(SIZE, shape, values));
    store<f64>(extras + (row << 3), numberFor(EXTRA, shape, values));
    store<i32>(contexts + (row << 2), context);
    row++;
    store<i32>(likely + (hint << 2), number);
    line = end;
  }
  store<f64>(results, lastTime);
  store<u32>(results, raised, 8);
  store<u32>(results, row, 12);
  return line;
}
