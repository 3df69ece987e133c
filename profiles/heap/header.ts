/**
 * The header line of a heap dump: how it was sampled, and what gperftools' dumps count in all (jeprof, ReadHeapProfile).
 * Invariant: a dump that does not say how it was sampled is taken as jeprof takes it, with a warning.
 */
import type { Profile, Sampling } from '../profile.ts';
import { DEFAULT_UNIFORM_RATE } from './unsample.ts';

/** Sums as the dump's header gives them: samples, not estimates. */
export interface RawTotals {
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  readonly allocObjects: number;
  readonly allocBytes: number;
}

export const NO_TOTALS: RawTotals = { inuseObjects: 0, inuseBytes: 0, allocObjects: 0, allocBytes: 0 };

/** What a header says. */
export interface Header {
  readonly kind: Profile['kind'];
  readonly source: string;
  readonly sampling: Sampling;
  /** Of heap_v2 they stand in a row of their own. */
  readonly totals: RawTotals | undefined;
  /** True if it should have counts and has none, so that nothing is known of the sampling either. */
  readonly countsMissing?: boolean;
}

/** The header of heap_v2, undefined if it is none. */
function threadedHeader(text: string): Header | undefined {
  // lg_prof_sample goes up to 63.
  const match = /^heap_v2\/(\d{1,19})(?!\d)/.exec(text);
  if (match === null) return undefined;
  const rate = Number(match[1]);
  return {
    kind: 'heap',
    source: 'heap_v2',
    sampling: rate > 0 ? { method: 'poisson', rate } : { method: 'none', rate: 1 },
    totals: undefined,
  };
}

const PLAIN_HEADER = /^heap profile:\s*(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\](\s*@\s*([^/]*)(\/(\d+))?)?/;

/** gperftools' header. */
function plainHeader(text: string, warnings: string[]): Header {
  const kind = text.includes('growth') ? 'growth' : 'heap';
  let sampling: Sampling = { method: 'none', rate: 1 };
  let totals = NO_TOTALS;
  const match = PLAIN_HEADER.exec(text);
  if (match !== null) {
    totals = { inuseObjects: Number(match[1]), inuseBytes: Number(match[2]), allocObjects: Number(match[3]), allocBytes: Number(match[4]) };
    const type = match[6] ?? '';
    const period = match[8] === undefined ? 0 : Number(match[8]);
    if (type === '') {
      // So old that it names no sampler: sampled if nothing tells freed objects apart.
      if (match[1] === match[3] && match[2] === match[4]) sampling = { method: 'uniform', rate: 0 };
    } else if (type.includes('heap') && type !== 'heapprofile') {
      sampling = type.includes('_v2') ? { method: 'poisson', rate: period } : { method: 'uniform', rate: period / 2 };
    }
    if (sampling.method !== 'none' && sampling.rate === 0) {
      warnings.push('the dump does not say how it was sampled: taken as one sample in 128 KiB');
      sampling = { method: sampling.method, rate: DEFAULT_UNIFORM_RATE };
    }
  }
  return { kind, source: 'heap profile', sampling, totals, ...(match === null ? { countsMissing: true } : {}) };
}

/** What a header line says; undefined if it is none. What is only taken to be so is added to `warnings`. */
export function readHeader(text: string, warnings: string[]): Header | undefined {
  return text.startsWith('heap profile:') ? plainHeader(text, warnings) : threadedHeader(text);
}
