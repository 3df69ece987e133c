/**
 * A whole trace through the jemalloc core: the run that several commands are made of.
 */
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UnsupportedOption } from '../core/conf/boot.ts';
import { Replay, type ReplayOptions } from '../core/replay/replay.ts';
import { InputError } from '../core/trace/input_error.ts';
import { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import { STANDARD } from './output.ts';
import type { Until } from './settings.ts';
import { standardInput } from './standard_input.ts';
import { type InputArgs, readInput } from './trace_input.ts';

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
  let handed = 0;
  try {
    await readInput(
      path,
      trace,
      (batch) => {
        handed += batch.length;
        const goesOn = replay.take(batch);
        look(replay);
        // At its last event a replay has had enough; only one more event tells that the trace goes on.
        return goesOn || replay.eventCount === handed;
      },
      args,
      source,
      // Who is to stop at an event must see each of them.
      options.model === false && options.until === undefined ? replay : undefined,
    );
    replay.finish(trace.partial);
  } catch (error) {
    if (error instanceof UnsupportedOption) throw new InputError(CONF, error.message);
    throw error;
  }
  return replay;
}

/**
 * Runs `use` with the point where `--until` ends, and the path to read: for `peak`, the trace is read once to find the event that most bytes are
 * live after, and standard input is kept in a temporary file for the second reading.
 */
export async function withUntil<T>(
  path: string,
  args: InputArgs,
  until: Until | undefined,
  use: (path: string, until: ReplayOptions['until']) => Promise<T>,
  source: AsyncIterable<Uint8Array> | undefined = path === STANDARD ? standardInput() : undefined,
): Promise<T> {
  if (until !== 'peak') return use(path, until);
  const spool = source === undefined ? undefined : await spoolInput(source);
  try {
    const { ledger } = await runTrace(spool ?? path, args, { model: false, contexts: false });
    return await use(spool ?? path, { event: ledger.totalPeakEvent + 1 });
  } finally {
    if (spool !== undefined) rmSync(dirname(spool), { recursive: true, force: true });
  }
}

/** Standard input as a file of its own, because it is read twice. */
async function spoolInput(source: AsyncIterable<Uint8Array>): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'jereplay-')), 'trace');
  await pipeline(source, createWriteStream(path));
  return path;
}
