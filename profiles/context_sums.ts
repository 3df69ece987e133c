/**
 * Profiles of recordings that sum up instead of listing calls.
 * Invariant: every column's total is the sum over the contexts.
 */
import type { ContextSums } from '../core/trace/context_sums.ts';
import { StackTable } from '../core/trace/stacks.ts';
import { type Profile, SampleTable } from './profile.ts';

/** Makes a profile of a recording's sums. It has names if any of its frames has. */
export function profileFromContextSums(sums: ContextSums): Profile {
  const { source, contexts, sampleIntervalBytes, accumulated, freedOnly, requested, warnings } = sums;
  const stacks = new StackTable();
  const samples = new SampleTable(contexts.length);
  for (const { stack, inuseObjects, inuseBytes, allocObjects, allocBytes } of contexts) {
    const frames = stack.map((frame) => stacks.frames.intern(frame));
    samples.add(stacks.intern(frames), inuseObjects, inuseBytes, allocObjects, allocBytes);
  }
  return {
    kind: 'heap',
    source,
    stacks,
    samples,
    threads: [],
    sampling: sampleIntervalBytes === 1 ? { method: 'none', rate: 1 } : { method: 'poisson', rate: sampleIntervalBytes },
    accumulated,
    ...(freedOnly ? { freedOnly } : {}),
    requested,
    symbolized: stacks.frames.frames.some(({ fn }) => fn !== undefined),
    warnings,
  };
}
