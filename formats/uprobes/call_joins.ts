/**
 * Which records of a window are of one call: entries are joined with their returns, and calls inside calls are folded.
 * Invariant: a return whose entry is in the window becomes the whole call, and the entry is consumed; a call that another one made is marked as nested.
 * What is left alone of a call stays an entry or a return.
 * Method: each thread's calls are a stack; what cannot have happened within the topmost says that its return was lost. Threads with one call under
 * way, and nothing in it, are the fast lane's (join_lane.ts).
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import type { StackTable } from '../../core/trace/stacks.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { canContain, foldInto, nest } from './call_nesting.ts';
import { JoinState, NONE, PROBES, SEVERAL, joinLane } from './join_lane.ts';
import { CONSUMED, ENTRY, MISLABELLED, RETURN, UNSEEN_ADDRESS } from './record_kinds.ts';

/** Calls of a thread that are under way, the outermost first. Empty unless the thread's `open` says SEVERAL. */
class CallsUnderWay {
  /** Entries without a return so far, and for each the completed call inside it or -1: rows of the window. */
  readonly pending: number[] = [];
  readonly inner: number[] = [];

  clear(): void {
    this.pending.length = this.inner.length = 0;
  }
}

/** Joins and folds the records of a window, and tells which are whose. */
export class CallJoins {
  readonly #stacks: StackTable;
  readonly #state = new JoinState();
  /** By thread's index; none before the first record that the lane leaves. */
  readonly #threads: CallsUnderWay[] = [];
  /** Stack of an entry -> stack of its return -> joined stack. */
  readonly #joined = new Map<StackIndex, Map<StackIndex, StackIndex>>();

  readonly #isMislabelled: ((probe: number) => boolean) | undefined;

  /**
   * @param stacks the table that the records' stacks are of
   * @param isMislabelled says of a probe's number that the recorder calls it by a wrong name, as far as its records have shown it
   */
  constructor(stacks: StackTable, isMislabelled?: (probe: number) => boolean) {
    this.#stacks = stacks;
    this.#isMislabelled = isMislabelled;
  }

  /** Row -> the same thread's next record is so many rows further on; 0 for none. */
  get next(): Int32Array {
    return this.#state.next;
  }

  /** Thread's index -> row of its last record that is not a free, -1 if there is none. */
  get lastAllocation(): Int32Array {
    return this.#state.lastAllocation;
  }

