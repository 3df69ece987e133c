/**
 * The command line as a whole: the commands, what they share, and how the program ends.
 * Differs from a plain yargs program: bad usage is one line and exit code 2, as any other bad input.
 */
import yargs, { type CommandModule } from 'yargs';
import { InputError } from '../core/trace/input_error.ts';
import { hideDashes } from './commands/command.ts';
import convert from './commands/convert.ts';
import flamegraph from './commands/flamegraph.ts';
import jeprof from './commands/jeprof.ts';
import leaks from './commands/leaks.ts';
import record from './commands/record.ts';
import replay from './commands/replay.ts';
import report from './commands/report.ts';
import sweep from './commands/sweep.ts';
import synth from './commands/synth.ts';
import { explain } from './failure.ts';
import { jeprofArguments } from './jeprof_arguments.ts';
import { ReaderGone, STANDARD, writeResult } from './output.ts';
import { usageError } from './usage.ts';

/** The commands, in the order of --help. */
const COMMANDS: readonly CommandModule[] = [record, convert, synth, replay, sweep, report, leaks, flamegraph, jeprof];

/** The command that prints a script for the shell, which is yargs' own. */
const COMPLETION = 'completion';
const COMPLETION_WORDS = 'Print a script by which bash and zsh complete commands and flags';
const SHELLS: readonly string[] = ['bash', 'zsh'];
const COMPLETION_HELP = `jereplay ${COMPLETION} [shell]

${COMPLETION_WORDS}

Positionals:
  shell  bash or zsh (default: $SHELL)

  jereplay ${COMPLETION} bash >> ~/.bashrc
  jereplay ${COMPLETION} zsh >> ~/.zshrc
`;

/** Each command by its name, as it is spelt. */
const SPELLINGS: ReadonlyMap<string, string> = new Map(
  [...COMMANDS.map(({ command }) => String(command)), COMPLETION].map((spelling) => [spelling.split(' ')[0] as string, spelling]),
);

/** What such a script asks for: what may stand where the cursor is. */
const COMPLETIONS = '--get-yargs-completions';

/** Commands that book what they read, where the format knows how: nothing is left to do beside that but to decompress. */
const READERS: ReadonlySet<string | undefined> = new Set(['leaks', 'report', 'flamegraph']);

/**
 * Runs one command line and sets the exit code.
 * @param args the command line without node and script.
 */
export async function run(args: readonly string[], version: string): Promise<void> {
  // A terminal or pipe that goes away is no one's bug.
  process.stdout.on('error', () => process.exit(0));
  process.stderr.on('error', () => {});
  const early = READERS.has(args[0]) ? await import('./early_opening.ts') : undefined;
  await early?.openEarly(args.slice(1));
  try {
    const settled = attachedApart(ofJeprof(ofCompletion(ofHelp(args))));
    const flags = ownFlags(settled);
    // yargs would print its help and its version itself if it saw the flags.
    if (flags.length === 1 && flags[0] === '--version') writeResult(STANDARD, `${version}\n`);
    else if (flags.some(isHelp) && flags[0] === COMPLETION)
      // Of this one yargs would print the script.
      writeResult(STANDARD, COMPLETION_HELP);
    else if (flags.some(isHelp))
      writeResult(
        STANDARD,
        tidyHelp(
          await parser(
            flags.filter((flag) => !isHelp(flag)),
            version,
          ).getHelp(),
        ),
      );
    else await parser(settled, version).parseAsync();
  } catch (error) {
    if (error instanceof ReaderGone) return;
    const { text, code } = explain(error, isCommand(args[0]) ? args[0] : undefined);
    process.stderr.write(text);
    process.exitCode = code;
  } finally {
    early?.closeOpened();
  }
}

/** `help COMMAND` is `COMMAND --help`. */
function ofHelp(args: readonly string[]): readonly string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : args;
}

/** `completion SHELL` is `completion` with that shell. @throws InputError for another one, for which yargs would print a script all the same */
function ofCompletion(args: readonly string[]): readonly string[] {
  const [command, shell] = args;
  if (command !== COMPLETION || shell === undefined || shell.startsWith('-')) return args;
  if (!SHELLS.includes(shell))
    throw new InputError(`jereplay ${COMPLETION}`, `unknown shell: ${shell}`, `${SHELLS.join(' and ')} are known`);
  process.env['SHELL'] = shell;
  return [command, ...args.slice(2)];
}

