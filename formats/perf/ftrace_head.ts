/**
 * What stands before the colon behind a line's time in the kernel's own trace (kernel/trace/trace_output.c, trace_print_context and
 * trace_print_lat_context):
 *
 *                edge-19547   (  19547) [000] DBZff   921.841325: …     tgid and flags may be missing
 *                edge-19547   [000] DBZff 98326030889206: …             a clock that does not count nanoseconds
 *        edge-19547     0DBZff 29259us+: …                             the option latency-format
 *        edge-19547     0DBZff 921.841325: …                           trace-cmd report -l
 *
 * Invariant: a head that was read fills every field.
 */
import { ByteCursor, ascii, findWord, textOf, isDigit, isTaskId } from '../shared/cursor.ts';
import { blanksStart, digitsEnd, digitsStart } from './runs.ts';
import { SPACE, OPEN, CLOSE, MINUS, DOT, COLON, OPEN_BRACKET } from '../shared/letters.ts';

const CPU = ascii(' [');
/** Command, thread, CPU and flags at once, time, its unit and a mark of what takes long. */
const LATENCY = /^(.*)-(\d{1,10}) +(\d{1,6})[^\s\d:]\S* +(?:(\d{1,10})\.(\d{6,9})|(\d{1,18})(us[^\w\s]? ?)?):(?= +(?:\(\+\d+\) *)?\w+: )/s;

/** The head read last. */
export class FtraceHead {
  /** 0 if the line names none. */
  pid = 0;
  tid = 0;
  cpu = -1;
  /** Where the CPU's number is; -1 in the latency format. */
  cpuAt = -1;
  commandEnd = 0;
  /** The colon behind the time. */
  timeEnd = 0;
  seconds = 0;
  nanos = 0;
  /** The time is a number without a unit, taken for nanoseconds. */
  isTicks = false;
  readonly #cursor = new ByteCursor();

  /** Reads `command-tid (tgid) [cpu] flags time:`; false if that is not what the line begins with. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    const cpu = findWord(bytes, start, end, CPU);
    if (cpu < 0) return false;
    let at = blanksStart(bytes, start, cpu + 1);
    this.pid = 0;
    if (at > start && bytes[at - 1] === CLOSE) {
      const close = at - 1;
      while (at > start && bytes[at - 1] !== OPEN) at--;
      cursor.reset(bytes, at, close);
      cursor.skipSpaces();
      const value = cursor.decimal();
      if (isTaskId(value)) this.pid = value;
      at = blanksStart(bytes, start, at - 1);
    }
    // The command is free text: what follows its last dash is the thread.
    const tidStart = digitsStart(bytes, start, at);
    if (tidStart === at || tidStart === start || bytes[tidStart - 1] !== MINUS) return false;
    cursor.reset(bytes, tidStart, at);
    this.tid = cursor.decimal();
    this.commandEnd = tidStart - 1;
    this.cpuAt = cpu + 2;
    cursor.reset(bytes, cpu + 1, end);
    if (!isTaskId(this.tid) || !cursor.eat(OPEN_BRACKET)) return false;
    this.cpu = cursor.decimal();
    if (!cursor.skipTo(SPACE)) return false;
    cursor.skipSpaces();
    // Flags may begin with a digit, but a word that is a number begins with one, and ends in the colon.
    let word = cursor.pos;
    while (word < end && (isDigit(bytes[word]) || (bytes[word] === DOT && word > cursor.pos))) word++;
    if (word === cursor.pos || bytes[word] !== COLON) {
      if (!cursor.skipTo(SPACE)) return false;
      cursor.skipSpaces();
    }
    this.isTicks = bytes[digitsEnd(bytes, cursor.pos, end)] !== DOT;
    if (!(this.isTicks ? cursor.nanoseconds() : cursor.time())) return false;
    this.seconds = cursor.seconds;
    this.nanos = cursor.nanos;
    this.timeEnd = cursor.pos;
    return bytes[cursor.pos] === COLON;
  }

  /** Reads `command-tid cpuflags time[us]:`, as the option latency-format has it. */
  readLatency(bytes: Uint8Array, start: number, end: number): boolean {
    const text = textOf(bytes, start, end);
    const match = LATENCY.exec(text);
    if (match === null) return false;
    const [, command = '', tid, cpu, seconds, fraction = '', time = '0', unit] = match as (string | undefined)[];
    this.pid = 0;
    this.tid = Number(tid);
    this.cpu = Number(cpu);
    this.cpuAt = -1;
    this.commandEnd = start + Buffer.byteLength(command);
    this.timeEnd = start + Buffer.byteLength(match[0]) - 1;
    this.isTicks = seconds === undefined && unit === undefined;
    if (seconds !== undefined) {
      this.seconds = Number(seconds);
      this.nanos = Number(fraction.padEnd(9, '0'));
      return isTaskId(this.tid);
    }
    const nanoseconds = BigInt(time) * (this.isTicks ? 1n : 1000n);
    this.seconds = Number(nanoseconds / 1_000_000_000n);
    this.nanos = Number(nanoseconds % 1_000_000_000n);
    return isTaskId(this.tid);
  }
}
