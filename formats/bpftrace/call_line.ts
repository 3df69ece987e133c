/**
 * Lines of calls as bpftrace scripts print them.
 * Shapes of a call (times are `nsecs`; stacks follow on indented lines):
 *
 *     772218247019 18355 18355 malloc(65536) = 0x557a804dc2a0          whole, stamped at the return
 *     772218247019 18355 18355 malloc(65536) = 0x557a804dc2a0 ra=0x557a8042a6a5 main     … and its direct caller
 *     772218471003 18355 18355 free(0x557a804f42c0)                    stamped at the entry
 *     772218471003 18355 18355 exec()                          another program runs from here on
 *     681162994808 17328/17328 edge malloc size=0                      entry …
 *     681163049109 17328/17328 edge malloc ret=0x5642021812a0          … and return
 *     A 678041839564 17301 65536 0x5558f09902a0 ra=0x5558d4d7c6a5 main   allocation: time, [pid,] tid, size, address, direct caller
 *     F 678041996728 17301 0x5558f09a82c0 ra=0x5558d4d7c521            free
 *     R 678041996728 17301 0x5558f09a82c0 64 0x5558f09a8400            realloc: old address, size, address
 *     18355 malloc(65536) = 0x557a804dc2a0                             whole, behind less than that (call_prefix.ts)
 *
 * Invariant: a line is a call only if it has all that its shape has; numbers are those that printf was given, whatever sign it printed.
 */
import { Op } from '../../core/trace/events.ts';
import { ascii, ByteCursor, findWord, hasWord, textOf, unsignedOf, isTaskId } from '../shared/cursor.ts';
import {
  SPACE,
  OPEN,
  CLOSE,
  STAR,
  COMMA,
  MINUS,
  SLASH,
  ZERO,
  EQUALS,
  UPPER_A,
  UPPER_R,
  UNDERSCORE,
  LOWER_A,
  LOWER_B,
  LOWER_C,
  LOWER_L,
  LOWER_N,
  LOWER_O,
  LOWER_P,
  LOWER_S,
  LOWER_X,
  LOWER_Z,
} from '../shared/letters.ts';
import { opNamed } from '../uprobes/call_names.ts';
import { ENTRY, RETURN, UNSEEN_ADDRESS } from '../uprobes/record_kinds.ts';

const RESULT = ascii('ret=');
const GIVES = ascii(' = ');
const ARROW = ascii(' -> ');
const NIL = ascii('(nil)');
const THREAD = ascii('thread(');
const EXEC = ascii('exec()');
const EQUALS_SIGN = ascii('=');

/** Process of a line that names none. */
export const NO_PID = -1;
/** Longest thread name, bytes. */
export const LONGEST_NAME = 16;

/** What a line is. */
export const LineKind = {
  /** No line of these shapes. */
  other: 0,
  /** A call of the allocator, or its entry or return. */
  call: 1,
  /** One of a function that is not the allocator's. */
  otherCall: 2,
  /** The name of a thread, `thread(name)`. */
  threadName: 3,
  /** The process runs another program from here on. */
  exec: 4,
  /** The return of a function that gives nothing. */
  note: 5,
} as const;
export type LineKind = (typeof LineKind)[keyof typeof LineKind];

/** Reads lines of calls; what the last one said is in the fields. */
export class CallLine {
  /** Op, of a half with ENTRY or RETURN. */
  kind = 0;
  /** Pid, NO_PID if the line has none. */
  process = NO_PID;
  tid = 0;
  /** The time: whole seconds, and nanoseconds beyond them. */
  seconds = 0;
  nanos = 0;
  /** As in the columns of a record (uprobes/record_kinds.ts). */
  ptr = 0;
  old = 0;
  size = 0;
  extra = 0;
  /** Where the thread's name stands, which whole calls have not: both 0. */
  nameStart = 0;
  nameEnd = 0;
  /** Behind what has been read of the line. */
  readonly cursor = new ByteCursor();

  /** The thread's name, if the line has it. */
  get name(): string {
    return textOf(this.cursor.bytes, this.nameStart, this.nameEnd);
  }

