/**
 * Names for the addresses in a recording by bpftrace. It could print names itself, but looks them up by the thread that called, when it prints, and aborts where
 * that thread is about to be gone. So it prints addresses alone, and they are named here when the recording is over and the process still there: only that one
 * may see its files, as in a container.
 * Invariant: each address is looked up once. A return address is looked up one byte before it, in the call: what is returned to may be the next function.
 */
import { statSync } from 'node:fs';
import { symbolFact } from '../../formats/shared/recording_facts.ts';
import { firstAbove } from '../../profiles/symbols/search.ts';
import { type PlacedSymbol, Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { symbolHost } from '../symbol_host.ts';
import { bareAddresses } from './bare_addresses.ts';
import type { Observed } from './observed.ts';
import { textOf } from './proc.ts';

/** A line of a perf map: start and length, hexadecimal, and name. */
const PERF_MAP_LINE = /^([0-9a-f]{1,16}) ([0-9a-f]{1,16}) (.+)$/gm;

/** Lines that name the addresses of a recording. Of a process that is gone they are from the files that it had mapped, as far as these are there for us. */
export function symbolFacts(file: string, process: Observed): string {
  const { returns, leaves } = bareAddresses(file);
  const places = [...leaves].map((pc) => [pc, pc] as const);
  for (const pc of returns) if (!leaves.has(pc)) places.push([pc, pc - 1]);
  if (places.length === 0) return '';
  const symbolizer = new Symbolizer(symbolHost(undefined), { prefixes: [`/proc/${process.pid}/root`] });
  const asked = places.map(([, at]) => BigInt(at));
  const symbols = symbolizer.symbols(process.allMaps, asked);
  const generated = symbols.includes(undefined) ? generatedCode(process) : () => undefined;
  let lines = '';
  for (const [i, [pc, at]] of places.entries()) {
    const found = symbols[i] ?? generated(at);
    if (found !== undefined) lines += symbolFact(pc, { ...found, offset: found.offset + pc - at });
  }
  return lines;
}

/**
 * Code that the process generated as it ran and lists in a perf map, /tmp/perf-PID.map (`node --perf-basic-prof`; tools/perf/Documentation/jit-interface.txt of Linux).
 * Gives the piece that an address is in; of pieces with one start the one listed last.
 */
function generatedCode({ pid, ownPid }: Observed): (at: number) => PlacedSymbol | undefined {
  const module = `/tmp/perf-${ownPid}.map`;
  const path = `/proc/${pid}/root${module}`;
  // Anyone may put a pipe of that name there, and reading it would wait.
  const text = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? (textOf(path) ?? '') : '';
  const pieces = [...text.matchAll(PERF_MAP_LINE)].map(([, start, length, fn]) => {
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
