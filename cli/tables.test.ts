/**
 * Texts of figures: the summary of a replay and the table of a sweep.
 */
import { expect, test } from 'vitest';
import type { ModelBytes, ReplaySummary } from '../core/replay/summary.ts';
import { Trace } from '../core/trace/trace.ts';
import { summaryText } from './summary_text.ts';
import { type SweepRun, sortedRuns, sweepTable } from './sweep_table.ts';

const bytes = (allocated: number, active: number): ModelBytes => ({
  allocated,
  active,
  metadata: 1024,
  resident: 4096,
  mapped: 8192,
  retained: 0,
});

const SUMMARY: ReplaySummary = {
  events: 1234,
  allocations: 1000,
  frees: 1,
  threads: 2,
  requested_bytes_total: 2048,
  requested_bytes_peak: 1024,
  requested_bytes_live: 512,
  objects_live: 1,
  duration_ns: 2_000_000,
  peak_time_ns: 1_500_000,
  peak_event: 1200,
  skipped: { note: 7, free_null: 2, lost: 30, torn: 1, failed: 0 },
  model: { end: bytes(1024, 4096), peak: bytes(3072, 4096), out_of_memory: 1 },
  partial: true,
};

/** Rows of the summary by their names; those without one belong to the row before. */
function rows(summary: ReplaySummary): Record<string, string> {
  const found: Record<string, string> = {};
  let name = '';
  for (const line of summaryText(new Trace(), summary, false).trimEnd().split('\n')) {
    name = line.slice(0, 14).trim() || name;
    found[name] = `${found[name] === undefined ? '' : `${found[name]}; `}${line.slice(14)}`;
  }
  return found;
}

test('the summary for people', () => {
  expect(rows(SUMMARY)).toMatchObject({
    events: '1,234: 1,000 allocations, 1 free',
    requested: '2.00 KiB in all, 1.00 KiB at the peak (event 1,200, 1.50 ms)',
    live: '512 B in 1 object',
    allocated: '1.00 KiB, 3.00 KiB at the peak (by size class, with thread caches)',
    active: '4.00 KiB, 4.00 KiB at the peak (pages with live objects)',
    fragmentation: '75.0% of active bytes, 25.0% at the peak',
    'no memory': '1 allocation that the model had no memory for',
    partial: 'not taken to its end',
    'not taken': '30 × event that the recorder lost; 2 × free of NULL; 1 × line cut off or overwritten',
    besides: '7 lines that describe the recording',
  });
});

test('what there is nothing of is left out', () => {
  const whole = {
    ...SUMMARY,
    skipped: {},
    partial: false,
    peak_event: -1,
    model: { ...SUMMARY.model, out_of_memory: 0, end: bytes(0, 0) },
  };
  const found = rows(whole);
  for (const name of ['no memory', 'partial', 'not taken']) expect(found).not.toHaveProperty(name);
  expect(found).toMatchObject({
    requested: '2.00 KiB in all, 1.00 KiB at the peak',
    fragmentation: '- of active bytes, 25.0% at the peak',
  });
});

/** A row of a sweep: `mean` resident bytes, and `calls` of madvise. */
const sweepRun = (conf: string, mean: number, calls = 1500): SweepRun => ({
  conf,
  messages: [],
  result: {
    events: 7,
    duration_ns: 100,
    requested_bytes_peak: 100,
    resident_bytes: { peak: 1024, mean, most: 4096, end: 3072 },
    model: SUMMARY.model,
    purged_bytes: 8192,
    madvise_calls: calls,
  },
});

test('rows of a sweep, and how far their means are from the first one', () => {
  const table = sweepTable([
    sweepRun('(default)', 1000),
    sweepRun('more', 1500),
    sweepRun('nearly the same', 1004),
    sweepRun('less', 250),
    { conf: 'none', messages: ['no'] },
  ]);
  const [asked, , , header, ...lines] = table.trimEnd().split('\n');
  expect([asked, header.trim().split(/ {2,}/)]).toEqual([
    '7 events, 100 B requested at the peak',
    ['at peak', 'mean', 'change', 'most', 'end', 'purged', 'calls', 'options'],
  ]);
  const rest = ['4.00 KiB', '3.00 KiB', '8.00 KiB', '1,500'];
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['1.00 KiB', '1000 B', ...rest, '(default)'],
    ['1.00 KiB', '1.46 KiB', '+50.0%', ...rest, 'more'],
    ['1.00 KiB', '1004 B', '+0.4%', ...rest, 'nearly the same'],
    ['1.00 KiB', '250 B', '−75.0%', ...rest, 'less'],
    ['refused', 'none'],
  ]);
});

test('rows sorted: least first, refused ones last, and distances from the default options all the same', () => {
  const runs = [sweepRun('(default)', 1000, 3), { conf: 'none', messages: ['no'] }, sweepRun('less', 250, 9), sweepRun('as much', 1000, 1)];
  expect(sortedRuns(runs, 'mean').map(({ conf }) => conf)).toEqual(['less', '(default)', 'as much', 'none']);
  expect(sortedRuns(runs, 'calls').map(({ conf }) => conf)).toEqual(['as much', '(default)', 'less', 'none']);
  expect(sweepTable(sortedRuns(runs, 'mean'))).toMatch(/ −75\.0% .* less\n/);
});

test('a sweep without rows has no table', () => {
  expect(sweepTable([])).toBe('');
});
