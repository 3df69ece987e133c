import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { ARENA_MUTEXES, MutexTable } from '../mutex.ts';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import { pagesToPind, pindToPages, sizeToIndex } from '../sizes/sc.ts';
import { Base, checkBase, OutOfMemory } from './base.ts';
import { AddressSpace, DEFAULT_ADDRESS_SPACE, pagesMap } from './pages.ts';
import type { Bytes } from '../units.ts';

const MIB = 1 << 20;
const B0 = DEFAULT_ADDRESS_SPACE.top - 2 * MIB;

function newBase(limit = Infinity): Base {
  const mutexes = new MutexTable(detachedMemory());
  const space = new AddressSpace({ ...DEFAULT_ADDRESS_SPACE, limit });
  return new Base({ space, mutexes, metadataThp: 'disabled', thpOnMadvise: true }, mutexes.add(ARENA_MUTEXES), false);
}

describe('the boot', () => {
  test('lays out arena 0 byte for byte', () => {
    const p = new Program('narenas:1');
    const { base0, space } = p.heap;
    expect(base0.addresses).toEqual([B0, B0 - 6 * MIB]);
    expect(base0.sizes).toEqual([2 * MIB, 4 * MIB]);
    expect(p.arena().address).toBe(B0 + 0x10c0);
    expect(p.arena().decayDirty.address).toBe(0x7ffff7a11f88);
    expect(p.arena().decayDirty.deadline).toBe(93125857);
    // the 832 bytes of the background threads end at 0x16940; the next edata is aligned to 128
    expect(base0.used).toEqual([0x16940, 0x2000c0]);
    expect(space.mmap(4096)).toBe(B0 - 6 * MIB - 4096);
  });

  test('takes its locks in the counted number', () => {
    const ops = (conf: string) => {
      const { heap } = new Program(conf);
      return Array.from(heap.mutexes.ops.subarray(heap.arena0.mutexes, heap.arena0.mutexes + 9));
    };
    // large, extent_avail, extents dirty, muzzy, retained, decay dirty, muzzy, base, tcache_list
    expect(ops('narenas:1')).toEqual([0, 2, 1, 0, 2, 0, 0, 7, 1]);
    expect(ops('narenas:1,prof:true')).toEqual([0, 3, 2, 0, 3, 0, 0, 10, 1]);
    expect(ops('narenas:1,tcache:false')).toEqual([0, 0, 0, 0, 0, 0, 0, 3, 0]);
  });

  test('then malloc(1): a slab and an edata, its lowest region', () => {
    const p = new Program('narenas:1');
    const a = p.malloc(1);
    expect(p.offset(a)).toBe(0x8000);
    expect(p.heap.base0.used[0]).toBe(0x16a00);
    expect(p.arena().base.allocated).toBe(144 * 2 + 3968 + 128 + 87040 + 2097152 + 832 + 3 * 128);
    expect(p.arena().activePages).toBe(9);
  });
});

describe('blocks', () => {
  test('grow along the page size classes, rounded up to 2 MiB', () => {
    const base = newBase();
    for (let i = 0; i < 400; i++) base.alloc(100_000, 64);
    expect(base.sizes.slice(0, 6)).toEqual([2, 4, 6, 8, 10, 12].map((mib) => mib * MIB));
    checkBase(base);
  });

  test('a request above the next block size gets a block of its own size', () => {
    const base = newBase();
    base.alloc(9 * MIB, 64);
    expect(base.sizes[1]).toBe(10 * MIB);
    // of its leftover and the older block's, the one of the smaller class serves
    expect(base.alloc(64, 64)).toBe(base.addresses[1] + 192 + 9 * MIB);
  });

  test('a leftover serves from the class that it surely fills', () => {
    const base = newBase();
    while (base.sizes[0] - base.used[0] > 240) base.alloc(16, 16);
    // 240 bytes are filed under 224, and an edata with its slack asks for 256
    base.alloc(128, 128);
    expect(base.addresses.length).toBe(2);
    base.alloc(208, 16);
    expect(base.addresses.length).toBe(2);
    expect(base.sizes[0] - base.used[0]).toBe(32);
  });

  test('without memory for the first one there is no base, and later ones give 0', () => {
    expect(() => newBase(1 * MIB)).toThrow(OutOfMemory);
    const base = newBase(3 * MIB);
    expect(base.alloc(3 * MIB, 64)).toBe(0);
    expect(base.alloc(64, 64)).toBeGreaterThan(0);
    checkBase(base);
  });
});

/** base_alloc as one would write it down: leftovers of all blocks, the first one of the smallest class that will do. */
class Twin {
  readonly blocks: number[] = [];
  leftovers: { block: number; offset: number; bytes: number; szind: number }[] = [];
  #pindLast = 0;

  constructor() {
    this.alloc(3968, 64);
  }

