/**
 * What jeprof prints, from heap dumps, pprof profiles and traces.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Profile, SampleType } from '../../profiles/profile.ts';
import { SAMPLE_TYPES } from '../../profiles/profile.ts';
import type { Granularity } from '../../profiles/report/entries.ts';
import type { ReportOptions } from '../../profiles/report/report.ts';
import { callTree, peek } from '../../profiles/report/call_tree.ts';
import { pattern, selectBacktraces } from '../../profiles/report/filters.ts';
import { rowsCsv, rowsJson } from '../../profiles/report/rows.ts';
import { speedscope } from '../../profiles/report/speedscope.ts';
import { prepareReport, REPORT_FORMATS, renderReport } from '../../profiles/report/report.ts';
import { listing } from '../../profiles/symbols/listing.ts';
import type { Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { svgOfDot } from '../../profiles/svg/svg.ts';
import { EXIT_FINDING } from '../failure.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs, STANDARD, writeResult } from '../output.ts';
import { parseBytes, parseCount } from '../settings.ts';
import { readSubject, type Subject } from '../subject.ts';
import { nearestNames, reportNames, type SymbolArgs, splitProgram, symbolizerOf } from '../symbols.ts';
import type { InputArgs } from '../trace_input.ts';

/** What a report may be; `list`, `disasm` and `peek` have a pattern. */
const FORMS = [...REPORT_FORMATS, 'svg', 'list', 'disasm', 'tree', 'peek', 'json', 'csv', 'speedscope'] as const;

const GRANULARITIES: readonly Granularity[] = ['functions', 'lines', 'files', 'addresses'];

type Text = string | undefined;

/** Flags of REPORT_FLAGS. */
export interface ReportArgs extends InputArgs, SymbolArgs {
  readonly profiles: readonly string[];
  readonly output?: Text;
  readonly base?: Text;
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
  readonly symbols?: boolean | undefined;
  readonly nodecount?: Text;
  readonly nodefraction?: Text;
  readonly edgefraction?: Text;
  readonly maxdegree?: Text;
  readonly [flag: string]: unknown;
}

/** Prints one report of the sum of the profiles. */
export async function report(args: ReportArgs): Promise<void> {
  const path = args.output ?? STANDARD;
  checkOutputs([path]);
  const form = chosen(args, FORMS, 'text');
  const limit = args['fail-over'] === undefined ? undefined : parseLimit(args['fail-over']);
  const askedType = chosen(args, SAMPLE_TYPES, undefined);
  const granularity = chosen(args, GRANULARITIES, 'functions');
  const { program, inputs } = splitProgram(args.profiles);
  const subjects: Subject[] = [];
  for (const input of inputs) subjects.push(await readSubject(input, args));
  const base = args.base === undefined ? undefined : (await readSubject(args.base, args)).profile;
  const [first] = subjects;
  const symbolizer = symbolizerOf(args, program);
  const profiles = subjects.map(({ profile }) => profile);
  const sampleType: SampleType = askedType ?? (profiles.every(({ freedOnly }) => freedOnly) ? 'alloc_space' : 'inuse_space');
  const named = base === undefined ? profiles : [...profiles, base];
  const symbolSource = args.nearest === true ? nearestNames(profiles, args, program) : reportNames(named, symbolizer);
  const notes = subjects.flatMap(({ profile }) => profile.warnings);
  const options: ReportOptions = {
    sampleType,
    granularity,
    cumulative: args.cum === true,
    showBytes: args.show_bytes === true,
    dropNegative: args.drop_negative === true,
    heapcheck: args.heapcheck === true,
    note: (note) => notes.push(note),
    ...given({
      base,
      focus: args.focus,
      ignore: args.ignore,
      retain: args.retain,
      exclude: args.exclude,
      thread: args.thread,
      nodeCount: args.nodecount === undefined ? undefined : parseCount('--nodecount', args.nodecount, 0),
      maxDegree: args.maxdegree === undefined ? undefined : parseCount('--maxdegree', args.maxdegree, 0),
      nodeFraction: args.nodefraction === undefined ? undefined : parseFraction('--nodefraction', args.nodefraction),
      edgeFraction: args.edgefraction === undefined ? undefined : parseFraction('--edgefraction', args.edgefraction),
      dumpText: first?.dumpText,
      program,
      symbolSource,
    }),
  };
  const text = await render(form, named, profiles, options, args, symbolizer, (note) => notes.push(note));
  printNotes([...notes, ...symbolizer.notes()], args.quiet);
  writeResult(path, text);
  if (limit !== undefined && valueOver(limit, profiles, options)) process.exitCode = EXIT_FINDING;
}

