/**
 * Folded stacks, root first: `main;handle;leak 4096` (Brendan Gregg's FlameGraph, stackcollapse scripts).
 * What the format cannot say: addresses, files, threads, and more than one value per stack.
 * Invariant: a line has as many fields as its stack has functions, whatever the names hold; stacks of equal names are one line.
 * Differs: `;` in a name is written `:`, control characters `?`. `report --collapsed` writes by jeprof's rules instead (../report/collapsed.ts):
 * there, stacks of equal names are lines of their own, and those at value 0 are written too.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { CALLER, FRAME, NODE_WORDS } from '../../core/trace/call_node.ts';
import { CallTree } from '../../core/trace/call_tree.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { PassedOver } from '../passed_over.ts';
import { printable } from '../printable.ts';
import type { Profile, SampleType } from '../profile.ts';
import { EVERY_ALLOCATION, SampleTable, frameName } from '../profile.ts';

/** What an empty backtrace is called. */
const NO_BACKTRACE = '[no backtrace]';

/** What `replay --collapsed` writes: one line per stack of names with a value that rounds to more than 0, in the order of the profile. */
export function writeCollapsed(profile: Profile, type: SampleType = 'inuse_space'): string {
  return [...collapsedLines(profile, type)].join('');
}

/** The lines of `writeCollapsed`: of some hundred thousand stacks they are longer than a string can be. */
export function* collapsedLines(profile: Profile, type: SampleType = 'inuse_space'): Generator<string> {
  const { samples, stacks } = profile;
  const values = samples.column(type);
  const names: string[] = [];
  const rows = new Map<string, number>();
  const rowOf = (name: string): number => {
    const known = rows.get(name) ?? names.push(name) - 1;
    rows.set(name, known);
    return known;
  };
  // FrameIndex -> rows of its functions' names, outermost first.
  const fields: (readonly number[] | undefined)[] = [];
  // Names are its frames.
  const tree = new CallTree();
  const sums = new Map<number, number>();
  for (let row = 0; row < samples.length; row++) {
    if (values[row] === 0) continue;
    let node = 0;
    const frames = stacks.framesOf(samples.stack[row] as StackIndex);
    for (let i = frames.length - 1; i >= 0; i--) {
      for (const name of (fields[frames[i]] ??= frameFields(stacks, frames[i] as FrameIndex).map(rowOf))) node = tree.child(node, name);
    }
    if (node === 0) node = tree.child(0, rowOf(NO_BACKTRACE));
    sums.set(node, (sums.get(node) ?? 0) + values[row]);
  }
  const { rows: nodes } = tree;
  for (const [node, value] of sums) {
    if (Math.round(value) === 0) continue;
    const path: string[] = [];
    for (let at = node; at !== 0; at = nodes[at * NODE_WORDS + CALLER]) path.push(names[nodes[at * NODE_WORDS + FRAME]]);
    yield `${path.reverse().join(';')} ${Math.round(value)}\n`;
  }
}

function frameFields(stacks: StackTable, index: FrameIndex): string[] {
  const names = [frameName(stacks, index)];
  const inlined = stacks.frames.frames[index].inlined ?? [];
  for (let i = inlined.length - 1; i >= 0; i--) names.push(inlined[i].fn);
  return names.map((name) => printable(name).replaceAll(';', ':').trim() || '??');
}

/**
 * True if text looks like folded stacks: lines that end with a blank and a number, most with a `;` before it. Where no line has a `;`, as in stacks of
 * one function each, all must be such lines. A line that goes on behind the first 8 KiB tells only where it is the only one.
 */
export function isCollapsed(head: Uint8Array): boolean {
  const text = collapsedText(head.subarray(0, HEAD_BYTES));
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !COMMENT.test(line));
  const isCut = !text.endsWith('\n') && (head.length > HEAD_BYTES || !isStack(lines.at(-1) ?? ''));
  const cut = isCut ? lines.pop() : undefined;
  if (lines.length === 0) return cut !== undefined && head.length > HEAD_BYTES && CUT_LINE.test(cut);
  const fitting = lines.filter(isStack);
  if (fitting.some((line) => line.includes(';'))) return fitting.length >= lines.length * LEAST_SHARE;
  return lines.every((line) => isStack(line) && !NUMBERS.test(line) && !ASSIGNED.test(line)) && lines.some((line) => LINE.test(line));
}

