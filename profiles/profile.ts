/**
 * What a report is made of: values per allocation context, whether they come from a replay, a heap dump or a pprof file.
 * Invariant: every column of a SampleTable has `length` rows in use, and every stack in it is a row of `Profile.stacks` or NO_STACK.
 * Differs from a heap dump: values are estimates of what the program did (sampling already undone), in fractions where the estimate has them.
 */
import { grown } from '../core/columns.ts';
import { InputError } from '../core/trace/input_error.ts';
import type { Ledger } from '../core/replay/ledger.ts';
import type { Frame, StackTable } from '../core/trace/stacks.ts';
import type { Trace } from '../core/trace/trace.ts';
import type { FrameIndex, StackIndex } from '../core/units.ts';
import { printable } from './printable.ts';

/** What a sample counts; pprof's names for the columns of a SampleTable, in pprof's order. */
export const SAMPLE_TYPES = ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'] as const;
/** What only a trace can tell besides: objects freed by the very next call (heaptrack's temporary allocations). */
export const TEMPORARY = 'temporary_objects';
export type SampleType = (typeof SAMPLE_TYPES)[number] | typeof TEMPORARY;

/** Values per stack. Two rows may have the same stack (a dump may list a context twice): whoever shows them adds them up. */
export class SampleTable {
  /** Rows in use. */
  length = 0;
  /** StackIndex, -1 for the empty backtrace. */
  stack: Int32Array;
  /** Objects allocated and not yet freed. */
  inuseObjects: Float64Array;
  /** Bytes of those. */
  inuseBytes: Float64Array;
  /** Objects ever allocated; 0 throughout if the source does not know (`Profile.accumulated`). */
  allocObjects: Float64Array;
  /** Bytes of those. */
  allocBytes: Float64Array;
  /** Objects of `allocObjects` whose free was the next call; 0 throughout if the source is no trace. */
  temporaryObjects: Float64Array;

  constructor(capacity = 64) {
    this.stack = new Int32Array(capacity);
    this.inuseObjects = new Float64Array(capacity);
    this.inuseBytes = new Float64Array(capacity);
    this.allocObjects = new Float64Array(capacity);
    this.allocBytes = new Float64Array(capacity);
    this.temporaryObjects = new Float64Array(capacity);
  }

  /** Appends a row. */
  add(stack: StackIndex, inuseObjects: number, inuseBytes: number, allocObjects: number, allocBytes: number, temporaryObjects = 0): void {
    if (this.length === this.stack.length) this.reserve(Math.max(64, this.length * 2));
    const row = this.length++;
    this.stack[row] = stack;
    this.inuseObjects[row] = inuseObjects;
    this.inuseBytes[row] = inuseBytes;
    this.allocObjects[row] = allocObjects;
    this.allocBytes[row] = allocBytes;
    this.temporaryObjects[row] = temporaryObjects;
  }

  /** The column that a sample type names. Rows 0..length-1 are in use. */
  column(type: SampleType): Float64Array {
    switch (type) {
      case 'alloc_objects':
        return this.allocObjects;
      case 'alloc_space':
        return this.allocBytes;
      case 'inuse_objects':
        return this.inuseObjects;
      case 'inuse_space':
        return this.inuseBytes;
      case TEMPORARY:
        return this.temporaryObjects;
    }
  }

  /** Sum of a column. */
  total(type: SampleType): number {
    const values = this.column(type);
    let sum = 0;
    for (let row = 0; row < this.length; row++) sum += values[row];
    return sum;
  }

  /** Makes room for `rows` rows in all, so that adding them leaves no smaller columns behind. */
  reserve(rows: number): void {
    if (rows <= this.stack.length) return;
    this.stack = grown(this.stack, rows);
    this.inuseObjects = grown(this.inuseObjects, rows);
    this.inuseBytes = grown(this.inuseBytes, rows);
    this.allocObjects = grown(this.allocObjects, rows);
    this.allocBytes = grown(this.allocBytes, rows);
    this.temporaryObjects = grown(this.temporaryObjects, rows);
  }
}

/** A sample type that is none of memory, as a pprof profile of CPU time has them. */
export interface Measure {
  /** Its name: `cpu`, `contentions`. */
  readonly type: string;
  /** Of its values: `nanoseconds`, `bytes`; `count` for a number of what the name says. Word characters and `%/.-` only. */
  readonly unit: string;
  /** Values by row of `Profile.samples`. */
  readonly values: Float64Array;
}

/** What one thread allocated. */
export interface ThreadSamples {
  /** The number after `t` in a heap dump: jemalloc's thread uid. */
  readonly id: bigint;
  readonly name: string | undefined;
  readonly samples: SampleTable;
}

/** How the samples were taken. */
export interface Sampling {
  /**
   * `none`: every allocation is counted. `poisson`: each byte is sampled with probability 1/rate (jemalloc, tcmalloc v2).
   * `uniform`: the next sample is a uniform number of bytes away, `rate` bytes on average (tcmalloc v1).
   */
  readonly method: 'none' | 'poisson' | 'uniform';
  /** Mean bytes between samples; 1 with method `none`. */
  readonly rate: number;
}

/** True of values that are estimates: jemalloc's dumps with lg_prof_sample:0 have every allocation. */
export const isSampled = ({ method, rate }: Sampling): boolean => method !== 'none' && rate > 1;

