/**
 * The profiles that came before pprof's protobuf (github.com/google/pprof, profile/legacy_profile.go), told apart so that an error can name them.
 * Differs: heap and growth profiles of this age are read (`heap/read.ts`, `heap/java.ts`); the others are left to pprof, which turns them into protobuf.
 */

/** First lines of the textual ones. */
const FIRST_LINES: readonly (readonly [RegExp, string])[] = [
  [/^--- ?(?:contention|mutex)/, 'a contention profile'],
  [/^--- ?threadz? /, 'a profile of threads'],
  [/^threadcreate profile:/, 'a profile of thread creation'],
  [/^goroutine profile:/, 'a profile of goroutines'],
];

/** What a file of an older format is, by its first bytes; undefined if it is none. */
export function legacyProfile(head: Uint8Array): string | undefined {
  if (isCpuProfile(head)) return 'a CPU profile';
  const line = new TextDecoder('latin1').decode(head.subarray(0, 64));
  return FIRST_LINES.find(([pattern]) => pattern.test(line))?.[1];
}

/** gperftools' CPU profile: words of 32 or 64 bits, of either order: 0, 3 (words that follow), 0 (or 1 from Java), the period in µs, 0. */
function isCpuProfile(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (const littleEndian of [true, false]) {
    for (const size of [4, 8]) {
      if (head.length < 5 * size) continue;
      const word = (index: number) =>
        size === 4 ? view.getUint32(index * 4, littleEndian) : Number(view.getBigUint64(index * 8, littleEndian));
      if (word(0) === 0 && word(1) === 3 && word(2) <= 1 && word(3) > 0 && word(3) < 1e9 && word(4) === 0) return true;
    }
  }
  return false;
}
