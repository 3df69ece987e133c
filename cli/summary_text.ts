/**
 * A replay's summary for people: what was recorded, what the program asked for, what the allocator made of it, and what was not taken and why.
 */
import type { ModelBytes, ReplaySummary } from '../core/replay/summary.ts';
import type { SkipReason, Skipped, Trace } from '../core/trace/trace.ts';
import { formatBytes, formatCount, formatCounted, formatNanoseconds, formatShare } from '../profiles/format_units.ts';
import { oneLine } from './failure.ts';

/** What each reason means, after a count and a cross. */
const SKIP_WORDS: Record<Exclude<SkipReason, 'note'>, string> = {
  free_unknown: 'free of an address that was not live',
  free_null: 'free of NULL',
  failed: 'call that gave no memory',
  nested: 'call made inside another one that is counted',
  phantom_free: 'free that the C library did to its own caches',
  lost: 'event that the recorder lost',
  torn: 'line cut off or overwritten',
  unparsed: 'line that fits no rule of the format',
  no_address: 'allocation whose address was not recorded',
  no_return: 'call that did not return in the trace',
  no_entry: 'return whose call is not in the trace',
  mislabelled: 'call that the recorder names wrongly',
  other_process: 'event of another process',
  other_call: "call that is not the allocator's",
  late: 'event out of order by more than the sorting window',
  reused: 'allocation at an address still live: its free was lost',
  program_output: 'line that begins with what the program printed',
};

/** The summary as lines, the last one ended. */
export function summaryText(trace: Trace, summary: ReplaySummary, colour: boolean): string {
  const bold = (text: string) => (colour ? `\u001b[1m${text}\u001b[22m` : text);
  const { model } = summary;
  const { command, source, timed } = trace.header;
  const both = (name: keyof ModelBytes) => `${formatBytes(model.end[name])}, ${formatBytes(model.peak[name])} at the peak`;
  const rows: readonly [string, string][] = [
    [
      'trace',
      [source, command]
        .filter((part) => part !== undefined && part !== '')
        .map(String)
        .map(oneLine)
        .join(', '),
    ],
    [
      'events',
      `${formatCount(summary.events)}: ${formatCounted(summary.allocations, 'allocation')}, ${formatCounted(summary.frees, 'free')}`,
    ],
    ['threads', formatCount(summary.threads)],
    ['time', timed === false ? 'not recorded' : formatNanoseconds(summary.duration_ns)],
    [
      'requested',
      `${formatBytes(summary.requested_bytes_total)} in all, ${formatBytes(summary.requested_bytes_peak)} at the peak${peakPlace(summary, timed !== false)}`,
    ],
    ['live', bold(`${formatBytes(summary.requested_bytes_live)} in ${formatCounted(summary.objects_live, 'object')}`)],
    ['allocated', `${both('allocated')} (by size class, with thread caches)`],
    ['active', `${both('active')} (pages with live objects)`],
    ['resident', `${both('resident')} (active and dirty pages, metadata)`],
    ['mapped', `${both('mapped')} (address space, without retained)`],
    ['fragmentation', fragmentation(summary)],
  ];
  const lines = rows.map(([name, text]) => `${name.padEnd(14)}${text}`);
  if (model.out_of_memory > 0)
    lines.push(`${'no memory'.padEnd(14)}${formatCounted(model.out_of_memory, 'allocation')} that the model had no memory for`);
  if (summary.partial) lines.push(`${'partial'.padEnd(14)}${bold('not taken to its end')}`);
  return `${[...lines, ...skippedLines(summary.skipped)].join('\n')}\n`;
}

function peakPlace({ peak_event, peak_time_ns }: ReplaySummary, timed: boolean): string {
  if (peak_event < 0) return '';
  return ` (event ${formatCount(peak_event)}${timed ? `, ${formatNanoseconds(peak_time_ns)}` : ''})`;
}

/** What of the pages with live objects is not theirs, at the end and at the peak. */
function fragmentation({ model: { end, peak } }: ReplaySummary): string {
  const share = ({ active, allocated }: ModelBytes) => (active === 0 ? '-' : formatShare(1 - allocated / active));
  return `${share(end)} of active bytes, ${share(peak)} at the peak`;
}

/** What a reason means; of one that only the recording knows, its name. */
function wordsFor(reason: Exclude<SkipReason, 'note'>): string {
  return Object.hasOwn(SKIP_WORDS, reason) ? SKIP_WORDS[reason] : oneLine(reason);
}

/** What was not taken, most frequent first; last the lines that were read for what they say of the recording. */
function skippedLines(skipped: Skipped): string[] {
  const { note = 0, ...lost } = skipped;
  const reasons = (Object.entries(lost) as [keyof typeof lost, number][]).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  const lines = reasons.map(
    ([reason, count], i) => `${(i === 0 ? 'not taken' : '').padEnd(14)}${formatCount(count)} × ${wordsFor(reason)}`,
  );
  if (note > 0)
    lines.push(`${'besides'.padEnd(14)}${formatCounted(note, 'line')} that ${note === 1 ? 'describes' : 'describe'} the recording`);
  return lines;
}
