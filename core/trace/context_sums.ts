/**
 * What a recording says that sums up instead of listing calls: values per allocating stack.
 * Invariant: a context's in-use values are at most its allocated ones where `accumulated` is set; no value is negative.
 * Differs from a trace: it cannot be replayed, since neither order nor addresses are known.
 */
import type { Frame } from './stacks.ts';

/** Values of one allocating stack; estimates, with fractions, where the recording is a sample. */
export interface ContextSum {
  /** Leaf first. */
  readonly stack: readonly Frame[];
  /** Objects allocated and not freed, and their bytes. */
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  /** Objects allocated in all, and their bytes; 0 if that is not known. */
  readonly allocObjects: number;
  readonly allocBytes: number;
}

/** A recording that sums up. */
export interface ContextSums {
  /** What wrote it: "memleak", "prof_log" … */
  readonly source: string;
  readonly contexts: readonly ContextSum[];
  /** One allocation was sampled in about so many bytes, which is undone in `contexts`; 1: every one was counted. */
  readonly sampleIntervalBytes: number;
  /** False if the recording knows only what is in use. */
  readonly accumulated: boolean;
  /** True if the recording knows only what was freed. */
  readonly freedOnly: boolean;
  /** Bytes are what the program asked for (true) or what size classes made of it (false). */
  readonly requested: boolean;
  /** Messages for the user, one sentence each. */
  readonly warnings: readonly string[];
}
