/**
 * A whole trace to its accounts: what commands need that ask nothing of the allocator, which is not loaded for them.
 */
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type AccountOptions, AccountReplay } from '../core/replay/accounts.ts';
import { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import type { Until } from './settings.ts';
import { onlyOnce } from './standard_input.ts';
import { type InputArgs, readInput } from './trace_input.ts';

/** Keeps the accounts of the trace at a path, or of what `source` gives under that name. @throws InputError for bad input. */
export async function accountTrace(path: string, args: InputArgs, options: AccountOptions = {}, source?: Source): Promise<AccountReplay> {
  const replay = new AccountReplay(new Trace(), { name: path, ...options });
  // Who is to stop at an event must see each of them.
  await feed(replay, path, args, source, options.until === undefined);
  return replay;
}

/**
 * Feeds a replay the trace at a path, or what `source` gives under that name, and ends it. `look` is called after each batch.
 * @param books whether formats may book calls in the replay's ledger themselves: for one without a model.
 */
export async function feed(
  replay: AccountReplay,
  path: string,
  args: InputArgs,
  source?: Source,
  books = false,
  look: () => void = () => {},
): Promise<void> {
  const { trace } = replay;
  let handed = 0;
  await readInput(
    path,
    trace,
    (batch) => {
      handed += batch.length;
      const goesOn = replay.take(batch);
      look();
      // At its last event a replay has had enough; only one more event tells that the trace goes on.
      return goesOn || replay.eventCount === handed;
    },
    args,
    source,
    books ? replay : undefined,
  );
  replay.finish(trace.partial);
}

/**
 * Runs `use` with the point where `--until` ends, and the path to read: for `peak`, the trace is read once to find the event that most bytes are
 * live after, and standard input is kept in a temporary file for the second reading.
 */
export async function withUntil<T>(
  path: string,
  args: InputArgs,
  until: Until | undefined,
  use: (path: string, until: AccountOptions['until']) => Promise<T>,
  source: AsyncIterable<Uint8Array> | undefined = until === 'peak' ? onlyOnce(path) : undefined,
): Promise<T> {
  if (until !== 'peak') return use(path, until);
  const spool = source === undefined ? undefined : await spoolInput(source);
  try {
    const { ledger } = await accountTrace(spool ?? path, args, { contexts: false });
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
