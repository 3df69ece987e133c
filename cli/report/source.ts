/**
 * What reports are made of: the profiles of a command line, read once, and the names of their addresses.
 * Invariant: a profile to subtract is read once, however often it is asked for.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type Profile, TEMPORARY } from '../../profiles/profile.ts';
import type { ReportOptions } from '../../profiles/report/report.ts';
import type { SymbolSource } from '../../profiles/report/symbols.ts';
import type { Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { sumProfiles } from '../../profiles/sum.ts';
import { readSubject, type Subject } from '../subject.ts';
import { nameProfile, nearestNames, prepareNames, reportNames, splitProgram, symbolizerOf } from '../symbols.ts';
import { given, type ReportArgs, reportSettings } from './args.ts';

/** The profiles of `report`, `jeprof` or a session. */
export class ReportSource {
  readonly program: string | undefined;
  readonly symbolizer: Symbolizer;
  readonly profiles: readonly Profile[];
  readonly #args: ReportArgs;
  readonly #subjects: readonly Subject[];
  readonly #bases = new Map<string, Profile>();

  private constructor(args: ReportArgs, program: string | undefined, symbolizer: Symbolizer, subjects: readonly Subject[]) {
    this.#args = args;
    this.program = program;
    this.symbolizer = symbolizer;
    this.#subjects = subjects;
    this.profiles = subjects.map(({ profile }) => profile);
  }

  /** Reads the profiles and the one of `--base`. @throws InputError for one that is none, and for `--tools` that are not there */
  static async open(args: ReportArgs): Promise<ReportSource> {
    const { program, inputs } = splitProgram(args.profiles);
    const symbolizer = symbolizerOf(args, program);
    const isSession = args.interactive === true;
    const wanted = { text: isSession || args['raw'] === true, threads: isSession || args.thread !== undefined };
    const subjects: Subject[] = [];
    for (const input of inputs) subjects.push(await readSubject(input, args, wanted));
    const source = new ReportSource(args, program, symbolizer, subjects);
    if (args.base !== undefined) await source.readBase(args.base);
    return source;
  }

  /** What the user should know of the profiles. */
  get warnings(): readonly string[] {
    return [...this.profiles, ...this.#bases.values()].flatMap(({ warnings }) => warnings);
  }

  /** All profiles as one, its addresses named. */
  sum(): Profile {
    for (const profile of this.profiles) nameProfile(profile, this.symbolizer);
    return sumProfiles(this.profiles);
  }

  /** Makes a profile ready to be `base` of `options`, and gives what the user should know of one that is read for that. @throws InputError if it is none */
  async readBase(path: string): Promise<readonly string[]> {
    if (this.#bases.has(path)) return [];
    const { profile } = await readSubject(path, this.#args);
    this.#bases.set(path, profile);
    return profile.warnings;
  }

  /** The profiles and the one that is subtracted. */
  named(args: ReportArgs): readonly Profile[] {
    const base = this.#base(args);
    return base === undefined ? this.profiles : [...this.profiles, base];
  }

  /** Learns the names that a report with these flags will ask for. `options` works without it, and waits for one tool after the other. */
  async prepare(args: ReportArgs): Promise<void> {
    if (args.nearest !== true) await prepareNames(this.named(args), this.symbolizer);
  }

  /** Options of a report with these flags. A `base` must have been read. @throws InputError for a value that is none */
  options(args: ReportArgs, note: (text: string) => void): ReportOptions {
    const settings = reportSettings(args);
    if (settings.sampleType === TEMPORARY && this.#subjects.some(({ replay }) => replay === undefined))
      throw new InputError(`--${TEMPORARY}`, 'only a trace tells which objects the next call freed', 'leave profiles out');
    const isFreedOnly = this.profiles.every(({ freedOnly }) => freedOnly);
    return {
      ...(isFreedOnly ? { sampleType: 'alloc_space' } : {}),
      ...settings,
      note,
      ...given({
        base: this.#base(args),
        dumpText: this.#subjects[0]?.dumpText,
        program: this.program,
        symbolSource: this.#names(args),
      }),
    };
  }

  #base({ base }: ReportArgs): Profile | undefined {
    return base === undefined ? undefined : this.#bases.get(base);
  }

  #names(args: ReportArgs): SymbolSource | undefined {
    return args.nearest === true ? nearestNames(this.profiles, args, this.program) : reportNames(this.named(args), this.symbolizer);
  }
}
