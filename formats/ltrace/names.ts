/**
 * Names of calls where they stand on lines: found, taken apart once, and kept.
 * Few names make up most lines: those seen last are compared four bytes at once, where to find a name anew takes ten times as long.
 */
import type { StackIndex } from '../../core/units.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { ascii, hasWord } from '../shared/cursor.ts';
import { SPACE, QUOTE, OPEN, CLOSE, MINUS, EQUALS, GREATER } from '../shared/letters.ts';
import type { CallStacks } from './call_stacks.ts';
import { callNamed, isAllocator, Kind, type Call } from './functions.ts';

const CONST = ascii(' const');
/** What a program's name mostly does not have. */
const PRINTED_END = /[^\w.+-]/;
const DIGIT = /\d/;
/** Names that are tried before the table of all. */
const RECENT_NAMES = 12;

/** A name that was seen before an argument list, taken apart once. A class, so that all have one shape. */
export class Name {
  /** As it stands on the line, and as words to compare with. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly kind: Kind;
  readonly fn: string;
  readonly caller: string | undefined;
  readonly entered: boolean;
  readonly createsThread: boolean;
  /** True where what the program printed without a newline stands before it. */
  readonly printed: boolean;
  /** True for words before a parenthesis that may be part of a program's name. */
  readonly spaced: boolean;
  /** Stack of a call that is known by this name alone. */
  readonly stack: StackIndex;
  /** Stacks by return address (-i). */
  readonly byAddress = new Map<number, StackIndex>();

  constructor(bytes: Uint8Array, call: Call, stack: StackIndex) {
    this.bytes = bytes;
    this.words = wordsOf(bytes);
    this.kind = call.kind;
    this.fn = call.fn;
    this.caller = call.caller;
    this.entered = call.entered;
    this.createsThread = call.createsThread;
    this.printed = call.printed;
    this.spaced = call.caller === undefined && bytes.includes(SPACE);
    this.stack = stack;
  }
}

/** All names of a recording. */
export class Names {
  /** Position of the parenthesis after the name found last. */
  after = 0;
  readonly #stacks: CallStacks;
  readonly #table = new ByteTable();
  /** Row of the table -> what is known of the name. */
  readonly #facts: Name[] = [];
  readonly #recent: Name[] = [];
  /** Programs and libraries that have called. */
  readonly #callers = new Set<string>();

  constructor(stacks: CallStacks) {
    this.#stacks = stacks;
  }

  /** The name that begins at `start`, before its arguments; `after` is their parenthesis then. Undefined if there are none. */
  at(bytes: Uint8Array, view: DataView, start: number, end: number): Name | undefined {
    let pos = start;
    let name = this.#recentName(view, start, end);
    if (name === undefined) {
      // A program's name may begin with a parenthesis.
      if (bytes[pos] === OPEN) pos++;
      while (bytes[pos] !== OPEN && pos < end) pos++;
      if (pos === end) return undefined;
      name = this.#nameOf(bytes, start, pos);
      this.#remember(name);
    } else pos += name.bytes.length;
    if (name.kind === Kind.other || name.kind === Kind.new || name.kind === Kind.delete) {
      // A demangled name has parameters in parentheses of their own: `operator new(unsigned long)(8, …`.
      let after = endOfParameters(bytes, pos, end);
      if (after < 0 && name.spaced) {
        const callee = endOfCallee(bytes, pos, end);
        after = callee < 0 ? -1 : Math.max(callee, endOfParameters(bytes, callee, end));
      }
      if (after > 0) {
        pos = after;
        name = this.#nameOf(bytes, start, pos);
      }
    }
    this.after = pos;
    return name;
  }

  /** Programs that called functions which allocate, and none that frees; none where frees are recorded whoever calls. */
  programsWithoutFree(): string[] {
    const allocate = new Set<string>();
    const free = new Set<string>();
    for (const { caller, kind } of this.#facts) {
      if (caller === undefined && kind === Kind.free) return [];
      // What a library allocates its callers may free.
      if (caller === undefined || !isAllocator(kind) || kind === Kind.malloc_usable_size || caller.includes('.so')) continue;
      (kind === Kind.free || kind === Kind.delete ? free : allocate).add(caller);
    }
    return [...allocate].filter((caller) => !free.has(caller));
  }