  /** Reads a line that starts with its time. */
  readTimed(bytes: Uint8Array, start: number, end: number): LineKind {
    const { cursor } = this;
    // Written out: these three numbers are half of a line without a stack.
    let pos = start;
    let digit = 0;
    let time = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      time = time * 10 + digit;
      pos++;
    }
    if (pos - start < 16) {
      this.seconds = Math.floor(time / 1e9);
      this.nanos = time - this.seconds * 1e9;
    } else {
      cursor.reset(bytes, start, end);
      this.#readTime();
    }
    if (bytes[pos] !== SPACE) return LineKind.other;
    const processStart = ++pos;
    let process = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      process = process * 10 + digit;
      pos++;
    }
    const separator = bytes[pos];
    if (pos === processStart || pos >= end || (separator !== SPACE && separator !== SLASH)) return LineKind.other;
    const tidStart = ++pos;
    let tid = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      tid = tid * 10 + digit;
      pos++;
    }
    if (pos === tidStart || pos >= end || bytes[pos] !== SPACE || !isTaskId(process) || !isTaskId(tid)) return LineKind.other;
    this.process = process;
    this.tid = tid;
    cursor.reset(bytes, pos + 1, end);
    return separator === SPACE ? this.#readWhole() : this.#readHalf();
  }

  #readTime(): boolean {
    const { cursor } = this;
    if (!cursor.nanoseconds()) return false;
    this.seconds = cursor.seconds;
    this.nanos = cursor.nanos;
    return true;
  }

  /** `name(arguments) = result[ address][ ra=caller symbol]` */
  #readWhole(): LineKind {
    const { cursor } = this;
    const { bytes, end } = cursor;
    const nameStart = cursor.pos;
    let pos = nameStart;
    while (pos < end && bytes[pos] !== OPEN) pos++;
    if (pos === end) return LineKind.other;
    const op = opNamed(bytes, nameStart, pos);
    cursor.pos = pos + 1;
    if (op < 0) return this.#readNameless(bytes, nameStart, end);
    // Arguments: two at most matter, and they are the last ones (posix_memalign may come with the place of its result).
    let earliest = 0;
    let first = 0;
    let second = 0;
    let count = 0;
    while (!cursor.eat(CLOSE)) {
      if (count > 0 && !cursor.eat(COMMA)) return LineKind.other;
      cursor.eat(SPACE);
      first = second;
      second =
        op === Op.free || op === Op.malloc_usable_size || ((op === Op.realloc || op === Op.reallocarray) && count === 0)
          ? addressIn(cursor)
          : sizeIn(cursor);
      if (Number.isNaN(second)) return LineKind.other;
      if (count === 0) earliest = second;
      count++;
    }
    if (op === Op.free || op === Op.thread_exit || op === Op.malloc_usable_size) {
      if (count !== (op === Op.thread_exit ? 0 : 1)) return LineKind.other;
      return this.#found(op, second, 0, 0, 0);
    }
    if (!cursor.eatWord(GIVES) && !cursor.eatWord(ARROW)) return LineKind.other;
    const negative = cursor.eat(MINUS);
    let ptr: number = addressIn(cursor);
    if (Number.isNaN(ptr)) return LineKind.other;
    if (op === Op.posix_memalign) {
      const failed = negative || ptr !== 0;
      if (bytes[cursor.pos] === SPACE && bytes[cursor.pos + 1] === ZERO) {
        cursor.pos++;
        ptr = addressIn(cursor);
      } else ptr = UNSEEN_ADDRESS;
      if (failed) ptr = 0;
    }
    const pairs = op === Op.calloc || op === Op.posix_memalign || op === Op.aligned_alloc || op === Op.memalign || op === Op.reallocarray;
    if (count < (op === Op.reallocarray ? 3 : pairs || op === Op.realloc ? 2 : 1)) return LineKind.other;
    const old = op === Op.realloc ? first : op === Op.reallocarray ? earliest : 0;
    return this.#found(op, ptr, old, second, pairs ? first : 0);
  }

  /** `thread(name)`, `exec()`, or a call of a function that is not the allocator's. */
  #readNameless(bytes: Uint8Array, start: number, end: number): LineKind {
    if (hasWord(bytes, start, end, THREAD) && bytes[end - 1] === CLOSE) {
      this.nameStart = start + THREAD.length;
      this.nameEnd = end - 1;
      return LineKind.threadName;
    }
    return end - start === EXEC.length && hasWord(bytes, start, end, EXEC) ? LineKind.exec : LineKind.otherCall;
  }

  /** `command name key=value…`: an entry, or with `ret=` a return. */
  #readHalf(): LineKind {
    const { cursor } = this;
    const { bytes, end } = cursor;
    const nameStart = cursor.pos;
    // The command may hold spaces: the function is the first word of an allocator's that arguments follow.
    let op: Op | -1 = -1;
    let commandEnd = nameStart;
    while (op < 0) {
      cursor.pos = commandEnd;
      if (commandEnd - nameStart > LONGEST_NAME || !cursor.skipTo(SPACE)) break;
      commandEnd = cursor.pos;
      const start = ++cursor.pos;
      if (!cursor.skipTo(SPACE)) break;
      if (isKey(bytes, cursor.pos + 1, end)) op = opNamed(bytes, start, cursor.pos);
      commandEnd = op < 0 ? start : commandEnd;
    }
    if (op < 0) {
      return findWord(bytes, nameStart, end, EQUALS_SIGN) < 0 ? LineKind.other : LineKind.otherCall;
    }
    let ptr = 0;
    let old = 0;
    let size = 0;
    let extra = 0;
    let result = UNSEEN_ADDRESS;
    let returned = false;
    while (cursor.eat(SPACE) && cursor.pos < end) {
      const key = bytes[cursor.pos];
      const second = bytes[cursor.pos + 1];
      const isResult = hasWord(bytes, cursor.pos, end, RESULT);
      if (!cursor.skipTo(EQUALS)) return LineKind.other;
      cursor.pos++;
      if (isResult) {
        returned = true;
        const negative = cursor.eat(MINUS);
        ptr = addressIn(cursor);
        if (negative) ptr = unsignedOf(ptr);
        if (Number.isNaN(ptr)) return LineKind.other;
      } else if (key === STAR) result = addressIn(cursor);
      // ptr, old
      else if (key === LOWER_P || key === LOWER_O) old = addressIn(cursor);
      else {
        const value = sizeIn(cursor);
        if (Number.isNaN(value)) return LineKind.other;
        // size, bytes
        if (key === LOWER_S || key === LOWER_B) size = value;
        // n, align, count
        else if (key === LOWER_N || (key === LOWER_A && second === LOWER_L) || key === LOWER_C) extra = value;
      }
      if (Number.isNaN(old) || Number.isNaN(result)) return LineKind.other;
    }
    let found: LineKind;
    if (op === Op.free || op === Op.malloc_usable_size) found = returned ? LineKind.note : this.#found(op, old, 0, 0, 0);
    else if (returned) {
      if (op === Op.posix_memalign) ptr = ptr === 0 ? result : 0;
      found = this.#found(op + RETURN, ptr, 0, 0, 0);
    } else found = this.#found(op + ENTRY, 0, old, size, extra);
    this.nameStart = nameStart;
    this.nameEnd = commandEnd;
    return found;
  }

  /** Reads a line that starts with a letter: `A|F|R time [pid] tid …`. */
  readLetter(bytes: Uint8Array, start: number, end: number): LineKind {
    const { cursor } = this;
    cursor.reset(bytes, start + 2, end);
    if (!this.#readTime()) return LineKind.other;
    const numbers: number[] = [];
    while (cursor.eat(SPACE)) {
      if ((bytes[cursor.pos] === ZERO && bytes[cursor.pos + 1] === LOWER_X) || bytes[cursor.pos] === OPEN) break;
      const value = sizeIn(cursor);
      if (Number.isNaN(value) || numbers.length > 2) return LineKind.other;
      numbers.push(value);
    }
    const ptr = addressIn(cursor);
    if (Number.isNaN(ptr)) return LineKind.other;
    const letter = bytes[start];
    const size = letter === UPPER_A ? numbers.pop() : 0;
    const tid = numbers.pop();
    if (tid === undefined || size === undefined || !isTaskId(tid) || numbers.length > 1) return LineKind.other;
    this.tid = tid;
    this.process = numbers.pop() ?? NO_PID;
    if (letter === UPPER_R) {
      if (!cursor.eat(SPACE)) return LineKind.other;
      const bytesAsked = cursor.decimal();
      if (Number.isNaN(bytesAsked) || !cursor.eat(SPACE)) return LineKind.other;
      const moved = addressIn(cursor);
      if (Number.isNaN(moved)) return LineKind.other;
      return this.#found(Op.realloc, moved, ptr, bytesAsked, 0);
    }
    return this.#found(letter === UPPER_A ? Op.malloc : Op.free, ptr, 0, size, 0);
  }

  /** Reads a whole call that begins at `start`; its time, process and thread are the caller's to set. */
  readBare(bytes: Uint8Array, start: number, end: number): LineKind {
    this.cursor.reset(bytes, start, end);
    return this.#readWhole();
  }

  #found(kind: number, ptr: number, old: number, size: number, extra: number): LineKind {
    this.kind = kind;
    this.ptr = ptr;
    this.old = old;
    this.size = size;
    this.extra = extra;
    this.nameStart = this.nameEnd = 0;
    return LineKind.call;
  }
}

/** An address, or `(nil)`, which printf makes of a null pointer. */
function addressIn(cursor: ByteCursor): number {
  return cursor.peek() === OPEN && cursor.eatWord(NIL) ? 0 : cursor.address();
}

/** A size; one below 0 is what `%d` makes of its lowest 32 bits, or `%ld` of all, of which no block has so many. */
function sizeIn(cursor: ByteCursor): number {
  if (!cursor.eat(MINUS)) return cursor.number();
  const value = cursor.number();
  return value <= 2 ** 31 ? 2 ** 32 - value : unsignedOf(value);
}

/** Whether a `key=` stands at `start`. */
function isKey(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (bytes[at] === STAR) at++;
  const word = at;
  while (at < end && bytes[at] >= UNDERSCORE && bytes[at] <= LOWER_Z) at++;
  return at > word && at < end && bytes[at] === EQUALS;
}
