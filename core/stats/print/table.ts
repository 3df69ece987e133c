/**
 * Tables of the text form, and what stands in their cells (jemalloc 5.3.0, src/stats.c COL_HDR, rate_per_second).
 * Invariant: a table's label and the rest of its first column make up that column's width.
 */
import type { Column } from '../emitter.ts';

/** What stands for a run of size classes that are left out. */
export const GAP_LINE = '                     ---\n';
/** The first column of tables whose rows have names. */
export const NAME_COLUMN: Column = { width: 21, left: true };

/** A table whose first title carries the section's label; `label` and the rest of that column's width make up 20 characters. */
export interface Table {
  columns: readonly Column[];
  /** The header line without the label. */
  header: readonly Column[];
  titles: readonly string[];
}

/** A table by its titles and widths in characters; `label` stands before the first title. */
export function makeTable(label: string, ...columns: readonly (readonly [title: string, width: number])[]): Table {
  const rows = columns.map(([, width]) => ({ width }));
  return {
    columns: rows,
    header: [{ width: rows[0].width - label.length }, ...rows.slice(1)],
    titles: columns.map(([title]) => title),
  };
}

const BILLION = 1e9;

/** Events per second of uptime (rate_per_second): the count itself in the first second, then per whole second, cut. */
export function ratePerSecond(count: number, uptime: number): number {
  if (uptime === 0 || count === 0) return 0;
  return uptime < BILLION ? count : Math.floor(count / Math.floor(uptime / BILLION));
}