  /** The name that begins at `start`, if it is one of those seen last. */
  #recentName(view: DataView, start: number, end: number): Name | undefined {
    const recent = this.#recent;
    for (let i = 0; i < recent.length; i++) {
      const name = recent[i];
      const { words } = name;
      const parenthesis = start + name.bytes.length;
      if (parenthesis >= end || parenthesis < 3) continue;
      if (view.getInt32(parenthesis - 3) !== words[0]) continue;
      let at = start;
      let word = 1;
      while (word < words.length && view.getInt32(at) === words[word]) {
        word++;
        at += 4;
      }
      if (word === words.length) return name;
    }
    return undefined;
  }

  /** Puts a name first among those seen last. One that is too short to be compared so is left out. */
  #remember(name: Name): void {
    if (name.words.length === 0) return;
    this.#recent.unshift(name);
    if (this.#recent.length > RECENT_NAMES) this.#recent.pop();
  }

  #nameOf(bytes: Uint8Array, start: number, end: number): Name {
    const row = this.#table.intern(bytes, start, end);
    const found = this.#facts[row];
    if (found !== undefined) return found;
    const call = this.#behindOutput(callNamed(this.#table.text(row)));
    if (call.caller !== undefined) this.#callers.add(call.caller);
    return (this.#facts[row] = new Name(Uint8Array.from(bytes.subarray(start, end)), call, this.#stacks.ofCall(call)));
  }

  /** The call, without what stands before the name of a program that has called before: it was printed without a newline. */
  #behindOutput(call: Call): Call {
    const { caller } = call;
    if (caller === undefined || this.#callers.has(caller)) return call;
    let start = caller.length;
    while (start > 0 && !PRINTED_END.test(caller[start - 1])) start--;
    while (DIGIT.test(caller[start])) start++;
    const known = caller.slice(start);
    if (known !== caller && this.#callers.has(known)) return { ...call, caller: known, printed: true };
    return call;
  }
}

/**
 * What to compare a name with, four bytes at once: the last three with the parenthesis after them, then all from the start
 * (the last of these words may overlap the one before its end). Nothing for a name of less than four bytes.
 */
function wordsOf(name: Uint8Array): Int32Array {
  if (name.length < 4) return new Int32Array(0);
  const bytes = Uint8Array.from([...name, OPEN]);
  const view = new DataView(bytes.buffer);
  const words = [view.getInt32(name.length - 3)];
  for (let at = 0; at + 4 <= name.length; at += 4) words.push(view.getInt32(at));
  return Int32Array.from(words);
}

/** Position of the parenthesis that opens the arguments, where the one at `open` opens a demangled name's parameters; -1 otherwise. */
function endOfParameters(bytes: Uint8Array, open: number, end: number): number {
  let after = -1;
  for (let from = open; ; ) {
    let depth = 0;
    let pos = from;
    for (; pos < end; pos++) {
      const byte = bytes[pos];
      if (byte === QUOTE) return after;
      if (byte === OPEN) depth++;
      else if (byte === CLOSE && --depth === 0) break;
    }
    if (pos >= end) return after;
    pos++;
    if (hasWord(bytes, pos, end, CONST)) pos += CONST.length;
    // Template arguments and scopes may go on after parentheses: `std::function<void (int)>::operator()(…)(args`.
    let next = pos;
    while (next < end && bytes[next] !== OPEN && bytes[next] !== EQUALS && bytes[next] !== QUOTE) next++;
    if (next >= end || bytes[next] !== OPEN || (next > pos && bytes[pos] === SPACE)) return after;
    after = next;
    from = next;
  }
}

/** Position of the parenthesis that opens the arguments, where the one at `open` is in a program's name; -1 if no `->` follows. */
function endOfCallee(bytes: Uint8Array, open: number, end: number): number {
  let pos = open;
  while (pos < end && bytes[pos] !== QUOTE && !(bytes[pos] === MINUS && bytes[pos + 1] === GREATER)) pos++;
  while (pos < end && bytes[pos] !== QUOTE && bytes[pos] !== OPEN) pos++;
  return pos < end && bytes[pos] === OPEN ? pos : -1;
}
