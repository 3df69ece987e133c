/**
 * A row of a sweep: one recording under one option string.
 */
import { runInNewContext } from 'node:vm';
import { purgedByDecay, ResidentBytes } from '../core/replay/residency.ts';
import type { Replay, ReplayOptions } from '../core/replay/replay.ts';
import { modelBytes } from '../core/replay/summary.ts';
import { InputError } from '../core/trace/input_error.ts';
import { DEFAULT_OPTIONS, type SweepRun } from './sweep_table.ts';
import { CONF, runTrace } from './trace_run.ts';

/** Settings of a sweep's replays. */
export type SweepOptions = Pick<ReplayOptions, 'ncpus' | 'name'>;

/** Bytes of models that are no longer used, after which they are freed. */
const MOST_UNUSED = 256 << 20;
let unused = 0;

/**
 * A row of the recording at `path`. V8 frees models in its own time, which it reckons by its heap, and their memory lies outside: those of a sweep would all stay.
 * Whoever calls this has set --expose-gc in the main thread (v8_flags.ts).
 */
export async function runUnder(conf: string, path: string, options: SweepOptions): Promise<SweepRun> {
  const row = await replayedRow(conf, path, options);
  if (unused > MOST_UNUSED) {
    (runInNewContext('gc') as () => void)();
    unused = 0;
  }
  return row;
}

/** Replays the recording at `path`, a copy that is whole: what stops a replay is a matter of its option string, and said in its row. */
async function replayedRow(conf: string, path: string, options: SweepOptions): Promise<SweepRun> {
  const row = { conf: conf === '' ? DEFAULT_OPTIONS : conf };
  const messages: string[] = [];
  const resident = new ResidentBytes();
  const settings = {
    ...options,
    conf,
    contexts: false,
    message: (text: string) => messages.push(text),
    // what a run would dump on the way is not what is asked
    openFile: () => ({ write() {}, close() {} }),
  };
  let replay: Replay;
  try {
    replay = await runTrace(path, { quiet: true }, settings, undefined, undefined, ({ heap }) =>
      resident.at(heap.now, modelBytes(heap).resident),
    );
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { ...row, messages: [error.place === CONF ? error.fact : `${error.place}: ${error.fact}`] };
  }
  const { events, duration_ns, requested_bytes_peak, model } = replay.summary();
  const purged = purgedByDecay(replay.heap);
  unused += replay.heap.memory.buffer.byteLength;
  return {
    ...row,
    messages: replay.confError ? messages.flatMap((text) => text.split('\n').filter((line) => line.startsWith('<jemalloc>'))) : [],
    result: {
      events,
      duration_ns,
      requested_bytes_peak,
      resident_bytes: {
        peak: model.peak.resident,
        mean: resident.mean,
        most: Math.max(resident.most, model.peak.resident, model.end.resident),
        end: model.end.resident,
      },
      model,
      purged_bytes: purged.bytes,
      madvise_calls: purged.calls,
    },
  };
}
