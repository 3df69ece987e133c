/**
 * Opens any file that holds a profile, by its content.
 * Invariant: at most one format takes a file; folded stacks, which any text of numbered lines resembles, are asked last.
 */
import { collapsedText, isCollapsed, readCollapsed } from './collapsed/collapsed.ts';
import { isStackMaps, readStackMaps } from './collapsed/stack_maps.ts';
import { InputError } from '../core/trace/input_error.ts';
import { isAndroidHeap, readAndroidHeap } from './heap/android.ts';
import { isJavaHeap, readJavaHeap } from './heap/java.ts';
import { isHeap, readHeap } from './heap/read.ts';
import { legacyProfile } from './pprof/legacy.ts';
import { isPprof, readPprof } from './pprof/read.ts';
import type { Profile } from './profile.ts';
import { isHeapChecker, readHeapChecker } from './sanitizer/heap_checker.ts';
import { isLeakSanitizer, readLeakSanitizer } from './sanitizer/leak_sanitizer.ts';
import { isDhat, readDhat } from './valgrind/dhat.ts';
import { isMassif, readMassif } from './valgrind/massif.ts';
import { isMemcheck, readMemcheck } from './valgrind/memcheck.ts';

/** A profile and, of a heap dump, its own text without symbol section, for `report --raw`. */
export interface OpenedProfile {
  readonly profile: Profile;
  readonly dumpText?: Uint8Array;
}

/** A format of profiles. */
interface ProfileFormat {
  /** As `--from` has it. */
  readonly name: string;
  /** True if bytes look like the beginning of such a file; 64 KiB do. */
  readonly is: (head: Uint8Array) => boolean;
  /** @throws InputError if it is broken, or none */
  readonly read: (bytes: Uint8Array, name: string) => OpenedProfile;
}

const COLLAPSED: ProfileFormat = {
  name: 'collapsed',
  is: isCollapsed,
  read: (bytes, name) => ({ profile: readCollapsed(collapsedText(bytes), name) }),
};

/** In the order in which they are asked. */
const FORMATS: readonly ProfileFormat[] = [
  {
    name: 'heap',
    is: isHeap,
    read: (bytes, name) => {
      const { profile, text } = readHeap(bytes, name);
      return { profile, dumpText: text };
    },
  },
  { name: 'java', is: isJavaHeap, read: (bytes, name) => ({ profile: readJavaHeap(bytes, name) }) },
  { name: 'android', is: isAndroidHeap, read: (bytes, name) => ({ profile: readAndroidHeap(bytes, name) }) },
  { name: 'pprof', is: isPprof, read: (bytes, name) => ({ profile: readPprof(bytes, name) }) },
  { name: 'dhat', is: isDhat, read: (bytes, name) => ({ profile: readDhat(bytes, name).profile }) },
  { name: 'massif', is: isMassif, read: (bytes, name) => ({ profile: readMassif(bytes, name).profile }) },
  { name: 'memcheck', is: isMemcheck, read: (bytes, name) => ({ profile: readMemcheck(bytes, name) }) },
  { name: 'lsan', is: isLeakSanitizer, read: (bytes, name) => ({ profile: readLeakSanitizer(bytes, name) }) },
  { name: 'heap-checker', is: isHeapChecker, read: (bytes, name) => ({ profile: readHeapChecker(bytes, name) }) },
  { name: 'stack-maps', is: isStackMaps, read: (bytes, name) => ({ profile: readStackMaps(collapsedText(bytes), name) }) },
  COLLAPSED,
];

/** True if the beginning of a file (64 KiB do) looks like a heap dump, also of Java or Android, a pprof profile, output of DHAT, Massif, Memcheck, LeakSanitizer or gperftools' heap checker, bpftrace's maps by stacks, or folded stacks. */
export function isProfile(head: Uint8Array): boolean {
  return FORMATS.some(({ is }) => is(head)) || legacyProfile(head) !== undefined;
}

/** What the reports begin with that programs print at their end, behind whatever else they print. */
const REPORTS = [
  ['lsan', 'ERROR: LeakSanitizer: '],
  ['heap-checker', 'Leak check '],
  ['memcheck', ' loss record '],
] as const;

/** The name of the format of a report that stands somewhere in the bytes, as `--from` has it; undefined if there is none. */
export function reportWithin(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder('latin1').decode(bytes);
  const found = REPORTS.find(([report, words]) => {
    const start = text.lastIndexOf('\n', text.indexOf(words)) + 1;
    return FORMATS.find(({ name }) => name === report)?.is(bytes.subarray(start)) === true;
  });
  return found?.[0];
}

/** What `--from` calls them; no trace format has one of these names. */
export const PROFILE_FORMATS: readonly string[] = FORMATS.map(({ name }) => name);

/**
 * Reads a heap dump, also of Java or Android, a pprof profile, output of DHAT, Massif, Memcheck, LeakSanitizer or gperftools' heap checker, bpftrace's maps by stacks, or folded stacks.
 * @param name what errors call it
 * @param from one of `PROFILE_FORMATS`, if the content is not to say which it is
 * @returns undefined if the file is none of them
 * @throws InputError if it looks like one and is broken
 */
export function readProfile(bytes: Uint8Array, name: string, from?: string): OpenedProfile | undefined {
  const format = FORMATS.find((one) => (from === undefined ? one !== COLLAPSED && one.is(bytes) : one.name === from));
  if (format !== undefined) return format.read(bytes, name);
  const legacy = legacyProfile(bytes);
  if (legacy !== undefined)
    throw new InputError(
      name,
      `${legacy} of a format older than pprof's own`,
      'go tool pprof -proto FILE > FILE.pb.gz makes one of it that opens here',
    );
  return COLLAPSED.is(bytes) ? COLLAPSED.read(bytes, name) : undefined;
}
