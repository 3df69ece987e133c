/**
 * Calls that were entered and have not returned, by thread: those whose line ended in `<unfinished ...>` or `<no return ...>`.
 * Invariant: `count` is their number; each is resumed, or given up and counted.
 */
import type { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { isAllocator, isWrapper, Kind, requested } from './functions.ts';
import type { Name } from './names.ts';

/** Most calls kept open in a thread: deeper ones are not tracked. */
const DEEPEST = 4096;

/** A call that was entered and has not returned. */
export interface OpenCall {
  readonly name: Name;
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Return address, NaN if unknown. */
  readonly ip: number;
  readonly stack: StackIndex;
  /** True once an inner call was counted in this one's place. */
  counted: boolean;
  /** The call was counted when it was entered. */
  done: boolean;
  /** What an inner allocation gave. */
  inner: number;
  /** Of strndup, the bytes that it copies, where the call within it that counts them was seen; NaN if not. */
  copied: number;
}

/** The open calls of all threads. */
export class OpenCalls {
  count = 0;
  readonly #trace: Trace;
  readonly #byThread = new Map<number, OpenCall[]>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Those of a thread, the innermost last; undefined if it never had any. */
  of(tid: number): OpenCall[] | undefined {
    return this.#byThread.get(tid);
  }

  /** Those of a thread that is about to open one. */
  roomFor(tid: number): OpenCall[] {
    let calls = this.#byThread.get(tid);
    if (calls === undefined) this.#byThread.set(tid, (calls = []));
    if (calls.length >= DEEPEST) this.#giveUp(calls, 0);
    return calls;
  }

  push(calls: OpenCall[], call: OpenCall): void {
    calls.push(call);
    this.count++;
  }

  /** The call at `depth` returns, and what it enclosed is given up. */
  pop(calls: OpenCall[], depth: number): void {
    this.#giveUp(calls, depth + 1);
    calls.pop();
    this.count--;
  }

  /** A thread, or its program, is over. */
  endThread(tid: number): void {
    const calls = this.#byThread.get(tid);
    if (calls === undefined) return;
    this.#giveUp(calls, 0);
    this.#byThread.delete(tid);
  }

  /** The recording is over. */
  end(): void {
    for (const calls of this.#byThread.values()) this.#giveUp(calls, 0);
  }

  /** Gives up open calls from `depth` on: they never returned. */
  #giveUp(calls: OpenCall[], depth: number): void {
    for (let i = depth; i < calls.length; i++) {
      const { kind, done } = calls[i];
      if (isAllocator(kind)) {
        if (!done) this.#trace.skip('no_return');
      } else if (kind !== Kind.other) this.#trace.skip('other_call');
    }
    this.count -= Math.max(0, calls.length - depth);
    calls.length = Math.min(calls.length, depth);
  }

  /**
   * The innermost open allocator call that this call is part of. One that has nothing to do with it has never returned
   * (a thread that died in it): it is given up.
   */
  enclosing(calls: OpenCall[], kind: Kind, a: number, b: number, c: number): OpenCall | undefined {
    for (let i = calls.length - 1; i >= 0; i--) {
      const outer = calls[i];
      if (!isAllocator(outer.kind)) continue;
      if (isWrapper(outer.kind) || isPartOf(kind, a, b, c, outer)) return outer;
      if (!outer.done) this.#trace.skip('no_return');
      calls.splice(i, 1);
      this.count--;
    }
    return undefined;
  }
}

/** True if a call of `kind` with these arguments is what `outer`, an allocator's call, does to do its own work. */
function isPartOf(kind: Kind, a: number, b: number, c: number, outer: OpenCall): boolean {
  if (outer.done) return kind === Kind.free && outer.a === a;
  const gone = kind === Kind.free || kind === Kind.realloc || kind === Kind.libc_calloc || kind === Kind.reallocarray ? a : 0;
  const reallocates =
    outer.kind === Kind.realloc || outer.kind === Kind.reallocarray || outer.kind === Kind.libc_calloc || outer.kind === Kind.libc_realloc;
  if (gone !== 0) return reallocates && gone === outer.a;
  const size = requested(kind, a, b, c);
  // Arguments that are printed when the call returns.
  if (Number.isNaN(outer.c)) return true;
  const whole = requested(outer.kind, outer.a, outer.b, outer.c);
  // Some allocators round the size up within, for alignment or a header.
  return size >= whole && size <= whole + 4096 + alignmentOf(outer);
}

function alignmentOf({ kind, a, b }: OpenCall): number {
  if (kind === Kind.posix_memalign) return b;
  return kind === Kind.memalign || kind === Kind.aligned_alloc ? a : 0;
}
