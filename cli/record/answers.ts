/**
 * Talking with the script that bpftrace runs: it is told a word by the name of our thread (probes.ts, Word), and answers with a line in the recording.
 * Invariant: each line of the growing file is looked at once.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { NEWLINE } from '../../formats/shared/letters.ts';
import { FORKED, PLACED, type Word } from './probes.ts';

/** Milliseconds between two times that the script is told the same. */
const TELL_MS = 100;
/** Bytes of the file that are looked at in one go. */
const PART = 1 << 20;

/** Tells the script something: it sees the name taken, and need not see it last. */
export function tell(name: string): void {
  // The newline behind a name is none of it.
  const own = readFileSync('/proc/self/comm').subarray(0, -1);
  writeFileSync('/proc/self/comm', name);
  writeFileSync('/proc/self/comm', own);
}

/** Counts the lines of a growing file that begin with a text, each once. */
class Lines {
  #count = 0;
  #looked: number;
  readonly #file: string;
  readonly #line: Buffer;
  readonly #part = Buffer.alloc(PART);

  /** @param from bytes at the file's beginning that are not looked at, but for the last one */
  constructor(file: string, line: string, from: number) {
    this.#looked = Math.max(0, from - 1);
    this.#file = file;
    this.#line = Buffer.from(`\n${line}`);
  }

  /** How many there are by now. */
  count(): number {
    const fd = openSync(this.#file, 'r');
    try {
      const { size } = fstatSync(fd);
      // The last newline is looked at again: the next line may begin behind it.
      while (size - this.#looked > 1) {
        const length = readSync(fd, this.#part, 0, this.#part.length, this.#looked);
        const whole = this.#part.lastIndexOf(NEWLINE, length - 1);
        if (whole <= 0) break;
        const text = this.#part.subarray(0, whole + 1);
        for (let at = text.indexOf(this.#line); at >= 0; at = text.indexOf(this.#line, at + this.#line.length)) this.#count++;
        this.#looked += whole;
      }
      return this.#count;
    } finally {
      closeSync(fd);
    }
  }
}

/** Asks for an answer: tells the script a word until it answers, again and again since answers are lost where a ring is full. */
export class Answers {
  readonly #word: Word;
  readonly #lines: Lines;
  #next = 0;
  #have = false;

  /** @param from bytes at the file's beginning that other answers may be in */
  constructor(word: Word, file: string, from: number) {
    this.#word = word;
    this.#lines = new Lines(file, word.answer, from);
  }

  /** Whether it has answered by now; if not, it is told once more. */
  have(): boolean {
    if (this.#have) return true;
    this.#have = this.#lines.count() > 0;
    if (!this.#have && performance.now() >= this.#next) {
      this.#next = performance.now() + TELL_MS;
      tell(this.#word.name);
    }
    return this.#have;
  }
}

/** How many processes the process has started, by its recording. */
export const forksIn = (file: string): number => new Lines(file, FORKED, 0).count();

/** Counts how often code has taken its place in memory, by a recording behind its first bytes. */
export const placedIn = (file: string, from: number): Lines => new Lines(file, PLACED, from);
