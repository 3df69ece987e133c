/**
 * What scripts of one's own print before a call: a time, the ids of process and thread, the command, as many of them as they like, in this order.
 *
 *     58739038670616 6788 malloc(65536) = 0x55ef38d4a2a0        time and thread
 *     18:24:34.510575 leaky[6788] malloc(65536) = …             time of day, command, thread
 *     pid=6788 tid=6790 malloc(65536) = …
 *
 * Invariant: a prefix that was read is of these alone; numbers beyond an id's size are times.
 * Differs from what bpftrace prints elsewhere: no line says what its columns are, so that these are taken only behind bpftrace's own first line.
 */
import { isDigit, textOf } from '../shared/cursor.ts';
import { LOWER_A, LOWER_Z, OPEN, UNDERSCORE } from '../shared/letters.ts';
import { opNamed } from '../uprobes/call_names.ts';
import { LONGEST_NAME } from './call_line.ts';

/** Longest prefix, bytes. */
const LONGEST = 80;
/** Ids are below this (PID_MAX_LIMIT of the kernel). */
const IDS_END = 2 ** 22;

const SEPARATOR = /[\s,;|[\]()]+|:(?=\s|$)/;
const LABEL = /^(?:time|ts|nsecs|pid|tgid|tid|comm)(?:=|$)/i;
const NUMBER = /^\d{1,19}$/;
const TIME_OF_DAY = /^(\d\d):(\d\d):(\d\d)(?:[.:](\d{1,9}))?$/;
const PAIR = /^(\d{1,7})[/:](\d{1,7})$/;
/** A word of the command; not one that says of a number that it is none of those that are read. */
const WORD = /^(?!(?:cpu|core|[ug]id|ppid)$)(?=.*[A-Za-z])[^=]+$/i;
/** In CallPrefix.shape: the number of ids, and whether there is a time. */
const IDS = 3;
const TIMED = 4;

/** The prefix read last. */
export class CallPrefix {
  /** Undefined if there is none. */
  pid: number | undefined;
  tid: number | undefined;
  hasTime = false;
  /** The time: whole seconds, and nanoseconds beyond them. */
  seconds = 0;
  nanos = 0;
  /** The command, if there is one. */
  name = '';

  /** How many ids there are, and whether there is a time: the same for all lines of a script. */
  get shape(): number {
    return (this.tid === undefined ? 0 : this.pid === undefined ? 1 : 2) | (this.hasTime ? TIMED : 0);
  }

  /** Reads what stands before the call of the line start..end: where the call begins, or -1 if there is none or something else stands there. */
  read(bytes: Uint8Array, start: number, end: number): number {
    const callAt = callIn(bytes, start, end);
    if (callAt < 0 || !this.#readTokens(textOf(bytes, start, callAt).split(SEPARATOR))) return -1;
    return callAt;
  }

  #readTokens(tokens: readonly string[]): boolean {
    const ids: number[] = [];
    const words: string[] = [];
    this.hasTime = false;
    for (const token of tokens) {
      const text = token.replace(LABEL, '');
      const pair = PAIR.exec(text);
      if (text === '') continue;
      if (pair !== null) ids.push(Number(pair[1]), Number(pair[2]));
      else if (NUMBER.test(text) && Number(text) < IDS_END) ids.push(Number(text));
      else if (NUMBER.test(text) || TIME_OF_DAY.test(text)) {
        // What a time stands behind is no id.
        if (this.hasTime || ids.length > 0) return false;
        this.#readTime(text);
      } else if (WORD.test(text)) words.push(text);
      else return false;
    }
    this.name = words.join(' ');
    this.pid = ids.length === 2 ? ids[0] : undefined;
    this.tid = ids.at(-1);
    return ids.length <= 2 && this.name.length <= LONGEST_NAME;
  }

  #readTime(text: string): void {
    this.hasTime = true;
    const [, hours, minutes, seconds, fraction = ''] = TIME_OF_DAY.exec(text) ?? [];
    if (hours === undefined) {
      this.seconds = Number(text.slice(0, -9));
      this.nanos = Number(text.slice(-9));
    } else {
      this.seconds = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
      this.nanos = Number(fraction.padEnd(9, '0'));
    }
  }
}

/** Whether prefixes of this shape have times. */
export function hasTimes(shape: number): boolean {
  return (shape & TIMED) !== 0;
}

/** Whether they have ids of threads. */
export function hasIds(shape: number): boolean {
  return (shape & IDS) !== 0;
}

/** Where the name of a function of the allocator stands that a bracket follows, behind what ends a word; -1 if it is nowhere in reach. */
function callIn(bytes: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + LONGEST);
  for (let open = start; open < limit; open++) {
    if (bytes[open] !== OPEN) continue;
    let at = open;
    while (at > start && isLowerNameByte(bytes[at - 1])) at--;
    if (opNamed(bytes, at, open) >= 0) return at;
  }
  return -1;
}

/** As isNameByte, of names without capitals, which those of the allocator are. */
function isLowerNameByte(byte: number): boolean {
  return (byte >= LOWER_A && byte <= LOWER_Z) || byte === UNDERSCORE || isDigit(byte);
}
