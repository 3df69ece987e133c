/**
 * Source and disassembly with the values of each line and instruction (jeprof: PrintListing, PrintSource, PrintDisassembly, PrintDisassembledFunction).
 * Invariant: the values of a routine's lines add up to its totals; what falls on a line outside the listed range counts for the next inside, else the last.
 * Differs: a routine ends where its symbol does, not where the next one begins; lines are those of the function itself, with what was inlined into it
 * counted where it was called, also where jeprof's objdump would name the inlined file.
 */
import type { ReportPart } from '../report/report.ts';
import { pattern } from '../report/filters.ts';
import { fixed } from '../report/numbers.ts';
import type { Instruction, Routine, Symbolizer } from './symbolizer.ts';

/** Values of an address: of the backtraces that it heads, and of those that it is in. */
interface AddressValue {
  readonly at: bigint;
  flat: number;
  cumulative: number;
}

/** An instruction with its values and the line of the routine that it belongs to. */
interface Row extends Instruction {
  readonly flat: number;
  readonly cumulative: number;
  /** Where in the routine; line 0 if unknown. */
  readonly file: string;
  readonly line: number;
  /** Where the code was written: in the routine, or in a function inlined into it. */
  readonly innerFile: string;
  readonly innerLine: number;
}

/** What a listing needs besides the report. */
export interface ListingOptions {
  readonly kind: 'list' | 'disasm';
  /** Regular expression; routines whose name matches are listed. */
  readonly pattern: string;
  /** Texts of /proc/PID/maps. */
  readonly maps: readonly string[];
  readonly symbolizer: Symbolizer;
  readonly note: (text: string) => void;
}

/**
 * Lists the routines that match and have values.
 * @throws InputError if the pattern is no regular expression
 */
export function listing(part: ReportPart, options: ListingOptions): string {
  const { symbolizer, kind, note } = options;
  const wanted = pattern(options.pattern, `--${kind}`);
  const values = addressValues(part);
  const total = values.reduce((sum, { flat }) => sum + flat, 0);
  let text = '';
  for (const routine of symbolizer.routines(
    options.maps,
    values.map(({ at }) => at),
  )) {
    // By nm's name, as jeprof; and by what tables call it.
    if (![...routine.names].some((name) => wanted.test(name))) continue;
    const rows = rowsOf(routine, values, symbolizer, note);
    if (rows !== undefined)
      text += kind === 'list' ? source(routine, rows, part, symbolizer, note) : disassembly(routine, rows, part, total, symbolizer);
  }
  return text;
}

/** Values by address, an address once per backtrace. */
function addressValues({ profile, addresses }: ReportPart): AddressValue[] {
  const values = addresses.hex.map((hex) => ({
    at: /^[0-9a-f]{16}$/.test(hex) ? BigInt(`0x${hex}`) : -1n,
    flat: 0,
    cumulative: 0,
    used: false,
  }));
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    const value = profile.values[row];
    if (path.length > 0) values[path[0]].flat += value;
    for (const address of new Set(path)) {
      values[address].cumulative += value;
      values[address].used = true;
    }
  }
  return values.filter(({ at, used }) => used && at >= 0n);
}

function rowsOf(
  routine: Routine,
  values: readonly AddressValue[],
  symbolizer: Symbolizer,
  note: (text: string) => void,
): Row[] | undefined {
  const instructions = symbolizer.disassemble(routine);
  if (instructions === undefined || instructions.length === 0) {
    note(`${routine.short} cannot be disassembled: objdump does not run or does not know the code; --tools objdump:PATH names another`);
    return undefined;
  }
  const lines = symbolizer.lines(
    routine,
    instructions.map(({ at }) => at),
  );
  const inside = valuesIn(routine, values);
  // What the compiler made of no line stays with the line before it, as objdump prints it.
  let outer: Place = NO_PLACE;
  let inner: Place = NO_PLACE;
  return instructions.map((instruction, i) => {
    const end = instructions[i + 1]?.at ?? routine.end;
    const own = inside.filter(({ at }) => at >= instruction.at && at < end);
    outer = placeOf(lines[i]?.[0]?.location) ?? outer;
    inner = placeOf(lines[i]?.at(-1)?.location) ?? inner;
    const [file, line] = outer;
    const [innerFile, innerLine] = inner;
    return {
      ...instruction,
      flat: own.reduce((sum, { flat }) => sum + flat, 0),
      cumulative: own.reduce((sum, { cumulative }) => sum + cumulative, 0),
      file,
      line,
      innerFile,
      innerLine,
    };
  });
}

/** The values in a routine, by addresses before relocation: of all processes that have it. */
function valuesIn({ loads, start, end }: Routine, values: readonly AddressValue[]) {
  return values.flatMap(({ at, flat, cumulative }) => {
    const load = loads.find((load) => at >= load + BigInt(start) && at < load + BigInt(end));
    return load === undefined ? [] : [{ at: Number(at - load), flat, cumulative }];
  });
}

/** A file, and a line in it; 0 if unknown. */
type Place = readonly [file: string, line: number];

const NO_PLACE: Place = ['', 0];

/** The place that addr2line's words mean; undefined if it is in no line. */
function placeOf(location: string | undefined): Place | undefined {
  const match = /^(.*):([1-9]\d*)(?: |$)/s.exec(location ?? '');
  return match === null ? undefined : [match[1], Number(match[2])];
}

