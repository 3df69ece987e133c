/**
 * Times of a trace as nanoseconds since its start.
 * Wall-clock nanoseconds pass 2^53, so a time is read as seconds and nanoseconds, and only differences become one number.
 */
import type { Nanoseconds } from '../../core/units.ts';

/** The time that a trace's times are counted from. */
export class TimeOrigin {
  seconds = NaN;
  nanos = NaN;
  /** True once `set` was called. */
  known = false;

  set(seconds: number, nanos: number): void {
    this.seconds = seconds;
    this.nanos = nanos;
    this.known = true;
  }

  /** Nanoseconds from the origin to this time, exact up to 104 days; negative before it. */
  since(seconds: number, nanos: number): Nanoseconds {
    return ((seconds - this.seconds) * 1e9 + (nanos - this.nanos)) as Nanoseconds;
  }

  /** The origin in the trace's own clock, ns; 0 if it is not known. */
  toBigInt(): bigint {
    if (!this.known) return 0n;
    return BigInt(this.seconds) * 1_000_000_000n + BigInt(this.nanos);
  }
}
