/**
 * A whole trace to its accounts: what commands need that ask nothing of the allocator, which is not loaded for them.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type AccountOptions, AccountReplay } from '../core/replay/accounts.ts';
import { InputError } from '../core/trace/input_error.ts';
import { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import { interruptible } from './interrupt.ts';
import type { Until } from './settings.ts';
import { closeReadOnce, onlyOnce } from './standard_input.ts';
import { inTemporary, TemporaryFolder } from './temporary_folder.ts';
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
 * @returns whether the user ended it early
 */
export async function feed(
  replay: AccountReplay,
  path: string,
  args: InputArgs,
  source?: Source,
  books = false,
  look: () => void = () => {},
): Promise<boolean> {
  const { trace } = replay;
  let handed = 0;
  const isEnded = await readInput(
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
  return isEnded;
}

/** How a trace is to be read: with these flags, up to a point, from `source` if the path is not to be opened. */
export interface Reading<Args extends InputArgs> {
  readonly args: Args;
  readonly until: AccountOptions['until'];
  readonly source: Source | undefined;
}

/** What is said where standard input cannot be kept. */
const KEPT_TWICE = 'input that is read twice is kept there';

/**
 * Runs `use` with the point where `--until` ends: for `peak`, the trace is read once to find the event that most bytes are live after, and what can be read only
 * once is kept in a temporary file for that and for `use`. Ctrl-C ends the keeping, and that reading: the point is that of what has come.
 * Many recordings tell only at their end what was mapped: where names of addresses need that, it is taken from there.
 */
export async function withUntil<T extends AccountReplay, Args extends InputArgs>(
  path: string,
  args: Args,
  until: Until | undefined,
  use: (reading: Reading<Args>) => Promise<T>,
  given: AsyncIterable<Uint8Array> | undefined = until === 'peak' ? onlyOnce(path) : undefined,
): Promise<T> {
  if (until !== 'peak') {
    const done = await use({ args, until, source: undefined });
    if (until !== undefined && given === undefined && onlyOnce(path) === undefined && !done.trace.partial && lacksMaps(done.trace))
      await takeMaps(done.trace, path, args);
    return done;
  }
  const folder = new TemporaryFolder(KEPT_TWICE);
  try {
    const source = given === undefined ? undefined : folder.file('trace');
    const isCut = given !== undefined && (await interruptible((signal) => spool(given, source as string, signal)));
    const first = new AccountReplay(new Trace(), { name: path, contexts: false });
    const isEnded = await feed(first, path, isCut ? { ...args, cut: true } : args, source, true);
    const again = isCut || isEnded ? { ...args, cut: true } : args;
    const done = await use({ args: again, until: { event: first.ledger.totalPeakEvent + 1 }, source });
    const { maps } = first.trace.header;
    if (maps !== undefined) done.trace.header.maps ??= maps;
    return done;
  } finally {
    folder.remove();
  }
}

/** Whether frames have addresses alone, and nothing says what is mapped there. */
function lacksMaps({ header, stacks }: Trace): boolean {
  return header.maps === undefined && stacks.frames.frames.some(({ pc, fn }) => pc !== undefined && fn === undefined);
}

/** Takes what was mapped from a recording that was not read to its end. What is wrong with it further on is of no concern. */
async function takeMaps(trace: Trace, path: string, args: InputArgs): Promise<void> {
  const whole = new Trace();
  try {
    await readInput(path, whole, () => true, args);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  if (whole.header.maps !== undefined) trace.header.maps = whole.header.maps;
}

/** Writes what comes to a file until that is all or the signal fires. @returns Whether it was the signal. */
async function spool(source: AsyncIterable<Uint8Array>, file: string, signal: AbortSignal): Promise<boolean> {
  const chunks = source[Symbol.asyncIterator]();
  const interrupted = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  const fd = openSync(file, 'wx', 0o600);
  try {
    for (;;) {
      // A pipe may stay silent for long.
      const next = await Promise.race([chunks.next(), interrupted]);
      if (next?.done === true) return false;
      if (next === undefined) break;
      const { value: bytes } = next;
      inTemporary(KEPT_TWICE, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      });
    }
  } finally {
    closeSync(fd);
  }
  closeReadOnce();
  return true;
}
