/** Where the real library never returns. */

/** The real library would not return from the call in progress; the message says why. */
export class HangError extends Error {
  override name = 'HangError';
}
