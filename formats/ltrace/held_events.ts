/**
 * Events that are held back until it is decided which process they are of.
 * Invariant: they leave in the order they came.
 */
import type { Op } from '../../core/trace/events.ts';

/** Numbers of an event. */
const FIELDS = 8;
/** Events that have left before the room that they took is given up. */
const MOST_GONE = 4096;

/** Takes an event, columns as in EventBatch but for `tid`; false if it is to stay, and all behind it. */
export type TakeHeld = (op: Op, tid: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number) => boolean;

/** A queue of events. */
export class HeldEvents {
  #numbers: number[] = [];
  /** Place of the first one that has not left. */
  #first = 0;

  /** Events held. */
  get length(): number {
    return (this.#numbers.length - this.#first) / FIELDS;
  }

  push(op: Op, tid: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number): void {
    this.#numbers.push(op, tid, time, ptr, old, size, extra, stack);
  }

  /** Hands events to `take` for as long as it takes them. */
  release(take: TakeHeld): void {
    const numbers = this.#numbers;
    let at = this.#first;
    while (
      at < numbers.length &&
      take(
        numbers[at] as Op,
        numbers[at + 1],
        numbers[at + 2],
        numbers[at + 3],
        numbers[at + 4],
        numbers[at + 5],
        numbers[at + 6],
        numbers[at + 7],
      )
    )
      at += FIELDS;
    this.#first = at;
    if (at < numbers.length && at <= FIELDS * MOST_GONE) return;
    this.#numbers = numbers.slice(at);
    this.#first = 0;
  }
}
