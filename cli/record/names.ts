/**
 * Names for the addresses in a recording by bpftrace. It could print names itself, but looks them up by the thread that called, when it prints, and aborts where
 * that thread is about to be gone. So it prints addresses alone, and they are named here when the recording is over and the process still there: only that one
 * may see its files, as in a container.
 * Invariant: each address is looked up once in each file whose code it was of (placed_code.ts). A return address is looked up one byte before it, in the call: what is returned to may be the next function.
 */
import { statSync } from 'node:fs';
import { symbolFact, symbolSinceFact } from '../../formats/shared/recording_facts.ts';
import { firstAbove } from '../../core/trace/search.ts';
import { UNSEEN } from '../../profiles/symbols/name_frames.ts';
import { type PlacedSymbol, Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { symbolHost } from '../symbol_host.ts';
import { bareAddresses } from './bare_addresses.ts';
import type { Observed } from './observed.ts';
import { type Code, codeOf, type Owner, PlacedCode } from './placed_code.ts';
import { textOf } from './proc.ts';

/** A line of a perf map: start and length, hexadecimal, and name. */
const PERF_MAP_LINE = /^([0-9a-f]{1,16}) ([0-9a-f]{1,16}) (.+)$/gm;

/** Lines that name the addresses of a recording. Of a process that is gone they are from the files that it had mapped, as far as these are there for us. */
export function symbolFacts(file: string, process: Observed): string {
  const { returns, leaves, placements } = bareAddresses(file);
  const places = [...leaves].map((pc) => [pc, pc] as const);
  for (const pc of returns) if (!leaves.has(pc)) places.push([pc, pc - 1]);
  if (places.length === 0) return '';
  const code = codeOf(process);
  const placed = new PlacedCode(code, placements);
  const owned = places.map(([pc, at]) => ({ pc, at, owners: placed.ownersOf(at) }));
  const nameAt = namesIn(code, owned);
  let generated: ReturnType<typeof generatedCode> | undefined;
  let lines = '';
  for (const { pc, at, owners } of owned) {
    const shifted = (found: PlacedSymbol) => ({ ...found, offset: found.offset + pc - at });
    const first = nameAt(at, owners[0]?.code) ?? (generated ??= generatedCode(process))(at);
    if (first !== undefined) lines += symbolFact(pc, shifted(first));
    if (owners.length < 2) continue;
    for (const { since, code: owner } of first === undefined ? owners : owners.slice(1)) {
      const found = nameAt(at, owner);
      lines += symbolSinceFact(since, pc, found === undefined ? (owner?.path ?? UNSEEN) : shifted(found));
    }
  }
  return lines;
}

/** Looks up what addresses are called in the code that they were of. */
function namesIn(
  all: readonly Code[],
  owned: readonly { readonly at: number; readonly owners: readonly Owner[] }[],
): (at: number, code: Code | undefined) => PlacedSymbol | undefined {
  const addresses = new Map<Code, Set<number>>();
  for (const { at, owners } of owned)
    for (const { code } of owners) {
      if (code === undefined) continue;
      const known = addresses.get(code);
      if (known === undefined) addresses.set(code, new Set([at]));
      else known.add(at);
    }
  const symbolizer = new Symbolizer(symbolHost(undefined));
  const names = new Map<Code, Map<number, PlacedSymbol>>();
  for (const [code, set] of addresses) {
    const list = [...set];
    // Some pages of a file's code may have other permissions: it then stands in several lines.
    const maps = all.filter(({ path, seen }) => path === code.path && seen.at(-1)?.look === code.seen.at(-1)?.look);
    const symbols = symbolizer.symbols([maps.map(({ line }) => line).join('\n')], list.map(BigInt));
    const found = list.flatMap((at, i) => {
      const symbol = symbols[i];
      return symbol === undefined ? [] : [[at, { ...symbol, module: code.path }] as const];
    });
    names.set(code, new Map(found));
  }
  return (at, code) => (code === undefined ? undefined : names.get(code)?.get(at));
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
