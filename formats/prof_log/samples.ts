/**
 * What jemalloc logs of single sampled allocations: `prof_log` (src/prof_log.c: those freed while the log ran) and
 * `prof_recent` (src/prof_recent.c: the latest, freed or not), both JSON.
 * Invariant: contexts are in order of sampled bytes, largest first; a context's figures are sums over its samples, not scaled up,
 * except for its `estimate`.
 * What the formats cannot say: addresses of blocks, and what was not sampled. prof_log has usable sizes only, and nothing that is still live.
 */
import type { ContextSums } from '../../core/trace/context_sums.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { InputError } from '../format.ts';

/** Bytes of input taken: what is sampled is kept whole in memory. */
const LONGEST_INPUT = 256 * 1024 * 1024;

/** Samples of one allocating stack. */
export interface SampledContext {
  /** Leaf first; frames have return addresses only. */
  readonly stack: readonly Frame[];
  objects: number;
  /** Requested bytes where the log has them (prof_recent), else usable bytes. */
  bytes: number;
  liveObjects: number;
  liveBytes: number;
  /**
   * What the program did, estimated: each sample counts as often as blocks of its usable size are allocated for one of them to be
   * sampled (src/prof_data.c, prof_unbias_map_init).
   */
  readonly estimate: { objects: number; bytes: number; liveObjects: number; liveBytes: number };
  /** Sum of the lifetimes of those freed, and the shortest and longest, ns; NaN if none was. */
  lifetime: { total: number; shortest: number; longest: number };
}

/** A log of sampled allocations. */
export interface SampledAllocations {
  readonly kind: 'prof_log' | 'prof_recent';
  /** One allocation was sampled in about so many bytes; 1: all of them. */
  readonly sampleIntervalBytes: number;
  readonly pid?: number;
  /** How long the log ran, ns. */
  readonly duration?: number;
  /** Allocations that the log has room for (prof_recent), -1 if it takes all. */
  readonly mostAllocations?: number;
  readonly contexts: readonly SampledContext[];
}

/** Reads a log of sampled allocations as a profile. */
export class SampledAllocationsReader {
  readonly #name: string;
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** `name` is the input's, for errors. */
  constructor(name: string) {
    this.#name = name;
  }

