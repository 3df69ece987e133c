import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { auditHeap } from '../audit.ts';
import { UnsupportedOption } from '../conf/boot.ts';
import { Flag } from '../extent/edata.ts';
import { REGIONS } from '../extent/region.ts';
import { HangError } from '../hang_error.ts';
import { HUGEPAGE } from '../sizes/sc.ts';
import { PageSlabFlag } from './hpdata.ts';

const isHpa = (p: Program, region: number) => (p.heap.edata.flags[Math.floor(region / REGIONS)] & Flag.hpa) !== 0;
const shard = (p: Program) => p.arena().hpaShard!;

describe('page slabs', () => {
  test('serve slabs and large objects up to hpa_slab_max_alloc, but nothing cleared, aligned or larger', () => {
    const p = new Program('hpa:true,narenas:1,tcache:false');
    expect(isHpa(p, p.malloc(100))).toBe(true);
    expect(isHpa(p, p.malloc(57344))).toBe(true);
    // 64 KiB and the page for the offset
    expect(isHpa(p, p.malloc(65536))).toBe(false);
    expect(isHpa(p, p.calloc(1, 20000))).toBe(false);
    expect(isHpa(p, p.memalign(8192, 20000))).toBe(false);
    auditHeap(p.heap);
    const clearing = new Program('hpa:true,narenas:1,zero:true');
    expect(isHpa(clearing, clearing.malloc(20000))).toBe(false);
    expect(isHpa(clearing, clearing.malloc(200))).toBe(true);
  });

  test('are never grown into or shrunk in place', () => {
    const p = new Program('hpa:true,narenas:1,tcache:false');
    const a = p.malloc(40000);
    const b = p.realloc(a, 20000);
    expect(b).not.toBe(a);
    expect(p.realloc(b, 19000)).toBe(b);
  });

  test('are mapped 128 at once, at a multiple of a huge page', () => {
    const p = new Program('hpa:true,narenas:1,tcache:false,hpa_dirty_mult:-1');
    // 6 pages each, 85 to a slab
    for (let i = 0; i < 128 * 85; i++) p.malloc(20000);
    const central = p.heap.hpaCentral!;
    expect(shard(p).slabs.length).toBe(128);
    expect([central.edenBytes, central.hpdata.base[1] % HUGEPAGE]).toEqual([0, 0]);
    for (let i = 0; i < 85; i++) p.malloc(20000);
    expect(central.edenBytes).toBe(127 * HUGEPAGE);
    auditHeap(p.heap);
  });
});

describe('a slab that is full enough', () => {
  const conf = 'hpa:true,narenas:1,tcache:false,hpa_sec_nshards:0,hpa_hugify_delay_ms:10,hpa_hugification_threshold_ratio:0.5';

  test('becomes huge once nothing was taken from it for long enough, and is then touched as a whole', () => {
    const p = new Program(`${conf},hpa_dirty_mult:-1`);
    for (let i = 0; i < 85; i++) p.at(i < 84 ? 0 : 5).malloc(20000);
    const { hpdata } = p.heap.hpaCentral!;
    // from another slab
    p.at(14).malloc(20000);
    expect([shard(p).nhugifies, hpdata.ntouched[1]]).toEqual([0, 510]);
    p.at(15).malloc(20000);
    expect([shard(p).nhugifies, hpdata.ntouched[1]]).toEqual([1, 512]);
    auditHeap(p.heap);
  });

  test('makes jemalloc go round for ever where that may not be, and nothing is dirty', () => {
    const p = new Program(`${conf},hpa_dirty_mult:0`);
    expect(() => {
      for (let i = 0; i < 43; i++) p.malloc(20000);
    }).toThrow(HangError);
  });
});

describe('the small extent cache', () => {
  test('keeps what is freed up to a limit, by class and latest first', () => {
    const p = new Program('hpa:true,narenas:1,tcache:false,hpa_sec_nshards:1,hpa_sec_max_bytes:65536,hpa_sec_bytes_after_flush:4096');
    const objects = [0, 1, 2].map(() => p.malloc(16384));
    const offset = p.offset(objects[1]);
    p.free(objects[0]);
    p.free(objects[1]);
    expect(p.arena().hpaSec!.bytes[0]).toBe(40960);
    const again = p.malloc(16384);
    expect(Math.floor(p.offset(again) / 4096)).toBe(Math.floor(offset / 4096));
    for (const object of [again, objects[2]]) p.free(object);
    expect(p.arena().hpaSec!.bytes[0]).toBe(61440);
    const large = p.malloc(16384 * 2);
    p.free(large);
    expect(p.arena().hpaSec!.bytes[0]).toBe(61440);
    auditHeap(p.heap);
  });

  test('gives a smaller extent for a larger one where their class is one, which is refused', () => {
    const p = new Program('hpa:true,narenas:1,tcache:false,hpa_sec_nshards:1,hpa_sec_max_alloc:65536,slab_sizes:1024-1024:10');
    p.free(p.malloc(32768));
    expect(() => p.malloc(1024)).toThrow(UnsupportedOption);
  });
});

describe('what does not hold is named', () => {
  /** Damages the tables of a program with a page slab that has dirty pages and with extents in the small extent cache. */
  type Damage = (p: Program, slab: number) => void;

  function auditDamaged(damage: Damage): void {
    const p = new Program(
      'hpa:true,narenas:1,tcache:false,hpa_sec_nshards:1,hpa_sec_max_bytes:65536,hpa_hugification_threshold_ratio:0.05,hpa_dirty_mult:-1',
    );
    const objects = Array.from({ length: 12 }, () => p.malloc(20000));
    p.free(...objects.slice(0, 7));
    auditHeap(p.heap);
    damage(p, shard(p).slabs[0]);
    auditHeap(p.heap);
  }

  const table = (p: Program) => p.heap.hpaCentral!.hpdata;
  const firstCached = (p: Program) => p.arena().hpaSec!.lists.first.find((extent) => extent !== 0)!;

  test.each<[string, Damage]>([
    ['page slab: longestFree', (p, slab) => table(p).longestFree[slab]++],
    ['page slab: ntouched', (p, slab) => table(p).ntouched[slab]++],
    ['page slabs: sums', (p) => shard(p).psset.ndirty++],
    ['page slabs: purgeable', (p, slab) => (table(p).flags[slab] &= ~PageSlabFlag.purgeAllowed)],
    ['page slabs: the lists of those to purge', (p) => shard(p).psset.toPurge.first.fill(0) && shard(p).psset.toPurge.last.fill(0)],
    ['page slabs: the list of those to make huge', (p) => shard(p).psset.toHugify.clear(0)],
    ['page slabs: one in the list of empty', (p, slab) => shard(p).psset.empty.append(table(p).empty, 0, slab)],
    ["small extent cache: a bin's bytes", (p) => p.arena().hpaSec!.binBytes.fill(4096)],
    ['small extent cache: an extent is in the bin of another class', (p) => p.heap.edata.pages[firstCached(p)]++],
  ])('%s', (what, damage) => expect(() => auditDamaged(damage)).toThrow(what));
});
