import type { Argv } from 'yargs';
import { command, FROM_FLAG, INPUT_FLAGS, PROFILE_KINDS, UNTIL_FLAG } from './command.ts';
import { SYMBOL_FLAGS } from './symbol_flags.ts';

/** A flag without a value. */
export const flag = (describe: string) => ({ type: 'boolean', describe }) as const;
/** A flag with one. */
export const value = (describe: string) => ({ type: 'string', describe, requiresArg: true }) as const;

/** The headings of --help, and the flags under them, jeprof's where it has them. */
const HEADINGS = {
  'Reports, one of': {
    text: flag('A table, one line a function (default)'),
    tree: flag('The tree of calls'),
    peek: value('RE: callers and callees of functions that match'),
    traces: flag('Backtraces with their values'),
    list: value('RE: source of functions that match, with values by line'),
    disasm: value('RE: instructions of functions that match, with values'),
    interactive: flag('A prompt for all of these'),
    json: flag('The table as JSON'),
    csv: flag('The table as comma-separated values'),
    error: flag('--text: the standard error of each value, where the profile is of samples'),
    collapsed: flag('Collapsed stacks, for flame graphs'),
    callgrind: flag('Callgrind format, for kcachegrind'),
    speedscope: flag('A file for speedscope'),
    pprof: flag('A profile for go tool pprof, of all that is counted'),
    raw: flag('The profile with its symbols'),
    dot: flag('The call graph for Graphviz'),
    svg: flag('The call graph drawn'),
    ps: flag('The drawing as PostScript'),
    pdf: flag('The drawing as PDF (needs ps2pdf)'),
    gif: flag('The drawing as GIF (needs Graphviz)'),
    web: flag('The drawing in a browser'),
    gv: flag('The drawing in gv'),
    evince: flag('The drawing in evince (needs ps2pdf)'),
  },
  'What is counted': {
    inuse_space: flag('Bytes in use (default)'),
    inuse_objects: flag('Objects in use'),
    alloc_space: flag('Bytes ever allocated'),
    alloc_objects: flag('Objects ever allocated'),
    temporary_objects: flag('Of a trace: objects freed by the very next call'),
    ...UNTIL_FLAG,
    sample_index: value('NAME: a sample type of a pprof profile, also of none of memory'),
    show_bytes: flag('Bytes, not megabytes'),
    base: value('FILE: a profile to subtract'),
    drop_negative: flag('After --base, less than nothing is nothing'),
    thread: value('N: one thread; * for each'),
  },
  Rows: {
    functions: flag('By function (default)'),
    lines: flag('By source line'),
    files: flag('By source file'),
    addresses: flag('By address'),
    cum: flag('Sorted by cumulative value'),
    top: value('N: only so many'),
  },
  Filters: {
    focus: value('RE: only backtraces that match'),
    ignore: value('RE: only backtraces that do not match'),
    retain: value('RE: only frames that match'),
    exclude: value('RE: only frames that do not match'),
  },
  'Call graphs': {
    nodecount: value('N: at most so many nodes (default: 80)'),
    nodefraction: value('F: no nodes below this share (default: .005)'),
    edgefraction: value('F: no edges below this share (default: .001)'),
    maxdegree: value('N: at most so many edges of a node (default: 8)'),
    heapcheck: flag('Marks nodes that allocate themselves'),
  },
  Names: {
    nearest: flag('As jeprof guesses them: the nearest symbol, however far'),
    ...SYMBOL_FLAGS,
  },
} as const;

/** Flags of reports. */
export const REPORT_FLAGS = {
  ...HEADINGS['Reports, one of'],
  ...HEADINGS['What is counted'],
  ...HEADINGS.Rows,
  ...HEADINGS.Filters,
  ...HEADINGS['Call graphs'],
  ...HEADINGS.Names,
  output: { alias: 'o', ...value('A file for the report (default: standard output)') },
  'fail-over': value('SIZE or SIZE@RE: exit with 1 if more than these bytes are in use, by backtraces that match'),
  ...INPUT_FLAGS,
  ...FROM_FLAG,
} as const;

/**
 * Puts the flags of reports under their headings. Here and not flag by flag, since yargs makes a list anew for each.
 * @param more further flags, by heading
 */
export function underHeadings<T>(program: Argv<T>, more: Partial<Record<keyof typeof HEADINGS, readonly string[]>> = {}): Argv<T> {
  for (const [heading, flags] of Object.entries(HEADINGS))
    program.group([...Object.keys(flags), ...(more[heading as keyof typeof HEADINGS] ?? [])], `${heading}:`);
  return program;
}

/** What a report is of. @param further what is to be said of it besides */
export function reportedProfiles(further: string) {
  const describe = `The program, if it is not where it ran, and what it left: ${PROFILE_KINDS}. ${further}`;
  return { type: 'string', array: true, demandOption: true, describe } as const;
}

export default command(
  'report <profiles..>',
  'What jeprof prints, from heap dumps, pprof profiles and traces',
  (program) =>
    underHeadings(
      program
        .positional('profiles', reportedProfiles('Several are summed; - is standard input'))
        .options({ ...REPORT_FLAGS, interactive: { ...REPORT_FLAGS.interactive, alias: 'i' } }),
    ),
  async (args) => (await import('../jobs/report.ts')).report(args),
);
