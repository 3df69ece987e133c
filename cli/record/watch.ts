/**
 * Follows a recording while it is written: how many events it has, and how many the recorder says it lost.
 * Invariant: only whole lines are counted, each once.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

const NEWLINE = 0x0a;
const LOST = /^(?:Lost|.*"lost_events".*"events":) (\d+)/;
/** Bytes looked at in one go. */
const PART = 1 << 20;

/** A recording that grows. */
export class Watch {
  events = 0;
  lost = 0;
  /** Bytes of the file that are whole lines and looked at. */
  bytes = 0;
  /** Where the file ends after the most events wanted; undefined until then. */
  end: number | undefined;
  readonly #file: string;
  readonly #isEvent: (line: string) => boolean;
  readonly #most: number;
  readonly #part = Buffer.alloc(PART);

  constructor(file: string, isEvent: (line: string) => boolean, most: number) {
    this.#file = file;
    this.#isEvent = isEvent;
    this.#most = most;
  }

  /** Reads what has come since. */
  look(): void {
    if (!existsSync(this.#file)) return;
    const fd = openSync(this.#file, 'r');
    try {
      const { size } = fstatSync(fd);
      while (this.bytes < size && this.end === undefined) {
        const length = readSync(fd, this.#part, 0, PART, this.bytes);
        const whole = this.#part.lastIndexOf(NEWLINE, length - 1) + 1;
        if (whole === 0) return;
        this.#count(whole);
      }
    } finally {
      closeSync(fd);
    }
  }

  #count(length: number): void {
    const start = this.bytes;
    let at = 0;
    while (at < length) {
      const end = this.#part.indexOf(NEWLINE, at);
      const first = this.#part[at] as number;
      // Of most lines, those of stacks, the first byte tells enough.
      if (first > 0x20) {
        const line = this.#part.toString('latin1', at, Math.min(end, at + 200));
        if (this.#isEvent(line)) {
          if (this.events === this.#most) {
            this.end = start + at;
            return;
          }
          this.events++;
        } else this.lost += Number(LOST.exec(line)?.[1] ?? 0);
      }
      at = end + 1;
    }
    this.bytes = start + length;
  }
}
