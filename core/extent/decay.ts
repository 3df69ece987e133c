/**
 * When unused pages are given back: the smoothstep decay of one page cache (jemalloc 5.3.0, src/decay.c, include/jemalloc/internal/smoothstep.h).
 * The decay time has 200 epochs, and `backlog` how many pages each of the latest 200 brought. Of these a share may stay that falls from one to nothing along an S: slowly
 * at first, for they may soon be used again, and slowly at the end. The sum of what may stay is a bound on all pages, whatever their age; those beyond it
 * are purged, the longest unused first.
 * Invariant: epoch <= deadline; backlog[199] holds the pages first seen in the latest epoch.
 * Differs: times are ns since start_ts, as doubles, and the caller reads the clock; what background threads ask for is exact for any time (bigint).
 */
import { prngRange, setU64, UINT64_MAX } from '../u64.ts';

/** The longest decay time, milliseconds: as many seconds as 64 bits of nanoseconds hold (decay_ms_valid: NSTIME_SEC_MAX of nstime.h, times 1000). */
export const DECAY_MS_MAX = 18446744072000;
/** Epochs over which pages decay (SMOOTHSTEP_NSTEPS). */
const STEPS = 200;

/** Bits behind the point of shares of pages (SMOOTHSTEP_BFP), and what one whole is. */
const SHARE_BITS = 24n;
const WHOLE: number = 2 ** Number(SHARE_BITS);
/** Nanoseconds of an epoch for each millisecond of decay time: a whole number. */
const EPOCH_PER_MS: number = 1_000_000 / STEPS;

/** Epoch of the backlog -> share of its pages that may stay, times 2^24: 6x^5 - 15x^4 + 10x^3 at x = (epoch + 1) / 200, rounded down (h_steps). */
const smoothstep: Float64Array = new Float64Array(STEPS);
for (let step = 1n; step <= STEPS; step++) {
  const n = BigInt(STEPS);
  smoothstep[Number(step) - 1] = Number(((6n * step ** 5n - 15n * n * step ** 4n + 10n * n * n * step ** 3n) << SHARE_BITS) / n ** 5n);
}

/** Whether a decay time, milliseconds, is one: -1 (never), 0 (at once) up to the longest (decay_ms_valid). */
export function decayMsValid(ms: number): boolean {
  return ms >= -1 && ms <= DECAY_MS_MAX;
}

/** decay_t */
export class Decay {
  /** Address of the decay_t in the arena: the seed of its jitter. */
  readonly address: number;
  /** Milliseconds; 0: at once, -1: never. */
  ms = 0;
  /** Length of an epoch, ns; when the latest one began and when the next is due, ns since start_ts. */
  interval = 0;
  epoch = 0;
  deadline = 0;
  readonly #jitter = new Uint32Array(2);
  /** Epoch, the latest last -> pages that became unused in it. */
  readonly #backlog = new Float64Array(STEPS);
  /** Pages that may stay unpurged, and the pages there were after the latest epoch's purge was decided. */
  pagesLimit = 0;
  pagesUnpurged = 0;
  /** Purge passes, madvise calls, pages purged (pac_decay_stats). */
  npurge = 0;
  nmadvise = 0;
  purged = 0;

  /** decay_init. `now` in ns since start_ts, `ms` a decay time. */
  constructor(address: number, now: number, ms: number) {
    this.address = address;
    this.reinit(now, ms);
  }

