/**
 * Folded stacks, root first: `main;handle;leak 4096` (Brendan Gregg's FlameGraph, stackcollapse scripts).
 * What the format cannot say: addresses, files, threads, and more than one value per stack.
 * Invariant: a line has as many fields as its stack has functions, whatever the names hold; stacks of equal names are one line.
 * Differs: `;` in a name is written `:`, control characters `?`.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import type { Profile, SampleType } from '../profile.ts';
import { SampleTable, frameName, printable } from '../profile.ts';

/** What an empty backtrace is called. */
const NO_BACKTRACE = '[no backtrace]';

/** One line per stack of names with a value that rounds to more than 0, in the order of the profile. */
export function writeCollapsed(profile: Profile, type: SampleType = 'inuse_space'): string {
  const { samples, stacks } = profile;
  const values = samples.column(type);
  // FrameIndex -> its functions, outermost first.
  const names: (string | undefined)[] = [];
  const lines = new Map<string, number>();
  for (let row = 0; row < samples.length; row++) {
    if (values[row] === 0) continue;
    let line = '';
    const frames = stacks.framesOf(samples.stack[row] as StackIndex);
    for (let i = frames.length - 1; i >= 0; i--) {
      const name = (names[frames[i]] ??= frameFields(stacks, frames[i] as FrameIndex));
      line += line === '' ? name : `;${name}`;
    }
    if (line === '') line = NO_BACKTRACE;
    lines.set(line, (lines.get(line) ?? 0) + values[row]);
  }
  let text = '';
  for (const [line, value] of lines) if (Math.round(value) !== 0) text += `${line} ${Math.round(value)}\n`;
  return text;
}

function frameFields(stacks: StackTable, index: FrameIndex): string {
  const names = [frameName(stacks, index)];
  const inlined = stacks.frames.frames[index].inlined ?? [];
  for (let i = inlined.length - 1; i >= 0; i--) names.push(inlined[i].fn);
  return names.map((name) => printable(name).replaceAll(';', ':').trim() || '??').join(';');
}

/** True if text looks like folded stacks: lines that end with a blank and a number, most with a `;` before it. */
export function isCollapsed(head: Uint8Array): boolean {
  const text = new TextDecoder().decode(head.subarray(0, 8192));
  const lines = text.split('\n').filter((line) => line !== '');
  if (head.length > 8192 || !text.endsWith('\n')) lines.pop();
  return lines.length > 0 && lines.every((line) => LINE.test(line)) && lines.some((line) => line.includes(';'));
}

const LINE = /^(.*\S)\s+(-?\d+(?:\.\d+)?)$/;

/**
 * Reads folded stacks. The values are taken as bytes in use, and as bytes allocated.
 * @param name what errors call it
 * @throws InputError if a line has no value
 */
export function readCollapsed(text: string, name: string): Profile {
  const stacks = new StackTable();
  const samples = new SampleTable();
  let number = 0;
  for (const raw of text.split('\n')) {
    number++;
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const match = LINE.exec(line);
    if (match === null) throw new InputError(`${name}:${number}`, 'no folded stack: it does not end with a blank and a number');
    const names = match[1] === NO_BACKTRACE ? [] : match[1].split(';');
    const frames = names.reverse().map((fn) => stacks.frames.intern({ fn }));
    const value = Number(match[2]);
    samples.add(stacks.intern(frames), 0, value, 0, value);
  }
  return {
    kind: 'heap',
    source: 'collapsed',
    stacks,
    samples,
    threads: [],
    sampling: { method: 'none', rate: 1 },
    accumulated: false,
    requested: false,
    symbolized: true,
    warnings: [],
  };
}
