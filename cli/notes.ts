/**
 * What the user should know besides the results: on stderr, a line each.
 */
import { oneLine } from './failure.ts';

/** Tells the user on stderr what there is to know of a recording. */
export function printNotes(notes: readonly string[], quiet: boolean | undefined): void {
  if (quiet) return;
  for (const note of notes) process.stderr.write(`note: ${oneLine(note)}\n`);
}