  /** Joins and folds the rows of a window from `known` on, of threads with indices below `threads`. Those before `known` are joined already. */
  take(rows: EventBatch, known: number, threads: number): void {
    const state = this.#state;
    const { length } = rows;
    state.hold(rows.capacity, threads);
    // A probe seen since may have shown that another one is mislabelled.
    state.usual.fill(this.#isMislabelled === undefined ? 1 : 0);
    if (known === 0) {
      state.clear();
      this.#threads.forEach((calls) => calls.clear());
    }
    for (let row = known; row < length; ) {
      row = joinLane(rows, row, length, state);
      if (row < length) this.#takeOne(rows, row++);
    }
  }

  /** The first `count` of `length` rows have gone: entries among them were counted, and no return belongs to them any more. */
  shift(count: number, length: number): void {
    this.#state.shift(count, length);
    this.#threads.forEach((calls, index) => {
      const { pending, inner } = calls;
      if (pending.length === 0) return;
      const gone = pending.findIndex((row) => row >= count);
      const kept = gone < 0 ? [] : pending.slice(gone);
      const within = inner.slice(inner.length - kept.length);
      calls.clear();
      kept.forEach((row, i) => {
        pending.push(row - count);
        inner.push(within[i] < 0 ? -1 : within[i] - count);
      });
      this.#noteOpen(calls, index);
    });
  }

  #takeOne(rows: EventBatch, row: number): void {
    const { op, ptr, old } = rows;
    const { next, open, last, lastAllocation, usual } = this.#state;
    const kind = op[row];
    next[row] = 0;
    if (kind >= CONSUMED) return;
    if (this.#isMislabelled !== undefined && kind >= ENTRY) {
      const probe = kind >= RETURN ? old[row] : ptr[row];
      if (this.#isMislabelled(probe)) {
        op[row] = MISLABELLED;
        return;
      }
      if (probe < PROBES) usual[probe] = 1;
    }
    const index = rows.thread[row];
    const calls = (this.#threads[index] ??= new CallsUnderWay());
    const { pending, inner } = calls;
    if (open[index] >= 0) {
      pending.push(open[index]);
      inner.push(-1);
    }
    const former = last[index];
    if (kind >= RETURN) this.#join(rows, calls, row);
    else if (kind >= ENTRY) {
      abandon(rows, calls, row, kind - ENTRY);
      pending.push(row);
      inner.push(-1);
    } else if (pending.length > 0) {
      abandon(rows, calls, row, kind);
      if (pending.length > 0) inner[pending.length - 1] = row;
    } else if (former >= 0) foldInto(rows, row, former);
    if (former >= 0) next[former] = row - former;
    last[index] = row;
    if (op[row] !== Op.free && kind !== Op.thread_exit) lastAllocation[index] = row;
    this.#noteOpen(calls, index);
  }

  /** Keeps a thread's pending entries where the lane finds them, if it has one and nothing within it, or none. */
  #noteOpen({ pending, inner }: CallsUnderWay, index: number): void {
    const { open } = this.#state;
    if (pending.length === 0) open[index] = NONE;
    else if (pending.length === 1 && inner[0] < 0) {
      open[index] = pending[0];
      pending.pop();
      inner.pop();
    } else open[index] = SEVERAL;
  }

  /** Joins the return at `row` with its entry: the return's row becomes the whole call. */
  #join(rows: EventBatch, { pending, inner }: CallsUnderWay, row: number): void {
    const { op, ptr, old, size, extra, stack, cpu } = rows;
    const kind = op[row] - RETURN;
    let at = pending.length - 1;
    while (at >= 0 && op[pending[at]] !== kind + ENTRY) at--;
    if (at < 0) return;
    const entry = pending[at];
    const within = inner[at];
    // Nearly always one: assigning to `length` costs more than the rest of this function.
    for (let top = pending.length; top > at; top--) {
      pending.pop();
      inner.pop();
    }
    op[row] = kind;
    op[entry] = CONSUMED;
    old[row] = old[entry];
    size[row] = size[entry];
    extra[row] = extra[entry];
    if (cpu !== undefined) cpu[row] = cpu[entry];
    stack[row] = this.#joinStacks(stack[entry] as StackIndex, stack[row] as StackIndex);
    if (within >= 0) {
      // glibc's realloc(p, 0) calls free(p) and gives NULL; every other inner call gives what the outer one gives.
      const same = op[within] === Op.free ? ptr[row] === 0 : ptr[row] === UNSEEN_ADDRESS || ptr[within] === ptr[row];
      if (same) nest(rows, row, within);
    }
    if (at > 0) {
      if (inner[at - 1] < 0) inner[at - 1] = row;
      else pending.length = inner.length = at - 1;
    }
  }

  /**
   * The stack of a call whose entry and return both have one. At a function's first instruction the walk misses the direct caller;
   * at its return it has it, but no longer the function itself.
   */
  #joinStacks(entry: StackIndex, after: StackIndex): StackIndex {
    if (entry === NO_STACK) return after;
    if (after === NO_STACK) return entry;
    const stacks = this.#stacks;
    let ofEntry = this.#joined.get(entry);
    if (ofEntry === undefined) this.#joined.set(entry, (ofEntry = new Map()));
    let joined = ofEntry.get(after);
    if (joined === undefined) {
      const inside = Array.from(stacks.framesOf(entry));
      const outside = Array.from(stacks.framesOf(after));
      // One frame after the return, more before: it is only the return address that the probe noted.
      const rest = outside.length === 1 ? inside.slice(1) : [];
      if (rest[0] === outside[0]) rest.shift();
      joined = stacks.intern([inside[0], ...outside, ...rest]);
      ofEntry.set(after, joined);
    }
    return joined;
  }
}

/** Gives up entries that cannot be around a call of `kind` at `row`: their returns are lost. */
function abandon(rows: EventBatch, { pending, inner }: CallsUnderWay, row: number, kind: number): void {
  for (let top = pending.length - 1; top >= 0; top--) {
    if (inner[top] < 0 && canContain(rows, pending[top], rows.op[pending[top]] - ENTRY, row, kind)) return;
    pending.pop();
    inner.pop();
  }
}
