/**
 * Bytes that are kept until the end of the work, in a temporary file.
 * Invariant: the file has no name, so that it is gone with the program, however that ends.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { inTemporary, TemporaryFolder } from './temporary_folder.ts';

/** Bytes that are read back at once. */
const PIECE = 1 << 16;

export class Spill {
  readonly #use: string;
  #fd: number | undefined;
  #length = 0;

  /** @param use as TemporaryFolder takes it */
  constructor(use: string) {
    this.#use = use;
  }

  /** Keeps bytes, behind those that are there. @throws InputError if there is no room for them. */
  write(bytes: Uint8Array): void {
    inTemporary(this.#use, () => {
      const fd = (this.#fd ??= this.#open());
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, this.#length + at);
    });
    this.#length += bytes.length;
  }

  /** What was kept. */
  *pieces(): Generator<Uint8Array> {
    for (let at = 0, length = 0; at < this.#length; at += length) {
      const piece = new Uint8Array(PIECE);
      length = readSync(this.#fd as number, piece, 0, PIECE, at);
      yield piece.subarray(0, length);
    }
  }

  /** Forgets it. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#length = 0;
  }

  #open(): number {
    const folder = new TemporaryFolder(this.#use);
    try {
      return openSync(folder.file('spill'), 'wx+', 0o600);
    } finally {
      folder.remove();
    }
  }
}
