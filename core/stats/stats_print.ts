/**
 * malloc_stats_print's two forms (jemalloc 5.3.0, src/stats.c stats_print and stats_print_helper): which parts there are, and in which order. The parts have a
 * file each in print/.
 * Invariant: byte for byte jemalloc's output, its mistakes included: options that are printed twice, a count that appears under another's
 * name, and mutex objects in JSON whose keys stand one column off (print/mutexes.ts).
 * Differs: it reads a snapshot, so it has no effect of its own; what the same print would have cost jemalloc is given back.
 */
import { GlobalMutex } from '../mutex.ts';
import { ARENAS_ALL, ARENAS_DESTROYED, type CtlStats, MUTEX_COUNTERS } from './ctl_stats.ts';
import { decimal, Emitter, type StatsWrite } from './emitter.ts';
import { printArena } from './print/arena.ts';
import { printGeneral } from './print/general.ts';
import { printMutexes } from './print/mutexes.ts';
import { CtlCost, type LiveSettings, type Parts, type Print, type PrintCost } from './print/print.ts';

/**
 * Prints `stats` as malloc_stats_print does.
 * @param letters which parts are left out, and J for JSON; unknown letters do nothing.
 * @param write takes the document in chunks of 65535 bytes and a last one.
 * @returns the lock operations that the print would have made.
 */
export function statsPrint(stats: CtlStats, live: LiveSettings, letters: string, write: StatsWrite): PrintCost {
  const parts: Parts = {
    json: letters.includes('J'),
    general: !letters.includes('g'),
    merged: !letters.includes('m'),
    destroyed: !letters.includes('d'),
    unmerged: !letters.includes('a'),
    bins: !letters.includes('b'),
    large: !letters.includes('l'),
    mutex: !letters.includes('x'),
    extents: !letters.includes('e'),
    hpa: !letters.includes('h'),
  };
  const emitter = new Emitter(parts.json, write);
  const print: Print = { emitter, parts, live, cost: { ctl: 0, background_thread: 0 } };
  emitter.table('___ Begin jemalloc statistics ___\n');
  emitter.jsonObjectBegin('jemalloc');
  if (parts.general) printGeneral(print, stats.arenas.length);
  printGlobal(print, stats);
  if (parts.merged || parts.destroyed || parts.unmerged) printArenas(print, stats);
  emitter.jsonObjectEnd();
  emitter.table('--- End jemalloc statistics ---\n');
  emitter.end();
  return print.cost;
}

const GLOBAL_MUTEX_NAMES: readonly string[] = Object.keys(GlobalMutex);
/** Sums over the process that are read: bytes, zero_reallocs, and what background threads did. */
const READ_OF_PROCESS = 7 + 1 + 3;

/** Sums over the process and its mutexes (the first half of stats_print_helper). */
function printGlobal(print: Print, stats: CtlStats): void {
  const { emitter, live, cost } = print;
  const { global } = stats;
  const { background_thread: threads } = global;
  emitter.jsonObjectBegin('stats');
  emitter.jsonKv('allocated', global.allocated);
  emitter.jsonKv('active', global.active);
  emitter.jsonKv('metadata', global.metadata);
  emitter.jsonKv('metadata_thp', global.metadata_thp);
  emitter.jsonKv('resident', global.resident);
  emitter.jsonKv('mapped', global.mapped);
  emitter.jsonKv('retained', global.retained);
  emitter.jsonKv('zero_reallocs', live.zero_reallocs);
  emitter.table(
    `Allocated: ${decimal(global.allocated)}, active: ${decimal(global.active)}, ` +
      `metadata: ${decimal(global.metadata)} (n_thp ${decimal(global.metadata_thp)}), resident: ${decimal(global.resident)}, ` +
      `mapped: ${decimal(global.mapped)}, retained: ${decimal(global.retained)}\n`,
  );
  emitter.table(`Count of realloc(non-null-ptr, 0) calls: ${decimal(live.zero_reallocs)}\n`);
  emitter.jsonObjectBegin('background_thread');
  emitter.jsonKv('num_threads', threads.num_threads);
  emitter.jsonKv('num_runs', threads.num_runs);
  emitter.jsonKv('run_interval', threads.run_interval);
  emitter.jsonObjectEnd();
  emitter.table(
    `Background threads: ${decimal(threads.num_threads)}, num_runs: ${decimal(threads.num_runs)}, ` +
      `run_interval: ${decimal(threads.run_interval)} ns\n`,
  );
  cost.ctl += READ_OF_PROCESS * CtlCost.CTL_GET;
  if (print.parts.mutex) {
    // rates go by the uptime of arena 0
    printMutexes(emitter, GLOBAL_MUTEX_NAMES, global.mutexes, stats.arenas[0]?.uptime ?? 0);
    cost.ctl += CtlCost.CTL_M2_GET + GLOBAL_MUTEX_NAMES.length * MUTEX_COUNTERS.length * CtlCost.CTL_GET;
  }
  emitter.jsonObjectEnd();
}

/** Merged, destroyed and single arenas (the second half of stats_print_helper). */
function printArenas(print: Print, stats: CtlStats): void {
  const { emitter, parts } = print;
  emitter.jsonObjectBegin('stats.arenas');
  // arenas.narenas, the look-up of arena.<i>.initialized, and that name of each arena and of the destroyed ones: index and leaf
  print.cost.ctl += CtlCost.CTL_GET + 1 + 2 * (stats.arenas.length + 1);
  const initialized = stats.arenas.filter((arena) => arena?.initialized).length;
  if (parts.merged && (initialized > 1 || !parts.unmerged)) {
    emitter.table('Merged arenas stats:\n');
    printArena(print, 'merged', stats.merged, ARENAS_ALL);
  }
  if (parts.destroyed && stats.destroyed.initialized) {
    emitter.table('Destroyed arenas stats:\n');
    printArena(print, 'destroyed', stats.destroyed, ARENAS_DESTROYED);
  }
  if (parts.unmerged) {
    for (const [index, arena] of stats.arenas.entries()) {
      if (!arena?.initialized) continue;
      emitter.table(`arenas[${index}]:\n`);
      printArena(print, String(index), arena, index);
    }
  }
  emitter.jsonObjectEnd();
}
