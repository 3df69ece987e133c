/**
 * What functions allocate themselves: the table below the graph, in which nothing is merged.
 * Invariant: for each metric the functions that come first are there, by what they have, by what the base has, and by what changed, normalised or not.
 */
import { largest } from '../leaks/largest.ts';
import type { PageMetric } from './page_types.ts';

/** Rows of the page's table. */
const OWN_ROWS = 12;

/** Values by function name. */
export class OwnValues {
  readonly #columns: number;
  /** Name -> its values by column. */
  readonly #byName = new Map<string, Float64Array>();

  /** @param columns of values: those of the profile, then those of its base */
  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Adds to a function's own values. */
  add(name: string, values: readonly number[]): void {
    let sums = this.#byName.get(name);
    if (sums === undefined) this.#byName.set(name, (sums = new Float64Array(this.#columns)));
    for (let column = 0; column < sums.length; column++) sums[column] += values[column];
  }

  /** The functions that the page's table can show, whatever is chosen there, with their values. */
  shown(metrics: readonly PageMetric[]): ReadonlyMap<string, Float64Array> {
    const shown = new Map<string, Float64Array>();
    const functions = [...this.#byName];
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
