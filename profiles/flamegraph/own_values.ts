/**
 * What functions allocate themselves: the table below the graph, in which nothing is merged.
 * Invariant: for each metric the functions that come first are there, by what they have, by what the base has, and by what changed, normalised or not.
 */
import { largest } from '../leaks/largest.ts';
import type { PageMetric } from './page_types.ts';

/** Rows of the page's table. */
export const OWN_ROWS = 12;

/** Values by the frame that allocates. */
export class OwnValues {
  readonly #columns: number;
  /** Frame -> its values by column; undefined for one that allocates nothing itself. */
  readonly #ofFrames: (Float64Array | undefined)[] = [];

  /** @param columns of values: those of the profile, then those of its base */
  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Adds to a frame's own values. */
  add(frame: number, values: ArrayLike<number>): void {
    while (this.#ofFrames.length <= frame) this.#ofFrames.push(undefined);
    addTo((this.#ofFrames[frame] ??= new Float64Array(this.#columns)), values);
  }

  /** The functions that the page's table can show, whatever is chosen there, with their values. @param nameOf what a frame is called there */
  shown(metrics: readonly PageMetric[], nameOf: (frame: number) => string): ReadonlyMap<string, Float64Array> {
    const byName = new Map<string, Float64Array>();
    this.#ofFrames.forEach((values, frame) => {
      if (values === undefined) return;
      const name = nameOf(frame);
      let sums = byName.get(name);
      if (sums === undefined) byName.set(name, (sums = new Float64Array(this.#columns)));
      addTo(sums, values);
    });
    const shown = new Map<string, Float64Array>();
    // Of equal ones the order of names decides, which no form of a recording changes.
    const functions = [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
    const all = Int32Array.from(functions, (_, row) => row);
    const keep = (measure: (values: Float64Array) => number) => {
      const sizes = Float64Array.from(functions, ([, values]) => Math.abs(measure(values)));
      const most = largest(all, sizes, OWN_ROWS).sort((a, b) => sizes[b] - sizes[a] || a - b);
      for (const row of most.subarray(0, OWN_ROWS)) if (sizes[row] > 0) shown.set(...functions[row]);
    };
    for (const { column, base, total, baseTotal } of metrics) {
      keep((values) => values[column]);
      if (base < 0) continue;
      keep((values) => values[base]);
      keep((values) => values[column] - values[base]);
      if (baseTotal > 0) keep((values) => values[column] - values[base] * (total / baseTotal));
    }
    return shown;
  }
}

function addTo(sums: Float64Array, values: ArrayLike<number>): void {
  for (let column = 0; column < sums.length; column++) sums[column] += values[column];
}