/** A limit, and the backtraces that it is for. */
interface Limit {
  readonly value: number;
  readonly focus: string | undefined;
}

/** `--fail-over BYTES[@RE]`. @throws InputError for no size. */
function parseLimit(text: string): Limit {
  const at = text.indexOf('@');
  return { value: parseBytes('--fail-over', at < 0 ? text : text.slice(0, at)), focus: at < 0 ? undefined : text.slice(at + 1) };
}

/** True if the backtraces that match and are in the report are worth more than the limit. */
function valueOver({ value, focus }: Limit, profiles: readonly Profile[], options: ReportOptions): boolean {
  const parts = prepareReport(profiles, options);
  const wanted = focus === undefined ? undefined : pattern(focus, '--fail-over');
  const values = parts.map(({ profile, addresses }) =>
    (wanted === undefined ? profile : selectBacktraces(profile, addresses, wanted, true)).total(),
  );
  // Estimates have fractions that no report shows.
  return Math.round(values.reduce((sum, part) => sum + part, 0)) > value;
}

/** The heads of tables and their first rows. */
function firstRows(text: string, count: number): string {
  let left = count;
  const lines = text.split('\n').filter((line) => {
    if (line === '') return false;
    if (!line.startsWith('Total')) return left-- > 0;
    left = count;
    return true;
  });
  return lines.map((line) => `${line}\n`).join('');
}

async function render(
  form: (typeof FORMS)[number],
  named: readonly Profile[],
  profiles: readonly Profile[],
  options: ReportOptions,
  args: ReportArgs,
  symbolizer: Symbolizer,
  note: (text: string) => void,
): Promise<string> {
  const parts = () => prepareReport(profiles, options);
  const granularity = options.granularity ?? 'functions';
  const rows = {
    granularity,
    cumulative: args.cum === true,
    ...given({ top: args.top === undefined ? undefined : parseCount('--top', args.top, 0) }),
  };
  switch (form) {
    case 'svg': {
      const dot = renderReport('dot', profiles, options);
      return dot === '' ? '' : svgOfDot(dot);
    }
    case 'list':
    case 'disasm': {
      const maps = named.flatMap((profile) => (profile.maps === undefined ? [] : [profile.maps]));
      const listed = { kind: form, pattern: String(args[form]), maps, symbolizer, note };
      return parts()
        .map((part) => listing(part, listed))
        .join('');
    }
    case 'tree':
      return parts()
        .map((part) => callTree(part, granularity, options.nodeFraction ?? 0.005))
        .join('');
    case 'peek':
      return parts()
        .map((part) => peek(part, granularity, String(args.peek)))
        .join('');
    case 'json':
      return rowsJson(parts(), rows);
    case 'csv':
      return rowsCsv(parts(), rows);
    case 'speedscope':
      return speedscope(parts(), options.sampleType ?? 'inuse_space', note);
    case 'text': {
      const text = renderReport(form, profiles, options);
      return rows.top === undefined ? text : firstRows(text, rows.top);
    }
    default:
      return renderReport(form, profiles, options);
  }
}

/** The one of several flags that was given. @throws InputError for two. */
function chosen<T extends string, O extends T | undefined>(args: ReportArgs, flags: readonly T[], otherwise: O): T | O {
  const set = flags.filter((flag) => args[flag] === true || typeof args[flag] === 'string');
  if (set.length > 1) throw new InputError('jereplay report', `--${set[0]} and --${set[1]} at once`, 'choose one of them');
  return set[0] ?? otherwise;
}

function parseFraction(flag: string, text: string): number {
  const value = /^(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 0 && value <= 1)) throw new InputError(flag, `"${text}" is not a share between 0 and 1`);
  return value;
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The parts of an object that are there. */
function given<T extends object>(parts: T): Given<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Given<T>;
}
