/**
 * A row of a sweep: one recording under one option string.
 */
import { purgedByDecay, ResidentBytes } from '../core/replay/residency.ts';
import type { Replay, ReplayOptions } from '../core/replay/replay.ts';
import { modelBytes } from '../core/replay/summary.ts';
import { InputError } from '../core/trace/input_error.ts';
import { DEFAULT_OPTIONS, type SweepRun } from './sweep_table.ts';
import { CONF, runTrace } from './trace_run.ts';

/** Settings of a sweep's replays. */
export type SweepOptions = Pick<ReplayOptions, 'ncpus' | 'name'>;

/** Replays the recording at `path`, a copy that is whole: what stops a replay is a matter of its option string, and said in its row. */
export async function runUnder(conf: string, path: string, options: SweepOptions): Promise<SweepRun> {
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
