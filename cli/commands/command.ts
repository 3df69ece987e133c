/**
 * A command: its spelling, its flags and the one call that does its work, loaded only when the command runs.
 */
import type { Argv, ArgumentsCamelCase, CommandModule } from 'yargs';

/** Declares a command; the flags' types follow from `flags`. */
export function command<T>(
  spelling: string,
  describe: string,
  flags: (program: Argv) => Argv<T>,
  run: (args: ArgumentsCamelCase<T>) => Promise<void>,
): CommandModule {
  return { command: spelling, describe, builder: flags, handler: run } as unknown as CommandModule;
}

/** Flags of every command that reads traces. */
export const INPUT_FLAGS = {
  from: { type: 'string', describe: 'The format of the trace, if its content misleads', requiresArg: true },
  pid: { type: 'string', describe: 'Only this process, where the recording has several', requiresArg: true },
  quiet: { type: 'boolean', describe: 'No progress and no notes on stderr', default: false },
} as const;
