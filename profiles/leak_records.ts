/**
 * Profiles of what leak checkers list: the blocks that were in use at the end, a record for those of one stack.
 * Invariant: a row of the profile is a record.
 */
import { StackTable } from '../core/trace/stacks.ts';
import { EVERY_ALLOCATION, type Profile, SampleTable } from './profile.ts';
import { ValgrindStacks } from './valgrind/frames.ts';

/** Blocks of one stack. */
export interface LeakRecord {
  readonly objects: number;
  readonly bytes: number;
  /** Frames as Valgrind writes them, leaf first. */
  readonly frames: readonly string[];
}

/** Makes a profile of records. @param damaged whether some are missing, of which `warnings` tell */
export function profileFromLeakRecords(
  source: string,
  records: readonly LeakRecord[],
  warnings: readonly string[],
  damaged: boolean,
): Profile {
  const stacks = new StackTable();
  const samples = new SampleTable(records.length);
  const interned = new ValgrindStacks(stacks);
  for (const { objects, bytes, frames } of records) samples.add(interned.intern(frames), objects, bytes, 0, 0);
  return {
    ...EVERY_ALLOCATION,
    source,
    stacks,
    samples,
    accumulated: false,
    requested: true,
    symbolized: true,
    warnings,
    ...(damaged ? { damaged: true } : {}),
  };
}

/** What the user is told of a file of several processes, in one sentence or none. @param others how many more have `what`; `remedy` parts them */
export function otherProcessesNote(pid: number, others: number, what: string, remedy: string): string[] {
  return others === 0 ? [] : [`process ${pid} alone is shown; ${others} more ${others === 1 ? 'has' : 'have'} ${what} (${remedy})`];
}
