/**
 * What the user sees when something fails: one line with place and fact and one with the remedy, exit code 2.
 * Only an error that we did not foresee shows its stack, with exit code 70.
 */
import { outOfAddressSpace } from '../core/memory.ts';
import { InputError } from '../core/trace/input_error.ts';
import { SYSTEM_FACTS } from '../formats/system_errors.ts';

/** Exit code of a finding that the caller asked to fail on. */
export const EXIT_FINDING = 1;
/** Exit code of bad usage and bad input. */
export const EXIT_BAD_INPUT = 2;
/** Exit code of our own bugs (EX_SOFTWARE of sysexits.h). */
export const EXIT_BUG = 70;

/** True for an error that the operating system gave for a file. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && SYSTEM_FACTS.has(error.code);
}

/** The error of an operation on `path` as bad input, if that is what it is; otherwise the error itself. */
export function ofFile(error: unknown, path: string): unknown {
  if (!isSystemError(error)) return error;
  return new InputError(path, SYSTEM_FACTS.get(error.code as string) as string);
}

/** True if the system refused memory to a package's own WebAssembly (zstd's): ours says so itself. */
function isRefusedMemory(error: unknown): boolean {
  return error instanceof RangeError && /^WebAssembly\b.*\b(?:memory|Memory)\b/.test(error.message);
}

/** The remedy where the library has none: for a line of a recording, and for a flag. */
function remedyFor(place: string, command: string | undefined): string | undefined {
  if (/:\d+$/.test(place)) return 'mend that line, or leave it out';
  if (place.startsWith('--') && command !== undefined) return `jereplay ${command} --help says what it takes`;
  return undefined;
}

/** What a failed command prints on stderr and how it exits. @param command its name, where it has one */
export function explain(error: unknown, command?: string): { text: string; code: number } {
  const known = isRefusedMemory(error)
    ? outOfAddressSpace()
    : isSystemError(error) && error.path !== undefined
      ? ofFile(error, error.path)
      : error;
  if (known instanceof InputError) {
    const remedy = known.hint ?? remedyFor(known.place, command);
    const hint = remedy === undefined ? '' : `hint: ${oneLine(remedy)}\n`;
    return { text: `${known.place === '' ? "''" : oneLine(known.place)}: ${oneLine(known.fact)}\n${hint}`, code: EXIT_BAD_INPUT };
  }
  const stack = error instanceof Error ? (error.stack ?? String(error)) : String(error);
  return { text: `jereplay: unexpected error, a bug in jereplay\n${stack}\n`, code: EXIT_BUG };
}

/** Untrusted text on one line of a terminal: control characters escaped, the middle of a long one left out. */
export function oneLine(text: string): string {
  const short = text.length > 600 ? `${text.slice(0, 400)}…${text.slice(-100)}` : text;
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
