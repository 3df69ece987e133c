/** Where the real library never returns. */

/** The real library would not return from the call in progress; the message says why. */
export class HangError extends Error {
  override name = 'HangError';
}

/** The real library would not return because it ends the process (safety_check_fail); the message is what it says then. */
export class AbortError extends HangError {
  override name = 'AbortError';
}
