/**
 * What a uprobe event of the kernel says after its name: `(address) name=value…` at an entry, `(address <- return address) ret=value`
 * at a return in perf's order, `(return address <- address) ret=value` in ftrace's.
 * A number is in hex behind 0x and else decimal, as the type of its argument has it (kernel/trace/trace_probe.c, DEFINE_BASIC_PRINT_TYPE_FUNC).
 * Invariant: `read` either fills every field or gives false.
 */
import { Op } from '../../core/trace/events.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { type ByteCursor, hasWord, ascii, unsignedOf, isDigit } from '../shared/cursor.ts';
import { opNamed } from '../uprobes/call_names.ts';
import { SPACE, QUOTE, OPEN, CLOSE, MINUS, EQUALS, UNDERSCORE, OPEN_BRACE, BAR, CLOSE_BRACE } from '../shared/letters.ts';

const ARROW = ascii(' <- ');
const RAW_PLACE = ascii('__probe_ip=');
const RAW_FUNCTION = ascii('__probe_func=');
const RAW_CALLER = ascii(' __probe_ret_ip=');
const AGAIN = ascii(' (');
const HEX_PREFIX = ascii('0x');
const RETURN_SUFFIXES = ['__return', '_return', '__ret', '_ret', '__exit', '_exit'].map(ascii);
/** Fields of perf script behind the arguments that say nothing here: the instruction, its length, and registers. */
const BEHIND = ['insn: ', 'ilen: ', 'ABI:'].map(ascii);
/** Added to an Op in the table of names. */
const IS_RETURN = 0x100;
const ENTRY_SUFFIXES = ['__entry', '_entry', '__enter', '_enter'].map(ascii);

/** The call that a uprobe event tells of. */
export class UprobeEvent {
  op: Op = Op.malloc;
  isReturn = false;
  /** Address of the probe, and of the caller (returns only, else 0). */
  place = 0;
  caller = 0;
  /** Result of a return. */
  result = 0;
  old = 0;
  size = 0;
  extra = 0;
  /** The event is printed field by field: `#readRawPlace`. */
  isRaw = false;
  /** A return's caller stands before its probe. */
  callerFirst = false;
  /** Events of the allocator's functions so far that have no arguments at all where they need some. */
  bare = 0;
  /** All arguments are numbers. */
  plain = true;
  /** Where the place of the sample begins, which perf script puts behind the arguments of an event without a stack (`-F +ip`); -1 if there is none. */
  samplePlace = -1;
  /** The event's numbers; no call has more than four that matter. */
  readonly #values = new Float64Array(4);
  #count = 0;
  /** Names of events, and for each the Op, with IS_RETURN added for a return; -1 for no allocator function. */
  readonly #names = new ByteTable();
  readonly #calls: number[] = [];

  /** Reads the event's name start..end (without its group): false if it is no function of the allocator. */
  readName(bytes: Uint8Array, start: number, end: number): boolean {
    const names = this.#names;
    const known = names.length;
    const row = names.intern(bytes, start, end);
    if (row === known) this.#calls[row] = callNamed(bytes, start, end);
    const call = this.#calls[row];
    if (call < 0) return false;
    this.op = (call & 0xff) as Op;
    this.isReturn = call >= IS_RETURN;
    return true;
  }

  /**
   * Reads the addresses and arguments; false if they do not fit the call that `readName` found. Strings, arrays and symbols are passed over: no call has any.
   * `byKernel`: where a line is the kernel's own, a return's caller stands before its probe; those have 0x before each address, which libtraceevent
   * (trace-cmd, perf) has not.
   */
  readArguments(cursor: ByteCursor, byKernel: boolean): boolean {
    if (!cursor.eat(OPEN)) return this.#readRawPlace(cursor) && this.#readValues(cursor);
    this.callerFirst = byKernel && hasWord(cursor.bytes, cursor.pos, cursor.end, HEX_PREFIX);
    this.isRaw = false;
    const first = cursor.address();
    if (Number.isNaN(first)) return false;
    this.place = first;
    this.caller = 0;
    if (cursor.eatWord(ARROW)) {
      const second = cursor.address();
      if (Number.isNaN(second)) return false;
      this.isReturn = true;
      this.place = this.callerFirst ? second : first;
      this.caller = this.callerFirst ? first : second;
    }
    return cursor.eat(CLOSE) && this.#readValues(cursor);
  }