/** The text of a file, whose first two bytes may say that it is UTF-16. */
export function collapsedText(bytes: Uint8Array): string {
  const mark = bytes.length < 2 ? 0 : bytes[0] * 256 + bytes[1];
  return new TextDecoder(mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8').decode(bytes);
}

/**
 * Of the lines that are no comments, those that must be stacks: scripts that fold leave messages between them.
 * Such a line is noted and no damage: nothing tells it from a damaged one, and flamegraph.pl and speedscope pass it over as well.
 */
const LEAST_SHARE = 0.75;
const COMMENT = /^\s*(?:#|\/\/)/;
const LINE = /^(.*\S)\s+(-?\d+(?:\.\d*)?)$/s;
/** A stack without functions, as stackcollapse-bpftrace.pl writes it. */
const NO_FUNCTIONS = /^(\s+)(-?\d+(?:\.\d*)?)$/;
/** What a frame of nothing but blanks is called, as code without symbols has it in some recordings. */
const NO_NAME = '(no name)';

/** Bytes that tell. */
const HEAD_BYTES = 8192;
/** The beginning of a line whose end is not there: functions, and neither JSON nor a page. */
const CUT_LINE = /^[^{<;\p{Cc}][^;\p{Cc}]*;[^\p{Cc}]*$/u;
/** A line of several numbers, or of nothing but one and its value: a table or a trace rather than a function's name. Addresses alone are such names. */
const NUMBERS = /^\s*[-+.\d]+\s|\s[-+]?(?:0x[\da-f]+|[.\d]+)\s+\S+$/i;

/** A number that is something's, as a call's result or a variable's value is: `f(1) = 12`, `malloc called, size = 24`; or a share. No operator's name. */
const ASSIGNED = /(?<!operator\S{0,2})[=:%]\s+\S+$/;

const isStack = (line: string) => LINE.test(line) || NO_FUNCTIONS.test(line);

/** True if all stacks have two values: before and after (difffolded.pl). */
function isDifferential(lines: readonly string[]): boolean {
  let stacks = 0;
  for (const raw of lines) {
    const match = LINE.exec(raw.trim());
    if (match === null || COMMENT.test(raw)) continue;
    if (!match[1].includes(';') || !LINE.test(match[1])) return false;
    stacks++;
  }
  return stacks > 0;
}

/**
 * Reads folded stacks. The values are taken as bytes in use, and as bytes allocated.
 * @param name what errors call it
 * Lines that are no stacks are passed over with a warning.
 * @throws InputError if there is no stack
 */
export function readCollapsed(text: string, name: string): Profile {
  const stacks = new StackTable();
  const samples = new SampleTable();
  let number = 0;
  let firstOther = 0;
  const others = new PassedOver();
  const lines = text.split('\n');
  const hasBases = isDifferential(lines);
  for (const raw of lines) {
    number++;
    const line = raw.trim();
    if (line === '' || COMMENT.test(line)) continue;
    const match = LINE.exec(line) ?? NO_FUNCTIONS.exec(raw.trimEnd());
    if (match === null) {
      firstOther ||= number;
      others.addLine(number, 'no folded stack, which a blank and a number end', line);
      continue;
    }
    const path = (hasBases ? (LINE.exec(match[1])?.[1] ?? match[1]) : match[1]).trim();
    const names = path === '' || path === NO_BACKTRACE ? [] : path.split(';');
    const frames = names.reverse().map((fn) => stacks.frames.intern({ fn: fn.trim() === '' ? NO_NAME : fn }));
    const value = Number(match[2]);
    samples.add(stacks.intern(frames), 0, value, 0, value);
  }
  if (others.any && samples.length === 0)
    throw new InputError(`${name}:${firstOther}`, 'no folded stack: it does not end with a blank and a number');
  return {
    ...EVERY_ALLOCATION,
    source: 'collapsed',
    stacks,
    samples,
    accumulated: false,
    symbolized: true,
    warnings: [
      ...(hasBases ? [`${name}: two values a stack, as difffolded.pl writes them: the first, of the base, is left out`] : []),
      ...others.warnings(name),
    ],
  };
}
