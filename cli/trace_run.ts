/**
 * A whole trace through the jemalloc core: the run that several commands are made of.
 */
import { UnsupportedOption } from '../core/conf/boot.ts';
import { Replay, type ReplayOptions } from '../core/replay/replay.ts';
import { InputError } from '../core/trace/input_error.ts';
import { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import { feed } from './trace_accounts.ts';
import type { InputArgs } from './trace_input.ts';

/** Place of errors that an option string is refused with. */
export const CONF = '--conf';

/**
 * Replays the trace at a path, or what `source` gives under that name. `look` is shown the replay after each batch.
 * @throws InputError for bad input and for options that cannot be replayed.
 */
export async function runTrace(
  path: string,
  args: InputArgs,
  options: ReplayOptions = {},
  source?: Source,
  trace: Trace = new Trace(),
  look: (replay: Replay) => void = () => {},
): Promise<Replay> {
  const replay = new Replay(trace, { name: path, ...options });
  try {
    await feed(replay, path, args, source, false, () => look(replay));
  } catch (error) {
    if (error instanceof UnsupportedOption) throw new InputError(CONF, error.message, 'give that option another value, or leave it out');
    throw error;
  }
  return replay;
}
