/**
 * Hashes of the profiling tables' keys, as TypeScript reaches them: they are computed by compiled code (assembly/hash.ts; MurmurHash3_x64_128).
 * Invariant: a 64-bit value is two elements of a Uint32Array, low word first; so is each half of the result.
 * Differs: whole 64-bit values only (a backtrace or a thread id).
 */
import type { ModelMemory } from '../model_memory.ts';

/** Seed of backtrace hashes (prof_bt_hash). */
export const BACKTRACE_SEED = 0x94122f33;
/** Seed of the log's thread hashes (prof_thr_node_hash). */
export const LOG_THREAD_SEED = 0x94122f35;

/** A place for values, and for the hash of them. */
export class Hash128 {
  /** The values. */
  readonly words: Uint32Array;
  /** Both halves of the hash computed last. */
  readonly result: Uint32Array;
  readonly #memory: ModelMemory;

  /** @param values how many there can be */
  constructor(memory: ModelMemory, values: number) {
    this.#memory = memory;
    this.words = memory.uint32(2 * values);
    this.result = memory.uint32(4);
  }

  /** Hashes the first `count` values. @param seed 32-bit seed of both halves */
  compute(count: number, seed: number): void {
    this.#memory.code.hash128(this.words.byteOffset, count, seed, this.result.byteOffset);
  }
}
