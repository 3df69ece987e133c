/**
 * What jeprof prints, from heap dumps, pprof profiles and traces.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { formatBytes } from '../../profiles/format_units.ts';
import { printable } from '../../profiles/printable.ts';
import { isSnapshot, type Profile } from '../../profiles/profile.ts';
import { pattern, selectBacktraces } from '../../profiles/report/filters.ts';
import type { ReportPart } from '../../profiles/report/report.ts';
import { EXIT_FINDING } from '../failure.ts';
import { overLimit, printNotes } from '../notes.ts';
import { isEmpty, isStandardOutput, STANDARD, wholeText, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { chosen, commandOf, FORMS, type ReportArgs, reportSettings, topOf, VIEWER_FLAGS } from '../report/args.ts';
import { makeReport } from '../report/forms.ts';
import { ReportSource } from '../report/source.ts';
import { viewedForm, Windows } from '../report/viewers.ts';
import { parseBytes } from '../settings.ts';

/** Reports that are a graph, of which jeprof makes none without nodes, and then fails. */
const DRAWINGS: ReadonlySet<string> = new Set(['dot', 'svg', 'ps', 'pdf', 'gif']);

const READ_BY_PEOPLE: ReadonlySet<string> = new Set(['text', 'tree', 'peek', 'traces', 'list', 'disasm']);

/** Prints one report of the sum of the profiles, or asks at a prompt for many. */
export async function report(args: ReportArgs): Promise<void> {
  const form = chosen(args, [...FORMS, ...VIEWER_FLAGS, 'interactive'] as const, 'text');
  if (form === 'interactive') return interactive(args);
  const viewer = VIEWER_FLAGS.find((name) => name === form);
  const path = args.output ?? STANDARD;
  checkOutputs([path], [...args.profiles, args.base]);
  if (viewer !== undefined && args.output !== undefined)
    throw new InputError(`--${viewer}`, 'the drawing is shown, not written', `--${viewedForm(viewer)} -o FILE writes it`);
  const limit = args['fail-over'] === undefined ? undefined : parseLimit(args['fail-over']);
  reportSettings(args);
  topOf(args);
  const source = await ReportSource.open(args);
  const notes = [...source.warnings];
  const { content, parts } = await makeReport(
    form === viewer ? viewedForm(viewer) : (form as (typeof FORMS)[number]),
    source,
    args,
    (note) => notes.push(note),
  );
  if (READ_BY_PEOPLE.has(form)) notes.push(...valueNotes(source.named(args), parts, form === 'text' && args['error'] !== true));
  notes.push(...source.symbolizer.notes());
  // Before the report is written: its reader may leave early.
  // jeprof fails at a graph without nodes, and not if the thread that is asked for is none.
  const isEmptyGraph = parts.length > 0 && isEmpty(content) && (viewer !== undefined || DRAWINGS.has(form));
  if (args.asJeprof === true && isEmptyGraph) process.exitCode = EXIT_FINDING;
  const limited = limit === undefined ? 0 : limitedValue(limit, parts);
  if (limit !== undefined && limited > limit.value) {
    process.exitCode = EXIT_FINDING;
    notes.push(overLimit('--fail-over', limited, limit.value, parts[0]?.unit.base ?? ''));
  }
  printNotes(notes, args.quiet);
  // A dump is copied as it is, whatever its threads are called; a terminal would act on that.
  const isShown = form === 'raw' && isStandardOutput(path) && process.stdout.isTTY === true;
  if (viewer === undefined) writeResult(path, isShown ? wholeText(content).replace(/[^\n\t]+/g, printable) : content);
  else if (!isEmpty(content)) {
    const windows = new Windows();
    try {
      await windows.show(viewer, content, args.scale);
      await windows.closed();
    } finally {
      windows.dispose();
    }
  }
}

async function interactive(args: ReportArgs): Promise<void> {
  for (const flag of ['output', 'fail-over'] as const)
    if (args[flag] !== undefined) throw new InputError(commandOf(args), `--interactive and --${flag} at once`, 'choose one of them');
  if ([...args.profiles, args.base].includes(STANDARD))
    throw new InputError('--interactive', 'standard input is where commands come from', 'name a file for the profile');
  reportSettings(args);
  const source = await ReportSource.open(args);
  await (await import('../report/prompt.ts')).prompt(source, args);
}

/** What there is to know of the values of a text: that they are estimates (jeprof: "Adjusting heap profiles for 1-in-524288 sampling rate"), or too small for their unit. */
function valueNotes(profiles: readonly Profile[], parts: readonly ReportPart[], mayShowErrors: boolean): string[] {
  const notes: string[] = [];
  const rates = new Set(profiles.flatMap((profile) => (isSnapshot(profile) && profile.sampling.rate > 1 ? [profile.sampling.rate] : [])));
  if (rates.size > 0 && parts.some(({ unit }) => unit.base === 'bytes' || unit.base === 'objects')) {
    const intervals = [...rates].sort((a, b) => a - b).map(formatBytes);
    notes.push(`estimated from samples, one in about ${intervals.join(' or ')}${mayShowErrors ? '; --error shows how exact that is' : ''}`);
  }
  const isSmall = parts.length > 0 && parts.every(({ unit, total }) => unit.name === 'MB' && Math.abs(total) < 1 << 20);
  if (isSmall && parts.some(({ total }) => total !== 0) && process.stdout.isTTY === true)
    notes.push('all of it is less than 1 MB: --show_bytes shows bytes');
  return notes;
}

/** A limit, and the backtraces that it is for. */
interface Limit {
  readonly value: number;
  readonly focus: RegExp | undefined;
}

/** `--fail-over BYTES[@RE]`. @throws InputError for no size, and for no regular expression. */
function parseLimit(text: string): Limit {
  const at = text.indexOf('@');
  return {
    value: parseBytes('--fail-over', at < 0 ? text : text.slice(0, at)),
    focus: at < 0 ? undefined : pattern(text.slice(at + 1), '--fail-over'),
  };
}

/** What the backtraces that match and are in the report are worth. */
function limitedValue({ focus }: Limit, parts: readonly ReportPart[]): number {
  const values = parts.map(({ profile, addresses }) =>
    (focus === undefined ? profile : selectBacktraces(profile, addresses, focus, true)).total(),
  );
  // Estimates have fractions that no report shows.
  return Math.round(values.reduce((sum, part) => sum + part, 0));
}
