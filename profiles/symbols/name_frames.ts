/**
 * Names for the bare addresses of a profile's or trace's stacks, where they stand.
 * Invariant: frames keep their numbers and addresses; one that has a name keeps it, in its readable form. `libfoo.so.1+0x1234` is none, but a place in a file.
 * A frame with a name and an address, as bpftrace gives them, gets its line if the file here calls what is there by that name, whatever its types.
 */
import type { Frame, InlinedFrame, StackTable } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import { isCppName, shortName } from '../report/names.ts';
import type { AddressNames, Symbolizer } from './symbolizer.ts';
import { nameOf } from './debug_files.ts';
import { demangleRecorded } from './demangle.ts';
import { DELETED } from './mapped_files.ts';

/**
 * Names frames that have an address and no function. One that is called from is looked up at the address before its return address.
 * What has no function is called `[libfoo.so.1+0x1234]` if a file was mapped there, and stays as it is if none was, or another than the frame's own.
 * @param maps text of /proc/PID/maps; without it, frames with nothing but an address stay as they are
 * @returns how many frames have a name now
 */
export function nameFrames(stacks: StackTable, maps: string | undefined, symbolizer: Symbolizer): number {
  readNames(stacks);
  return namePlaces(stacks, symbolizer) + (maps === undefined ? 0 : nameAddresses(stacks, maps, symbolizer));
}

/** Names that recorders have left mangled, as bpftrace, perf and heaptrack leave Rust's, or half so, become readable. */
function readNames({ frames: { frames } }: StackTable): void {
  for (const [row, frame] of frames.entries()) {
    const fn = frame.fn && demangleRecorded(frame.fn);
    const inlined = frame.inlined?.map((inner) => ({ ...inner, fn: demangleRecorded(inner.fn) }));
    if (fn === undefined || (fn === frame.fn && inlined === undefined)) continue;
    frames[row] = { ...frame, fn, ...(inlined === undefined ? {} : { inlined }) };
  }
}

/** Names frames that are known by a place in a file, as glibc's mtrace writes them: where a call there returns to. */
function namePlaces(stacks: StackTable, symbolizer: Symbolizer): number {
  const { frames } = stacks.frames;
  const byModule = new Map<string, number[]>();
  frames.forEach((frame, row) => {
    if (frame.module === undefined || placeOf(frame) === undefined) return;
    const rows = byModule.get(frame.module);
    if (rows === undefined) byModule.set(frame.module, [row]);
    else rows.push(row);
  });
  let named = 0;
  for (const [module, rows] of byModule) {
    const found = symbolizer.returnsIn(
      module,
      rows.map((row) => placeOf(frames[row]) as number),
    );
    for (const [i, names] of found.entries()) {
      if (names === undefined) continue;
      frames[rows[i]] = withNames(frames[rows[i]], names);
      named++;
    }
  }
  return named;
}

/** The place in its module that a frame has for a name; undefined if it has another name, or an address. */
function placeOf({ pc, fn, module, offset }: Frame): number | undefined {
  if (pc !== undefined || offset !== undefined || fn === undefined || module === undefined) return undefined;
  const name = module.slice(module.lastIndexOf('/') + 1);
  const place = fn.startsWith(`${name}+0x`) ? fn.slice(name.length + 3) : '';
  return /^[0-9a-f]{1,13}$/.test(place) ? Number.parseInt(place, 16) : undefined;
}

function nameAddresses(stacks: StackTable, maps: string, symbolizer: Symbolizer): number {
  const { frames } = stacks.frames;
  const isCaller = new Uint8Array(frames.length);
  for (let stack = 0; stack < stacks.length; stack++) {
    const path = stacks.framesOf(stack as StackIndex);
    for (let i = 1; i < path.length; i++) isCaller[path[i]] = 1;
  }
  const bare: number[] = [];
  const withoutLine: number[] = [];
  // Recordings may list more frames than stacks hold: nobody asks for names of those.
  for (const row of stacks.frames.used) {
    const { pc, fn, file } = frames[row];
    if (pc === undefined || pc === 0n) continue;
    if (fn === undefined) bare.push(row);
    else if (file === undefined) withoutLine.push(row);
  }
  const places = (rows: readonly number[]) => rows.map((row) => (frames[row].pc as bigint) - BigInt(isCaller[row]));
  let named = 0;
  if (bare.length > 0) {
    for (const [i, found] of symbolizer.names([maps], places(bare)).entries()) {
      if (found === undefined || isOfAnother(frames[bare[i]], found)) continue;
      frames[bare[i]] = withNames(frames[bare[i]], found);
      named++;
    }
  }
  if (withoutLine.length > 0) {
    for (const [i, found] of symbolizer.known([maps], places(withoutLine)).entries()) {
      const frame = frames[withoutLine[i]];
      if (found !== undefined && withoutTypes(found.names[0].fn) === withoutTypes(frame.fn as string)) {
        frames[withoutLine[i]] = { ...withNames(frame, found), fn: frame.fn as string };
      }
    }
  }
  return named;
}

/** A function's name as every demangler has it: of types they spell literals, `std::string` and what a template returns in ways of their own. */
function withoutTypes(name: string): string {
  const short = shortName(name.replace(/ \[clone .*/, ''));
  return short.startsWith('operator') || !isCppName(short) ? short : short.slice(short.lastIndexOf(' ') + 1);
}

/** Module of a frame whose file nobody knows: it was gone before it was looked at. */
export const UNSEEN = '[unseen]';

/** Whether a frame is of another file than the one mapped at its address: a library may lie where one that is no longer loaded lay. */
function isOfAnother({ module }: Frame, found: AddressNames): boolean {
  const name = (path: string) => nameOf(path.replace(DELETED, ''));
  return module === UNSEEN || (module?.startsWith('/') === true && name(module) !== name(found.module));
}

/** Bare addresses of backtraces as reports look them up: that of a head as it is, of a caller the one before its return address. */
export function reportedAddresses(stacks: StackTable): Set<bigint> {
  const { frames } = stacks.frames;
  const addresses = new Set<bigint>();
  const add = (row: number, less: bigint) => {
    const { pc, fn } = frames[row];
    if (pc !== undefined && fn === undefined) addresses.add(pc - less);
  };
  const called = new Uint8Array(frames.length);
  for (let stack = 0; stack < stacks.length; stack++) {
    const path = stacks.framesOf(stack as StackIndex);
    if (path.length > 0) add(path[0], 0n);
    for (let i = 1; i < path.length; i++) called[path[i]] = 1;
  }
  called.forEach((is, row) => {
    if (is === 1) add(row, 1n);
  });
  return addresses;
}

function withNames(frame: Frame, { names, module }: AddressNames): Frame {
  const [outermost] = names;
  // of the frames of many dumps, most have no more than that
  if (names.length === 1 && outermost.file === undefined) return { ...frame, fn: outermost.fn, module: frame.module ?? module };
  const inner = names.slice(1);
  const place = ({ file, line }: InlinedFrame) => ({ ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) });
  const inlined = inner.reverse().map((name): InlinedFrame => ({ fn: name.fn, ...place(name) }));
  return {
    ...frame,
    fn: outermost.fn,
    ...place(outermost),
    module: frame.module ?? module,
    ...(inlined.length === 0 ? {} : { inlined }),
  };
}
