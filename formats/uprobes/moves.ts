/**
 * Reallocs further on in a window of records, by the block that they move away.
 * Invariant: rows are asked for in ascending order as long as the window is the same.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';

/** Whether the record at `row` is a whole realloc that gave another address than it took. */
function isMove({ op, ptr, old }: EventBatch, row: number): boolean {
  return (op[row] === Op.realloc || op[row] === Op.reallocarray) && ptr[row] !== old[row];
}

/** The moves of a window. */
export class Moves {
  /** Address -> rows of the reallocs that move a block away from it, the last one first; made when it is first asked for. */
  #ahead: Map<number, number[]> | undefined;

  /** The window is another one. */
  clear(): void {
    this.#ahead = undefined;
  }

  /** Row of the first realloc behind `row` that moves a block away from `address`; -1 if there is none. */
  next(rows: EventBatch, row: number, address: number): number {
    const ahead = (this.#ahead ??= movesBehind(rows, row)).get(address);
    if (ahead === undefined) return -1;
    // Those behind are over, and those that were taken are none any more.
    while (ahead.length > 0 && (ahead[ahead.length - 1] <= row || !isMove(rows, ahead[ahead.length - 1]))) ahead.pop();
    return ahead.length === 0 ? -1 : ahead[ahead.length - 1];
  }
}

/** Address -> rows, as Moves keeps them, of all moves behind `row`. */
function movesBehind(rows: EventBatch, row: number): Map<number, number[]> {
  const ahead = new Map<number, number[]>();
  for (let at = rows.length - 1; at > row; at--) {
    if (!isMove(rows, at)) continue;
    const known = ahead.get(rows.old[at]);
    if (known === undefined) ahead.set(rows.old[at], [at]);
    else known.push(at);
  }
  return ahead;
}
