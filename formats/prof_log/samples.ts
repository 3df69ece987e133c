/**
 * What jemalloc logs of single sampled allocations: `prof_log` (src/prof_log.c: those freed while the log ran) and
 * `prof_recent` (src/prof_recent.c: the latest, freed or not), both JSON.
 * Invariant: contexts are in order of sampled bytes, largest first; a context's figures are sums over its samples, not scaled up.
 * What the formats cannot say: addresses of blocks, and what was not sampled. prof_log has usable sizes only, and nothing that is still live.
 */
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
    for (const [index, entry] of (log['allocations'] as unknown[]).entries()) {
      const place = `"allocations"[${index}]`;
      if (!isObject(entry)) throw new InputError(this.#name, `${place} is no object`);
      const trace: unknown = traces[contexts.count(entry['alloc_trace'], `${place}.alloc_trace`)];
      const lifetime =
        contexts.count(entry['free_timestamp'], `${place}.free_timestamp`) -
        contexts.count(entry['alloc_timestamp'], `${place}.alloc_timestamp`);
      contexts.add(trace, `${place}.alloc_trace`, contexts.count(entry['usize'], `${place}.usize`), lifetime);
    }
    const pid = info['pid'];
    const duration = info['duration'];
    return {
      kind: 'prof_log',
      sampleIntervalBytes: 2 ** contexts.count(info['lg_sample_rate'], '"info".lg_sample_rate'),
      ...(typeof pid === 'number' ? { pid } : {}),
      ...(typeof duration === 'number' ? { duration } : {}),
      contexts: contexts.sorted(),
    };
  }

  #profRecent(log: Json): SampledAllocations {
    const contexts = new Contexts(this.#name);
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
      contexts.add(entry['alloc_trace'], `${place}.alloc_trace`, contexts.count(entry['size'], `${place}.size`), lifetime);
    }
    return {
      kind: 'prof_recent',
      sampleIntervalBytes: contexts.count(log['sample_interval'], '"sample_interval"'),
      contexts: contexts.sorted(),
    };
  }
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Contexts by their stack. */
class Contexts {
  readonly #name: string;
  readonly #byStack = new Map<string, SampledContext>();

  constructor(name: string) {
    this.#name = name;
  }

  /** A number of the log. @throws InputError if it is none, or negative. */
  count(value: unknown, place: string): number {
    if (typeof value !== 'number' || !(value >= 0)) throw new InputError(this.#name, `${place} is no number`);
    return value;
  }

  /** Adds a sample; `lifetime` in ns, undefined for one that is live, NaN if it is not known. */
  add(trace: unknown, place: string, bytes: number, lifetime: number | undefined): void {
    if (!Array.isArray(trace) || !trace.every((frame) => typeof frame === 'string' && /^0x[0-9a-f]{1,16}$/.test(frame))) {
      throw new InputError(this.#name, `${place} names no stack of addresses`);
    }
    const key = trace.join(' ');
    let context = this.#byStack.get(key);
    if (context === undefined) {
      const stack = (trace as string[]).map((frame) => ({ pc: BigInt(frame) }));
      context = { stack, objects: 0, bytes: 0, liveObjects: 0, liveBytes: 0, lifetime: { total: NaN, shortest: NaN, longest: NaN } };
      this.#byStack.set(key, context);
    }
    context.objects++;
    context.bytes += bytes;
    if (lifetime === undefined) {
      context.liveObjects++;
      context.liveBytes += bytes;
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
