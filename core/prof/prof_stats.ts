/**
 * Requested bytes and counts of sampled objects by size class (jemalloc 5.3.0, src/prof_stats.c; prof_stats).
 * Invariant: live <= accum in every class, unless a sum has passed 2^64.
 * Differs: not at all.
 */
import { NSIZES } from '../sizes/sc.ts';
import type { ProfLocks } from './host.ts';
import type { InfoTable } from './prof_info.ts';
import type { SizeClass } from '../units.ts';

/** Sums of one size class. */
export interface ProfStatsRow {
  /** Sum of requested bytes. */
  readonly requested: bigint;
  readonly count: bigint;
}

/** What `prof.stats.bins.<i>` and `prof.stats.lextents.<i>` tell (prof_stats_t): sums modulo 2^64, by size class. */
export class ProfStats {
  readonly #locks: ProfLocks;
  readonly #liveRequested = new BigUint64Array(NSIZES);
  readonly #liveCount = new BigUint64Array(NSIZES);
  readonly #accumRequested = new BigUint64Array(NSIZES);
  readonly #accumCount = new BigUint64Array(NSIZES);

  constructor(locks: ProfLocks) {
    this.#locks = locks;
  }

  /** Books a sampled object of `size` requested bytes (prof_stats_inc). */
  add(szind: SizeClass, size: number): void {
    this.#locks.prof_stats++;
    const requested = BigInt(size);
    this.#liveRequested[szind] += requested;
    this.#liveCount[szind]++;
    this.#accumRequested[szind] += requested;
    this.#accumCount[szind]++;
  }

  /** Books that a sampled object of `size` requested bytes is gone (prof_stats_dec). */
  remove(szind: SizeClass, size: number): void {
    this.#locks.prof_stats++;
    this.#liveRequested[szind] -= BigInt(size);
    this.#liveCount[szind]--;
  }

  /** Sums over live sampled objects (prof_stats_get_live); the lock is taken, as by each of the library's reads. */
  live(szind: SizeClass): ProfStatsRow {
    this.#locks.prof_stats++;
    return { requested: this.#liveRequested[szind], count: this.#liveCount[szind] };
  }

  /** Sums over all sampled objects that ever were (prof_stats_get_accum). */
  accum(szind: SizeClass): ProfStatsRow {
    this.#locks.prof_stats++;
    return { requested: this.#accumRequested[szind], count: this.#accumCount[szind] };
  }

  /** @throws Error unless the sums of what is live are those of the live sampled objects. */
  check(infos: InfoTable): void {
    const requested = new BigUint64Array(NSIZES);
    const count = new BigUint64Array(NSIZES);
    for (let info = 0; info < infos.length; info++) {
      if (infos.tctx[info] < 0) continue;
      requested[infos.szind[info]] += BigInt(infos.size[info]);
      count[infos.szind[info]]++;
    }
    for (let szind = 0; szind < NSIZES; szind++) {
      if (this.#liveCount[szind] !== count[szind] || this.#liveRequested[szind] !== requested[szind])
        throw new Error('prof_stats: what is live is not what is sampled');
      if (this.#liveCount[szind] > this.#accumCount[szind]) throw new Error('prof_stats: more is live than ever was');
    }
  }
}