  /** @throws InputError for an input of more than 256 MiB. */
  write(chunk: Uint8Array): void {
    this.#length += chunk.length;
    if (this.#length > LONGEST_INPUT) throw new InputError(this.#name, `more than ${LONGEST_INPUT} bytes of sampled allocations`);
    this.#parts.push(chunk.slice());
  }

  /** @throws InputError if the input is not whole, or not what jemalloc writes. */
  end(): SampledAllocations {
    const text = new TextDecoder().decode(Buffer.concat(this.#parts, this.#length));
    let log: unknown;
    try {
      log = JSON.parse(text);
    } catch {
      throw new InputError(this.#name, 'the JSON of the log breaks off or is damaged');
    }
    if (isObject(log)) {
      if (isObject(log['info']) && Array.isArray(log['allocations'])) return this.#profLog(log);
      if (Array.isArray(log['recent_alloc'])) return this.#profRecent(log);
    }
    throw new InputError(this.#name, 'JSON, but no log of jemalloc’s sampled allocations');
  }

  #profLog(log: Json): SampledAllocations {
    const info = log['info'] as Json;
    const traces = log['stack_traces'];
    if (!Array.isArray(traces)) throw new InputError(this.#name, 'no "stack_traces"');
    const contexts = new Contexts(this.#name);
    // jemalloc takes 0..63 (src/jemalloc.c, malloc_conf_init).
    contexts.interval = 2 ** Math.min(63, contexts.count(info['lg_sample_rate'], '"info".lg_sample_rate'));
    for (const [index, entry] of (log['allocations'] as unknown[]).entries()) {
      const place = `"allocations"[${index}]`;
      if (!isObject(entry)) throw new InputError(this.#name, `${place} is no object`);
      const trace: unknown = traces[contexts.count(entry['alloc_trace'], `${place}.alloc_trace`)];
      const lifetime =
        contexts.count(entry['free_timestamp'], `${place}.free_timestamp`) -
        contexts.count(entry['alloc_timestamp'], `${place}.alloc_timestamp`);
      const usize = contexts.count(entry['usize'], `${place}.usize`);
      contexts.add(trace, `${place}.alloc_trace`, usize, usize, lifetime);
    }
    const pid = info['pid'];
    const duration = info['duration'];
    return {
      kind: 'prof_log',
      sampleIntervalBytes: contexts.interval,
      ...(typeof pid === 'number' ? { pid } : {}),
      ...(typeof duration === 'number' ? { duration } : {}),
      contexts: contexts.sorted(),
    };
  }

  #profRecent(log: Json): SampledAllocations {
    const contexts = new Contexts(this.#name);
    contexts.interval = contexts.count(log['sample_interval'], '"sample_interval"');
    for (const [index, entry] of (log['recent_alloc'] as unknown[]).entries()) {
      const place = `"recent_alloc"[${index}]`;
      if (!isObject(entry)) throw new InputError(this.#name, `${place} is no object`);
      let lifetime: number | undefined;
      if (entry['released'] === true) {
        // A free whose context could not be made has no time.
        const end = entry['dalloc_time'];
        lifetime =
          end === undefined
            ? NaN
            : contexts.count(end, `${place}.dalloc_time`) - contexts.count(entry['alloc_time'], `${place}.alloc_time`);
      }
      const size = contexts.count(entry['size'], `${place}.size`);
      const usize = entry['usize'] === undefined ? size : contexts.count(entry['usize'], `${place}.usize`);
      contexts.add(entry['alloc_trace'], `${place}.alloc_trace`, size, usize, lifetime);
    }
    const most = log['recent_alloc_max'];
    return {
      kind: 'prof_recent',
      sampleIntervalBytes: contexts.interval,
      ...(typeof most === 'number' ? { mostAllocations: most } : {}),
      contexts: contexts.sorted(),
    };
  }
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A log of sampled allocations, as sums of what the program did. @throws InputError if it is not whole. */
export async function sumSampledAllocations(chunks: AsyncIterable<Uint8Array>, name: string): Promise<ContextSums> {
  const reader = new SampledAllocationsReader(name);
  for await (const chunk of chunks) reader.write(chunk);
  const { kind, sampleIntervalBytes, contexts, mostAllocations = -1 } = reader.end();
  const samples = contexts.reduce((sum, { objects }) => sum + objects, 0);
  const warnings = [];
  if (sampleIntervalBytes > 1)
    warnings.push(`estimated from ${samples} samples of jemalloc’s ${kind}, one in about ${sampleIntervalBytes} bytes`);
  if (kind === 'prof_log') warnings.push('jemalloc’s prof_log has only what was freed while it ran: nothing is known of what is in use');
  if (mostAllocations >= 0 && samples >= mostAllocations)
    warnings.push(`jemalloc’s prof_recent has only the latest ${mostAllocations} sampled allocations, and nothing of those before`);
  return {
    source: kind,
    contexts: contexts.map(({ stack, estimate }) => ({
      stack,
      inuseObjects: estimate.liveObjects,
      inuseBytes: estimate.liveBytes,
      allocObjects: estimate.objects,
      allocBytes: estimate.bytes,
    })),
    sampleIntervalBytes,
    accumulated: true,
    freedOnly: kind === 'prof_log',
    requested: kind === 'prof_recent',
    warnings,
  };
}

/** Contexts by their stack. */
class Contexts {
  /** Mean bytes between samples; 1: all allocations are samples. */
  interval = 1;
  readonly #name: string;
  readonly #byStack = new Map<string, SampledContext>();

  constructor(name: string) {
    this.#name = name;
  }

  /** A number of the log. @throws InputError if it is none, or negative. */
  count(value: unknown, place: string): number {
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) throw new InputError(this.#name, `${place} is no number`);
    return value;
  }

  /** Adds a sample of `usize` usable bytes, to be summed up as `bytes`; `lifetime` in ns, undefined for one that is live, NaN if it is not known. */
  add(trace: unknown, place: string, bytes: number, usize: number, lifetime: number | undefined): void {
    if (!Array.isArray(trace) || !trace.every((frame) => typeof frame === 'string' && /^0x[0-9a-f]{1,16}$/.test(frame))) {
      throw new InputError(this.#name, `${place} names no stack of addresses`);
    }
    const key = trace.join(' ');
    let context = this.#byStack.get(key);
    if (context === undefined) {
      const stack = (trace as string[]).map((frame) => ({ pc: BigInt(frame) }));
      const estimate = { objects: 0, bytes: 0, liveObjects: 0, liveBytes: 0 };
      const lifetimes = { total: NaN, shortest: NaN, longest: NaN };
      context = { stack, objects: 0, bytes: 0, liveObjects: 0, liveBytes: 0, estimate, lifetime: lifetimes };
      this.#byStack.set(key, context);
    }
    context.objects++;
    context.bytes += bytes;
    // A block of s bytes is sampled with probability 1 - exp(-s/interval).
    const scale = this.interval <= 1 || usize === 0 ? 1 : -1 / Math.expm1(-usize / this.interval);
    const { estimate } = context;
    estimate.objects += scale;
    estimate.bytes += bytes * scale;
    if (lifetime === undefined) {
      context.liveObjects++;
      context.liveBytes += bytes;
      estimate.liveObjects += scale;
      estimate.liveBytes += bytes * scale;
    } else if (!Number.isNaN(lifetime)) {
      const { total, shortest, longest } = context.lifetime;
      const first = Number.isNaN(total);
      context.lifetime = {
        total: (first ? 0 : total) + lifetime,
        shortest: first ? lifetime : Math.min(shortest, lifetime),
        longest: first ? lifetime : Math.max(longest, lifetime),
      };
    }
  }

  sorted(): SampledContext[] {
    return [...this.#byStack.values()].sort((a, b) => b.bytes - a.bytes || b.objects - a.objects);
  }
}
