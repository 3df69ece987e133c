/**
 * What each allocation context asked for and gave back, in requested bytes: the program's view, before size classes.
 * Invariant: liveObjects[r] = objects allocated under r and not freed; sums over all rows equal the totals.
 */
import type { StackIndex } from '../units.ts';

/** Per-stack account. Row 0 is the empty backtrace, row s + 1 is stack s. */
export class Ledger {
  /** Rows in use. */
  length = 0;
  allocObjects = new Float64Array(0);
  /** Requested bytes ever allocated. */
  allocBytes = new Float64Array(0);
  liveObjects = new Float64Array(0);
  /** Requested bytes live now. */
  liveBytes = new Float64Array(0);
  /** Time of the first and last allocation, ns since start_ts; NaN in rows without one. */
  firstTime = new Float64Array(0);
  lastTime = new Float64Array(0);
  /** Most bytes that were live at once, and when that was first reached, ns. */
  peakBytes = new Float64Array(0);
  peakTime = new Float64Array(0);

  /** Requested bytes live now, over all rows. */
  totalLiveBytes = 0;
  totalLiveObjects = 0;
  totalBytes = 0;
  totalObjects = 0;
  /** Most requested bytes live at once, and the time and event number when that was first reached. */
  totalPeakBytes = 0;
  totalPeakTime = 0;
  totalPeakEvent = -1;

  /** Books an allocation of `bytes` under `stack` at `time`, event number `event`. */
  allocate(stack: StackIndex, bytes: number, time: number, event: number): void {
    const row = stack + 1;
    if (row >= this.length) this.#reach(row);
    if (this.allocObjects[row]++ === 0) this.firstTime[row] = time;
    this.lastTime[row] = time;
    this.allocBytes[row] += bytes;
    this.liveObjects[row]++;
    const live = (this.liveBytes[row] += bytes);
    if (live > this.peakBytes[row]) {
      this.peakBytes[row] = live;
      this.peakTime[row] = time;
    }
    this.totalObjects++;
    this.totalLiveObjects++;
    this.totalBytes += bytes;
    this.totalLiveBytes += bytes;
    if (this.totalLiveBytes > this.totalPeakBytes) {
      this.totalPeakBytes = this.totalLiveBytes;
      this.totalPeakTime = time;
      this.totalPeakEvent = event;
    }
  }

  /** Books the free of an object of `bytes` that was allocated under `stack`. */
  free(stack: StackIndex, bytes: number): void {
    const row = stack + 1;
    this.liveObjects[row]--;
    this.liveBytes[row] -= bytes;
    this.totalLiveObjects--;
    this.totalLiveBytes -= bytes;
  }

  #reach(row: number): void {
    if (row >= this.allocObjects.length) {
      const capacity = Math.max(64, this.allocObjects.length * 2, row + 1);
      const grow = (old: Float64Array, fill = 0) => {
        const grown = new Float64Array(capacity).fill(fill);
        grown.set(old);
        return grown;
      };
      this.allocObjects = grow(this.allocObjects);
      this.allocBytes = grow(this.allocBytes);
      this.liveObjects = grow(this.liveObjects);
      this.liveBytes = grow(this.liveBytes);
      this.firstTime = grow(this.firstTime, NaN);
      this.lastTime = grow(this.lastTime, NaN);
      this.peakBytes = grow(this.peakBytes);
      this.peakTime = grow(this.peakTime);
    }
    this.length = row + 1;
  }
}
