/**
 * Made-up traces, and what is true of them.
 */
import { setImmediate } from 'node:timers/promises';
import { LEAST_EVENTS, Synth, workloadNamed } from '../../core/synth/synth.ts';
import type { Leak } from '../../core/synth/workloads.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { interruptible } from '../interrupt.ts';
import { STANDARD, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { showProgress } from '../progress.ts';
import { parseBytes, parseCount } from '../settings.ts';
import { traceOutput } from '../trace_output.ts';

interface SynthArgs {
  readonly workload: string;
  readonly output?: string | undefined;
  readonly to?: string | undefined;
  readonly events: string;
  readonly seed: string;
  readonly threads?: string | undefined;
  readonly live?: string | undefined;
  readonly leak?: readonly string[] | undefined;
  readonly truth?: string | undefined;
  readonly quiet?: boolean | undefined;
}

/** Most threads: as many ids as Linux gives out by default. */
const MOST_THREADS = 32768;
/** Most blocks: what 32-bit columns of the generator hold in memory that machines have. */
const MOST_LIVE = 2 ** 27;

/** Writes the trace that the arguments describe, and its truth. */
export async function synth(args: SynthArgs): Promise<void> {
  const path = args.output ?? STANDARD;
  const format = traceOutput(path, args.to);
  const options = {
    workload: args.workload,
    events: parseScaled('--events', args.events, LEAST_EVENTS, Number.MAX_SAFE_INTEGER),
    seed: parseScaled('--seed', args.seed, 0, Number.MAX_SAFE_INTEGER),
    ...(args.threads === undefined ? {} : { threads: parseScaled('--threads', args.threads, 1, MOST_THREADS) }),
    ...(args.live === undefined ? {} : { live: parseScaled('--live', args.live, 1, MOST_LIVE) }),
    leaks: (args.leak ?? []).map(parseLeak),
  };
  checkOutputs(args.truth === undefined ? [path] : [path, args.truth]);
  workloadNamed(options.workload);
  const trace = new Trace();
  const writer = format.open(trace);
  const made = new Synth(trace, (batch) => writer.batch(batch), options);
  const progress = showProgress(`synth ${args.workload}`, args.quiet === true);
  await interruptible(async (signal) => {
    while (made.run()) {
      progress.at(made.events, options.events, made.events);
      // Lets Ctrl-C in.
      await setImmediate();
      if (!signal.aborted) continue;
      made.flush();
      trace.partial = true;
      trace.warnings.push('interrupted while it was made');
      break;
    }
  });
  progress.done();
  writer.end();
  const truth = `${JSON.stringify({ ...made.truth(), partial: trace.partial }, null, 2)}\n`;
  if (args.truth !== undefined) writeResult(args.truth, truth);
  else if (args.quiet !== true) process.stderr.write(truth);
}

/** A count that may be spelt 10k, 5M or 1G, powers of ten. */
function parseScaled(flag: string, text: string, least: number, most: number): number {
  const match = /^(\d+(?:\.\d+)?)([kmg]?)$/i.exec(text);
  const scale = { '': 1, k: 1e3, m: 1e6, g: 1e9 }[(match?.[2] ?? '').toLowerCase()] ?? NaN;
  const value = match === null || hasFraction(match[1] as string, scale) ? NaN : Math.round(Number(match[1]) * scale);
  if (!(value >= least && value <= most)) {
    throw new InputError(
      flag,
      `${JSON.stringify(text)} is not a whole number from ${least} to ${most}`,
      `for example ${flag} ${most < 5e6 ? 8 : '5M'}`,
    );
  }
  return value;
}

/** Whether a decimal number times a power of ten is not whole, in digits: 2.3 times a million is not quite so in binary. */
function hasFraction(text: string, scale: number): boolean {
  const decimals = text.split('.')[1]?.replace(/0+$/, '') ?? '';
  return 10 ** decimals.length > scale;
}

/** No allocator serves more: PTRDIFF_MAX. */
const MOST_BYTES = 2n ** 63n - 1n;

/** Reads SITE:BYTES:EVERY. A site may hold colons, as C++ names do, but does not end in a number behind one. */
function parseLeak(text: string): Leak {
  const match = /^(.+):([^:]+):([^:]+)$/.exec(text);
  if (match === null || /:\d[^:]*$/.test(match[1] as string))
    throw new InputError('--leak', `${JSON.stringify(text)} is not SITE:BYTES:EVERY`, 'for example --leak cache_insert:512:1000');
  const [, site, bytes, every] = match as unknown as [string, string, string, string];
  const size = parseBytes('--leak', bytes);
  if (BigInt(size) > MOST_BYTES) throw new InputError('--leak', `${JSON.stringify(bytes)} is more than an allocator serves`);
  if (size === 0) throw new InputError('--leak', `${JSON.stringify(text)} leaks nothing`, 'for example --leak cache_insert:512:1000');
  return { site, bytes: size, every: parseCount('--leak', every, 1) };
}
