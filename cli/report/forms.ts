/**
 * A report in each of its forms: text, data, or a drawing.
 */
import { spawnSync } from 'node:child_process';
import { InputError } from '../../core/trace/input_error.ts';
import type { Profile } from '../../profiles/profile.ts';
import { callTree, peek } from '../../profiles/report/call_tree.ts';
import { callgrind } from '../../profiles/report/callgrind.ts';
import { collapsedStacks } from '../../profiles/report/collapsed.ts';
import { hasErrors, reportErrors } from '../../profiles/report/errors.ts';
import { writePprof } from '../../profiles/pprof/write.ts';
import { prepareReport, printPart, rawProfile, type ReportOptions, type ReportPart, sampleTypeOf } from '../../profiles/report/report.ts';
import { rowsCsv, rowsJson } from '../../profiles/report/rows.ts';
import { speedscope } from '../../profiles/report/speedscope.ts';
import { traces } from '../../profiles/report/traces.ts';
import { drawDot } from '../../profiles/svg/svg.ts';
import { listing } from '../../profiles/symbols/listing.ts';
import type { Content } from '../output.ts';
import { type Form, given, type ReportArgs, topOf } from './args.ts';
import type { ReportSource } from './source.ts';

/** A report that has been made. */
export interface Report {
  /** Empty if there is nothing to draw; in pieces, which can be asked for once, where it may be long. */
  readonly content: Content;
  readonly parts: readonly ReportPart[];
}

/** Makes a report of these flags. @throws InputError for a value that is none, and for a tool that is not there */
export async function makeReport(form: Form, source: ReportSource, args: ReportArgs, note: (text: string) => void): Promise<Report> {
  const options = source.options(args, note);
  await source.prepare(args);
  const parts = prepareReport(source.profiles, options);
  return { content: await render(form, parts, source, options, args, note), parts };
}

async function render(
  form: Form,
  parts: readonly ReportPart[],
  source: ReportSource,
  options: ReportOptions,
  args: ReportArgs,
  note: (text: string) => void,
): Promise<Content> {
  const granularity = options.granularity ?? 'functions';
  const top = topOf(args);
  const rows = { granularity, cumulative: args.cum === true, ...given({ top }) };
  const each = (print: (part: ReportPart) => string) => parts.map(print).join('');
  function* pieces(print: (part: ReportPart) => Iterable<string>): Generator<string> {
    for (const part of parts) yield* print(part);
  }
  switch (form) {
    case 'svg':
    case 'ps':
    case 'pdf':
    case 'gif':
      return drawing(
        form,
        each((part) => printPart('dot', part, options)),
      );
    case 'list':
    case 'disasm': {
      const maps = source.named(args).flatMap((profile) => (profile.maps === undefined ? [] : [profile.maps]));
      const listed = { kind: form, pattern: String(args[form]), maps, symbolizer: source.symbolizer, note };
      return found(
        each((part) => listing(part, listed)),
        listed.pattern,
        note,
      );
    }
    case 'tree':
      return encoded(
        firstRows(
          pieces((part) => callTree(part, granularity, options.nodeFraction ?? 0.005)),
          top,
        ),
      );
    case 'peek': {
      const wanted = String(args.peek);
      return each((part) => found(peek(part, granularity, wanted), wanted, note));
    }
    case 'traces':
      return encoded(pieces((part) => traces(part, granularity, top)));
    case 'collapsed':
      return encoded(pieces((part) => collapsedStacks(part.profile, part.addresses)));
    case 'callgrind':
      return encoded(pieces((part) => callgrind(part.profile, part.addresses)));
    case 'json':
      return rowsJson(parts, rows, hasErrors(source.profiles, options) ? reportErrors(source.profiles, options) : undefined);
    case 'csv':
      return rowsCsv(parts, rows);
    case 'speedscope':
      return speedscope(parts, sampleTypeOf(source.profiles[0], options), note);
    case 'pprof':
      return writePprof(wholeProfile(source, args));
    case 'raw':
      if (source.profiles[0]?.kind === 'other')
        throw new InputError('--raw', 'the profile is not of memory, and jeprof reads no other', '--pprof writes it');
      return encoded(rawProfile(source.profiles, parts, options));
    case 'text': {
      const asked = args['error'] === true;
      const known = asked && hasErrors(source.profiles, options);
      if (asked && !known) note('--error: how these values were sampled is not known, so their errors are not');
      const errors = known ? reportErrors(source.profiles, options) : [];
      return encoded(
        firstRows(
          parts.map((part, i) => printPart(form, part, { ...options, ...given({ errors: errors[i] }) })),
          top,
        ),
      );
    }
    default:
      return each((part) => printPart(form, part, options));
  }
}

