/**
 * A heap dump as a file: the dump's own text (jemalloc 5.3.0, prof_dump_impl in src/prof_data.c) between the names
 * that jeprof needs before it and the mappings that jemalloc writes after it.
 * Invariant: the dump's text goes through unchanged.
 * Differs: jemalloc writes no symbol section; it is there only if a frame of the dump has a name or a made-up address.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { AddressIndex, hexDigit } from './address_index.ts';
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
  const { rows, places } = addressesOf(heapText);
  const { frames } = trace.stacks;
  const entries: string[] = [];
  let needed = false;
  for (const i of frames.used) {
    const address = frames.addressOf(i);
    const row = rows.find(address);
    // Not in the dump, or an address that two frames have: it goes to the first.
    if (row < 0 || places[row] === 0) continue;
    const frame: Frame = frames.frames[i];
    needed ||= frame.fn !== undefined || frame.pc === undefined;
    const functions = frameFunctions(frame);
    if ((places[row] & LEAF) !== 0) entries.push(symbolLine(address.toString(16), functions));
    // jeprof looks up the byte before a return address: the call.
    if ((places[row] & CALLER) !== 0 && address > 0n) entries.push(symbolLine((address - 1n).toString(16), functions));
    places[row] = 0;
  }
  return needed ? entries.join('') : '';
}

/** Where in backtraces an address stands: at the head of one, further on in one, or both. */
const LEAF = 1;
const CALLER = 2;

const SPACE = 32;
const LF = 10;

/** The distinct addresses of a dump's contexts, and by row the places that they stand in. */
function addressesOf(heapText: string): { rows: AddressIndex; places: Uint8Array } {
  const rows = new AddressIndex();
  let places = new Uint8Array(4096);
  for (let at = heapText.indexOf('\n@ '); at >= 0; at = heapText.indexOf('\n@ ', at)) {
    at += 2;
    for (let place = LEAF; heapText.charCodeAt(at) === SPACE; place = CALLER) {
      // Past the blank and `0x`.
      at += 3;
      let high = 0;
      let low = 0;
      for (let code = heapText.charCodeAt(at); code > SPACE; code = heapText.charCodeAt(++at)) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | hexDigit(code);
      }
      const row = rows.add(high >>> 0, low >>> 0);
      if (row >= places.length) {
        const grown = new Uint8Array(places.length * 2);
        grown.set(places);
        places = grown;
      }
      places[row] |= place;
    }
    if (heapText.charCodeAt(at) !== LF) break;
  }
  return { rows, places };
}
