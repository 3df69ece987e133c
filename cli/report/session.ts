/**
 * A session at the prompt of `report -i` and `jeprof`: what is set, and what each line does (jeprof: InteractiveCommand, ParseInteractiveArgs;
 * settings as in Go's pprof).
 * Invariant: a line is flags of `jereplay report`, so that a report at the prompt is the one that those flags print.
 * A line that fails changes nothing.
 * Differs from jeprof: a pattern after top is a focus, as in pprof; jeprof takes it and does nothing with it.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { SAMPLE_TYPES } from '../../profiles/profile.ts';
import { reportRows } from '../../profiles/report/rows.ts';
import { prepareReport, type ReportPart } from '../../profiles/report/report.ts';
import { printNotes } from '../notes.ts';
import { isEmpty, STANDARD, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { FORMS, type Form, GRANULARITIES, type ReportArgs, reportSettings, VIEWER_FLAGS } from './args.ts';
import { makeReport } from './forms.ts';
import { helpText } from './help.ts';
import { parseLine } from './line.ts';
import type { ReportSource } from './source.ts';
import { type ViewerName, viewedForm, Windows } from './viewers.ts';

/** Settings with a value, and those that are on or off. */
const VALUES = [
  'focus',
  'ignore',
  'retain',
  'exclude',
  'base',
  'thread',
  'nodecount',
  'nodefraction',
  'edgefraction',
  'maxdegree',
] as const;
const SWITCHES = ['cum', 'show_bytes', 'drop_negative', 'heapcheck'] as const;
/** Settings of which one is on. */
const CHOICES: readonly (readonly string[])[] = [SAMPLE_TYPES, GRANULARITIES];
/** pprof's settings, in jeprof's words: `sample_index=alloc_space`, `granularity=lines`, `sort=cum`. */
const PPROF_SETTINGS = ['sample_index', 'granularity', 'sort'];

/** Reports whose argument is what they show. */
const SEARCHES: ReadonlySet<string> = new Set(['peek', 'list', 'disasm']);
/** Reports that have rows to count; a number after drawings is one of nodes. */
const TABLES: ReadonlySet<string> = new Set(['text', 'tree', 'traces', 'json', 'csv']);
const DRAWINGS: ReadonlySet<string> = new Set(['dot', 'svg', 'ps', 'pdf', 'gif', 'web', 'gv', 'evince']);
const TOP_ROWS = 10;

const COMMANDS = ['top', ...FORMS, ...VIEWER_FLAGS, 'help', 'options', 'reset', 'quit', 'exit'];

type Settings = Readonly<Record<string, string | boolean | undefined>>;

/** A session over one source. */
export class Session {
  readonly #source: ReportSource;
  readonly #first: ReportArgs;
  readonly #windows = new Windows();
  readonly #told = new Set<string>();
  #args: ReportArgs;
  #functions: readonly string[] | undefined;

  /** @param args flags of the command line, which the session starts with */
  constructor(source: ReportSource, args: ReportArgs) {
    this.#source = source;
    this.#first = this.#args = { ...args, interactive: undefined };
  }

  /**
   * Does what a line says. Results go to standard output or the file after `>`.
   * @returns false if the line ends the session
   * @throws InputError for a line that cannot be done
   */
  async run(text: string): Promise<boolean> {
    const { words, output } = parseLine(text);
    const [first = '', ...rest] = words;
    const [, name = '', digits = ''] = /^(top|text)(\d+)$/.exec(first) ?? [first, first];
    switch (name) {
      case '':
        return true;
      case 'quit':
      case 'exit':
      case 'q':
        return false;
      case 'help':
      case 'h':
      case '?':
        writeResult(output ?? STANDARD, helpText(rest[0]));
        return true;
      case 'options':
      case 'o':
        writeResult(output ?? STANDARD, this.#settingsText());
        return true;
      case 'reset':
        this.#args = this.#first;
        return true;
    }
    if (COMMANDS.includes(name)) await this.#report(name, digits === '' ? rest : [digits, ...rest], output);
    else await this.#set(words);
    return true;
  }

  /** What a word may become: [the possible words, the word itself], for readline. The only one is followed by a blank. */
  complete(text: string): [string[], string] {
    const word = /\S*$/.exec(text)?.[0] ?? '';
    const hits = this.#completions(word, word === text.trimStart());
    return [hits.length === 1 ? hits.map((hit) => (hit.endsWith('=') ? hit : `${hit} `)) : hits, word];
  }

  #completions(word: string, isFirst: boolean): string[] {
    // A function may follow: as a pattern of its own, to be left out, or as a setting's value.
    const [prefix = ''] = /^(?:-{0,2}(?:focus|ignore|retain|exclude)=|-(?!-))?/.exec(word) ?? [];
    const settings = [...SWITCHES, 'flat', ...CHOICES.flat(), ...VALUES.map((name) => `${name}=`)];
    const beginning = (names: readonly string[]) => names.filter((name) => name.startsWith(word));
    if (word.startsWith('--') && prefix === '') return beginning(settings.map((name) => `--${name}`));
    if (isFirst && prefix === '') return beginning([...COMMANDS, ...settings]);
    const functions = this.#functionNames().map((name) => prefix + name);
    const found = beginning(functions);
    return found.length > 0 || word === prefix
      ? found
      : functions.filter((name) => name.includes(word.slice(prefix.length), prefix.length));
  }

