/**
 * Flags of a report as its options, for one report or for every line of a session.
 * Invariant: what is wrong with a flag is known before anything is read.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { SAMPLE_TYPES, TEMPORARY } from '../../profiles/profile.ts';
import type { Granularity } from '../../profiles/report/entries.ts';
import { pattern } from '../../profiles/report/filters.ts';
import { perlNumber } from '../../profiles/report/numbers.ts';
import { REPORT_FORMATS, type ReportOptions } from '../../profiles/report/report.ts';
import { parseCount } from '../settings.ts';
import type { SubjectArgs } from '../subject.ts';
import type { SymbolArgs } from '../symbols.ts';

/** What a report may be; `list`, `disasm` and `peek` have a pattern. */
export const FORMS = [
  ...REPORT_FORMATS,
  'svg',
  'ps',
  'pdf',
  'gif',
  'list',
  'disasm',
  'tree',
  'peek',
  'traces',
  'json',
  'csv',
  'speedscope',
  'pprof',
] as const;
export type Form = (typeof FORMS)[number];

/** Reports that are shown in a window. */
export const VIEWER_FLAGS = ['web', 'gv', 'evince'] as const;

export const GRANULARITIES: readonly Granularity[] = ['functions', 'lines', 'files', 'addresses'];

type Text = string | undefined;

/** Flags of REPORT_FLAGS. */
export interface ReportArgs extends SubjectArgs, SymbolArgs {
  readonly profiles: readonly string[];
  readonly output?: Text;
  readonly base?: Text;
  readonly sample_index?: Text;
  readonly cum?: boolean | undefined;
  readonly show_bytes?: boolean | undefined;
  readonly drop_negative?: boolean | undefined;
  readonly heapcheck?: boolean | undefined;
  readonly focus?: Text;
  readonly ignore?: Text;
  readonly retain?: Text;
  readonly exclude?: Text;
  readonly thread?: Text;
  readonly nearest?: boolean | undefined;
  readonly top?: Text;
  readonly peek?: Text;
  readonly 'fail-over'?: Text;
  readonly interactive?: boolean | undefined;
  readonly symbols?: boolean | undefined;
  readonly nodecount?: Text;
  readonly nodefraction?: Text;
  readonly edgefraction?: Text;
  readonly maxdegree?: Text;
  readonly scale?: Text;
  readonly [flag: string]: unknown;
}

/** The flags that say how a report is made, as options: everything but what it is made of. @throws InputError for a value that is none */
export function reportSettings(args: ReportArgs): Omit<ReportOptions, 'base' | 'program' | 'symbolSource' | 'dumpText' | 'note'> & {
  readonly granularity: Granularity;
} {
  for (const flag of ['focus', 'ignore', 'retain', 'exclude', 'list', 'disasm', 'peek'] as const) {
    const text = args[flag];
    if (typeof text === 'string') pattern(text, `--${flag}`);
  }
  const sampleType = chosen(args, [...SAMPLE_TYPES, TEMPORARY, 'sample_index'] as const, undefined);
  return {
    granularity: chosen(args, GRANULARITIES, 'functions'),
    cumulative: args.cum === true,
    showBytes: args.show_bytes === true,
    dropNegative: args.drop_negative === true,
    heapcheck: args.heapcheck === true,
    ...given({
      sampleType: sampleType === 'sample_index' ? args.sample_index : sampleType,
      focus: args.focus,
      ignore: args.ignore,
      retain: args.retain,
      exclude: args.exclude,
      thread: args.thread,
      nodeCount: countOf(args, 'nodecount'),
      maxDegree: countOf(args, 'maxdegree'),
      nodeFraction: fractionOf(args, 'nodefraction'),
      edgeFraction: fractionOf(args, 'edgefraction'),
    }),
  };
}

/** Rows of `--top`. */
export function topOf(args: ReportArgs): number | undefined {
  return countOf(args, 'top');
}

/** True if a flag says what is to be printed, or where to. */
export function asksForReport(args: ReportArgs): boolean {
  const flags: readonly string[] = [...FORMS, ...VIEWER_FLAGS, 'interactive', 'top', 'fail-over', 'output'];
  return flags.some((flag) => args[flag] !== undefined && args[flag] !== false);
}

/** How the command of these flags is called. */
export function commandOf(args: ReportArgs): string {
  return args.asJeprof === true ? 'jereplay jeprof' : 'jereplay report';
}

/** The one of several flags that was given. @throws InputError for two. */
export function chosen<T extends string, O extends T | undefined>(args: ReportArgs, flags: readonly T[], otherwise: O): T | O {
  const set = flags.filter((flag) => args[flag] === true || typeof args[flag] === 'string');
  if (set.length > 1) throw new InputError(commandOf(args), `--${set[0]} and --${set[1]} at once`, 'choose one of them');
  return set[0] ?? otherwise;
}

function countOf(args: ReportArgs, flag: 'nodecount' | 'maxdegree' | 'top'): number | undefined {
  const text = args[flag];
  // A number may have its sign, as Perl's Getopt takes it.
  return text === undefined ? undefined : parseCount(`--${flag}`, text.replace(/^\+(?=\d)/, ''), 0);
}

function fractionOf(args: ReportArgs, flag: 'nodefraction' | 'edgefraction'): number | undefined {
  const text = args[flag];
  if (text === undefined) return undefined;
  const value = perlNumber(text);
  if (!(value >= 0 && value <= 1)) throw new InputError(`--${flag}`, `"${text}" is not a share between 0 and 1`);
  return value;
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The parts of an object that are there. */
export function given<T extends object>(parts: T): Given<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Given<T>;
}
