/**
 * A folder of the system's temporary one.
 * Invariant: it is gone when the work is over or the program ends, whichever comes first; one that nothing is put into is never made.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class TemporaryFolder {
  #path: string | undefined;
  readonly #remove = () => this.remove();

  /** The path of a file in it. */
  file(name: string): string {
    if (this.#path === undefined) {
      this.#path = mkdtempSync(join(tmpdir(), 'jereplay-'));
      process.once('exit', this.#remove);
    }
    return join(this.#path, name);
  }

  /** Removes it with all that is in it. */
  remove(): void {
    process.off('exit', this.#remove);
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}
