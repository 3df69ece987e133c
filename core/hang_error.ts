/**
 * Where the real library never returns (jemalloc 5.3.0: a lock that its own thread holds, pages that it waits for in vain, safety_check_fail).
 * Invariant: it is thrown in the call in which that happens; the heap is not used afterwards.
 * Differs: the model says so, where the library is silent.
 */
import { InputError } from './trace/input_error.ts';

/** The real library would not return from the call in progress; the message says why. */
export class HangError extends Error {
  override name = 'HangError';
}

/** The real library would not return because it ends the process (safety_check_fail, abort); the message is what it says then, or the reason. */
export class AbortError extends HangError {
  override name = 'AbortError';
}

/** What to throw for `error`: where the real library never returns, that is said of the place. */
export function hangAt(place: string, error: unknown): unknown {
  if (!(error instanceof HangError)) return error;
  const verb = error instanceof AbortError ? 'ends the process' : 'hangs';
  const said = new InputError(place, `the real jemalloc ${verb} here: ${error.message}`);
  said.cause = error;
  return said;
}