  /** `__probe_ip=7f6568a69930`, or of a return `__probe_func=… __probe_ret_ip=…`, as trace-cmd report -R and the trace option fields have it; false if that is not there. */
  #readRawPlace(cursor: ByteCursor): boolean {
    this.isRaw = true;
    this.callerFirst = false;
    this.caller = 0;
    const isReturn = cursor.eatWord(RAW_FUNCTION);
    if (!isReturn && !cursor.eatWord(RAW_PLACE)) return false;
    this.place = cursor.address();
    skipDecimal(cursor);
    if (!isReturn) return !Number.isNaN(this.place);
    this.isReturn = true;
    if (!cursor.eatWord(RAW_CALLER)) return false;
    this.caller = cursor.address();
    skipDecimal(cursor);
    return !Number.isNaN(this.place) && !Number.isNaN(this.caller);
  }

  /** The arguments behind the addresses. */
  #readValues(cursor: ByteCursor): boolean {
    const values = this.#values;
    let count = 0;
    this.samplePlace = -1;
    this.plain = !this.isRaw;
    while (cursor.eat(SPACE)) {
      cursor.skipSpaces();
      if (cursor.pos >= cursor.end) break;
      if (!skipArgumentName(cursor)) {
        if (!this.#fitBehind(cursor)) return false;
        break;
      }
      const start = cursor.pos;
      const negative = cursor.eat(MINUS);
      // Of a type such as u64 an address is decimal.
      const isHex = isAddress(this, count) && hasWord(cursor.bytes, cursor.pos, cursor.end, HEX_PREFIX);
      const printed = isHex ? cursor.address() : cursor.number();
      const value = negative ? unsignedOf(printed) : printed;
      if (this.isRaw) skipDecimal(cursor);
      if (Number.isNaN(value) || (cursor.pos < cursor.end && cursor.peek() !== SPACE)) {
        if (!skipOther(cursor, start)) return false;
        this.plain = false;
      } else if (count < values.length) values[count++] = value;
    }
    this.#count = count;
    if (this.isReturn ? this.#fitReturn() : this.#fitEntry()) return true;
    if (count === 0 && this.plain) this.bare++;
    return false;
  }

  /** What to say of the events without arguments, if there are any. */
  get advice(): readonly string[] {
    if (this.bare === 0) return [];
    return [
      `${this.bare} events of probes have no arguments, so that no call can be made of them: give them some, as in perf probe -x LIBRARY malloc size=%di:u64, and malloc%return ret=$retval`,
    ];
  }

  /** What may stand behind the arguments; false if it is something else. */
  #fitBehind(cursor: ByteCursor): boolean {
    if (BEHIND.some((word) => cursor.eatWord(word))) return true;
    for (;;) {
      const { pos } = cursor;
      const address = cursor.address();
      if (Number.isNaN(address) || (cursor.pos < cursor.end && cursor.peek() !== SPACE)) return false;
      cursor.skipSpaces();
      // `-F +addr` is 0 of a probe, and `-F +data_src` a number with words behind it: neither is a place.
      if (address > 0) {
        if (cursor.peek() !== BAR) this.samplePlace = pos;
        return true;
      }
      if (cursor.pos === cursor.end || BEHIND.some((word) => cursor.eatWord(word))) return true;
    }
  }

  #fitReturn(): boolean {
    if (this.#count === 0) return this.op === Op.free;
    this.result = this.#values[0];
    return true;
  }

  #fitEntry(): boolean {
    const values = this.#values;
    const count = this.#count;
    const { old, size, extra } = argumentPlaces(this.op, count);
    if (old >= count || size >= count || extra >= count || (size < 0 && old < 0)) return false;
    this.old = old < 0 ? 0 : values[old];
    this.size = size < 0 ? 0 : values[size];
    this.extra = extra < 0 ? 0 : values[extra];
    return true;
  }
}

/** Steps over ` (140286247004464)`, the same number once more, by the trace option fields. */
function skipDecimal(cursor: ByteCursor): void {
  const { pos } = cursor;
  if (cursor.eatWord(AGAIN) && !Number.isNaN(cursor.decimal()) && cursor.eat(CLOSE)) return;
  cursor.pos = pos;
}

