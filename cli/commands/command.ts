/**
 * A command: its spelling, its flags and the one call that does its work, loaded only when the command runs.
 */
import type { Argv, Arguments, CommandModule } from 'yargs';

/** Declares a command; the flags' types follow from `flags`. */
export function command<T>(
  spelling: string,
  describe: string,
  flags: (program: Argv) => Argv<T>,
  run: (args: Arguments<T>) => Promise<void>,
): CommandModule {
  return {
    command: spelling,
    describe,
    builder: flags,
    handler: (args: Arguments<T>) => run(settled(args)),
  } as unknown as CommandModule;
}

/** Before arguments that begin with a dash and are no flags while yargs parses, which takes a lone `-` for an empty text and more for flags. */
const HIDING = '\u0000';

/** The command line as yargs is to see it. What stands behind `--` is positional, save for the program to record, which yargs hands over as it is. */
export function hideDashes(args: readonly string[]): string[] {
  const end = args[0] === 'record' ? -1 : args.indexOf('--');
  const hide = (arg: string) => (arg === '-' ? HIDING + arg : arg);
  if (end < 0) return args.map(hide);
  return [...args.slice(0, end).map(hide), ...args.slice(end + 1).map((arg) => (arg.startsWith('-') ? HIDING + arg : arg))];
}

/** Arguments that are lists, and the program after `--`. */
const LISTS = new Set(['inputs', 'profiles', 'confs', 'leak', '_', '--']);

/** The arguments with dashes as they were; of a flag that was given several times, the last. */
function settled<T extends object>(args: T): T {
  const show = (value: unknown): unknown => (typeof value === 'string' && value.startsWith(HIDING) ? value.slice(1) : value);
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      if (!Array.isArray(value)) return [name, show(value)];
      return [name, LISTS.has(name) ? value.map(show) : show(value.at(-1))];
    }),
  ) as T;
}

/** Of commands that take traces and profiles, in place of that of INPUT_FLAGS. */
export const FROM_FLAG = {
  from: {
    type: 'string',
    describe:
      'The format, if the content misleads: that of a trace, or heap, java, android, pprof, dhat, massif, memcheck, lsan, heap-checker, stack-maps, collapsed',
    requiresArg: true,
  },
} as const;

/** Of commands that show what is in use: when. */
export const UNTIL_FLAG = {
  until: { type: 'string', describe: 'Of a trace: as it is there, after so many events, a time such as 1.5s, or peak', requiresArg: true },
} as const;

/** What reports are made of, for --help. */
export const PROFILE_KINDS =
  'heap dumps of jemalloc and gperftools, pprof profiles, collapsed stacks, output of DHAT, Massif, Memcheck, LeakSanitizer and memleak, any trace';

/** Flags of every command that reads traces. */
export const INPUT_FLAGS = {
  from: { type: 'string', describe: 'The format of the trace, if its content misleads', requiresArg: true },
  pid: { type: 'string', describe: 'Only this process, where the recording has several', requiresArg: true },
  quiet: { type: 'boolean', describe: 'No progress and no notes on stderr' },
} as const;
