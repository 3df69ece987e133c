import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { compileDriver, runStatsdump } from '../../fixtures/stats/golden.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { collectPrint, Ctl } from '../stats/ctl.ts';
import { bytesToByteString } from './byte_string.ts';

/** Options that change nothing that a replay can show, each with another value than the default. */
const CHANGED = [
  // what ends the process, and with it the replay
  'abort:true',
  // what is asked of the kernel, and a test of that at the start
  'trust_madvise:true',
  'thp:always',
  // threads take turns: no lock is waited for
  'mutex_max_spin:3',
  // memory has no contents
  'junk:true',
  'zero:true',
  // when C++ new runs out of memory is told by the trace, and so are all times
  'experimental_infallible_new:true',
  'prof_time_resolution:high',
  // without hpa:true
  'hpa_slab_max_alloc:8192',
  'hpa_hugification_threshold:4096',
  'hpa_hugify_delay_ms:1',
  'hpa_min_purge_interval_ms:1',
  'hpa_dirty_mult:-1',
  'hpa_sec_nshards:1',
  'hpa_sec_max_alloc:4096',
  'hpa_sec_max_bytes:4096',
  'hpa_sec_bytes_after_flush:4096',
  'hpa_sec_batch_fill_extra:9',
];

test('the model counts the same with options that have no effect and without them', () => {
  const document = (pair: string) => {
    const p = new Program(`${pair},narenas:2`);
    const kept = [100, 5000, 20_000, 300_000, 3_000_000].flatMap((size) => Array.from({ length: 40 }, () => p.malloc(size)));
    p.at(1000).free(...kept.filter((_, i) => i % 3 > 0));
    p.at(12_000).calloc(7, 1000);
    const ctl = new Ctl(p.heap);
    return bytesToByteString(collectPrint((write) => ctl.statsPrint(p.tsd, 'Jg', write)));
  };
  const plain = document('narenas:2');
  for (const pair of CHANGED) expect([pair, document(pair) === plain]).toEqual([pair, true]);
  expect(document('dirty_decay_ms:0') === plain).toBe(false);
});

test.skipIf(!needsTool('libjemalloc', 'gcc'))('the real library does so, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jereplay-options-'));
  try {
    const program = join(folder, 'statsdump');
    compileDriver('statsdump.c', program);
    const document = (pair: string) => {
      const conf = `${pair},narenas:2,prof:true,lg_prof_sample:10`;
      return runStatsdump(program, join(folder, 'values'), { conf, letters: 'Jg', uptimeNs: 2e9, workload: 3 }).document.toString();
    };
    const plain = document('narenas:2');
    for (const pair of CHANGED) expect([pair, document(pair) === plain]).toEqual([pair, true]);
    expect(document('dirty_decay_ms:0') === plain).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