  alloc(size: number, alignment: number): { block: number; offset: number } {
    const align = Math.max(16, alignment);
    const usize = up(size, align);
    const wanted = sizeToIndex((usize + align - 16) as Bytes);
    const fits = this.leftovers.filter(({ szind }) => szind >= wanted).sort((a, b) => a.szind - b.szind || a.block - b.block);
    const from = fits[0] ?? this.#map(usize, align);
    this.leftovers = this.leftovers.filter((leftover) => leftover !== from);
    const offset = up(from.offset, align);
    this.#file(from.block, offset + usize, from.offset + from.bytes);
    return { block: from.block, offset };
  }

  #map(usize: number, align: number) {
    const gap = up(144, align) - 144;
    const least = pindToPages[pagesToPind(Math.ceil((144 + gap + usize) / 4096))] * 4096;
    const next = pindToPages[this.#pindLast + 1] * 4096;
    const bytes = Math.max(up(least, 2 * MIB), up(this.blocks.length === 0 ? 0 : next, 2 * MIB));
    this.#pindLast = pagesToPind(bytes / 4096);
    this.blocks.push(bytes);
    return { block: this.blocks.length - 1, offset: 144, bytes: bytes - 144, szind: -1 };
  }

  #file(block: number, offset: number, end: number): void {
    if (offset < end) this.leftovers.push({ block, offset, bytes: end - offset, szind: sizeToIndex((end - offset + 1) as Bytes) - 1 });
  }
}

const up = (value: number, to: number) => Math.ceil(value / to) * to;

test('a base carves as its slow twin does', () => {
  const bytes = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 400_000 }));
  const request = fc.record({ size: bytes, lg: fc.integer({ min: 0, max: 12 }) });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 200 }), (requests) => {
      const base = newBase();
      const twin = new Twin();
      for (const { size, lg } of requests) {
        const { block, offset } = twin.alloc(size, 2 ** lg);
        expect(base.alloc(size, 2 ** lg)).toBe(base.addresses[block] + offset);
        expect(base.sizes).toEqual(twin.blocks);
      }
      checkBase(base);
    }),
  );
});

describe('the address space', () => {
  const space = (thpAlignment: 'multiples' | 'all' | 'none') => new AddressSpace({ ...DEFAULT_ADDRESS_SPACE, thpAlignment });

  test('mappings go downwards; multiples of 2 MiB come out aligned', () => {
    const s = space('multiples');
    const top = DEFAULT_ADDRESS_SPACE.top;
    expect(s.mmap(2 * MIB)).toBe(top - 2 * MIB);
    expect(s.mmap(2.5 * MIB)).toBe(top - 4.5 * MIB);
    expect(s.mmap(2 * MIB)).toBe(top - 8 * MIB);
    // into the gap of 1.5 MiB that the alignment left
    expect(s.mmap(1 * MIB)).toBe(top - 5.5 * MIB);
    expect(s.mmap(1 * MIB)).toBe(top - 9 * MIB);
  });

  test('a gap of just 2 MiB does not serve an aligned request, and serves others', () => {
    const s = space('multiples');
    const a = s.mmap(2 * MIB);
    const b = s.mmap(2 * MIB);
    s.munmap(a, 2 * MIB);
    expect(s.mmap(2 * MIB)).toBe(b - 2 * MIB);
    expect(s.mmap(2 * MIB - 4096)).toBe(a + 4096);
  });

  test('without that rule an aligned block maps twice and leaves a hole', () => {
    const s = space('none');
    s.mmap(4096);
    const a = pagesMap(s, 2 * MIB, 2 * MIB);
    expect(a).toBe(DEFAULT_ADDRESS_SPACE.top - 4 * MIB);
    expect(s.mmap(2 * MIB - 4096)).toBe(a + 2 * MIB);
  });

  test('unmapped ranges are one again', () => {
    const s = space('none');
    const [a, b, c] = [s.mmap(8192), s.mmap(8192), s.mmap(8192)];
    s.munmap(a, 8192);
    s.munmap(c, 8192);
    s.munmap(b, 8192);
    expect(s.mmap(8192 * 3)).toBe(c);
  });

  test('what lies above the break is taken by it', () => {
    const s = space('none');
    const start = s.programBreak;
    expect(s.sbrk(10_000)).toBe(true);
    expect(s.mmapAt(start, 4096)).toBe(false);
    expect(s.mmapAt(start + 8192, 4096)).toBe(false);
    expect(s.mmapAt(start + 12288, 4096)).toBe(true);
    expect(s.sbrk(2288)).toBe(true);
    expect(s.sbrk(4096)).toBe(false);
    expect(s.programBreak).toBe(start + 12288);
  });
});

test('a leftover under another class than its own, and a gap that is none, are named', () => {
  const base = newBase();
  base.leftover[0]++;
  expect(() => checkBase(base)).toThrow('base: a leftover');
  const { space } = base.surroundings;
  for (let times = 0; times < 2; times++) space.munmap(base.firstBlock, 2 * MIB);
  expect(() => space.check()).toThrow('address space: two gaps are one');
});
