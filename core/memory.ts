/**
 * Memory that TypeScript shares with code compiled to WebAssembly: columns are typed arrays to the one language and addresses to the other.
 * Invariant: what was taken stays where it is until it is given back, and no two columns overlap. So a column's byteOffset is a pointer.
 * Differs from memory of WebAssembly that is not shared: growing leaves the columns valid which are there.
 */
import type { ColumnKind, Columns } from './columns.ts';
import { InputError } from './trace/input_error.ts';

/** What is used of the language's WebAssembly. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum: number; readonly shared: true });
    readonly buffer: SharedArrayBuffer;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>);
    readonly exports: unknown;
  }
}

type Shared<T> = T & { readonly buffer: SharedArrayBuffer };

/** WebAssembly counts memory in pages of so many bytes, and has 2^32 bytes at most. */
const PAGE = 65536;
const MOST_PAGES = 65536;
const FIRST_PAGES = 16;
/** Columns begin at multiples of a cache line. */
const LINE = 64;

/** What to say where the process may not have the address space that WebAssembly's memory takes. */
export function outOfAddressSpace(): InputError {
  return new InputError(
    'memory',
    'the system refuses the 10 GB of address space that V8 sets aside, and does not use, for WebAssembly',
    'raise the limit (ulimit -v), or set NODE_OPTIONS=--disable-wasm-trap-handler',
  );
}

function newMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES, shared: true });
  } catch {
    throw outOfAddressSpace();
  }
}

function grow(memory: WebAssembly.Memory, pages: number): void {
  try {
    memory.grow(pages);
  } catch {
    throw new InputError('memory', 'the tables pass 4 GiB, or what the system gives', 'cut the recording in parts');
  }
}

/** Code to be run on memories: compiled once, when it is first needed. */
export class SharedCode {
  readonly #bytes: Uint8Array;
  #module: WebAssembly.Module | undefined;

  /** @param bytes a WebAssembly module that imports `env.memory` */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The module's functions, working on a memory. `imports` are those that it calls, by module and name. */
  on(memory: WebAssembly.Memory, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>): unknown {
    this.#module ??= new WebAssembly.Module(this.#bytes);
    return new WebAssembly.Instance(this.#module, { env: { memory }, ...imports }).exports;
  }
}

/** Columns in one memory. */
export class ColumnMemory implements Columns {
  readonly memory: WebAssembly.Memory = newMemory();
  #pages = FIRST_PAGES;
  #end: number;
  /** Bytes -> places of so many that were given back. */
  readonly #spare = new Map<number, number[]>();
  /** All that `buffer` has been: each time the memory grows it is another object. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  /** Made anew when the memory has grown. */
  #words: Uint32Array | undefined;
  #doubles: Float64Array | undefined;

  /**
   * @param first where columns may begin; what lies before is the code's. Address 0 is no column's.
   * @throws InputError where the process may not have so much address space as V8 keeps free around such a memory.
   */
  constructor(first = LINE) {
    this.#end = roomFor(first);
  }

  /** The memory as it is now: later it may be longer. */
  get buffer(): SharedArrayBuffer {
    const { buffer } = this.memory;
    this.#buffers.add(buffer);
    return buffer;
  }

  /** The whole memory in words and in doubles: of many small structs, views of their own would take more than what they show. */
  get words(): Uint32Array {
    return (this.#words ??= new Uint32Array(this.buffer));
  }

  get doubles(): Float64Array {
    return (this.#doubles ??= new Float64Array(this.buffer));
  }

  /** Whether a column lies here. */
  owns(column: ColumnKind): boolean {
    return this.#buffers.has(column.buffer);
  }

  /** Room for so many bytes, all 0: where it begins. @throws InputError if there is no more. */
  take(bytes: number): number {
    const room = roomFor(bytes);
    const spare = this.#spare.get(room)?.pop();
    if (spare !== undefined) {
      new Uint8Array(this.buffer, spare, room).fill(0);
      return spare;
    }
    const start = this.#end;
    const end = start + room;
    const lacking = Math.ceil(end / PAGE) - this.#pages;
    if (lacking > 0) {
      grow(this.memory, lacking);
      this.#pages += lacking;
      this.#words = undefined;
      this.#doubles = undefined;
    }
    this.#end = end;
    return start;
  }

  /** Gives back what `take` gave for so many bytes. */
  give(start: number, bytes: number): void {
    const room = roomFor(bytes);
    const places = this.#spare.get(room);
    if (places === undefined) this.#spare.set(room, [start]);
    else places.push(start);
  }

  /** Columns of `length` elements, all 0. @throws InputError if there is no more memory. */
  float64(length: number): Shared<Float64Array> {
    const start = this.take(length * 8);
    return new Float64Array(this.buffer, start, length);
  }

  int32(length: number): Shared<Int32Array> {
    const start = this.take(length * 4);
    return new Int32Array(this.buffer, start, length);
  }

  uint32(length: number): Shared<Uint32Array> {
    const start = this.take(length * 4);
    return new Uint32Array(this.buffer, start, length);
  }

  int16(length: number): Shared<Int16Array> {
    const start = this.take(length * 2);
    return new Int16Array(this.buffer, start, length);
  }

  uint16(length: number): Shared<Uint16Array> {
    const start = this.take(length * 2);
    return new Uint16Array(this.buffer, start, length);
  }

  uint8(length: number): Shared<Uint8Array> {
    const start = this.take(length);
    return new Uint8Array(this.buffer, start, length);
  }

  /** A copy of a column of this memory with room for at least `length` elements, and at least twice the old room, which is given back. */
  grown<T extends ColumnKind>(column: T, length: number): T {
    const room = Math.max(length, column.length * 2);
    const start = this.take(room * column.BYTES_PER_ELEMENT);
    const copy = new (column.constructor as new (buffer: SharedArrayBuffer, start: number, length: number) => T)(this.buffer, start, room);
    copy.set(column);
    this.give(column.byteOffset, column.byteLength);
    return copy;
  }
}

function roomFor(bytes: number): number {
  return Math.ceil(bytes / LINE) * LINE;
}
