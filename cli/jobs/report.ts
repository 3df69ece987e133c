/**
 * What jeprof prints, from heap dumps, pprof profiles and traces.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Profile, SampleType } from '../../profiles/profile.ts';
import { SAMPLE_TYPES } from '../../profiles/profile.ts';
import type { Granularity } from '../../profiles/report/entries.ts';
import type { ReportOptions } from '../../profiles/report/report.ts';
import { prepareReport, REPORT_FORMATS, renderReport } from '../../profiles/report/report.ts';
import { listing } from '../../profiles/symbols/listing.ts';
import type { Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { svgOfDot } from '../../profiles/svg/svg.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs, STANDARD, writeResult } from '../output.ts';
import { parseCount } from '../settings.ts';
import { readSubject, type Subject } from '../subject.ts';
import { nearestNames, reportNames, type SymbolArgs, splitProgram, symbolizerOf } from '../symbols.ts';
import type { InputArgs } from '../trace_input.ts';

/** What a report may be; `list` and `disasm` have a pattern. */
const FORMS = [...REPORT_FORMATS, 'svg', 'list', 'disasm'] as const;

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
  const sampleType: SampleType = chosen(args, SAMPLE_TYPES, 'inuse_space');
  const granularity = chosen(args, GRANULARITIES, 'functions');
  const { program, inputs } = splitProgram(args.profiles);
  const subjects: Subject[] = [];
  for (const input of inputs) subjects.push(await readSubject(input, args));
  const base = args.base === undefined ? undefined : (await readSubject(args.base, args)).profile;
  const [first] = subjects;
  const symbolizer = symbolizerOf(args, program);
  const profiles = subjects.map(({ profile }) => profile);
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
  switch (form) {
    case 'svg': {
      const dot = renderReport('dot', profiles, options);
      return dot === '' ? '' : svgOfDot(dot);
    }
    case 'list':
    case 'disasm': {
      const maps = named.flatMap((profile) => (profile.maps === undefined ? [] : [profile.maps]));
      const listed = { kind: form, pattern: String(args[form]), maps, symbolizer, note };
      return prepareReport(profiles, options)
        .map((part) => listing(part, listed))
        .join('');
    }
    default:
      return renderReport(form, profiles, options);
  }
}

/** The one of several flags that was given. @throws InputError for two. */
function chosen<T extends string>(args: ReportArgs, flags: readonly T[], otherwise: T): T {
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
