/**
 * Follows a recording while it is written: how many events it has, and how many the recorder says it lost; and cuts it to the events that are wanted.
 * Invariant: only whole lines are counted, each once.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { SPACE } from '../../formats/shared/letters.ts';
import { forWholeLines, PART } from './whole_lines.ts';

const LOST = /^(?:Lost|.*"lost_events".*"events":) (\d+)/;
/** Bytes of a line that tell what it is. */
const HEAD = 200;

/** A recording that grows. */
export class Watch {
  events = 0;
  lost = 0;
  /** Bytes of the file that are whole lines and looked at. */
  bytes = 0;
  readonly #file: string;
  readonly #isEvent: (line: string) => boolean;
  /** Events wanted: the first ones in order of time, of lines that are in order of time without it. */
  readonly #most: number;
  readonly #timeOf: ((line: string) => number) | undefined;
  /** Where the file ends after the most events wanted, if lines are in order; undefined until then. */
  #end: number | undefined;
  /** Times of the events, if lines are out of order and not all of them may be wanted. */
  readonly #times: number[] = [];
  readonly #part = Buffer.alloc(PART);

  /** @param timeOf as Recorder has it; undefined for lines in order of time */
  constructor(file: string, isEvent: (line: string) => boolean, most: number, timeOf?: (line: string) => number) {
    this.#file = file;
    this.#isEvent = isEvent;
    this.#most = most;
    this.#timeOf = timeOf;
  }

  /** Whether there are as many events as wanted. */
  get isFull(): boolean {
    return this.events >= this.#most;
  }

  /** Reads what has come since. */
  look(): void {
    if (!existsSync(this.#file)) return;
    const fd = openSync(this.#file, 'r');
    try {
      this.bytes = this.#forLines(fd, this.bytes, (line, at) => this.#count(line, at));
    } finally {
      closeSync(fd);
    }
  }

  /** Takes the events off the file that are more than wanted, once it grows no more. What it says of lost ones stays: nothing tells which they were. */
  cut(): void {
    if (this.#end === undefined && this.events <= this.#most) return;
    const fd = openSync(this.#file, 'r+');
    try {
      ftruncateSync(fd, this.#end ?? this.#keepFirst(fd));
    } finally {
      closeSync(fd);
    }
  }

  /** Counts a line; false once the file has all that is wanted. */
  #count(line: string, at: number): boolean {
    if (!this.#isEvent(line)) this.lost += Number(LOST.exec(line)?.[1] ?? 0);
    else if (this.isFull && this.#timeOf === undefined) {
      this.#end = at;
      return false;
    } else {
      this.events++;
      if (this.#most < Infinity && this.#timeOf !== undefined) this.#times.push(this.#timeOf(line));
    }
    return true;
  }

  /** Moves the lines of the first events together; gives their end. */
  #keepFirst(fd: number): number {
    const timeOf = this.#timeOf as (line: string) => number;
    const last = Float64Array.from(this.#times).sort()[this.#most - 1] as number;
    let left = this.#most;
    let keeps = true;
    let kept = 0;
    let start = 0;
    const close = (end: number) => {
      if (keeps) kept = this.#move(fd, start, end, kept);
      start = end;
    };
    const end = this.#forLines(fd, 0, (line, at) => {
      const keep = !(timeOf(line) > last) && (!this.#isEvent(line) || left-- > 0);
      if (keep !== keeps) close(at);
      keeps = keep;
      return true;
    });
    close(end);
    this.events = this.#most;
    return kept;
  }

  /** Moves bytes of the file to a place before them; gives their new end. */
  #move(fd: number, start: number, end: number, to: number): number {
    if (start === to) return end;
    const part = Buffer.alloc(Math.min(PART, end - start));
    for (let at = start; at < end; ) {
      const length = readSync(fd, part, 0, Math.min(part.length, end - at), at);
      writeSync(fd, part, 0, length, to);
      at += length;
      to += length;
    }
    return to;
  }

  /** Calls `take` with the beginning of each whole line that does not begin with a blank, and its place, until it gives false; gives the end of the lines taken. */
  #forLines(fd: number, from: number, take: (line: string, at: number) => boolean): number {
    const part = this.#part;
    // Of most lines, those of stacks, the first byte tells enough.
    return forWholeLines(fd, from, part, (start, end, at) => {
      return (part[start] as number) <= SPACE || take(part.toString('latin1', start, Math.min(end, start + HEAD)), at);
    });
  }
}