/** A function's source, five lines around it, with values in front. */
function source(
  routine: Routine,
  rows: readonly Row[],
  { unit }: ReportPart,
  symbolizer: Symbolizer,
  note: (text: string) => void,
): string {
  const first = rows.find(({ line }) => line > 0);
  if (first === undefined) {
    note(`${routine.short} has no lines: its program was built without -g, or no addr2line is there`);
    return '';
  }
  const { file, line: firstLine } = first;
  const text = symbolizer.sourceText(file);
  if (text === undefined) {
    note(`${file} is not on this machine; --lib_prefix DIR says where files are now`);
    return '';
  }
  const largest = rows.reduce((most, row) => (row.file === file && row.line > most ? row.line : most), 0);
  const lastLine = endOfBody(text, firstLine, largest);
  const flat = new Map<number, number>();
  const cumulative = new Map<number, number>();
  const assign = (line: number, flatValue: number, cumulativeValue: number) => {
    flat.set(line, (flat.get(line) ?? 0) + flatValue);
    cumulative.set(line, (cumulative.get(line) ?? 0) + cumulativeValue);
  };
  let runningFlat = 0;
  let runningCumulative = 0;
  for (const row of rows) {
    runningFlat += row.flat;
    runningCumulative += row.cumulative;
    if (row.file !== file || row.line < firstLine || row.line > lastLine) continue;
    assign(row.line, runningFlat, runningCumulative);
    runningFlat = runningCumulative = 0;
  }
  assign(lastLine, runningFlat, runningCumulative);
  const show = (value: number | undefined) => (value === undefined || value === 0 ? '.' : unit.print(value)).padStart(6);
  const sum = (key: 'flat' | 'cumulative') => unit.print(rows.reduce((total, row) => total + row[key], 0)).padStart(6);
  let result = `ROUTINE ====================== ${routine.short} in ${cleanFile(file)}\n`;
  result += `${sum('flat')} ${sum('cumulative')} Total ${unit.name} (flat / cumulative)\n`;
  for (let line = Math.max(1, firstLine - 5); line <= text.length && (line <= largest + 5 || line <= lastLine); line++) {
    if (line === firstLine) result += '---\n';
    result += `${show(flat.get(line))} ${show(cumulative.get(line))} ${String(line).padStart(4)}: ${text[line - 1]}\n`;
    if (line === lastLine) result += '---\n';
  }
  return result;
}

/**
 * The line that ends a function: from its last line of code on, up to one that is indented less than its first.
 * jeprof's own rule stops at the first line of a function that is not indented at all, and so it is kept here.
 */
function endOfBody(text: readonly string[], firstLine: number, lastLine: number): number {
  let last = lastLine;
  let firstIndentation = -1;
  for (let line = 1; line <= text.length; line++) {
    const indentation = /^(\s*)\S/.exec(text[line - 1])?.[1].length ?? -1;
    if (line >= firstLine && firstIndentation < 0 && indentation >= 0) {
      firstIndentation = indentation;
      if (firstIndentation === 0) break;
    }
    if (line >= last && indentation >= 0) {
      if (indentation < firstIndentation) break;
      last = line + 1;
    }
  }
  return last;
}

/** A function's instructions, under the source lines that they were made of. */
function disassembly(routine: Routine, rows: readonly Row[], { unit }: ReportPart, total: number, symbolizer: Symbolizer): string {
  const show = (value: number) => (value === 0 ? '.' : unit.print(value)).padStart(6);
  const sum = (part: readonly Row[], key: 'flat' | 'cumulative') => part.reduce((all, row) => all + row[key], 0);
  const cumulative = sum(rows, 'cumulative');
  let result = `ROUTINE ====================== ${routine.short}\n`;
  result += `${unit.print(sum(rows, 'flat')).padStart(6)} ${unit.print(cumulative).padStart(6)} ${unit.name} (flat, cumulative) `;
  result += `${fixed(total === 0 ? 0 : (cumulative * 100) / total, 1)}% of total\n`;
  let file = '';
  let text: readonly string[] | undefined;
  for (let i = 0; i < rows.length; ) {
    const { innerFile, innerLine } = rows[i];
    if (innerFile !== file) {
      file = innerFile;
      text = symbolizer.sourceText(file);
      const short = file.replace(/^\.\//, '');
      result += `-------------------- ${short.length >= 58 ? `...${short.slice(-55)}` : short}\n`;
    }
    let end = i;
    while (end < rows.length && rows[end].innerLine === innerLine && rows[end].innerFile === file) end++;
    const run = rows.slice(i, end);
    const line = text?.[innerLine - 1];
    if (line !== undefined)
      result += `${show(sum(run, 'flat'))} ${show(sum(run, 'cumulative'))} ${String(innerLine).padStart(5)}: ${line.trimStart()}\n`;
    for (const row of run) {
      result += `${show(row.flat)} ${show(row.cumulative)}    ${row.at.toString(16).padStart(8)}: ${cleanInstruction(row.text).padStart(6)}\n`;
    }
    i = end;
  }
  return result;
}

const cleanFile = (path: string) => path.replace(/^\/proc\/self\/cwd\//, '').replace(/^\.\//, '');

/** Without argument types and template arguments, which are not operands (jeprof, CleanDisassembly). */
function cleanInstruction(text: string): string {
  let clean = text;
  for (let before = ''; before !== clean; ) {
    before = clean;
    clean = clean.replace(/\([^()%]*\)(\s*const)?/g, '');
  }
  for (let before = ''; before !== clean; ) {
    before = clean;
    clean = clean.replace(/(\w+)<[^<>]*>/g, '$1');
  }
  return clean;
}
