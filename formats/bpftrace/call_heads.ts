/**
 * What the lines of a thread's mallocs and frees have behind their time: ` 15455 15457 malloc(` and ` 15455 15457 free(0x`.
 * Invariant: the columns of a head are what the reader's general path makes of these bytes.
 */
import { Op } from '../../core/trace/events.ts';
import { hasWord, ascii } from '../shared/cursor.ts';
import { LineTexts } from '../shared/line_texts.ts';
import { SPACE, ZERO } from '../shared/letters.ts';
import { HEAD_HINTS, MOST_HEADS, MOST_ID_DIGITS } from './whole_line_plan.ts';

const CALLS = [
  { word: ascii('malloc('), op: Op.malloc },
  { word: ascii('free(0x'), op: Op.free },
];

/** Heads by number. */
export class CallHeads extends LineTexts {
  /** Op */
  readonly op = new Uint8Array(MOST_HEADS);
  /** Thread's place in ProbeCalls. */
  readonly thread = new Int32Array(MOST_HEADS);
  /** Hash of some of a head's bytes -> the head that was found last where they stood. */
  readonly likely = new Uint8Array(HEAD_HINTS);
  /** The head read last: its numbers, its op, its end. */
  process = 0;
  tid = 0;
  readOp: number = Op.malloc;
  end = 0;

  constructor() {
    super(MOST_HEADS);
  }

  /** Reads what stands at `start`; false if it is no head. */
  read(bytes: Uint8Array, start: number): boolean {
    const processEnd = endOfId(bytes, start);
    const tidEnd = processEnd < 0 ? -1 : endOfId(bytes, processEnd);
    if (tidEnd < 0 || bytes[tidEnd] !== SPACE) return false;
    const call = CALLS.find(({ word }) => hasWord(bytes, tidEnd + 1, bytes.length, word));
    if (call === undefined) return false;
    this.process = numberOf(bytes, start + 1, processEnd);
    this.tid = numberOf(bytes, processEnd + 1, tidEnd);
    this.readOp = call.op;
    this.end = tidEnd + 1 + call.word.length;
    return true;
  }

  /** Keeps the head read last, which stands at `start`, and gives its number. */
  learn(bytes: Uint8Array, view: DataView, start: number, thread: number): number {
    const head = this.keep(bytes, view, start, this.end);
    this.op[head] = this.readOp;
    this.thread[head] = thread;
    return head;
  }
}

/** Where the digits behind the space at `start` end; -1 if there is no space, no digit, or more than are taken. */
function endOfId(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== SPACE) return -1;
  let at = start + 1;
  while ((bytes[at] - ZERO) >>> 0 < 10) at++;
  return at === start + 1 || at > start + 1 + MOST_ID_DIGITS ? -1 : at;
}

function numberOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + bytes[at] - ZERO;
  return value;
}
