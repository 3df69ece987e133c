/**
 * Reads Android's native heap dumps: `am dumpheap -n`, or the signal of malloc debug's option backtrace (bionic, libc/malloc_debug/README.md, Backtrace Heap Dump
 * Format, versions 1.0 to 1.2).
 *
 *     Android Native Heap Dump v1.2
 *     Total memory: 405
 *     z 0  sz       50  num    3  bt a100 b200                           blocks of one size and backtrace
 *       bt_info {"/system/lib64/libc.so" 100 "malloc" 24} {"" 0 "" 0}      with backtrace_full
 *     MAPS
 *     7fe9181000-7fe91a2000 r-xp 00000000 00:00 0    /system/lib64/libc.so
 *     END
 *
 * Invariant: a row of the profile is a record. In version 1.0 the numbers of blocks are right only if they make up the total; they are 1 otherwise, as for
 * development/scripts/native_heapdump_viewer.py.
 * What the format cannot say: what was freed, and threads.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type Frame, StackTable } from '../../core/trace/stacks.ts';
import { PassedOver } from '../passed_over.ts';
import { EVERY_ALLOCATION, type Profile, SampleTable } from '../profile.ts';
import { mainProgram, parseMaps } from './maps.ts';

const HEADING = /^\s*Android Native Heap Dump v(\d+)\.(\d+)/;
const TOTAL = /^Total memory: (\d{1,16})$/;
const OTHER_FACT = /^(?:Allocation records: |Backtrace size: |Build fingerprint: |$)/;
const RECORD = /^z (\d+)\s+sz\s+(\d{1,16})\s+num\s+(\d{1,16})\s+bt((?: [\da-f]{1,16})*)$/;
const INFO = /^\s+bt_info((?: \{"[^"]*" [\da-f]{1,16} "[^"]*" [\da-f]{1,16}\})*)$/;
const INFO_FRAME = /\{"([^"]*)" [\da-f]+ "([^"]*)" ([\da-f]+)\}/g;

interface Blocks {
  readonly isZygotes: boolean;
  readonly size: number;
  readonly count: number;
  readonly frames: Frame[];
}

/** True if bytes look like the beginning of a file that `readAndroidHeap` takes. */
export function isAndroidHeap(head: Uint8Array): boolean {
  return HEADING.test(new TextDecoder('latin1').decode(head.subarray(0, 256)));
}

/**
 * Reads a dump.
 * @param name what errors call it
 * @throws InputError if it has no record
 */
export function readAndroidHeap(bytes: Uint8Array, name: string): Profile {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const records: Blocks[] = [];
  const passedOver = new PassedOver();
  let total: number | undefined;
  let at = 0;
  let symbolized = false;
  for (; at < lines.length && lines[at] !== 'MAPS'; at++) {
    const line = lines[at];
    const record = RECORD.exec(line);
    const info = record === null ? INFO.exec(line) : null;
    if (record !== null) records.push(blocksOf(record));
    else if (info !== null && records.length > 0) symbolized = nameFrames(records[records.length - 1].frames, info[1]) || symbolized;
    else if (TOTAL.test(line)) total = Number(TOTAL.exec(line)![1]);
    else if (!HEADING.test(line) && !OTHER_FACT.test(line.trim()))
      passedOver.addLine(at + 1, 'no record, as in "z 0  sz 50  num 1  bt a100 b200"', line);
  }
  if (records.length === 0)
    throw new InputError(
      name,
      'the dump has no records',
      'setprop libc.debug.malloc.options backtrace before the program starts has it record them',
    );
  const maps = lines.slice(at + 1, lines.indexOf('END', at) < 0 ? undefined : lines.indexOf('END', at)).join('\n');
  const version = HEADING.exec(lines.find((line) => line.trim() !== '') ?? '');
  const isCounted = (version !== null && (version[1] !== '1' || version[2] !== '0')) || sumOf(records) === total;
  return profileOf(isCounted ? records : records.map((record) => ({ ...record, count: 1 })), total, maps, symbolized, passedOver, name);
}

const sumOf = (records: readonly Blocks[]) => records.reduce((sum, { size, count }) => sum + size * count, 0);

function blocksOf([, zygote, size, count, addresses]: RegExpExecArray): Blocks {
  const frames = addresses.split(' ').slice(1);
  return {
    isZygotes: zygote === '0',
    size: Number(size),
    count: Number(count),
    frames: frames.map((address) => ({ pc: BigInt(`0x${address}`) })),
  };
}

/** Adds what a line of backtrace_full says to the frames; true if it names one. */
function nameFrames(frames: Frame[], info: string): boolean {
  let named = false;
  for (const [index, [, module, fn, offset]] of [...info.matchAll(INFO_FRAME)].entries()) {
    if (index >= frames.length) break;
    named ||= fn !== '';
    frames[index] = {
      ...frames[index],
      ...(fn === '' ? {} : { fn, offset: Number.parseInt(offset, 16) }),
      ...(module === '' ? {} : { module }),
    };
  }
  return named;
}

function profileOf(
  records: readonly Blocks[],
  total: number | undefined,
  maps: string,
  symbolized: boolean,
  passedOver: PassedOver,
  name: string,
): Profile {
  const stacks = new StackTable();
  const samples = new SampleTable(records.length);
  for (const { size, count, frames } of records) {
    const stack = stacks.intern(frames.map((frame) => stacks.frames.intern(frame)));
    samples.add(stack, count, size * count, 0, 0);
  }
  const listed = sumOf(records);
  const zygotes = sumOf(records.filter(({ isZygotes }) => isZygotes));
  const binary = mainProgram(parseMaps(maps));
  return {
    ...EVERY_ALLOCATION,
    source: 'Android heap dump',
    stacks,
    samples,
    accumulated: false,
    requested: true,
    symbolized,
    ...(binary === undefined ? {} : { binary }),
    ...(maps === '' ? {} : { maps }),
    warnings: [
      ...(total === undefined || total === listed ? [] : [`the dump says that ${total} bytes are in use; its records have ${listed}`]),
      ...(zygotes === 0 || zygotes === listed ? [] : [`${zygotes} bytes of these are the zygote’s, from before the app was forked off it`]),
      ...passedOver.warnings(name),
    ],
    ...(passedOver.any ? { damaged: true } : {}),
  };
}
