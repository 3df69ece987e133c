/** The bytes that a lane reads: a chunk of the input, copied once into the lanes' memory. */
import type { LaneMemory } from './lane_memory.ts';

/** Bytes after a text that a lane may look at, whatever they are. */
const AHEAD = 64;

/** A copy of the chunk that is being read. */
export class LaneText {
  readonly #memory: LaneMemory;
  #bytes: Uint8Array = new Uint8Array(0);
  #copy: Uint8Array;

  constructor(memory: LaneMemory) {
    this.#memory = memory;
    this.#copy = memory.uint8(AHEAD);
  }

  /** Where in the memory the bytes are; what is true of them stays true until they are asked for others. */
  of(bytes: Uint8Array): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      if (bytes.length + AHEAD > this.#copy.length) this.#copy = this.#memory.uint8(2 * bytes.length + AHEAD);
      this.#copy.set(bytes);
    }
    return this.#copy.byteOffset;
  }
}
