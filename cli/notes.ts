/**
 * What the user should know besides the results: on stderr, a line each.
 */
import { formatCount } from '../profiles/format_units.ts';
import { EXIT_FINDING, oneLine } from './failure.ts';

/** Tells the user on stderr what there is to know of a recording. */
export function printNotes(notes: readonly string[], quiet: boolean | undefined): void {
  if (quiet) return;
  for (const note of notes) process.stderr.write(`note: ${oneLine(note)}\n`);
}

/** Why a command ends with EXIT_FINDING: what is there, in the unit that is counted, is more than a flag allows. */
export function overLimit(flag: string, value: number, limit: number, unit: string): string {
  return `${flag}: ${formatCount(value)} ${unit}, more than ${formatCount(limit)}: exit code ${EXIT_FINDING}`;
}
