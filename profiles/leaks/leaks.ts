/**
 * Who allocated what was never freed: allocation contexts by live bytes, from a replay's ledger or from any profile.
 * Invariant: contexts are sorted by bytes, largest first, no two have the same stack, and their sums are the totals.
 * Differs from jemalloc's "Leak approximation summary", which gives totals alone, in usable bytes; here a replay's are the bytes that were asked for.
 */
import type { Ledger } from '../../core/replay/ledger.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { isSampled, isSnapshot, type Profile } from '../profile.ts';
import { CallPaths } from './call_paths.ts';
import { type LeakContext, RankedContexts } from './leak_sums.ts';

export type { LeakContext } from './leak_sums.ts';

/** What is live at the end, by allocation context. */
export interface LeakReport {
  /** Largest first. An object each is made when they are first asked for; `ranked` has what takes few of them. */
  readonly contexts: readonly LeakContext[];
  readonly ranked: RankedContexts;
  readonly totalBytes: number;
  readonly totalObjects: number;
  /** Everything ever allocated; 0 if the source does not know. */
  readonly allocatedBytes: number;
  readonly allocatedObjects: number;
  /** When the contexts held this, if not at the end: "at the peak". What was freed later is then not told from what leaked. */
  readonly moment?: string;
  /** True if the source is of a program that may have run on: what is in use there is not all leaked. */
  readonly snapshot?: boolean;
  /** True if the source was not taken to its end: what is in use may have been freed later. */
  readonly partial?: boolean;
  /** Bytes as the program asked for them (true) or as size classes made of them (false); absent if the source does not say. */
  readonly requested?: boolean;
  /** True if the numbers are estimates from samples. */
  readonly sampled: boolean;
  /** Mean bytes between samples, if it is known and not all were sampled. */
  readonly sampleRate?: number;
  /** Whether `times` are nanoseconds (true) or event numbers (false); absent if there are none. */
  readonly timed?: boolean;
  /** Time of the last event, in the same unit. */
  readonly endTime?: number;
  /** Messages for the user, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * A context still grows at the end if it reached its highest live size in the last tenth of the recording, having first
 * allocated before that tenth, and at the end holds at least nine tenths of that size.
 * A start-up table fails the first condition, a single late allocation the second, a work buffer that was given back the third.
 */
const GROWING = { lastPart: 0.1, held: 0.9 };

/** Recorders that walk frame pointers: of code that keeps none they have the direct caller at best. */
const BY_FRAME_POINTERS: ReadonlySet<string | undefined> = new Set(['bpftrace', 'perf', 'ftrace']);
/** Contexts that tell what the others are like. */
const LOOKED_AT = 20;

/**
 * Whether most of what a trace's report holds has no caller but the direct one, for want of frame pointers.
 * @param source the recorder, as the trace's header has it
 */
export function lacksCallers({ ranked, totalBytes }: LeakReport, source: string | undefined): boolean {
  if (!BY_FRAME_POINTERS.has(source)) return false;
  let bytes = 0;
  for (const context of ranked.split(LOOKED_AT).first) if (context.stack.length === 1) bytes += context.bytes;
  return bytes * 2 > totalBytes;
}

/** What `leaksFromLedger` needs to know besides the tables. */
export interface LeakOptions {
  /** Time of the trace's last event, ns since its start. */
  readonly endTime: number;
  /** Where the replay was stopped, if not at the end: "at the peak". */
  readonly moment?: string;
  /** Fold allocation functions away. Default true. */
  readonly foldAllocators?: boolean;
}

/** What is live at the end of a replay, in requested bytes. */
export function leaksFromLedger(trace: Trace, ledger: Ledger, { endTime, moment, foldAllocators = true }: LeakOptions): LeakReport {
  const { stacks, bytes, objects, firstTime } = ledger.live();
  const lastPart = endTime - (endTime - Math.min(endTime, firstTime)) * GROWING.lastPart;
  const ranked = new RankedContexts(new CallPaths(trace.stacks, { foldAllocators }), {
    stacks,
    bytes,
    objects,
    allocatedBytes: (row) => ledger.allocBytes(stacks[row]),
    allocatedObjects: (row) => ledger.allocObjects(stacks[row]),
    times(row) {
      const stack = stacks[row];
      const held = bytes[row];
      const first = ledger.firstTimeOf(stack);
      const growing = held > 0 && first < lastPart && ledger.peakTime(stack) >= lastPart && held >= ledger.peakBytes(stack) * GROWING.held;
      return { first, last: ledger.lastTimeOf(stack), growing };
    },
  });
  return {
    ranked,
    get contexts() {
      return ranked.all;
    },
    totalBytes: ledger.totalLiveBytes,
    totalObjects: ledger.totalLiveObjects,
    allocatedBytes: ledger.totalBytes,
    allocatedObjects: ledger.totalObjects,
    ...(moment === undefined ? {} : { moment }),
    ...(trace.partial ? { partial: true } : {}),
    requested: true,
    sampled: false,
    timed: trace.header.timed !== false,
    endTime,
    warnings: trace.warnings,
  };
}

/** What a profile has in use. */
export function leaksFromProfile(profile: Profile, { foldAllocators = true }: { readonly foldAllocators?: boolean } = {}): LeakReport {
  const { samples } = profile;
  const { stack, inuseBytes, inuseObjects, allocBytes, allocObjects } = samples;
  const ranked = new RankedContexts(new CallPaths(profile.stacks, { foldAllocators }), {
    stacks: stack.subarray(0, samples.length),
    bytes: inuseBytes,
    objects: inuseObjects,
    allocatedBytes: (row) => allocBytes[row],
    allocatedObjects: (row) => allocObjects[row],
  });
  return {
    ranked,
    get contexts() {
      return ranked.all;
    },
    totalBytes: samples.total('inuse_space'),
    totalObjects: samples.total('inuse_objects'),
    allocatedBytes: profile.accumulated ? samples.total('alloc_space') : 0,
    allocatedObjects: profile.accumulated ? samples.total('alloc_objects') : 0,
    ...(profile.moment === undefined ? {} : { moment: profile.moment }),
    ...(profile.requested === undefined ? {} : { requested: profile.requested }),
    ...(isSnapshot(profile) ? { snapshot: true } : {}),
    sampled: isSampled(profile.sampling),
    ...(isSampled(profile.sampling) ? { sampleRate: profile.sampling.rate } : {}),
    warnings: profile.warnings,
  };
}
