/**
 * Backtraces as profiling sees them: vectors of addresses (jemalloc 5.3.0, src/prof_data.c, prof_bt_hash, prof_bt_keycomp, prof_gctx_comp;
 * src/prof_sys.c, prof_backtrace).
 * Invariant: two rows never hold the same addresses, so equal backtraces have equal rows; hash0 and hash1 are filled for every row.
 * Differs: a backtrace is hashed and ordered once in its life, where jemalloc does it at every lookup and every dump. Stacks that name
 * different frames at the same addresses are one backtrace, as they are to jemalloc.
 */
import { grown, type RowColumn } from '../columns.ts';
import type { KeyHashes } from './ckh.ts';
import { BACKTRACE_SEED, Hash128 } from './hash.ts';
import type { ModelMemory } from '../model_memory.ts';
import type { ProfStacks } from './host.ts';
import type { BacktraceRow } from './rows.ts';
import type { StackIndex } from '../units.ts';

/** Frames that a backtrace keeps, from the leaf (PROF_BT_MAX, prof_types.h); the root side of deeper ones is lost. */
const PROF_BT_MAX = 128;
/** sizeof(void *): a frame in jemalloc's memory. */
export const POINTER_BYTES = 8;

/** Backtraces that there is room for at first, with frames and addresses as recordings have them: compiled code is thrown away where a table grows. */
const ROWS = 2048;

/** Backtraces, each once, and the order in which dumps show them. */
export class BacktraceTable implements KeyHashes {
  readonly #stacks: ProfStacks;
  /** Rows in use. */
  length = 0;
  /** Row -> low words of the two hashes of its addresses. */
  hash0 = new Uint32Array(ROWS);
  hash1 = new Uint32Array(ROWS);
  /** Row -> first element of `entries`; one more element than rows. */
  starts = new Uint32Array(ROWS + 1);
  /** Address ids, leaf first, row after row. */
  entries = new Int32Array(32 * ROWS);
  /** Address id -> the address, low word first. */
  addresses = new Uint32Array(16 * ROWS);
  /** Address id -> " 0x…", as a dump prints it. */
  readonly addressTexts: string[] = [];
  readonly #addressIds = new Map<bigint, number>();
  /** Frame index -> address id + 1, 0 while unknown. */
  #frameAddresses = new Int32Array(8 * ROWS);
  /** Stack index + 1 -> row + 1, 0 while unknown. */
  #rows = new Int32Array(2 * ROWS);
  /** Open addressing on hash0: slot -> row + 1. */
  #slots = new Int32Array(4 * ROWS);
  /** Rows in dump order, as far as they have been ordered. */
  #ordered = new Int32Array(0) as RowColumn<BacktraceRow>;
  readonly #ids = new Int32Array(PROF_BT_MAX);
  /** Hashes the addresses of a backtrace. */
  readonly #hash: Hash128;

  constructor(stacks: ProfStacks, memory: ModelMemory) {
    this.#stacks = stacks;
    this.#hash = new Hash128(memory, PROF_BT_MAX);
  }

  /** Frames of a row. */
  depth(row: BacktraceRow): number {
    return this.starts[row + 1] - this.starts[row];
  }

