/**
 * The heap profile as text, heap_v2 (jemalloc 5.3.0, src/prof_data.c, prof_dump_impl, prof_leakcheck; src/prof_sys.c, prof_dump_maps).
 * Invariant: a dump changes nothing but lock counts and takes no memory.
 * Differs: sums are made in one pass over all contexts; contexts come in an order that is kept, not sorted anew.
 */
import type { ProfFile } from './host.ts';
import { Cnt, CntTable } from './prof_cnt.ts';
import type { ProfData } from './prof_data.ts';
import { exp } from './exp.ts';
import type { RowColumn } from '../columns.ts';
import { type GctxRow, NO_GCTX, type TdataRow } from './rows.ts';
import { round } from './unbias.ts';

/** What the leak report needs to know of a dump, from raw counts: no estimates. */
export interface DumpTotals {
  readonly curBytes: number;
  readonly curObjs: number;
  /** Contexts that hold live sampled objects. */
  readonly leakContexts: number;
}

/** Characters that one write of the library takes (PROF_DUMP_BUFSIZE of prof_types.h less the closing zero). */
const WRITE_CHARACTERS = 65535;

/** The library's static buffer: it is written out only when more follows, so what stays in it is lost if the process ends here. */
export class DumpBuffer {
  readonly #file: ProfFile;
  #pending = '';

  constructor(file: ProfFile) {
    this.#file = file;
  }

  /** Adds text (buf_writer_cb). */
  write(text: string): void {
    this.#pending += text;
    while (this.#pending.length > WRITE_CHARACTERS) {
      this.#file.write(this.#pending.slice(0, WRITE_CHARACTERS));
      this.#pending = this.#pending.slice(WRITE_CHARACTERS);
    }
  }

  /** Writes out what is left (buf_writer_terminate). */
  terminate(): void {
    if (this.#pending !== '') this.#file.write(this.#pending);
    this.#pending = '';
  }
}

/** Sums of the counters of records that have not expired. */
interface ThreadSums {
  /** Row of the record -> its contexts together. */
  readonly perThread: CntTable;
  /** One row: all of them. */
  readonly all: CntTable;
}

/** Prints a row of counters as "objects: bytes [objects: bytes]", those that are live and those that ever were. */
type PrintCounts = (table: CntTable, row: number) => string;

/**
 * Writes all but the maps of a dump by a thread whose record is `tdata` (prof_dump_impl).
 * @param unbias False for the raw counts (prof_unbias:false).
 * @throws ProfDeadlockError if the thread holds a lock that the dump wants.
 */
export function writeDump(data: ProfData, thread: number, tdata: TdataRow, unbias: boolean, buffer: DumpBuffer): DumpTotals {
  data.assertDumpable();
  const sums = mergeThreads(data, thread, tdata);
  const print = printCounts(data, unbias);
  writeHeader(data, sums, print, buffer);
  const leakContexts = writeContexts(data, print, buffer);
  const { all } = sums;
  return { curBytes: all.number(0, Cnt.curBytes), curObjs: all.number(0, Cnt.curObjs), leakContexts };
}

/** prof_dump_prep: sums up the contexts of each record while the tables of contexts and of records are locked. */
function mergeThreads(data: ProfData, thread: number, tdata: TdataRow): ThreadSums {
  const { tdatas, tctxs, locks } = data;
  data.enter(tdata);
  locks.prof_thds_data++;
  const perThread = new CntTable(tdatas.length);
  const all = new CntTable(1);
  for (let row = 0; row < tctxs.length; row++) {
    if (tctxs.gctx[row] >= 0 && tdatas.expired[tctxs.tdata[row]] === 0) perThread.addRow(tctxs.tdata[row], tctxs.cnts, row);
  }
  for (let row = tdatas.first; row >= 0; row = tdatas.next[row]) if (tdatas.expired[row] === 0) all.addRow(0, perThread, row);
  data.leave(thread, tdata);
  return { perThread, all };
}

/** prof_dump_print_cnts */
function printCounts({ map, accum }: ProfData, unbias: boolean): PrintCounts {
  if (!unbias) {
    return (table, row) =>
      `${table.text(row, Cnt.curObjs)}: ${table.text(row, Cnt.curBytes)} [${table.text(row, Cnt.accumObjs)}: ${table.text(row, Cnt.accumBytes)}]`;
  }
  return (table, row) => {
    const current = map.dumpText(table.number(row, Cnt.curObjsShiftedUnbiased), table.number(row, Cnt.curBytesUnbiased));
    if (!accum) return `${current} [0: 0]`;
    return `${current} [${map.dumpText(table.number(row, Cnt.accumObjsShiftedUnbiased), table.number(row, Cnt.accumBytesUnbiased))}]`;
  };
}

/** prof_dump_header: the rate, what all threads come to, and a line for each. */
function writeHeader({ tdatas, map, locks }: ProfData, { perThread, all }: ThreadSums, print: PrintCounts, buffer: DumpBuffer): void {
  buffer.write(`heap_v2/${1n << BigInt(map.lgSample)}\n  t*: ${print(all, 0)}\n`);
  locks.prof_thds_data++;
  for (let row = tdatas.first; row >= 0; row = tdatas.next[row]) {
    if (tdatas.expired[row] !== 0) continue;
    const name = tdatas.name[row];
    buffer.write(`  t${tdatas.thrUid[row]}: ${print(perThread, row)}${name === null ? '' : ` ${name}`}\n`);
  }
}

/** prof_dump_gctx, for every context in its order: its backtrace, what it comes to, and a line for each of its threads. Gives how many have live objects. */
function writeContexts({ tdatas, tctxs, gctxs, backtraces, accum }: ProfData, print: PrintCounts, buffer: DumpBuffer): number {
  const contextOf = new Int32Array(backtraces.length).fill(NO_GCTX) as RowColumn<GctxRow>;
  for (let gctx = 0 as GctxRow; gctx < gctxs.length; gctx++) if (gctxs.bt[gctx] >= 0) contextOf[gctxs.bt[gctx]] = gctx;
  const sum = new CntTable(1);
  const shown = accum ? Cnt.accumObjs : Cnt.curObjs;
  let leakContexts = 0;
  const order = backtraces.inDumpOrder();
  for (let at = 0; at < order.length; at++) {
    const bt = order[at];
    const gctx = contextOf[bt];
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
    const sumText = print(sum, 0);
    let text = `@${backtraces.text(bt)}\n  t*: ${sumText}\n`;
    for (let row = gctxs.first[gctx]; row >= 0; row = tctxs.next[row]) {
      if (tdatas.expired[tctxs.tdata[row]] !== 0) continue;
      text += `  t${tctxs.thrUid[row]}: ${rows === 1 ? sumText : print(tctxs.cnts, row)}\n`;
    }
    buffer.write(text);
  }
  return leakContexts;
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
