/**
 * What stands before the colon behind a line's time in the output of perf script (tools/perf/builtin-script.c, perf_sample__fprintf_start):
 *
 *     server 19498/19501 [001]   921.841325: …     command, process and CPU may be missing (`-F`)
 *     server 19498/19501 [001] U 921.841325: …     the processor's mode (`-F +misc`)
 *     server 19498/19501 [001] 2026-11-22 18:24:34.510575 921.841325: …     the time of day (`-F +tod`)
 *
 * Invariant: a head that was read fills every field. The command is free text and may hold what looks like a time: the first time counts that a head stands
 * before and an event behind.
 */
import { ascii, ByteCursor, hasWord, isDigit, isTaskId } from '../shared/cursor.ts';
import { blanksStart, digitsEnd, digitsStart } from './runs.ts';
import { SPACE, OPEN, MINUS, DOT, SLASH, ZERO, COLON, OPEN_BRACKET, CLOSE_BRACKET } from '../shared/letters.ts';

/** Kernel, user, hypervisor, guest kernel and guest user. */
const MODES = ascii('KUHGg');
/** Begins the name of what perf itself records. */
export const RECORD = ascii('PERF_RECORD_');

/** The head read last. */
export class PerfHead {
  /** 0 if the line names none. */
  pid = 0;
  tid = 0;
  /** -1 if the line names none. */
  cpu = -1;
  commandEnd = 0;
  /** Where the CPU's number is, or, without one, behind the blank after the thread. */
  headEnd = 0;
  hasMode = false;
  /** The colon behind the time. */
  timeEnd = 0;
  seconds = 0;
  nanos = 0;
  readonly #cursor = new ByteCursor();

  /** Reads `[command] tid|pid/tid [cpu] [misc] time:`; false if that is not what the line begins with. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    let timeEnd = start;
    do {
      timeEnd = findTime(bytes, timeEnd + 1, start, end);
      if (timeEnd < 0) return false;
    } while (!this.#readBack(bytes, start, timeEnd) || !isEvent(this.#cursor, bytes, timeEnd + 1, end));
    const cursor = this.#cursor;
    cursor.reset(bytes, numberStart(bytes, start, timeEnd), timeEnd);
    if (!cursor.time()) return false;
    this.timeEnd = timeEnd;
    this.seconds = cursor.seconds;
    this.nanos = cursor.nanos;
    return true;
  }

  /** Reads what stands before a time, from its colon at `timeEnd` backwards; false if it is no head. */
  #readBack(bytes: Uint8Array, start: number, timeEnd: number): boolean {
    const cursor = this.#cursor;
    let at = beforeTimeOfDay(bytes, start, blanksStart(bytes, start, numberStart(bytes, start, timeEnd)));
    // The kernel's own trace file has other flags in place of the mode.
    const modeEnd = at;
    while (at > start && MODES.includes(bytes[at - 1])) at--;
    this.hasMode = at < modeEnd;
    if (this.hasMode) at = blanksStart(bytes, start, at);
    this.cpu = -1;
    this.headEnd = at + 1;
    if (at > start && bytes[at - 1] === CLOSE_BRACKET) {
      const close = at - 1;
      while (at > start && bytes[at - 1] !== OPEN_BRACKET) at--;
      this.headEnd = at;
      cursor.reset(bytes, at, close);
      this.cpu = cursor.decimal();
      at = blanksStart(bytes, start, at - 1);
    }
    const tidStart = digitsStart(bytes, start, at);
    if (tidStart === at) return false;
    cursor.reset(bytes, tidStart, at);
    this.tid = cursor.decimal();
    this.pid = 0;
    this.commandEnd = tidStart;
    if (tidStart > start && bytes[tidStart - 1] === SLASH) {
      this.commandEnd = digitsStart(bytes, start, tidStart - 1);
      cursor.reset(bytes, this.commandEnd, tidStart - 1);
      this.pid = cursor.decimal();
    }
    if (!isTaskId(this.tid) || !isTaskId(this.pid)) return false;
    // `command-tid` is the kernel's way, or trace-cmd's.
    return !(this.commandEnd > start && bytes[this.commandEnd - 1] === MINUS);
  }
}

/** Place of a colon after a time, from `from` on: the first one behind digits, a dot and digits. */
function findTime(bytes: Uint8Array, from: number, start: number, end: number): number {
  for (let at = from; at < end; at++) {
    if (bytes[at] !== COLON || bytes[at + 1] !== SPACE) continue;
    const fraction = digitsStart(bytes, start, at);
    if (fraction === at || fraction === start || bytes[fraction - 1] !== DOT) continue;
    if (digitsStart(bytes, start, fraction - 1) < fraction - 1) return at;
  }
  return -1;
}

/** What a time of day looks like, `0` standing for a digit. */
const TIME_OF_DAY = ascii('0000-00-00 00:00:00.000000');

/** Where a time of day that ends at `end` begins, without the blanks before it; `end` if there is none. */
function beforeTimeOfDay(bytes: Uint8Array, start: number, end: number): number {
  const first = end - TIME_OF_DAY.length;
  if (first < start) return end;
  const fits = TIME_OF_DAY.every((shape, i) => {
    const byte = bytes[first + i];
    return shape === ZERO ? isDigit(byte) : byte === shape;
  });
  return fits ? blanksStart(bytes, start, first) : end;
}

/** Whether an event stands behind a time: a period perhaps, and then a name, which is no number and ends in a colon. */
function isEvent(cursor: ByteCursor, bytes: Uint8Array, start: number, end: number): boolean {
  cursor.reset(bytes, start, end);
  cursor.skipSpaces();
  const periodEnd = digitsEnd(bytes, cursor.pos, end);
  cursor.pos = periodEnd;
  cursor.skipSpaces();
  const next = cursor.peek();
  if (cursor.pos === periodEnd ? next === DOT : isDigit(next)) return false;
  if (hasWord(bytes, cursor.pos, end, RECORD)) return true;
  let nameEnd = cursor.pos;
  while (nameEnd < end && bytes[nameEnd] !== SPACE && bytes[nameEnd] !== OPEN) nameEnd++;
  return bytes[nameEnd - 1] === COLON;
}

/** Start of the decimal number with a fraction that ends at `end`. */
function numberStart(bytes: Uint8Array, start: number, end: number): number {
  return digitsStart(bytes, start, digitsStart(bytes, start, end) - 1);
}
