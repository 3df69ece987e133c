/**
 * A heap dump as a file: the dump's own text (jemalloc 5.3.0, prof_dump_impl in src/prof_data.c) between the names
 * that jeprof needs before it and the mappings that jemalloc writes after it.
 * Invariant: the dump's text goes through unchanged.
 * Differs: jemalloc writes no symbol section; it is there only if a frame of the dump has a name or a made-up address.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { FrameIndex } from '../../core/units.ts';
import { frameFunctions, symbolLine, symbolName } from './symbols.ts';

/** What a heap file is made from. */
export interface HeapFileSource {
  /** From `heap_v2/…` to the last thread row, without the blank line that MAPPED_LIBRARIES follows. */
  readonly heapText: string;
  readonly trace: Trace;
}

/** The whole file as text. */
export function writeHeapFile(source: HeapFileSource): string {
  let text = '';
  for (const part of heapFileParts(source)) text += part;
  return text;
}

/** The file in parts, in order: the largest one is `heapText` itself, which is not copied. */
export function* heapFileParts({ heapText, trace }: HeapFileSource): Generator<string> {
  const symbols = symbolEntries(heapText, trace);
  if (symbols !== '') {
    const binary = symbolName(trace.header.command ?? '');
    yield `--- symbol\n${binary === '' ? '' : `binary=${binary}\n`}${symbols}---\n--- heap\n`;
  }
  yield heapText;
  const { maps } = trace.header;
  if (maps !== undefined && maps !== '') {
    yield `${heapText.endsWith('\n') ? '' : '\n'}\nMAPPED_LIBRARIES:\n`;
    yield maps.endsWith('\n') ? maps : `${maps}\n`;
  }
}

/** Entries for every address of the dump that has a name; empty if every address is a recorded one without. */
function symbolEntries(heapText: string, trace: Trace): string {
  const { leaves, callers } = addressesOf(heapText);
  const { frames } = trace.stacks;
  const entries: string[] = [];
  let needed = false;
  for (let i = 0; i < frames.length; i++) {
    const address = frames.addressOf(i as FrameIndex);
    const hex = address.toString(16);
    const leaf = leaves.delete(hex);
    // An address that two frames have goes to the first.
    const caller = callers.delete(hex);
    if (!leaf && !caller) continue;
    const frame: Frame = frames.frames[i];
    needed ||= frame.fn !== undefined || frame.pc === undefined;
    const functions = frameFunctions(frame);
    if (leaf) entries.push(symbolLine(hex, functions));
    // jeprof looks up the byte before a return address: the call.
    if (caller && address > 0n) entries.push(symbolLine((address - 1n).toString(16), functions));
  }
  return needed ? entries.join('') : '';
}

/** The distinct addresses of a dump's contexts in hex without `0x`: those at the head of a backtrace and those further on. */
function addressesOf(heapText: string): { leaves: Set<string>; callers: Set<string> } {
  const leaves = new Set<string>();
  const callers = new Set<string>();
  for (let at = heapText.indexOf('\n@ '); at >= 0; at = heapText.indexOf('\n@ ', at + 3)) {
    let end = heapText.indexOf('\n', at + 3);
    if (end < 0) end = heapText.length;
    let start = at + 3;
    let into = leaves;
    while (start < end) {
      let stop = heapText.indexOf(' ', start);
      if (stop < 0 || stop > end) stop = end;
      // Past `0x`.
      into.add(heapText.slice(start + 2, stop));
      into = callers;
      start = stop + 1;
    }
  }
  return { leaves, callers };
}