/** jeprof's flags have spellings that yargs does not know. */
function ofJeprof(args: readonly string[]): readonly string[] {
  return args[0] === 'jeprof' ? ['jeprof', ...jeprofArguments(args.slice(1), process.env['JEPROF_TOOLS'])] : args;
}

/** `-oFILE` is `-o FILE`: yargs would take each letter of the name for a flag. */
function attachedApart(args: readonly string[]): readonly string[] {
  const own = ownFlags(args).length;
  return args.flatMap((arg, i) => (i < own ? (/^(-[op])([^=].*)$/s.exec(arg)?.slice(1) ?? arg) : arg));
}

/** Without the program to record, which has flags of its own. */
function ownFlags(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  return end < 0 ? args : args.slice(0, end);
}

const isHelp = (arg: string) => arg === '--help' || arg === '-h';

/** Types, which the flags' texts tell as well, take every second line of yargs' help. */
function tidyHelp(text: string): string {
  const tags = / *(?:\[(?:boolean|string|array|required|default: \[\])\] ?)+$/;
  return text
    .split('\n')
    .flatMap((line) => {
      const tidy = line.replace(tags, '').replace(/\[(?:boolean|string)\] (?=\[)/, '');
      return tidy === '' && line !== '' ? [] : [`${tidy}\n`];
    })
    .join('');
}

function parser(args: readonly string[], version: string) {
  let program = yargs(args[0] === COMPLETIONS ? args : hideDashes(args))
    .scriptName('jereplay')
    .usage('$0 COMMAND\n\nReplays recorded malloc and free calls through a jemalloc 5.3.0 core.')
    .version(version)
    .help()
    .alias('h', 'help')
    .strict()
    .demandCommand(1, 'no command')
    .exitProcess(false)
    .locale('en')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-positional-numbers': false,
      'parse-numbers': false,
      // What follows a list's value may be positional.
      'greedy-arrays': false,
      'populate--': true,
    })
    .fail((message: string | null, error: unknown) => {
      // yargs throws some of what it finds wrong with the arguments, a flag without its value say.
      if (error instanceof Error && error.name !== 'YError') throw error;
      throw usageError(message ?? undefined, args, { commands: SPELLINGS, flags: flagsOf(program), commandsWith });
    });
  // A command that is named first needs no other to be known.
  const named = COMMANDS.filter(({ command }) => command === SPELLINGS.get(args[0] ?? ''));
  for (const command of named.length > 0 ? named : COMMANDS) program = program.command(command);
  if (named.length === 0) program = program.completion(COMPLETION, COMPLETION_WORDS);
  withoutSpareHelp(program);
  if (isCommand(args[0])) program = program.hide('version');
  return program;
}

/** yargs lays out its help after every command, in case the command fails and it is to print it: a third of the time of a small report. */
function withoutSpareHelp(program: unknown): void {
  const { getInternalMethods } = program as { getInternalMethods?: () => { getUsageInstance: () => { cacheHelpMessage: () => void } } };
  const usage = getInternalMethods?.call(program).getUsageInstance();
  if (usage !== undefined) usage.cacheHelpMessage = () => {};
}

/** Flags that the parser knows by now, those of the command that is named among them. */
function flagsOf(program: unknown): string[] {
  const { getOptions } = program as { getOptions: () => { key: object; alias: Readonly<Record<string, readonly string[]>> } };
  const { key, alias } = getOptions.call(program);
  return [...Object.keys(key), ...Object.values(alias).flat()];
}

/** The commands that have a flag, save those that have jeprof's as they are. */
function commandsWith(flag: string): string[] {
  return COMMANDS.filter(({ builder }) => {
    const program = yargs([]);
    (builder as (program: unknown) => void)(program);
    return flagsOf(program).includes(flag);
  })
    .map(({ command }) => String(command).split(' ')[0] as string)
    .filter((name) => name !== 'jeprof');
}

function isCommand(name: string | undefined): boolean {
  return name !== undefined && SPELLINGS.has(name);
}
