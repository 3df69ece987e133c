/**
 * Flags of V8 that the program sets for itself.
 * Invariant: when the process ends they are as they were at its start: V8 takes kept code (kept_code.ts) only under the flags that it was made with.
 */
import { setFlagsFromString } from 'node:v8';

/** Flags that are set. Each of many dumps asks for the same one, and Node warns of more than ten that wait for the end. */
const areSet = new Set<string>();

/**
 * Sets a flag until the process ends.
 * @param otherwise what it is without that
 */
export function setFlag(flag: string, otherwise: string): void {
  if (areSet.has(flag)) return;
  areSet.add(flag);
  setFlagsFromString(flag);
  // Before the code is taken, which began to wait for the end earlier.
  process.prependOnceListener('exit', () => setFlagsFromString(otherwise));
}
