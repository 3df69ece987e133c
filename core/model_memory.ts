/**
 * The memory of a model, and the part of it that is compiled to WebAssembly (assembly/): what mallocs and frees of small objects pass through, from the
 * thread caches down to slabs and the heaps of them. It runs at speed from its first call, where V8 takes a quarter of a second to find out
 * how to compile as much TypeScript, and its loops know no classes or lengths of arrays to check: see "core" in BENCHMARKS.md.
 * Invariant: columns and counters that both languages work on lie in the memory; every one is written down once, in the table's own file.
 * Differs from jemalloc: pages come from TypeScript, which the compiled part calls (ModelCalls).
 */
import { MODEL as BYTES } from './assembly/module.ts';
import { FIRST_COLUMN, MODEL } from './assembly/places.ts';
import type { ColumnKind } from './columns.ts';
import { ARENA_LIMIT } from './conf/boot.ts';
import { ColumnMemory, SharedCode } from './memory.ts';
import { indexToSize, NBINS, sizeToIndex, SMALL_MAXCLASS, TINY_MIN } from './sizes/sc.ts';
import type { Bytes, SizeClass } from './units.ts';
import type { Region } from './extent/types.ts';

/**
 * What the compiled part does. Arenas, threads, caches, heaps and esets are named by their places in the memory; a region is -1 if there is no memory for it.
 * Each function is described in the file of assembly/ that has its name in jemalloc.
 */
export interface ModelCode {
  heapInsert(nodes: number, heap: number, node: number): void;
  heapFirst(nodes: number, heap: number): number;
  heapRemoveFirst(nodes: number, heap: number): number;
  heapRemove(nodes: number, heap: number, node: number): void;
  esetInsert(eset: number, extent: number): void;
  esetRemove(eset: number, extent: number): void;
  esetFit(eset: number, pages: number, alignment: number, exactOnly: boolean, lgMaxFit: number): number;
  /** Values and result are named by their places. */
  hash128(values: number, count: number, seed: number, result: number): void;
  mallocSmall(tsd: number, arena: number, szind: SizeClass): Region;
  dallocSmall(tsd: number, region: Region): void;
  /** `lane` is the place of the struct Lane. Rows are those of its window. */
  runLane(lane: number, from: number, to: number): number;
  tcacheFill(tsd: number, tcache: number, arena: number, szind: SizeClass): Region;
  tcacheFlush(tsd: number, tcache: number, szind: SizeClass, remaining: number): void;
  threadEventInit(tsd: number): void;
  threadAllocEvent(tsd: number, usize: number): void;
  threadDallocEvent(tsd: number, usize: number): void;
  peakEventUpdate(tsd: number): void;
  peakEventZero(tsd: number): void;
}

/** What the compiled part knows of the options. */
interface SmallPathConf {
  /** SizeClass -> regions of a slab, and number of the class's first bin in an arena. */
  readonly regions: ArrayLike<number>;
  readonly firstBin: ArrayLike<number>;
  /** lg_tcache_flush_small_div */
  readonly flushDiv: number;
  /** Cached classes, and SizeClass -> items that a collection may pass by at first. */
  readonly cachedClasses: number;
  readonly delayItems: ArrayLike<number>;
  /** Bytes between two collections of a thread cache, and between two statistics events of a thread, Infinity for none. */
  readonly gcIncrement: number;
  readonly statsBatch: number;
  /** Whether threads have samples to wait for. */
  readonly samples: boolean;
}

/** What the compiled part calls, functions that need no `this`: see assembly/calls.ts. Threads and arenas are named by their numbers. */
export interface ModelCalls {
  enter(thread: number): void;
  slabAlloc(thread: number, arena: number, szind: SizeClass): number;
  slabDalloc(arena: number, slab: number): void;
  decay(thread: number, arena: number): void;
  flushLarge(thread: number, szind: SizeClass, remaining: number): void;
  sampleWait(thread: number): number;
  sampleEvent(thread: number, elapsed: number): void;
  statsEvent(thread: number, elapsed: number): void;
  fullInsert(arena: number, bin: number, slab: number): void;
  fullRemove(arena: number, bin: number, slab: number): void;
  notePeak(): void;
}

