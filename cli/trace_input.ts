/**
 * Reads traces for commands: progress on the terminal, Ctrl-C, and notes on the recording.
 */
import type { EventBatch } from '../core/trace/events.ts';
import type { Trace } from '../core/trace/trace.ts';
import { type Accounts, readTrace, readTraceBeside, type Source } from '../formats/index.ts';
import { EXIT_BAD_INPUT } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { showProgress } from './progress.ts';
import { paysBeside } from './reading_beside.ts';
import { parseCount } from './settings.ts';
import { closeReadOnce, onlyOnce } from './standard_input.ts';
import { paysToUnpackBeside } from './unpacking_beside.ts';

/** Flags of every command that reads traces. */
export interface InputArgs {
  readonly from?: string | undefined;
  readonly pid?: string | undefined;
  readonly quiet?: boolean | undefined;
  /** Of whoever writes the trace: ReadOptions.keepFields. */
  readonly keepFields?: boolean;
  /** Of a user who has ended the input before it is read: it is not all of the trace. */
  readonly cut?: boolean;
}

/**
 * Reads the trace at a path (or, under that name, from `source`) into `trace`, a new one, and `sink`; in a thread of its own where that pays.
 * With `accounts`, formats that can book the calls there, and hand over none.
 * `trace.partial` says afterwards whether the input or the user broke off.
 * @returns whether it was the user
 */
export async function readInput(
  path: string,
  trace: Trace,
  sink: (batch: EventBatch) => boolean,
  args: InputArgs,
  source?: Source,
  accounts?: Accounts,
): Promise<boolean> {
  const progress = showProgress(path, args.quiet === true);
  let events = 0;
  const take = (batch: EventBatch) => {
    events += batch.length;
    return sink(batch);
  };
  const options = {
    name: path,
    ...(args.from === undefined ? {} : { from: args.from }),
    ...(args.pid === undefined ? {} : { pid: parseCount('--pid', args.pid, 1) }),
    ...(args.keepFields === undefined ? {} : { keepFields: args.keepFields }),
    ...(args.cut === undefined ? {} : { stopped: args.cut }),
    onProgress: (read: number, total?: number) => progress.at(read, total, accounts?.eventCount ?? events),
  };
  try {
    return await interruptible(async (signal) => {
      signal.addEventListener('abort', closeReadOnce, { once: true });
      const input = source ?? onlyOnce(path) ?? path;
      const file = typeof input === 'string' ? input : undefined;
      if (file !== undefined && (await paysBeside(file, accounts !== undefined))) {
        await readTraceBeside(file, trace, take, { ...options, signal });
      } else {
        const unpackBeside = file !== undefined && (await paysToUnpackBeside(file));
        const read = { ...options, unpackBeside, signal, ...(accounts === undefined ? {} : { accounts }) };
        await readTrace(input, trace, take, read);
      }
      if (signal.aborted || args.cut === true) {
        trace.partial = true;
        trace.warnings.push('interrupted: this is of the trace up to there');
      }
      if (trace.truncated) process.exitCode = EXIT_BAD_INPUT;
      return signal.aborted;
    });
  } finally {
    progress.done();
  }
}