  /** The row of a stack's backtrace; stack -1 is the empty one. */
  rowOf(stack: StackIndex): BacktraceRow {
    const at = stack + 1;
    if (at >= this.#rows.length) this.#rows = grown(this.#rows, at + 1);
    const known = this.#rows[at];
    if (known !== 0) return (known - 1) as BacktraceRow;
    const row = this.#intern(stack);
    this.#rows[at] = row + 1;
    return row;
  }

  /** The addresses of a row as text, each as " 0x…", leaf first. */
  text(row: BacktraceRow): string {
    let text = '';
    const end = this.starts[row + 1];
    for (let i = this.starts[row]; i < end; i++) text += this.addressTexts[this.entries[i]];
    return text;
  }

  /** All rows, by the bytes of their addresses in memory (little-endian, leaf first), then by length: the order of a dump. */
  inDumpOrder(): RowColumn<BacktraceRow> {
    const known = this.#ordered.length;
    if (known === this.length) return this.#ordered;
    const added = new Int32Array(this.length - known) as RowColumn<BacktraceRow>;
    for (let i = 0; i < added.length; i++) added[i] = (known + i) as BacktraceRow;
    added.sort((a, b) => this.#compare(a as BacktraceRow, b as BacktraceRow));
    const merged = new Int32Array(this.length) as RowColumn<BacktraceRow>;
    for (let at = 0, old = 0, fresh = 0; at < merged.length; at++) {
      const takeOld = fresh === added.length || (old < known && this.#compare(this.#ordered[old], added[fresh]) < 0);
      merged[at] = takeOld ? this.#ordered[old++] : added[fresh++];
    }
    this.#ordered = merged;
    return merged;
  }

  /** prof_bt_keycomp's order as prof_gctx_comp has it: memcmp of the common length, then the length. Negative, 0 or positive. */
  #compare(a: BacktraceRow, b: BacktraceRow): number {
    const { starts, entries, addresses } = this;
    let i = starts[a];
    let j = starts[b];
    const endA = starts[a + 1];
    const endB = starts[b + 1];
    for (; i < endA && j < endB; i++, j++) {
      const idA = entries[i];
      const idB = entries[j];
      if (idA === idB) continue;
      const low = swapBytes(addresses[2 * idA]) - swapBytes(addresses[2 * idB]);
      return low !== 0 ? low : swapBytes(addresses[2 * idA + 1]) - swapBytes(addresses[2 * idB + 1]);
    }
    return endA - starts[a] - (endB - starts[b]);
  }

  /** The row of a stack that has not been asked for before; equal addresses give the row that is there. */
  #intern(stack: StackIndex): BacktraceRow {
    const ids = this.#ids;
    const { words, result } = this.#hash;
    const frames = this.#stacks.framesOf(stack);
    const depth = Math.min(frames.length, PROF_BT_MAX);
    for (let i = 0; i < depth; i++) {
      const id = this.#addressOf(frames[i]);
      ids[i] = id;
      words[2 * i] = this.addresses[2 * id];
      words[2 * i + 1] = this.addresses[2 * id + 1];
    }
    this.#hash.compute(depth, BACKTRACE_SEED);
    const hash = result[0];
    let mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let found = this.#slots[slot]; found !== 0; found = this.#slots[slot]) {
      const other = (found - 1) as BacktraceRow;
      if (this.#equals(other, depth)) return other;
      slot = (slot + 1) & mask;
    }

    const row = this.length++ as BacktraceRow;
    if (row >= this.hash0.length) {
      this.hash0 = grown(this.hash0, row + 1);
      this.hash1 = grown(this.hash1, row + 1);
      this.starts = grown(this.starts, 2 * row + 1);
    }
    const start = this.starts[row];
    if (start + depth > this.entries.length) this.entries = grown(this.entries, start + depth);
    for (let i = 0; i < depth; i++) this.entries[start + i] = ids[i];
    this.starts[row + 1] = start + depth;
    this.hash0[row] = hash;
    this.hash1[row] = result[2];
    this.#slots[slot] = row + 1;
    if (this.length * 2 > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 2);
      mask = this.#slots.length - 1;
      for (let i = 0; i < this.length; i++) {
        let at = this.hash0[i] & mask;
        while (this.#slots[at] !== 0) at = (at + 1) & mask;
        this.#slots[at] = i + 1;
      }
    }
    return row;
  }

  /** Whether a row holds the first `depth` addresses of `#ids`. */
  #equals(row: BacktraceRow, depth: number): boolean {
    const start = this.starts[row];
    if (this.starts[row + 1] - start !== depth) return false;
    for (let i = 0; i < depth; i++) if (this.entries[start + i] !== this.#ids[i]) return false;
    return true;
  }

  /** The id of a frame's address, added if it is new. */
  #addressOf(frame: number): number {
    if (frame >= this.#frameAddresses.length) this.#frameAddresses = grown(this.#frameAddresses, frame + 1);
    const known = this.#frameAddresses[frame];
    if (known !== 0) return known - 1;
    const address = BigInt.asUintN(64, this.#stacks.frames.addressOf(frame));
    let id = this.#addressIds.get(address);
    if (id === undefined) {
      id = this.addressTexts.length;
      this.#addressIds.set(address, id);
      this.addressTexts.push(` 0x${address.toString(16)}`);
      if (2 * id + 1 >= this.addresses.length) this.addresses = grown(this.addresses, 2 * id + 2);
      this.addresses[2 * id] = Number(address & 0xffffffffn);
      this.addresses[2 * id + 1] = Number(address >> 32n);
    }
    this.#frameAddresses[frame] = id + 1;
    return id;
  }

  /** @throws Error unless each row's hashes fit its addresses, and the dump order is strictly increasing. */
  check(): void {
    const { words, result } = this.#hash;
    for (let row = 0 as BacktraceRow; row < this.length; row++) {
      const depth = this.depth(row);
      for (let i = 0; i < depth; i++) {
        const id = this.entries[this.starts[row] + i];
        words[2 * i] = this.addresses[2 * id];
        words[2 * i + 1] = this.addresses[2 * id + 1];
      }
      this.#hash.compute(depth, BACKTRACE_SEED);
      if (this.hash0[row] !== result[0] || this.hash1[row] !== result[2])
        throw new Error("a backtrace's hashes are not those of its addresses");
    }
    const order = this.inDumpOrder();
    for (let i = 1; i < order.length; i++) {
      if (this.#compare(order[i - 1], order[i]) >= 0) throw new Error('two backtraces are equal or out of order');
    }
  }
}

/** The bytes of a 32-bit word in the other order: memcmp looks at the lowest first. */
function swapBytes(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
