/**
 * What a uprobe event of the kernel says after its name: `(address) name=value…` at an entry, `(address <- return address) ret=value`
 * at a return in perf's order, `(return address <- address) ret=value` in ftrace's.
 * Invariant: `read` either fills every field or gives false.
 */
import { Op } from '../../core/trace/events.ts';
import { ByteCursor, hasWord, ascii } from '../shared/cursor.ts';
import { opNamed } from '../uprobes/call_names.ts';

const SPACE = 0x20;
const OPEN = 0x28;
const CLOSE = 0x29;
const EQUALS = 0x3d;
const MINUS = 0x2d;
const UNDERSCORE = 0x5f;
const ARROW = ascii(' <- ');
const RETURN_SUFFIXES = ['__return', '_return', '_ret', '_exit'].map(ascii);
const ENTRY_SUFFIXES = ['_entry', '_enter'].map(ascii);

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
  readonly #values: number[] = [];

  /** Reads the event's name start..end (without its group): false if it is no function of the allocator. */
  readName(bytes: Uint8Array, start: number, end: number): boolean {
    this.isReturn = false;
    for (const suffix of RETURN_SUFFIXES) {
      if (end - suffix.length > start && hasWord(bytes, end - suffix.length, end, suffix)) {
        this.isReturn = true;
        end -= suffix.length;
        break;
      }
    }
    if (!this.isReturn) {
      for (const suffix of ENTRY_SUFFIXES) {
        if (end - suffix.length > start && hasWord(bytes, end - suffix.length, end, suffix)) {
          end -= suffix.length;
          break;
        }
      }
    }
    let op = opNamed(bytes, start, end);
    if (op < 0) {
      // A second probe on the same function is called malloc_1.
      let at = end;
      while (at > start && bytes[at - 1] >= 0x30 && bytes[at - 1] <= 0x39) at--;
      if (at === end || bytes[at - 1] !== UNDERSCORE) return false;
      op = opNamed(bytes, start, at - 1);
      if (op < 0) return false;
    }
    this.op = op as Op;
    return true;
  }

  /** Reads the addresses and arguments; false if they do not fit the call that `readName` found. */
  readArguments(cursor: ByteCursor, returnAddressFirst: boolean): boolean {
    if (!cursor.eat(OPEN)) return false;
    const first = cursor.address();
    if (Number.isNaN(first)) return false;
    this.place = first;
    this.caller = 0;
    if (cursor.eatWord(ARROW)) {
      const second = cursor.address();
      if (Number.isNaN(second)) return false;
      this.isReturn = true;
      this.place = returnAddressFirst ? second : first;
      this.caller = returnAddressFirst ? first : second;
    }
    if (!cursor.eat(CLOSE)) return false;
    const values = this.#values;
    values.length = 0;
    while (cursor.eat(SPACE) && cursor.pos < cursor.end) {
      if (!cursor.skipTo(EQUALS)) return false;
      cursor.pos++;
      const negative = cursor.eat(MINUS);
      const isAddress = this.isReturn || (values.length === 0 && (this.op === Op.free || this.op === Op.realloc || this.op === Op.reallocarray));
      const value = isAddress ? cursor.address() : cursor.number();
      if (Number.isNaN(value)) return false;
      values.push(negative ? -value : value);
      if (cursor.pos < cursor.end && cursor.peek() !== SPACE) return false;
    }
    return this.isReturn ? this.#fitReturn() : this.#fitEntry();
  }

  #fitReturn(): boolean {
    const [result] = this.#values;
    if (result === undefined) return this.op === Op.free;
    this.result = result;
    return true;
  }

  /** Arguments are taken by place: their names are whatever the probe's author chose. */
  #fitEntry(): boolean {
    const values = this.#values;
    const last = values.length - 1;
    this.old = 0;
    this.extra = 0;
    this.size = 0;
    switch (this.op) {
      case Op.free:
      case Op.malloc_usable_size:
        this.old = values[0];
        return last >= 0;
      case Op.malloc:
      case Op.valloc:
      case Op.pvalloc:
        this.size = values[0];
        return last >= 0;
      case Op.realloc:
        this.old = values[0];
        this.size = values[1];
        return last >= 1;
      case Op.reallocarray:
        this.old = values[0];
        this.extra = values[1];
        this.size = values[2];
        return last >= 2;
      case Op.thread_exit:
        return false;
      default:
        // calloc, and the aligned forms: posix_memalign may come with the place of its result first.
        this.extra = values[last - 1];
        this.size = values[last];
        return last >= 1;
    }
  }
}
