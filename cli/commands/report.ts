import { command, INPUT_FLAGS } from './command.ts';
import { SYMBOL_FLAGS } from './symbol_flags.ts';

/** A flag without a value. */
export const flag = (describe: string) => ({ type: 'boolean', describe, default: false }) as const;
/** A flag with one. */
export const value = (describe: string) => ({ type: 'string', describe, requiresArg: true }) as const;

/** Flags of reports, jeprof's where it has them. */
export const REPORT_FLAGS = {
  text: flag('A table, one line a function (default)'),
  collapsed: flag('Collapsed stacks'),
  dot: flag('A call graph for Graphviz'),
  svg: flag('A drawing of the call graph'),
  ps: flag('The drawing as PostScript'),
  pdf: flag('The drawing as PDF (with ps2pdf)'),
  gif: flag('The drawing as GIF (with Graphviz)'),
  web: flag('The drawing in a browser'),
  gv: flag('The drawing in gv'),
  evince: flag('The drawing in evince (with ps2pdf)'),
  callgrind: flag('Callgrind format'),
  list: value('Source of the routines that match, with the values of each line'),
  disasm: value('Instructions of the routines that match, with their values'),
  raw: flag('The profile with its symbols'),
  tree: flag('The tree of calls'),
  peek: value('Callers and callees of the functions that match'),
  traces: flag('Backtraces with their values'),
  json: flag('The table as JSON'),
  csv: flag('The table as comma-separated values'),
  speedscope: flag('A file for speedscope'),
  interactive: flag('A prompt for many reports'),
  inuse_space: flag('Bytes in use (default)'),
  inuse_objects: flag('Objects in use'),
  alloc_space: flag('Bytes ever allocated'),
  alloc_objects: flag('Objects ever allocated'),
  functions: flag('By function (default)'),
  lines: flag('By source line'),
  files: flag('By source file'),
  addresses: flag('By address'),
  cum: flag('Sort by cumulative value'),
  show_bytes: flag('Bytes, not megabytes'),
  base: value('Subtract this profile'),
  drop_negative: flag('After --base, less than nothing is nothing'),
  focus: value('Only backtraces that match'),
  ignore: value('Only backtraces that do not match'),
  retain: value('Only frames that match'),
  exclude: value('Only frames that do not match'),
  thread: value('One thread, or * for each'),
  nodecount: value('--dot: at most so many nodes (default: 80)'),
  nodefraction: value('--dot: hide nodes below this share (default: .005)'),
  edgefraction: value('--dot: hide edges below this share (default: .001)'),
  maxdegree: value('--dot: at most so many edges of a node (default: 8)'),
  heapcheck: flag('--dot: mark nodes that allocate themselves'),
  top: value('Only so many rows'),
  'fail-over': value('Exit with 1 if more than these bytes are in use: SIZE, or SIZE@RE for backtraces that match'),
  output: { alias: 'o', ...value('A file for the report (default: standard output)') },
  nearest: flag('Names as jeprof guesses them: the nearest symbol, however far'),
  ...SYMBOL_FLAGS,
  ...INPUT_FLAGS,
} as const;

export default command(
  'report <profiles..>',
  'What jeprof prints, from heap dumps, pprof profiles and traces',
  (program) =>
    program
      .positional('profiles', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Heap dumps, pprof profiles, traces; - for standard input',
      })
      .options({ ...REPORT_FLAGS, interactive: { ...REPORT_FLAGS.interactive, alias: 'i' } }),
  async (args) => (await import('../jobs/report.ts')).report(args),
);
