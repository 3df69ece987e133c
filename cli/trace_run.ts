/**
 * A whole trace through the jemalloc core: the run that several commands are made of.
 */
import { UnsupportedOption } from '../core/conf/boot.ts';
import { Replay, type ReplayOptions } from '../core/replay/replay.ts';
import { InputError } from '../core/trace/input_error.ts';
import { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import { type InputArgs, readInput } from './trace_input.ts';

/**
 * Replays the trace at a path, or what `source` gives under that name.
 * @throws InputError for bad input and for options that cannot be replayed.
 */
export async function runTrace(
  path: string,
  args: InputArgs,
  options: ReplayOptions = {},
  source?: Source,
  trace: Trace = new Trace(),
): Promise<Replay> {
  const replay = new Replay(trace, { name: path, ...options });
  let handed = 0;
  try {
    await readInput(
      path,
      trace,
      (batch) => {
        handed += batch.length;
        // At its last event a replay has had enough; only one more event tells that the trace goes on.
        return replay.take(batch) || replay.eventCount === handed;
      },
      args,
      source,
    );
    replay.finish(trace.partial);
  } catch (error) {
    if (error instanceof UnsupportedOption) throw new InputError('--conf', error.message);
    throw error;
  }
  return replay;
}
