/**
 * Flags of V8 that the program sets for itself.
 * Invariant: when the process ends they are as they were at its start: V8 takes kept code (kept_code.ts) only under the flags that it was made with.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Sets a flag until the process ends.
 * @param otherwise what it is without that
 */
export function setFlag(flag: string, otherwise: string): void {
  setFlagsFromString(flag);
  // Before the code is taken, which began to wait for the end earlier.
  process.prependOnceListener('exit', () => setFlagsFromString(otherwise));
}