const code = new SharedCode(BYTES);

/** Doubles of the struct Model of assembly/tables.ts, and then its words. */
const NOW = 0;
const GC_INCREMENT = 1;
const STATS_BATCH = 2;
const THREAD = 6;
const CLASS_OF = 7;
const REGIONS = 9;
const ARENAS = 11;
const FLUSH_DIV = 12;

/** Threads that there is room for at first. */
const FIRST_TSDS = 16;
/** Room for arenas: those that an application can name, and one more, a power of two. */
const MOST_ARENAS = ARENA_LIMIT + 1;

/** The memory of one heap. */
export class ModelMemory extends ColumnMemory {
  /** The compiled part, once it is joined to what it calls. */
  code!: ModelCode;
  /** Index -> place of an arena. */
  readonly #arenas: Uint32Array;
  /** The struct Model: its doubles, and the word that names the thread. */
  readonly #doubles: Float64Array;
  readonly #thread: Int32Array;
  #tsds: Uint32Array;

  /** @throws InputError as ColumnMemory does */
  constructor() {
    super(FIRST_COLUMN);
    const classOf = this.uint8(SMALL_MAXCLASS / TINY_MIN + 1);
    for (let eighth = 0; eighth < classOf.length; eighth++) classOf[eighth] = sizeToIndex((eighth * TINY_MIN) as Bytes);
    const usableSize = this.float64(NBINS);
    usableSize.set(indexToSize.subarray(0, NBINS));
    this.#arenas = this.uint32(MOST_ARENAS);
    this.#doubles = new Float64Array(this.buffer, MODEL, THREAD / 2);
    this.#thread = new Int32Array(this.buffer, MODEL + THREAD * 4, 1);
    this.#tsds = this.uint32(FIRST_TSDS);
    this.writePlaces(MODEL, CLASS_OF, [classOf, usableSize]);
    this.writePlaces(MODEL, ARENAS, [this.#arenas]);
  }

  /** Joins the compiled part to the functions that it calls: before any table of the memory is worked on. */
  join(calls: ModelCalls): void {
    this.code = code.on(this.memory, { calls: { ...calls } }) as ModelCode;
  }

  /** Time of the event in progress, ns since start_ts. */
  get now(): number {
    return this.#doubles[NOW];
  }

  set now(time: number) {
    this.#doubles[NOW] = time;
  }

  /** Number of the thread whose call is in progress. */
  set thread(index: number) {
    this.#thread[0] = index;
  }

  /** Number -> place of a thread. */
  get tsds(): Uint32Array {
    return this.#tsds;
  }

  /** Says where a thread is. */
  placeTsd(index: number, place: number): void {
    if (index >= this.#tsds.length) this.#tsds = this.grown(this.#tsds, index + 1);
    this.#tsds[index] = place;
  }

  /** Writes words of the struct at `place`, from its word `first` on. */
  write(place: number, first: number, words: readonly number[]): void {
    new Uint32Array(this.buffer, place).set(words, first);
  }

  /** Writes where columns are to words of the struct at `place`, from its word `first` on. */
  writePlaces(place: number, first: number, columns: readonly ColumnKind[]): void {
    this.write(
      place,
      first,
      columns.map((column) => column.byteOffset),
    );
  }

  /** Lays down what the compiled part has to know of the options. Once, before anything is allocated. */
  configure({ regions, firstBin, flushDiv, cachedClasses, delayItems, gcIncrement, statsBatch, samples }: SmallPathConf): void {
    const own = this.uint16(NBINS);
    own.set(regions);
    const first = this.uint32(NBINS);
    first.set(firstBin);
    const delays = this.uint8(NBINS);
    delays.set(delayItems);
    this.#doubles[GC_INCREMENT] = gcIncrement;
    this.#doubles[STATS_BATCH] = statsBatch;
    this.writePlaces(MODEL, REGIONS, [own, first]);
    this.write(MODEL, FLUSH_DIV, [flushDiv, samples ? 1 : 0, cachedClasses, delays.byteOffset]);
  }

  /** Says where an arena's struct is; 0 for an arena that is gone. */
  placeArena(index: number, place: number): void {
    this.#arenas[index] = place;
  }
}