/** Steps over the name of an argument and its equals sign; false, and no move, if there is none. */
function skipArgumentName(cursor: ByteCursor): boolean {
  const { bytes, end } = cursor;
  for (let at = cursor.pos; at < end && bytes[at] !== SPACE; at++) {
    if (bytes[at] !== EQUALS) continue;
    cursor.pos = at + 1;
    return true;
  }
  return false;
}

/**
 * Steps over a value at `start` that is no number: a string or an array up to the quote or brace that ends it, anything else up to a space.
 * False if it is none: what begins as a number was one before it was damaged.
 */
function skipOther(cursor: ByteCursor, start: number): boolean {
  const { bytes, end } = cursor;
  const first = start < end ? bytes[start] : SPACE;
  if (first === SPACE || first === MINUS || isDigit(first)) return false;
  const last = first === QUOTE ? QUOTE : first === OPEN_BRACE ? CLOSE_BRACE : -1;
  let at = start + 1;
  while (at < end && (bytes[at] !== SPACE || (last >= 0 && (at === start + 1 || bytes[at - 1] !== last)))) at++;
  cursor.pos = at;
  return true;
}

/** Whether argument number `index` of an event is an address. */
function isAddress({ op, isReturn }: UprobeEvent, index: number): boolean {
  return isReturn || (index === 0 && (op === Op.free || op === Op.realloc || op === Op.reallocarray));
}

/** Numbers of arguments, -1 for what a call does not have. */
interface ArgumentPlaces {
  readonly old: number;
  readonly size: number;
  readonly extra: number;
}

const OLD_ALONE: ArgumentPlaces = { old: 0, size: -1, extra: -1 };
const SIZE_ALONE: ArgumentPlaces = { old: -1, size: 0, extra: -1 };
const OLD_AND_SIZE: ArgumentPlaces = { old: 0, size: 1, extra: -1 };
const OLD_COUNT_AND_SIZE: ArgumentPlaces = { old: 0, extra: 1, size: 2 };
const NONE: ArgumentPlaces = { old: -1, size: -1, extra: -1 };
const FIRST_TWO: ArgumentPlaces = { old: -1, extra: 0, size: 1 };
const SECOND_TWO: ArgumentPlaces = { old: -1, extra: 1, size: 2 };

/** Which of `count` numbers of an entry is what. Arguments are taken by place: their names are whatever the probe's author chose, and more may follow. */
export function argumentPlaces(op: Op, count: number): ArgumentPlaces {
  switch (op) {
    case Op.free:
    case Op.malloc_usable_size:
      return OLD_ALONE;
    case Op.malloc:
    case Op.valloc:
    case Op.pvalloc:
      return SIZE_ALONE;
    case Op.realloc:
      return OLD_AND_SIZE;
    case Op.reallocarray:
      return OLD_COUNT_AND_SIZE;
    case Op.thread_exit:
      return NONE;
    case Op.posix_memalign:
      // It may come with the place of its result first.
      return count > 2 ? SECOND_TWO : FIRST_TWO;
    default:
      return FIRST_TWO;
  }
}

/** What an event's name says: an Op, with IS_RETURN added for a return, or -1. perf adds a suffix, and the number of a second probe, to names that have some already. */
function callNamed(bytes: Uint8Array, start: number, end: number): number {
  let isReturn = 0;
  let nameEnd = end;
  for (;;) {
    const op = opNamed(bytes, start, nameEnd);
    if (op >= 0) return op === Op.thread_exit ? -1 : op + isReturn;
    let shorter = withoutSuffix(bytes, start, nameEnd, RETURN_SUFFIXES);
    if (shorter < nameEnd) isReturn = IS_RETURN;
    else shorter = Math.min(withoutSuffix(bytes, start, nameEnd, ENTRY_SUFFIXES), withoutNumber(bytes, start, nameEnd));
    if (shorter === nameEnd) return -1;
    nameEnd = shorter;
  }
}

/** End of a name without the number of a second probe on the same function: malloc_1. */
function withoutNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isDigit(bytes[at - 1])) at--;
  return at < end && at > start && bytes[at - 1] === UNDERSCORE ? at - 1 : end;
}

function withoutSuffix(bytes: Uint8Array, start: number, end: number, suffixes: readonly Uint8Array[]): number {
  for (const suffix of suffixes) {
    if (end - suffix.length > start && hasWord(bytes, end - suffix.length, end, suffix)) return end - suffix.length;
  }
  return end;
}
