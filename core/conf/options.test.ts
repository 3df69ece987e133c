import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileDriver, runStatsdump } from '../../fixtures/stats/golden.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { environmentSources, parseMallocConf } from './malloc_conf.ts';
import { optionsWithoutEffect } from './options.ts';

const without = (conf: string) =>
  optionsWithoutEffect(parseMallocConf(environmentSources(conf), () => {}).options).map(({ option }) => option);

/** One value other than the default for each option that is said to change nothing. */
const CHANGED = [
  'abort:true',
  'trust_madvise:true',
  'mutex_max_spin:3',
  'junk:true',
  'zero:true',
  'experimental_infallible_new:true',
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
  'prof_time_resolution:high',
  'thp:always',
];

test('options without effect are named when they are set, in their order', () => {
  expect(without('')).toEqual([]);
  expect(without('narenas:3,dirty_decay_ms:0,junk:true,zero:false')).toEqual(['junk']);
  expect(without(CHANGED.join(','))).toEqual(CHANGED.map((pair) => pair.slice(0, pair.indexOf(':'))));
});

test('with the huge page allocator its options have an effect, and so has clearing', () => {
  expect(without(`hpa:true,${CHANGED.join(',')}`)).toEqual(
    ['abort', 'trust_madvise', 'mutex_max_spin', 'junk', 'experimental_infallible_new'].concat([
      'hpa_min_purge_interval_ms',
      'prof_time_resolution',
      'thp',
    ]),
  );
});

test('background threads of page slabs keep the interval between purges', () => {
  const pair = 'hpa_min_purge_interval_ms:1';
  expect([without(pair), without(`background_thread:true,${pair}`)]).toEqual([
    ['hpa_min_purge_interval_ms'],
    ['hpa_min_purge_interval_ms'],
  ]);
  expect(without(`hpa:true,background_thread:true,${pair}`)).toEqual([]);
});

test.skipIf(!needsTool('libjemalloc', 'gcc'))('the real library counts the same with and without them', () => {
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
