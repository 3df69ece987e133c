/**
 * What functions allocate themselves: the table below the graph, in which nothing is merged.
 * Invariant: for each metric the functions that come first are there, by what they have, by what the base has, and by what changed, normalised or not.
 */
import { grown } from '../../core/columns.ts';
import type { PageMetric } from './page_types.ts';

/** Rows of the page's table. */
export const OWN_ROWS = 12;

/** Values by the frame that allocates. */
export class OwnValues {
  /** Value column -> frame -> its sum. */
  readonly #sums: Float64Array[];
  /** Frame -> 1 if it allocates something itself. */
  #allocates = new Uint8Array(64);

  /** @param columns of values: those of the profile, then those of its base */
  constructor(columns: number) {
    this.#sums = Array.from({ length: columns }, () => new Float64Array(64));
  }

  /** Adds to a frame's own values. */
  add(frame: number, values: ArrayLike<number>): void {
    if (frame >= this.#allocates.length) {
      this.#allocates = grown(this.#allocates, frame + 1);
      for (const [column, sums] of this.#sums.entries()) this.#sums[column] = grown(sums, frame + 1);
    }
    this.#allocates[frame] = 1;
    for (let column = 0; column < this.#sums.length; column++) this.#sums[column][frame] += values[column];
  }

  /** The functions that the page's table can show, whatever is chosen there, with their values. @param nameOf what a frame is called there */
  shown(metrics: readonly PageMetric[], nameOf: (frame: number) => string): ReadonlyMap<string, readonly number[]> {
    const names: string[] = [];
    const byName = new Map<string, number>();
    const sums = this.#sums.map(() => new Float64Array(this.#allocates.length));
    for (let frame = 0; frame < this.#allocates.length; frame++) {
      if (this.#allocates[frame] === 0) continue;
      const name = nameOf(frame);
      let row = byName.get(name);
      if (row === undefined) byName.set(name, (row = names.push(name) - 1));
      for (const [column, values] of this.#sums.entries()) sums[column][row] += values[frame];
    }
    const shown = new Map<string, readonly number[]>();
    const keep = (measure: (row: number) => number) => {
      const sizes = Float64Array.from(names, (_, row) => Math.abs(measure(row)));
      for (const row of firstRows(sizes, names))
        if (sizes[row] > 0)
          shown.set(
            names[row],
            sums.map((column) => column[row]),
          );
    };
    for (const { column, base, total, baseTotal } of metrics) {
      keep((row) => sums[column][row]);
      if (base < 0) continue;
      keep((row) => sums[base][row]);
      keep((row) => sums[column][row] - sums[base][row]);
      if (baseTotal > 0) keep((row) => sums[column][row] - sums[base][row] * (total / baseTotal));
    }
    return shown;
  }
}

/** The rows of the largest sizes. Of equal ones the order of names decides, which no form of a recording changes. */
function firstRows(sizes: Float64Array, names: readonly string[]): number[] {
  const isBefore = (a: number, b: number) => (sizes[a] === sizes[b] ? names[a] < names[b] : sizes[a] > sizes[b]);
  const first: number[] = [];
  for (let row = 0; row < sizes.length; row++) {
    if (first.length === OWN_ROWS && !isBefore(row, first[OWN_ROWS - 1])) continue;
    const place = first.findIndex((other) => isBefore(row, other));
    first.splice(place < 0 ? first.length : place, 0, row);
    first.length = Math.min(first.length, OWN_ROWS);
  }
  return first;
}
