/**
 * The table of a sweep: a row for each option string.
 */
import type { ReplaySummary } from '../core/replay/summary.ts';
import { formatBytes, formatCount } from '../profiles/format_units.ts';
import { oneLine } from './failure.ts';

/** What a recording comes to under one option string. */
export interface SweepRun {
  /** The option string, or `(default)`. */
  readonly conf: string;
  /** What jemalloc, or the replay, has against it. */
  readonly messages: readonly string[];
  /** Undefined if the replay cannot run with it. */
  readonly result?: {
    readonly events: number;
    readonly duration_ns: number;
    readonly requested_bytes_peak: number;
    /** At the most requested bytes; over time, and the most, as looked at after every few thousand events; at the end. */
    readonly resident_bytes: { readonly peak: number; readonly mean: number; readonly most: number; readonly end: number };
    readonly model: ReplaySummary['model'];
    /** Pages that decay gave back, in bytes, dirty and muzzy ones, and the calls of madvise and munmap for it. */
    readonly purged_bytes: number;
    readonly madvise_calls: number;
  };
}

/** What the row of no option string is called. */
export const DEFAULT_OPTIONS = '(default)';

const HEADER = ['at peak', 'mean', 'change', 'most', 'end', 'purged', 'calls'];

/** What rows may be sorted by, least first. */
const SORTS = {
  peak: ({ resident_bytes }) => resident_bytes.peak,
  mean: ({ resident_bytes }) => resident_bytes.mean,
  most: ({ resident_bytes }) => resident_bytes.most,
  end: ({ resident_bytes }) => resident_bytes.end,
  purged: ({ purged_bytes }) => purged_bytes,
  calls: ({ madvise_calls }) => madvise_calls,
} as const satisfies Record<string, (result: Required<SweepRun>['result']) => number>;

export type SweepSort = keyof typeof SORTS;

/** The rows, least first; those that are refused last. */
export function sortedRuns(runs: readonly SweepRun[], sort: SweepSort): SweepRun[] {
  const value = ({ result }: SweepRun) => (result === undefined ? Infinity : SORTS[sort](result));
  return [...runs].sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0));
}

/** The table as text, each row with the distance of its mean from that of the default options; empty without rows. */
export function sweepTable(runs: readonly SweepRun[]): string {
  if (runs.length === 0) return '';
  const first = runs.find(({ conf }) => conf === DEFAULT_OPTIONS)?.result;
  const cells = runs.map(({ result }) => {
    if (result === undefined) return ['refused'];
    const { peak, mean, most, end } = result.resident_bytes;
    const change = result === first ? '' : changeOf(mean, first?.resident_bytes.mean ?? 0);
    return [
      formatBytes(peak),
      formatBytes(mean),
      change,
      formatBytes(most),
      formatBytes(end),
      formatBytes(result.purged_bytes),
      formatCount(result.madvise_calls),
    ];
  });
  const widths = HEADER.map((name, column) => Math.max(name.length, ...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[], conf: string) =>
    `${widths.map((width, column) => (row[column] ?? '').padStart(width)).join('  ')}  ${oneLine(conf)}\n`;
  const asked =
    first === undefined ? '' : `${formatCount(first.events)} events, ${formatBytes(first.requested_bytes_peak)} requested at the peak\n\n`;
  return `${asked}resident\n${line(HEADER, 'options')}${cells.map((row, at) => line(row, runs[at].conf)).join('')}`;
}

/** A distance in per cent: `+12.3%`. */
function changeOf(value: number, base: number): string {
  if (base === 0) return '';
  const tenths = Math.round((value / base - 1) * 1000);
  return `${tenths > 0 ? '+' : tenths < 0 ? '−' : ''}${(Math.abs(tenths) / 10).toFixed(1)}%`;
}
