/**
 * The heap profile as text, heap_v2 (jemalloc 5.3.0, src/prof_data.c, prof_dump_impl, prof_leakcheck; src/prof_sys.c, prof_dump_maps).
 * Invariant: a dump changes nothing but lock counts and takes no memory.
 * Differs: sums are made in one pass over all contexts; contexts come in an order that is kept, not sorted anew.
 */
import type { ProfFile } from './host.ts';
import { Cnt, CntTable } from './prof_cnt.ts';
import type { ProfData } from './prof_data.ts';
import { exp } from './exp.ts';
import { round } from './unbias.ts';

/** What the leak report needs to know of a dump, from raw counts: no estimates. */
export interface DumpTotals {
  readonly curBytes: number;
  readonly curObjs: number;
  /** Contexts that hold live sampled objects. */
  readonly leakContexts: number;
}

/** Characters that one write of the library takes (PROF_DUMP_BUFSIZE less the closing zero). */
const WRITE_CHARACTERS = 65535;

/** The library's static buffer: it is written out only when more follows, so what stays in it is lost if the process ends here. */
export class DumpBuffer {
  readonly #file: ProfFile;
  #pending = '';

  constructor(file: ProfFile) {
    this.#file = file;
  }

  write(text: string): void {
    this.#pending += text;
    while (this.#pending.length > WRITE_CHARACTERS) {
      this.#file.write(this.#pending.slice(0, WRITE_CHARACTERS));
      this.#pending = this.#pending.slice(WRITE_CHARACTERS);
    }
  }

  terminate(): void {
    if (this.#pending !== '') this.#file.write(this.#pending);
    this.#pending = '';
  }
}

/**
 * Writes all but the maps of a dump by a thread whose record is `tdata` (prof_dump_impl).
 * @param unbias False for the raw counts (prof_unbias:false).
 */
export function writeDump(data: ProfData, thread: number, tdata: number, unbias: boolean, buffer: DumpBuffer): DumpTotals {
  const { tdatas, tctxs, gctxs, backtraces, map, accum, locks } = data;
  data.assertDumpable();
  data.enter(tdata);
  locks.prof_thds_data++;
  const perThread = new CntTable(tdatas.length);
  const all = new CntTable(1);
  for (let row = 0; row < tctxs.length; row++) {
    if (tctxs.gctx[row] >= 0 && tdatas.expired[tctxs.tdata[row]] === 0) perThread.addRow(tctxs.tdata[row], tctxs.cnts, row);
  }
  for (let row = tdatas.first; row >= 0; row = tdatas.next[row]) if (tdatas.expired[row] === 0) all.addRow(0, perThread, row);
  data.leave(thread, tdata);

  const counts = (table: CntTable, row: number): string => {
    if (unbias) {
      const current = map.dumpText(table.number(row, Cnt.curObjsShiftedUnbiased), table.number(row, Cnt.curBytesUnbiased));
      if (!accum) return `${current} [0: 0]`;
      return `${current} [${map.dumpText(table.number(row, Cnt.accumObjsShiftedUnbiased), table.number(row, Cnt.accumBytesUnbiased))}]`;
    }
    return `${table.text(row, Cnt.curObjs)}: ${table.text(row, Cnt.curBytes)} [${table.text(row, Cnt.accumObjs)}: ${table.text(row, Cnt.accumBytes)}]`;
  };

  let text = `heap_v2/${1n << BigInt(map.lgSample)}\n  t*: ${counts(all, 0)}\n`;
  locks.prof_thds_data++;
  for (let row = tdatas.first; row >= 0; row = tdatas.next[row]) {
    if (tdatas.expired[row] !== 0) continue;
    const name = tdatas.name[row];
    text += `  t${tdatas.thrUid[row]}: ${counts(perThread, row)}${name === null ? '' : ` ${name}`}\n`;
  }

  const contextOf = new Int32Array(backtraces.length).fill(-1);
  for (let gctx = 0; gctx < gctxs.length; gctx++) if (gctxs.bt[gctx] >= 0) contextOf[gctxs.bt[gctx]] = gctx;
  const order = backtraces.inDumpOrder();
  const sum = new CntTable(1);
  const shown = accum ? Cnt.accumObjs : Cnt.curObjs;
  let leakContexts = 0;
  for (let i = 0; i < order.length; i++) {
    const gctx = contextOf[order[i]];
    if (gctx < 0) continue;
    sum.clear(0);
    let rows = 0;
    for (let row = gctxs.first[gctx]; row >= 0; row = tctxs.next[row]) {
      if (tdatas.expired[tctxs.tdata[row]] !== 0) continue;
      sum.addRow(0, tctxs.cnts, row);
      rows++;
    }
    if (!sum.isZero(0, Cnt.curObjs)) leakContexts++;
    if (sum.isZero(0, shown)) continue;
    const sumText = counts(sum, 0);
    text += `@${backtraces.text(order[i])}\n  t*: ${sumText}\n`;
    for (let row = gctxs.first[gctx]; row >= 0; row = tctxs.next[row]) {
      if (tdatas.expired[tctxs.tdata[row]] !== 0) continue;
      text += `  t${tctxs.thrUid[row]}: ${rows === 1 ? sumText : counts(tctxs.cnts, row)}\n`;
    }
    if (text.length > WRITE_CHARACTERS) {
      buffer.write(text);
      text = '';
    }
  }
  buffer.write(text);
  return { curBytes: all.number(0, Cnt.curBytes), curObjs: all.number(0, Cnt.curObjs), leakContexts };
}

/** The two lines about leaked memory, or nothing if no sampled byte is live (prof_leakcheck). */
export function leakText(totals: DumpTotals, rate: number): string {
  const { curBytes, curObjs, leakContexts } = totals;
  if (curBytes === 0) return '';
  const factor = 1 / (1 - exp(-(curBytes / curObjs / rate)));
  const bytes = uint64(round(curBytes * factor));
  const objects = uint64(round(curObjs * factor));
  const plural = (count: bigint) => (count === 1n ? '' : 's');
  return (
    `<jemalloc>: Leak approximation summary: ~${bytes} byte${plural(bytes)}, ~${objects} object${plural(objects)}, ` +
    `>= ${leakContexts} context${plural(BigInt(leakContexts))}\n<jemalloc>: Run jeprof on dump output for leak detail\n`
  );
}

/** A double as x86-64 converts it to uint64_t: 0 where it does not fit. */
function uint64(value: number): bigint {
  return value < 2 ** 64 ? BigInt(value) : 0n;
}