  /** decay_reinit: as new, with another decay time. */
  reinit(now: number, ms: number): void {
    this.ms = ms;
    if (ms > 0) this.interval = ms * EPOCH_PER_MS;
    this.epoch = now;
    setU64(this.#jitter, 0, BigInt(this.address));
    this.#initDeadline();
    this.pagesUnpurged = 0;
    this.#backlog.fill(0);
  }

  /** decay_deadline_init: a random time within the epoch after this one. */
  #initDeadline(): void {
    this.deadline = this.epoch + this.interval;
    if (this.ms > 0) this.deadline += prngRange(this.#jitter, 0, this.interval);
  }

  /** decay_maybe_advance_epoch, with so many unused `pages`: true if the deadline has passed; then `pagesLimit` is up to date. */
  maybeAdvanceEpoch(now: number, pages: number): boolean {
    if (this.deadline > now) return false;
    const epochs = Math.floor((now - this.epoch) / this.interval);
    this.epoch += epochs * this.interval;
    this.#initDeadline();
    const backlog = this.#backlog;
    if (epochs >= STEPS) {
      backlog.fill(0);
    } else {
      backlog.copyWithin(0, epochs);
      backlog.fill(0, STEPS - epochs);
    }
    backlog[STEPS - 1] = Math.max(0, pages - this.pagesUnpurged);
    let sum = 0;
    for (let step = 0; step < STEPS; step++) sum += backlog[step] * smoothstep[step];
    this.pagesLimit = Math.floor(sum / WHOLE);
    this.pagesUnpurged = Math.max(this.pagesLimit, pages);
    return true;
  }

  /** decay_epoch_npages_delta: pages that the latest epoch brought. */
  get pagesOfEpoch(): number {
    return this.#backlog[STEPS - 1];
  }

  /** decay_epoch_duration_ns, in whole numbers: the longest has 57 bits. */
  get #epochLength(): bigint {
    return BigInt(this.ms) * BigInt(EPOCH_PER_MS);
  }

  /** decay_npages_purge_in: how many of `pages` that are new will have been purged after `time` ns. The decay time is above 0. */
  pagesPurgedIn(time: bigint, pages: number): number {
    const epochs = Number(time / this.#epochLength);
    if (epochs >= STEPS) return pages;
    return Math.floor((pages * (smoothstep[STEPS - 1] - smoothstep[STEPS - 1 - epochs])) / WHOLE);
  }

  /** decay_npurge_after_interval: pages to purge over so many epochs. */
  #pagesPurgedAfter(epochs: number): number {
    let sum = 0;
    for (let step = 0; step < STEPS; step++) {
      sum += this.#backlog[step] * (smoothstep[step] - (step < epochs ? 0 : smoothstep[step - epochs]));
    }
    return Math.floor(sum / WHOLE);
  }

  /** decay_ns_until_purge: nanoseconds until about `threshold` of the `pages` there are have to be purged; UINT64_MAX if none ever will. */
  timeUntilPurge(pages: number, threshold: number): bigint {
    if (this.ms <= 0 || (pages === 0 && this.#backlog.every((count) => count === 0))) return UINT64_MAX;
    const epochLength = this.#epochLength;
    if (pages <= threshold) return epochLength * BigInt(STEPS);
    // two at least, so that the next epoch is reached
    let low = 2;
    let high = STEPS;
    let purgedLow = this.#pagesPurgedAfter(low);
    if (purgedLow > threshold) return epochLength * BigInt(low);
    let purgedHigh = this.#pagesPurgedAfter(high);
    if (purgedHigh < threshold) return epochLength * BigInt(high);
    while (purgedLow + threshold < purgedHigh && low + 2 < high) {
      const middle = (low + high) >> 1;
      const purged = this.#pagesPurgedAfter(middle);
      if (purged > threshold) {
        high = middle;
        purgedHigh = purged;
      } else {
        low = middle;
        purgedLow = purged;
      }
    }
    // multiplied before it is halved: two centuries and more lose their highest bit
    return BigInt.asUintN(64, epochLength * BigInt(high + low)) / 2n;
  }

  /** Checks the backlog. @throws Error naming what does not hold. */
  check(): void {
    if (this.epoch > this.deadline) throw new Error('decay: the deadline lies before its epoch');
    const backlog = this.#backlog;
    for (let step = 0; step < STEPS; step++) if (!(backlog[step] >= 0)) throw new Error('decay: the backlog holds a negative count');
  }
}
