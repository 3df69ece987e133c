/**
 * Names for the addresses in a recording by bpftrace, which has none: it looks symbols up by the thread that called, when it prints, and aborts where that
 * thread is about to be gone. They are looked up here once the recording is over and while its process is there, as are the files that only it sees.
 * Invariant: each address is looked up once, where it was called from: what is returned to may be the next function.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { firstAbove } from '../../profiles/symbols/search.ts';
import { type PlacedSymbol, Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { SYMBOL_FACT } from '../../formats/shared/recording_facts.ts';
import { symbolHost } from '../symbol_host.ts';
import { type Observed, textOf } from './observed.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const NINE = 0x39;
const LOWER_X = 0x78;
/** Bytes that are looked at in one go. */
const PART = 1 << 20;
const CALLER = ' ra=0x';
/** What the lines that name addresses stand behind: the script's first. */
const SCRIPT_HEADER = '# jereplay bpftrace ';
/** A line of /tmp/perf-PID.map, where engines say what code they have made: start and length, hexadecimal. */
const MADE_CODE = /^([0-9a-f]{1,16}) ([0-9a-f]{1,16}) (.+)$/gm;

/** The addresses without a name that a recording has. */
interface Addresses {
  /** Where calls return to. */
  readonly returns: ReadonlySet<number>;
  /** Where the functions are that were called last. */
  readonly heads: ReadonlySet<number>;
}

/** Lines that name the addresses of a recording; the process is there, or what was seen of it has to do. */
export function symbolFacts(file: string, process: Observed): string {
  const { returns, heads } = addressesOf(file);
  const places = [...heads].map((pc) => [pc, pc] as const);
  for (const pc of returns) if (!heads.has(pc)) places.push([pc, pc - 1]);
  if (places.length === 0) return '';
  // Of files that only it sees, as in a container.
  const symbolizer = new Symbolizer(symbolHost(undefined), { prefixes: [`/proc/${process.pid}/root`] });
  const asked = places.map(([, at]) => BigInt(at));
  const symbols = symbolizer.symbols(process.allMaps, asked);
  const made = symbols.includes(undefined) ? madeCode(process) : () => undefined;
  let lines = '';
  for (const [i, [pc, at]] of places.entries()) {
    const found = symbols[i] ?? made(at);
    if (found === undefined) continue;
    const { fn, offset, module } = found;
    lines += `${SYMBOL_FACT}${pc.toString(16)} ${oneLine(fn)}+${offset + pc - at} (${oneLine(module)})\n`;
  }
  return lines;
}

const oneLine = (text: string) => text.replace(/[\0-\x1f]+/g, ' ');

/** Gives the code that holds an address of those that an engine has made as it ran (`node --perf-basic-prof`): of pieces that begin in one place the one made last. */
function madeCode({ pid, ownPid }: Observed): (at: number) => PlacedSymbol | undefined {
  const module = `/tmp/perf-${ownPid}.map`;
  const path = `/proc/${pid}/root${module}`;
  // Who put what else there would have us wait for it.
  const text = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? (textOf(path) ?? '') : '';
  const pieces = [...text.matchAll(MADE_CODE)].map(([, start, length, fn]) => {
    const from = Number.parseInt(start as string, 16);
    return { start: from, end: from + Number.parseInt(length as string, 16), fn: fn as string };
  });
  pieces.sort((a, b) => a.start - b.start);
  const starts = pieces.map(({ start }) => start);
  return (at) => {
    const piece = pieces[firstAbove(starts, starts.length, at) - 1];
    return piece !== undefined && at < piece.end ? { fn: piece.fn, offset: at - piece.start, module } : undefined;
  };
}

function addressesOf(file: string): Addresses {
  const returns = new Set<number>();
  const heads = new Set<number>();
  let isHead = false;
  forLines(file, (part, start, end) => {
    const first = part[start] as number;
    if (first === TAB) {
      const pc = bareAddress(part, start + 1, end);
      if (!Number.isNaN(pc)) (isHead ? heads : returns).add(pc);
      isHead = false;
    } else {
      isHead = first <= NINE;
      const at = isHead ? callerAt(part, start, end) : -1;
      const pc = at < 0 ? Number.NaN : bareAddress(part, at, end);
      if (!Number.isNaN(pc)) returns.add(pc);
    }
  });
  return { returns, heads };
}

/** Where a line has the address that its call returns to; -1 if it has none. */
function callerAt(part: Buffer, start: number, end: number): number {
  const at = part.subarray(start, end).lastIndexOf(CALLER, undefined, 'latin1');
  return at < 0 ? -1 : start + at + CALLER.length;
}

/** An address behind which there is one more in a name's place; NaN for any other text. */
function bareAddress(part: Buffer, start: number, end: number): number {
  let value = 0;
  let at = start;
  for (; at < end; at++) {
    const byte = part[at] as number;
    const digit = byte <= NINE ? byte - 0x30 : byte - 0x57;
    if (digit < 0 || digit > 15) break;
    value = value * 16 + digit;
  }
  const isBare = at > start && part[at] === SPACE && part[at + 1] === 0x30 && part[at + 2] === LOWER_X;
  return isBare && Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Calls `take` with each line that is not empty; one longer than a part is none of ours. */
function forLines(file: string, take: (part: Buffer, start: number, end: number) => void): void {
  const fd = openSync(file, 'r');
  try {
    const part = Buffer.alloc(PART);
    const { size } = fstatSync(fd);
    for (let from = 0; from < size; ) {
      const length = readSync(fd, part, 0, PART, from);
      if (length === 0) return;
      const whole = part.lastIndexOf(NEWLINE, length - 1) + 1;
      for (let at = 0; at < whole; ) {
        const end = part.indexOf(NEWLINE, at);
        if (end > at) take(part, at, end);
        at = end + 1;
      }
      from += whole || length;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Puts lines behind the first ones of a recording, which the script has opened: who reads it knows the names from the first call on.
 * @throws system's error; the file is as it was if there is no room for them
 */
export function putInFront(file: string, lines: string): void {
  if (lines === '') return;
  const text = Buffer.from(lines);
  const fd = openSync(file, 'r+');
  try {
    const { size } = fstatSync(fd);
    const head = Buffer.alloc(Math.min(size, PART));
    readSync(fd, head, 0, head.length, 0);
    const header = head.indexOf(SCRIPT_HEADER);
    const at = header < 0 ? 0 : head.indexOf('\n', header) + 1;
    makeRoom(fd, size, text.length);
    const part = Buffer.alloc(PART);
    // From the end, so that nothing is written over that has not moved.
    for (let end = size; end > at; ) {
      const start = Math.max(at, end - part.length);
      readSync(fd, part, 0, end - start, start);
      writeSync(fd, part, 0, end - start, start + text.length);
      end = start;
    }
    writeSync(fd, text, 0, text.length, at);
  } finally {
    closeSync(fd);
  }
}

/** Lengthens a file, so that what is moved there finds room. */
function makeRoom(fd: number, size: number, bytes: number): void {
  const zeros = Buffer.alloc(PART);
  try {
    for (let at = size; at < size + bytes; at += PART) writeSync(fd, zeros, 0, Math.min(PART, size + bytes - at), at);
  } catch (error) {
    ftruncateSync(fd, size);
    throw error;
  }
}
