/**
 * Addresses of a running process that ltrace has attached to (-p): of each of its threads but one it prints their lower 32 bits
 * (0.7.3: a thread that it finds there is taken for one of a 32-bit process).
 * Invariant: a block is known by the address that it was given by; what takes it back by its other form gets that one.
 */
import { Op } from '../../core/trace/events.ts';

const HALF = 2 ** 32;

/** True for the lower half of an address, or an address that is no longer. */
export function isHalf(address: number): boolean {
  return address > 0 && address < HALF;
}

/** Live blocks by the lower halves of their addresses. */
export class HalfAddresses {
  readonly #blocks = new Map<number, number>();

  /** The address by which the block at `address` is known, whose call ends it if `op` is not malloc_usable_size. */
  taken(op: Op, address: number): number {
    if (address === 0) return 0;
    const half = address % HALF;
    const known = this.#blocks.get(half);
    // Two whole addresses are two blocks.
    if (known === undefined || (known !== address && !isHalf(known) && !isHalf(address))) return address;
    if (op !== Op.malloc_usable_size) this.#blocks.delete(half);
    return known;
  }

  /** A call has given the block at `address`. */
  given(address: number): void {
    if (address !== 0) this.#blocks.set(address % HALF, address);
  }
}