/** Characters that are encoded at once. */
const PIECE = 1 << 20;

/** Pieces of a text as bytes, many in one: all of them together may be more than a string holds, and than there is memory for. */
function* encoded(pieces: Iterable<string | Uint8Array>): Generator<Uint8Array> {
  let texts: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      texts.push(piece);
      length += piece.length;
      if (length < PIECE) continue;
    }
    yield Buffer.from(texts.join(''));
    texts = [];
    length = 0;
    if (typeof piece !== 'string') yield piece;
  }
  yield Buffer.from(texts.join(''));
}

/** Flags that take something of a profile away, which pprof does itself. */
const PARTS_OF_PPROF = {
  base: 'write both, and subtract with go tool pprof -base',
  thread: 'pprof does not tell threads apart: leave it out',
  focus: 'go tool pprof -focus does it',
  ignore: 'go tool pprof -ignore does it',
  retain: 'go tool pprof -show does it',
  exclude: 'go tool pprof -hide does it',
};
const SELECTIONS = Object.keys(PARTS_OF_PPROF) as (keyof typeof PARTS_OF_PPROF)[];

/** The sum of the profiles with all that it counts. @throws InputError for a flag that would have no effect on it */
function wholeProfile(source: ReportSource, args: ReportArgs): Profile {
  const selection = SELECTIONS.find((flag) => args[flag] !== undefined && args[flag] !== '');
  if (selection !== undefined)
    throw new InputError('--pprof', `writes the whole profile, of which --${selection} takes a part`, PARTS_OF_PPROF[selection]);
  return source.sum();
}

/** What a search came to; that it came to nothing is said. */
function found(text: string, wanted: string, note: (text: string) => void): string {
  if (text.trimEnd().split('\n').length === 1) note(`nothing to show of what matches ${wanted}`);
  return text;
}

/** The heads of tables and their first rows; all if `count` is undefined. */
function* firstRows(texts: Iterable<string>, count: number | undefined): Generator<string> {
  if (count === undefined) return yield* texts;
  let left = count;
  for (const text of texts) {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      if (line.startsWith('Total')) left = count;
      else if (left-- <= 0) continue;
      yield `${line}\n`;
    }
  }
}

/**
 * A call graph drawn. SVG and PostScript need nothing of the machine; PDF is made of PostScript by Ghostscript, as jeprof does it,
 * and GIF by Graphviz.
 */
async function drawing(form: 'svg' | 'ps' | 'pdf' | 'gif', dot: string): Promise<string | Uint8Array> {
  if (dot === '') return '';
  switch (form) {
    case 'svg':
      return drawDot(dot, 'svg');
    case 'ps':
      return drawDot(dot, 'ps2');
    case 'pdf':
      // A page that can be printed (jeprof, PrintDot).
      return filter(
        '--pdf',
        'ps2pdf',
        ['-', '-'],
        await drawDot(dot.replace('\n', '\nsize="8,11"\n'), 'ps2'),
        'install Ghostscript, or use --svg or --ps',
      );
    case 'gif':
      return filter('--gif', 'dot', ['-Tgif'], dot, 'install Graphviz, or use --svg');
  }
}

/** Most bytes of a drawing. */
const DRAWING_BYTES = 1 << 28;

/** What a program of the machine makes of its standard input. */
function filter(flag: string, tool: string, args: readonly string[], input: string, remedy: string): Uint8Array {
  const { error, status, stdout } = spawnSync(tool, args, { input, maxBuffer: DRAWING_BYTES, stdio: ['pipe', 'pipe', 'ignore'] });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT')
    throw new InputError(flag, `needs ${tool}, which is not on this machine`, remedy);
  if (status !== 0) throw new InputError(flag, `${tool} could not make the drawing`, remedy);
  return stdout;
}