/** Values per allocation context, and what is known of where they come from. */
export interface Profile {
  /** `heap`: memory the program asked for; `growth`: memory the allocator asked the system for; `other`: no memory, only `measures`. */
  readonly kind: 'heap' | 'growth' | 'other';
  /** What was read: "replay" for a trace, else a format, "heap_v2", "pprof", "Memcheck". */
  readonly source: string;
  readonly stacks: StackTable;
  /** All threads together. */
  readonly samples: SampleTable;
  /** What else is counted; of kind `other` at least one, and the first is what is shown where nothing else is asked for. */
  readonly measures?: readonly Measure[];
  /** By thread, in the order of the source; empty if it does not tell threads apart. */
  readonly threads: readonly ThreadSamples[];
  readonly sampling: Sampling;
  /** False if the source has no record of freed objects, so that the alloc columns are 0 or repeat what is in use. */
  readonly accumulated: boolean;
  /** True if the source knows only what was freed, or not what was: the in-use columns are then 0, and nothing can be called a leak. */
  readonly freedOnly?: boolean;
  /** When what is in use was, if that is not the last that the source knows: "at the peak". */
  readonly moment?: string;
  /** True if a trace was not taken to its end. */
  readonly partial?: boolean;
  /** Bytes are what the program asked for (true) or what size classes made of it (false); absent if the source does not say. */
  readonly requested?: boolean;
  /**
   * True if the file carries its own names (jeprof's symbol section, pprof functions, a trace's names): then a frame without
   * a name has none. False for a bare dump, whose addresses a SymbolSource may name.
   */
  readonly symbolized: boolean;
  /** Names that reports leave as they are, whatever they look like: those of which a pprof profile has another one from the system. */
  readonly wholeNames?: ReadonlySet<string>;
  /** What the source calls its sample types of memory, where that is not what they are called here. */
  readonly typeNames?: ReadonlyMap<string, SampleType>;
  /** Path of the program, or its command line. */
  readonly binary?: string;
  /** Text of /proc/PID/maps. */
  readonly maps?: string;
  /** Messages for the user, one sentence each. */
  readonly warnings: readonly string[];
  /**
   * True if a part of the file could not be read, so that its values are missing here: lines or references that are none of its format,
   * compression that breaks off. `warnings` say where. What the format or the programs that write it put between the rows is no damage.
   */
  readonly damaged?: boolean;
}

/** What profiles have alike that count every allocation and tell no threads apart. */
export const EVERY_ALLOCATION = { kind: 'heap', threads: [], sampling: { method: 'none', rate: 1 } } as const satisfies Partial<Profile>;

/**
 * Makes a profile of what the program asked for: requested bytes, every allocation counted.
 * The profile shares the trace's stack table. `moment` says where the ledger was stopped, if not at the trace's end.
 */
export function profileFromLedger(trace: Trace, ledger: Ledger, moment?: string): Profile {
  const contexts = ledger.stacks();
  const samples = new SampleTable(contexts.length);
  for (let row = 0; row < contexts.length; row++) {
    const stack = contexts[row] as StackIndex;
    samples.add(
      stack,
      ledger.liveObjects(stack),
      ledger.liveBytes(stack),
      ledger.allocObjects(stack),
      ledger.allocBytes(stack),
      ledger.temporaryObjects(stack),
    );
  }
  const { command, maps } = trace.header;
  return {
    ...EVERY_ALLOCATION,
    source: 'replay',
    stacks: trace.stacks,
    samples,
    accumulated: true,
    ...(moment === undefined ? {} : { moment }),
    ...(trace.partial ? { partial: true } : {}),
    requested: true,
    symbolized: true,
    ...(command === undefined ? {} : { binary: command }),
    ...(maps === undefined ? {} : { maps }),
    warnings: trace.warnings,
    ...(trace.truncated ? { damaged: true } : {}),
  };
}

/** True for jemalloc's and gperftools' heap dumps, and Go's: their values are jeprof's. */
export function isHeapDump({ source }: Profile): boolean {
  return source.startsWith('heap');
}

/** True for pprof's own profiles. */
export function isPprofProfile({ source }: Profile): boolean {
  return source === 'pprof';
}

/** The source of Go's heap profiles as text: heap dumps that name their functions, in comments. */
export const GO_HEAP = 'heap profile of Go';

/** True for profiles whose rows are those of `go tool pprof`, not jeprof's. */
export function hasPprofRows(profile: Profile): boolean {
  return isPprofProfile(profile) || profile.source === GO_HEAP;
}

/** Sources of what was in use at a moment. */
const SNAPSHOTS: ReadonlySet<string> = new Set(['pprof', 'java heapz', 'Android heap dump']);

/** True for profiles that programs write as they run: what is in use then may be freed later. */
export function isSnapshot(profile: Profile): boolean {
  return isHeapDump(profile) || SNAPSHOTS.has(profile.source);
}

/** True for the sample types that profiles of memory have. */
export function isMemoryType(type: string): type is SampleType {
  return type === TEMPORARY || (SAMPLE_TYPES as readonly string[]).includes(type);
}

/**
 * The values of a sample type by row of `samples`: those of the profile, or of one of its threads.
 * @throws InputError if the profile has no such sample type
 */
export function valuesOf(profile: Profile, type: string, samples: SampleTable = profile.samples): Float64Array {
  const measure = profile.measures?.find((known) => known.type === type);
  if (measure !== undefined && samples === profile.samples) return measure.values;
  if (isMemoryType(type) && profile.kind !== 'other') return samples.column(type);
  const known = [...(profile.kind === 'other' ? [] : SAMPLE_TYPES), ...(profile.measures ?? []).map((each) => printable(each.type))];
  throw new InputError(
    `--sample_index ${printable(type)}`,
    `a profile has no such sample type, but ${known.join(', ')}`,
    'name one of those',
  );
}

/** What a frame is called in reports: its function, else its address as `0x…`. The text is untrusted. */
export function frameName(stacks: StackTable, index: FrameIndex): string {
  const frame: Frame = stacks.frames.frames[index];
  return frame.fn ?? `0x${stacks.frames.addressOf(index).toString(16)}`;
}