  /** Removes what windows were shown. */
  close(): void {
    this.#windows.dispose();
  }

  /** A report of these words. */
  async #report(name: string, words: readonly string[], redirect: string | undefined): Promise<void> {
    const isViewer = (VIEWER_FLAGS as readonly string[]).includes(name);
    let viewer = isViewer ? (name as ViewerName) : undefined;
    let output = redirect;
    let patterns = words;
    if (name === 'callgrind' && words.length > 0 && output === undefined) [output, ...patterns] = words;
    if (name === 'callgrind' && output === undefined && process.stdout.isTTY === true) viewer = 'kcachegrind';
    const form = viewer === undefined ? ((name === 'top' ? 'text' : name) as Form) : viewedForm(viewer);
    const args = this.#reportArgs(name, form, patterns);
    if (viewer !== undefined && output !== undefined)
      throw new InputError(name, 'the drawing is shown, not written', `${form} > FILE writes it`);
    if (
      ['svg', 'ps', 'pdf', 'gif', 'pprof'].includes(form) &&
      viewer === undefined &&
      output === undefined &&
      process.stdout.isTTY === true
    )
      throw new InputError(name, 'not for a terminal', `${name} > FILE writes it${form === 'pprof' ? '' : ', web shows it'}`);
    if (output !== undefined) checkOutputs([output], [...args.profiles, args.base]);
    await this.#readBase(args);
    const notes: string[] = [];
    const { content, parts } = await makeReport(form, this.#source, args, (note) => notes.push(note));
    printNotes([...this.#filterNotes(args, parts), ...notes, ...this.#newSymbolNotes()], args.quiet);
    if (viewer === undefined) writeResult(output ?? STANDARD, content);
    else if (!isEmpty(content)) await this.#windows.show(viewer, content, args.scale);
  }

  /** The flags of `jereplay report` that a report's words are. */
  #reportArgs(name: string, form: Form, words: readonly string[]): ReportArgs {
    let args = this.#args;
    let count: string | undefined;
    const wanted: string[] = [];
    const unwanted: string[] = [];
    for (const word of words) {
      if (/^\d+$/.test(word) && count === undefined && (TABLES.has(form) || DRAWINGS.has(name))) {
        count = word;
        continue;
      }
      const changed = word.startsWith('-') ? settingOf(word, args) : undefined;
      if (changed !== undefined) args = changed;
      else if (word.startsWith('-')) unwanted.push(word.slice(1));
      else wanted.push(word);
    }
    const pattern = wanted.join('|');
    if (SEARCHES.has(form) && pattern === '')
      throw new InputError(name, 'of what?', `${name} RE, where RE is a regular expression for functions`);
    const counted = DRAWINGS.has(name) ? 'nodecount' : 'top';
    return {
      ...args,
      ...(name === 'top' ? { top: String(TOP_ROWS) } : {}),
      ...(count === undefined ? {} : { [counted]: count }),
      ...(SEARCHES.has(form) ? { [form]: pattern } : pattern === '' ? {} : { focus: pattern }),
      ...(unwanted.length === 0 ? {} : { ignore: unwanted.join('|') }),
    };
  }

  /** Changes settings for the rest of the session. */
  async #set(words: readonly string[]): Promise<void> {
    const [name = '', ...rest] = words;
    const bare = name.replace(/^--?/, '');
    // `focus RE` and `focus = RE` as well as `focus=RE`; nothing takes the setting away.
    const value = rest.join(' ').replace(/^=\s*/, '');
    const hasValue = [...VALUES, ...PPROF_SETTINGS].includes(bare);
    if (!hasValue && rest.length > 0 && /^[\w]+$/.test(bare) && settingOf(bare, this.#args) !== undefined)
      throw new InputError(bare, `takes no value, but "${value}" follows`);
    const args = settingOf(hasValue ? `${bare}=${value}` : [name, ...rest].join(' '), this.#args);
    if (args === undefined) throw new InputError(name, 'no such command or setting', 'help lists them');
    reportSettings(args);
    await this.#readBase(args);
    this.#args = args;
  }

  async #readBase({ base }: ReportArgs): Promise<void> {
    if (base === STANDARD) throw new InputError('base', 'standard input is where commands come from', 'name a file');
    if (base !== undefined) printNotes(await this.#source.readBase(base), this.#args.quiet);
  }

  /** What filters leave of the total, which a table's percentages are of. */
  #filterNotes(args: ReportArgs, parts: readonly ReportPart[]): string[] {
    const filters = (['focus', 'ignore', 'retain', 'exclude'] as const).flatMap((name) =>
      args[name] === undefined || args[name] === '' ? [] : [`${name}=${args[name]}`],
    );
    if (filters.length === 0) return [];
    return parts.map(
      ({ profile, total, unit }) => `${filters.join(' ')} leaves ${unit.print(profile.total())} of ${unit.print(total)} ${unit.name}`,
    );
  }

  /** What could not be named, told when it is first known. */
  #newSymbolNotes(): string[] {
    const fresh = this.#source.symbolizer.notes().filter((note) => !this.#told.has(note));
    for (const note of fresh) this.#told.add(note);
    return fresh;
  }

  #settingsText(): string {
    const args: Settings = this.#args as unknown as Settings;
    const one = (names: readonly string[], otherwise: string) => names.find((name) => args[name] === true) ?? otherwise;
    const lines = [
      ['sample_index', args['sample_index'] ?? one(SAMPLE_TYPES, 'inuse_space')],
      ['granularity', one(GRANULARITIES, 'functions')],
      ['sort', args['cum'] === true ? 'cum' : 'flat'],
      ...SWITCHES.filter((name) => name !== 'cum').map((name) => [name, args[name] === true ? 'on' : 'off']),
      ...VALUES.map((name) => [name, args[name] ?? '']),
    ];
    return lines.map(([name, value]) => `${`${name}`.padEnd(14)} ${value}`.trimEnd() + '\n').join('');
  }

