/**
 * Recordings that sum up instead of listing calls: memleak's tables, jemalloc's logs of sampled allocations.
 * Invariant: what is taken here is refused as a trace by the format that recognises it.
 */
import type { ContextSums } from '../core/trace/context_sums.ts';
import { isMemleakTable } from './bcc/memleak.ts';
import { sumMemleakTable } from './bcc/memleak_summary.ts';
import { profLog } from './prof_log/prof_log.ts';
import { sumSampledAllocations } from './prof_log/samples.ts';

/** Reads such a recording from its chunks, which may be reused after each; `name` is the input's, for errors. */
export type ContextSumsReader = (chunks: AsyncIterable<Uint8Array>, name: string) => Promise<ContextSums>;

/** The reader for an input that begins with `head` (64 KiB, decompressed, do); undefined if it is no such recording. */
export function contextSumsReader(head: Uint8Array): ContextSumsReader | undefined {
  if (profLog.sniff(head) > 0) return sumSampledAllocations;
  if (isMemleakTable(head)) return sumMemleakTable;
  return undefined;
}
