/**
 * What is wrong with a command line, as place, fact and remedy.
 * Differs from what yargs says: a flag that is not known is named before an argument that is missing, which it may have taken for its value; and what is spelt almost right is asked for.
 */
import { existsSync } from 'node:fs';
import { InputError } from '../core/trace/input_error.ts';

/** What the command line may hold. */
export interface Known {
  /** Names of commands and how each is spelt: `leaks` -> `leaks <inputs..>`. */
  readonly commands: ReadonlyMap<string, string>;
  /** Flags of the command that was named, without their dashes. */
  readonly flags: readonly string[];
  /** The commands that have a flag, which is spelt without its dashes. */
  readonly commandsWith: (flag: string) => readonly string[];
}

/** The values that a command must have, by what its spelling calls them. */
const POSITIONALS: ReadonlyMap<string, string> = new Map([
  ['trace', 'trace'],
  ['inputs', 'file'],
  ['profiles', 'profile or trace'],
  ['workload', 'workload'],
]);

/** The remedy where `record` is given a program that `--` does not stand before. */
const BARE_PROGRAM = 'what is recorded stands behind --: jereplay record -- PROGRAM ARGS';

/** The remedy where `sweep` is given the flag of `replay`. */
const BARE_CONFS = 'option strings stand behind the trace: jereplay sweep TRACE dirty_decay_ms:0 tcache:false';

/** What yargs says of arguments that it does not take. @param message undefined where it has no words */
export function usageError(message: string | undefined, args: readonly string[], known: Known): InputError {
  const [name = ''] = args;
  const { commands, flags } = known;
  const spelling = commands.get(name);
  const help = spelling === undefined ? 'jereplay --help lists the commands' : `jereplay ${name} --help lists what it takes`;
  if (spelling === undefined && name !== '' && !name.startsWith('-'))
    return new InputError(
      'jereplay',
      `unknown command: ${name}`,
      existsSync(name) ? `of a recording: jereplay leaks ${name}; ${help}` : meant(name, [...commands.keys()], help),
    );
  const place = spelling === undefined ? 'jereplay' : `jereplay ${name}`;
  const later = args.find((arg) => commands.has(arg));
  const isBareProgram = name === 'record' && !args.includes('--');
  const unknown = unknownFlags(args, flags);
  const [first] = unknown;
  if (first !== undefined) {
    const remedy =
      spelling === undefined && later !== undefined
        ? `the command stands first: jereplay ${later} ${first}`
        : isBareProgram
          ? BARE_PROGRAM
          : name === 'sweep' && first === '--conf'
            ? BARE_CONFS
            : unknown.length > 1
              ? help
              : meantFlag(first, known, help);
    return new InputError(place, `unknown flag${unknown.length > 1 ? 's' : ''}: ${unknown.join(', ')}`, remedy);
  }
  if (spelling === undefined) return new InputError(place, 'no command', help);
  if (message !== undefined && /^Not enough non-option arguments/.test(message)) {
    const positional = /<(\w+)/.exec(spelling)?.[1] ?? '';
    return new InputError(place, `no ${POSITIONALS.get(positional) ?? positional} is named`, help);
  }
  const choice = /^Invalid values:\s+Argument: (?<flag>[\w-]+), Given: (?<given>.*), Choices: (?<choices>.*)$/m.exec(message ?? '')?.groups;
  if (choice !== undefined)
    return new InputError(`--${choice['flag']}`, `${choice['given']} is none of ${choice['choices']?.replaceAll('"', '')}`, help);
  return new InputError(place, onOneLine(asSpelt(message ?? 'bad usage', args)), isBareProgram ? BARE_PROGRAM : help);
}

/** Flags that are not known, as they are spelt, up to what stands behind `--`. */
function unknownFlags(args: readonly string[], flags: readonly string[]): string[] {
  const end = args.indexOf('--');
  const names = new Set(flags);
  return (end < 0 ? args : args.slice(0, end)).flatMap((arg) => {
    const long = /^--([^=]+)/.exec(arg)?.[1];
    if (long !== undefined) return names.has(long) ? [] : [`--${long}`];
    // Several of one letter may stand behind one dash, and a number is a value.
    const letters = /^-([^-\d=.][^=]*)/.exec(arg)?.[1] ?? '';
    return [...letters].every((letter) => names.has(letter)) ? [] : [arg];
  });
}

/** The remedy for a flag that is not known. */
function meantFlag(flag: string, { flags, commandsWith }: Known, help: string): string {
  if (existsSync(flag)) return `of the file of that name: ./${flag}; ${help}`;
  const negated = /^--no-(.+)$/.exec(flag)?.[1];
  if (negated !== undefined && flags.includes(negated)) return `leave --${negated} out`;
  const others = commandsWith(flag.replace(/^--/, ''));
  if (others.length > 0) return `it is a flag of jereplay ${others.join(', ').replace(/, ([^,]+)$/, ' and $1')}; ${help}`;
  return meant(
    flag,
    flags.filter((name) => name.length > 1).map((name) => `--${name}`),
    help,
  );
}

/** A remedy that asks for what begins with `text`, or is spelt almost like it, if anything does. */
function meant(text: string, names: readonly string[], help: string): string {
  const [best] = names.map((name) => ({ name, edits: edits(text, name) })).sort((a, b) => a.edits - b.edits);
  const near = best !== undefined && best.edits <= Math.max(1, Math.floor(text.replace(/^--/, '').length / 3));
  const begun = names.filter((name) => name.startsWith(text));
  if (begun.length > 0 && begun.length < 4) return `is ${begun.join(' or ')} meant? ${help}`;
  return near ? `is ${best.name} meant? ${help}` : help;
}

/** How many letters are put in, left out, changed or swapped with their neighbour between two words (optimal string alignment). */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min((row[j - 1] as number) + 1, (above[j] as number) + 1, changed);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j] as number, (before[j - 2] as number) + 1);
    }
    [before, above] = [above, row];
  }
  return above[b.length] as number;
}

/** What yargs says of arguments, which it names without their dashes. */
function asSpelt(message: string, args: readonly string[]): string {
  const spelt = (name: string) => {
    const long = args.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
    if (long) return `--${name}`;
    // Of short ones several may stand behind one dash.
    if (args.some((arg) => name.length === 1 && /^-[^-]/.test(arg) && arg.includes(name))) return `-${name}`;
    return args.includes(name) ? name : `--${name}`;
  };
  const following = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  if (following !== undefined) return `${spelt(following)} needs a value`;
  const named = /^(?<what>(?:Unknown|Missing required) arguments?): (?<names>.+)$/.exec(message)?.groups;
  if (named === undefined) return message;
  return `${named['what']}: ${(named['names'] as string).split(', ').map(spelt).join(', ')}`;
}

const onOneLine = (text: string) =>
  text.charAt(0).toLowerCase() +
  text
    .slice(1)
    .trim()
    .replace(/\s*\n\s*/g, ' ');