  /** Functions of the profile as patterns without blanks, in the order of their names. */
  #functionNames(): readonly string[] {
    if (this.#functions === undefined) {
      const parts = prepareReport(
        this.#source.profiles,
        this.#source.options({ profiles: [] }, () => {}),
      );
      const names = parts.flatMap((part) => reportRows(part).map(({ name }) => name));
      this.#functions = [...new Set(names.map(asPattern))].sort();
    }
    return this.#functions;
  }
}

function asPattern(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|"']/g, '\\$&').replace(/\s/g, '.');
}

/** The flags with one setting changed: `name`, `noname` or `name=value`, dashes before it or not; undefined if there is no such setting. */
function settingOf(word: string, args: ReportArgs): ReportArgs | undefined {
  const [, name = '', value] = /^-{0,2}([a-z_]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (value !== undefined) {
    if ((VALUES as readonly string[]).includes(name)) return { ...args, [name]: value === '' ? undefined : value };
    const choice = PPROF_SETTINGS.includes(name) ? settingOf(value, args) : undefined;
    // A sample type that only the profile knows.
    if (name === 'sample_index' && choice === undefined)
      return { ...args, ...off(SAMPLE_TYPES), sample_index: value === '' ? undefined : value };
    if (PPROF_SETTINGS.includes(name)) return choice;
    return undefined;
  }
  if (name === 'flat') return { ...args, cum: false };
  const switched = SWITCHES.find((known) => name === known || name === `no${known}`);
  if (switched !== undefined) return { ...args, [switched]: name === switched };
  const choice = CHOICES.find((names) => names.includes(name));
  if (choice === undefined) return undefined;
  return { ...args, ...off(choice), ...(choice === SAMPLE_TYPES ? { sample_index: undefined } : {}), [name]: true };
}

const off = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, false]));
