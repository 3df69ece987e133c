/**
 * A folder of the system's temporary one.
 * Invariant: it is gone when the work is over or the program ends of itself, whichever comes first; one that nothing is put into is never made.
 * A signal that nothing waits for leaves it, so that no results are written while it is there: that may take long, and is not to be held up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../core/trace/input_error.ts';
import { ofFile } from './failure.ts';

export class TemporaryFolder {
  readonly #use: string;
  #path: string | undefined;
  readonly #remove = () => this.remove();

  /** @param use what it is for, said where that fails: "a copy of the trace is kept there" */
  constructor(use: string) {
    this.#use = use;
  }

  /** Its path: from here on it is there. @throws InputError if there can be no such folder. */
  get path(): string {
    if (this.#path === undefined) {
      this.#path = inTemporary(this.#use, () => mkdtempSync(join(tmpdir(), 'jereplay-')));
      process.once('exit', this.#remove);
    }
    return this.#path;
  }

  /** The path of a file in it. @throws InputError if there can be no such folder. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** An error of who writes to its files, with the way to another folder; any other one as it is. */
  told(error: unknown): unknown {
    if (!(error instanceof InputError) || this.#path === undefined || dirname(error.place) !== this.#path) return error;
    return refused(error.fact, this.#use);
  }

  /** Removes it with all that is in it. */
  remove(): void {
    process.off('exit', this.#remove);
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}

/** Does something in the temporary folder, for `use`. @throws InputError with the way to another folder, if the system refuses. */
export function inTemporary<T>(use: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const known = ofFile(error, tmpdir());
    throw known instanceof InputError ? refused(known.fact, use) : known;
  }
}

function refused(fact: string, use: string): InputError {
  return new InputError(tmpdir(), fact, `${use}; TMPDIR names another folder`);
}
