/**
 * Standard errors of what sampled profiles estimate.
 * An object of size s is sampled with probability p = 1 - exp(-s/rate), apart from the others (jemalloc 5.3.0, prof_sample_new_event_wait in
 * src/prof.c; the estimate is Horvitz and Thompson's). Of N such objects N(1-p)p is the variance of the number sampled, so N(1-p)/p is that of
 * the estimate, and s² times that in bytes.
 * Invariant: errors of different backtraces are independent, so that their variances add, also those of a profile that is subtracted.
 * Differs from the truth where a row mixes sizes: as for the estimate itself, s is taken as the mean size of the row.
 * The first tcmalloc's uniform intervals are taken as Poisson ones of the same mean, whose error is larger.
 */
import { isMemoryType, type Profile, type SampleTable as Samples, SampleTable } from '../profile.ts';
import { EntryTable, reduce } from './entries.ts';
import { prepareReport, type ReportOptions, sampleTypeOf } from './report.ts';

/** Standard errors of a report's rows, in bytes or objects. */
export interface RowErrors {
  readonly total: number;
  /** Name of the row -> errors of its two values; a row of no variance may be missing. */
  readonly rows: ReadonlyMap<string, { readonly flat: number; readonly cumulative: number }>;
}

/** False of values that were not taken by sampling bytes, of which nothing is known here. */
export function hasErrors([first]: readonly Profile[], options: ReportOptions): boolean {
  return first !== undefined && isMemoryType(sampleTypeOf(first, options));
}

/** Errors of the parts that prepareReport makes of the same profiles and options, in the same order. */
export function reportErrors(profiles: readonly Profile[], options: ReportOptions): RowErrors[] {
  const { base, ...rest } = options;
  const summed = base === undefined ? profiles : [...profiles, base];
  const parts = prepareReport(summed.map(varianceProfile), { ...rest, note: () => {} });
  return parts.map(({ profile, addresses, total }) => {
    const entries = new EntryTable(addresses, options.granularity ?? 'functions');
    const { flat, cumulative } = reduce(profile, entries);
    const rows = entries.names.map((name, i) => [name, { flat: Math.sqrt(flat[i]), cumulative: Math.sqrt(cumulative[i]) }] as const);
    return { total: Math.sqrt(total), rows: new Map(rows) };
  });
}

/** The profile with variances for values. */
function varianceProfile(profile: Profile): Profile {
  const rate = profile.sampling.method === 'none' ? 0 : profile.sampling.rate;
  return {
    ...profile,
    samples: variances(profile.samples, rate),
    threads: profile.threads.map((thread) => ({ ...thread, samples: variances(thread.samples, rate) })),
  };
}

function variances(samples: Samples, rate: number): SampleTable {
  const result = new SampleTable(samples.length);
  for (let row = 0; row < samples.length; row++) {
    const inuse = variance(samples.inuseObjects[row], samples.inuseBytes[row], rate);
    const alloc = variance(samples.allocObjects[row], samples.allocBytes[row], rate);
    result.add(samples.stack[row] as Parameters<SampleTable['add']>[0], inuse.objects, inuse.bytes, alloc.objects, alloc.bytes);
  }
  return result;
}

/** Variances of estimated `objects` and `bytes`; `rate` 0: nothing was sampled, all is known. */
function variance(objects: number, bytes: number, rate: number): { readonly objects: number; readonly bytes: number } {
  if (rate === 0 || objects === 0 || bytes === 0) return { objects: 0, bytes: 0 };
  const size = bytes / objects;
  // (1 - p) / p = 1 / (exp(s/rate) - 1)
  const ofObjects = objects / Math.expm1(size / rate);
  return { objects: ofObjects, bytes: size * size * ofObjects };
}
