/**
 * jemalloc's logs of sampled allocations, recognised so that they can be refused with the reason: they cannot be replayed.
 *
 *     {"info":{"duration":8000000,"version":"5.3.0-0-…","lg_sample_rate":19,…},"threads":[…],"stack_traces":[…],"allocations":[…]}
 *     {"sample_interval":524288,"recent_alloc_max":-1,"recent_alloc":[…]}
 *
 * Invariant: nothing of such a log becomes an event. What it does say is read by sumSampledAllocations.
 */
import { InputError } from '../format.ts';
import type { TraceFormat, TraceReader } from '../format.ts';
import { textOf } from '../shared/cursor.ts';

const LOG = /^\s*\{\s*"info"\s*:\s*\{\s*"duration"\s*:\s*\d+\s*,\s*"version"\s*:/;
const RECENT = /^\s*\{\s*"sample_interval"\s*:\s*(\d+)\s*,\s*"recent_alloc_max"\s*:/;
const LOG_RATE = /"lg_sample_rate"\s*:\s*(\d{1,2})\b/;
/** Bytes that have what is looked for. */
const OPENING_BYTES = 4096;
const HINT = 'see it with jereplay report FILE; for a trace, record every call (jereplay record -- PROGRAM)';

/** Throws at the first bytes that tell which log it is. */
class RefusingReader implements TraceReader {
  readonly #name: string;
  #opening = '';

  constructor(name: string) {
    this.#name = name;
  }

  write(chunk: Uint8Array): void {
    this.#opening += textOf(chunk, 0, Math.min(chunk.length, OPENING_BYTES));
    if (this.#opening.length >= OPENING_BYTES) this.end();
  }

  end(): void {
    const recent = RECENT.exec(this.#opening);
    const rate = LOG_RATE.exec(this.#opening);
    if (recent !== null)
      throw new InputError(this.#name, this.#fact(Number(recent[1]), 'prof_recent', 'only the latest, without addresses'), HINT);
    if (LOG.test(this.#opening)) {
      throw new InputError(
        this.#name,
        this.#fact(2 ** Number(rate?.[1] ?? NaN), 'prof_log', 'only what was freed, without requested sizes and addresses'),
        HINT,
      );
    }
    throw new InputError(this.#name, 'is no log of jemalloc’s sampled allocations');
  }

  #fact(interval: number, kind: string, more: string): string {
    const share =
      interval === 1
        ? 'allocations'
        : Number.isNaN(interval)
          ? 'a sample of the allocations'
          : `about one allocation in every ${interval} bytes`;
    return `jemalloc’s ${kind} cannot be replayed: it logs ${share}, ${more}`;
  }
}

/** jemalloc's prof_log and prof_recent. */
export const profLog: TraceFormat = {
  name: 'prof_log',
  title: "jemalloc's log of sampled allocations (recognised; cannot be replayed)",
  sniff(head) {
    const opening = textOf(head, 0, Math.min(head.length, OPENING_BYTES));
    return LOG.test(opening) || RECENT.test(opening) ? 0.99 : 0;
  },
  open: (_trace, _sink, options) => new RefusingReader(options.name),
};
