/**
 * Who allocated what was never freed: allocation contexts by live bytes, from a replay's ledger or from any profile.
 * Invariant: contexts are sorted by bytes, largest first, no two have the same stack, and their sums are the totals.
 * Differs from jemalloc's "Leak approximation summary", which gives totals alone, in usable bytes; here a replay's are the bytes that were asked for.
 */
import type { Ledger } from '../../core/replay/ledger.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import type { Profile } from '../profile.ts';
import { CallPaths, type PathFrame, type PathIndex } from './call_paths.ts';

/** When a context allocated, ns since the trace's start (event numbers where the trace has no times). */
export interface LeakTimes {
  readonly first: number;
  readonly last: number;
  /** See GROWING. */
  readonly growing: boolean;
}

/** One allocation context that holds live memory. */
export interface LeakContext {
  /** Live bytes. */
  readonly bytes: number;
  readonly objects: number;
  /** Of all live bytes, 0..1. */
  readonly share: number;
  /** Everything this context ever allocated; 0 if the source does not know. */
  readonly allocatedBytes: number;
  readonly allocatedObjects: number;
  /** Leaf first; empty for calls without a backtrace. */
  readonly stack: readonly PathFrame[];
  /** Absent for profiles, which have no times. */
  readonly times?: LeakTimes;
}

/** What is live at the end, by allocation context. */
export interface LeakReport {
  /** Largest first. */
  readonly contexts: readonly LeakContext[];
  readonly totalBytes: number;
  readonly totalObjects: number;
  /** Everything ever allocated; 0 if the source does not know. */
  readonly allocatedBytes: number;
  readonly allocatedObjects: number;
  /** When the contexts held this, if not at the end: "at the peak". What was freed later is then not told from what leaked. */
  readonly moment?: string;
  /** Bytes as the program asked for them (true) or as size classes made of them (false). */
  readonly requested: boolean;
  /** True if the numbers are estimates from samples. */
  readonly sampled: boolean;
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
  const gather = new Gather(new CallPaths(trace.stacks, { foldAllocators }));
  const lastPart = endTime - (endTime - Math.min(endTime, ledger.firstTime())) * GROWING.lastPart;
  for (const row of ledger.rows()) {
    const bytes = row.liveBytes;
    const growing = bytes > 0 && row.firstTime < lastPart && row.peakTime >= lastPart && bytes >= row.peakBytes * GROWING.held;
    const sum = gather.add(row.stack, bytes, row.liveObjects, row.allocBytes, row.allocObjects);
    sum.first = Math.min(sum.first, row.firstTime);
    sum.last = Math.max(sum.last, row.lastTime);
    if (growing) sum.growingBytes += bytes;
  }
  return {
    contexts: gather.contexts(true),
    totalBytes: ledger.totalLiveBytes,
    totalObjects: ledger.totalLiveObjects,
    allocatedBytes: ledger.totalBytes,
    allocatedObjects: ledger.totalObjects,
    ...(moment === undefined ? {} : { moment }),
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
  const gather = new Gather(new CallPaths(profile.stacks, { foldAllocators }));
  for (let row = 0; row < samples.length; row++) {
    const stack = samples.stack[row] as StackIndex;
    gather.add(stack, samples.inuseBytes[row], samples.inuseObjects[row], samples.allocBytes[row], samples.allocObjects[row]);
  }
  return {
    contexts: gather.contexts(false),
    totalBytes: samples.total('inuse_space'),
    totalObjects: samples.total('inuse_objects'),
    allocatedBytes: profile.accumulated ? samples.total('alloc_space') : 0,
    allocatedObjects: profile.accumulated ? samples.total('alloc_objects') : 0,
    ...(profile.moment === undefined ? {} : { moment: profile.moment }),
    requested: profile.requested,
    sampled: profile.sampling.method !== 'none',
    warnings: profile.warnings,
  };
}

/** Sums of one path. */
interface Sum {
  readonly path: PathIndex;
  bytes: number;
  objects: number;
  allocatedBytes: number;
  allocatedObjects: number;
  first: number;
  last: number;
  /** Live bytes of the stacks that grow. */
  growingBytes: number;
}

/** Adds up stacks that read the same. */
class Gather {
  readonly #paths: CallPaths;
  readonly #sums = new Map<PathIndex, Sum>();

  constructor(paths: CallPaths) {
    this.#paths = paths;
  }

  add(stack: StackIndex, bytes: number, objects: number, allocatedBytes: number, allocatedObjects: number): Sum {
    const path = this.#paths.pathOf(stack);
    let sum = this.#sums.get(path);
    if (sum === undefined) {
      sum = { path, bytes: 0, objects: 0, allocatedBytes: 0, allocatedObjects: 0, first: Infinity, last: -Infinity, growingBytes: 0 };
      this.#sums.set(path, sum);
    }
    sum.bytes += bytes;
    sum.objects += objects;
    sum.allocatedBytes += allocatedBytes;
    sum.allocatedObjects += allocatedObjects;
    return sum;
  }

  contexts(timed: boolean): LeakContext[] {
    const live = [...this.#sums.values()].filter((sum) => sum.objects > 0 || sum.bytes > 0);
    const total = live.reduce((all, sum) => all + sum.bytes, 0);
    live.sort((a, b) => b.bytes - a.bytes || b.objects - a.objects || a.path - b.path);
    return live.map((sum) => {
      const { bytes, objects, allocatedBytes, allocatedObjects } = sum;
      const share = total > 0 ? bytes / total : 0;
      const stack = this.#stackOf(sum.path);
      if (!timed) return { bytes, objects, share, allocatedBytes, allocatedObjects, stack };
      // Of stacks that were made one, those that grow decide if they hold half of the bytes.
      const growing = sum.growingBytes > 0 && sum.growingBytes * 2 >= bytes;
      return { bytes, objects, share, allocatedBytes, allocatedObjects, stack, times: { first: sum.first, last: sum.last, growing } };
    });
  }

  #stackOf(path: PathIndex): PathFrame[] {
    const { frames } = this.#paths;
    const rows = this.#paths.framesOf(path);
    const stack = new Array<PathFrame>(rows.length);
    for (let i = 0; i < rows.length; i++) stack[i] = frames[rows[i]];
    return stack;
  }
}
