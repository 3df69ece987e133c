/**
 * Opens any file that holds a profile, by its content.
 * Invariant: at most one format takes a file; folded stacks, which any text of numbered lines resembles, are asked last.
 */
import { collapsedText, isCollapsed, readCollapsed } from './collapsed/collapsed.ts';
import { InputError } from '../core/trace/input_error.ts';
import { isJavaHeap, readJavaHeap } from './heap/java.ts';
import { isHeap, readHeap } from './heap/read.ts';
import { legacyProfile } from './pprof/legacy.ts';
import { isPprof, readPprof } from './pprof/read.ts';
import type { Profile } from './profile.ts';
import { isDhat, readDhat } from './valgrind/dhat.ts';
import { isMassif, readMassif } from './valgrind/massif.ts';

/** A profile and, of a heap dump, its own text without symbol section, for `report --raw`. */
export interface OpenedProfile {
  readonly profile: Profile;
  readonly dumpText?: Uint8Array;
}

/** True if the beginning of a file (64 KiB do) looks like a heap dump, a Java heap profile, a pprof profile, DHAT's or Massif's output, or folded stacks. */
export function isProfile(head: Uint8Array): boolean {
  return (
    isHeap(head) ||
    isJavaHeap(head) ||
    isPprof(head) ||
    isDhat(head) ||
    isMassif(head) ||
    legacyProfile(head) !== undefined ||
    isCollapsed(head)
  );
}

/**
 * Reads a heap dump, a Java heap profile, a pprof profile, DHAT's or Massif's output, or folded stacks.
 * @param name what errors call it
 * @returns undefined if the file is none of them
 * @throws InputError if it looks like one and is broken
 */
export function readProfile(bytes: Uint8Array, name: string): OpenedProfile | undefined {
  if (isHeap(bytes)) {
    const { profile, text } = readHeap(bytes, name);
    return { profile, dumpText: text };
  }
  if (isJavaHeap(bytes)) return { profile: readJavaHeap(bytes, name) };
  if (isPprof(bytes)) return { profile: readPprof(bytes, name) };
  if (isDhat(bytes)) return { profile: readDhat(bytes, name).profile };
  if (isMassif(bytes)) return { profile: readMassif(bytes, name).profile };
  const legacy = legacyProfile(bytes);
  if (legacy !== undefined)
    throw new InputError(
      name,
      `${legacy} of a format older than pprof's own`,
      'go tool pprof -proto FILE > FILE.pb.gz makes one of it that opens here',
    );
  if (isCollapsed(bytes)) return { profile: readCollapsed(collapsedText(bytes), name) };
  return undefined;
}
