import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HUGEPAGE, PAGE } from '../sizes/sc.ts';
import { SLAB_PAGES } from './fb.ts';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import { checkHpdata, HpdataTable, hugify, purgeDirty, reserveAlloc, unreserve } from './hpdata.ts';

/** A page slab as its definition has it: a page is free, or active, and touched or not. */
class SlowSlab {
  readonly active: boolean[] = new Array<boolean>(SLAB_PAGES).fill(false);
  readonly touched: boolean[] = new Array<boolean>(SLAB_PAGES).fill(false);

  /** First page of the first run that is long enough, -1 for none. */
  find(pages: number): number {
    for (let from = 0; from + pages <= SLAB_PAGES; from++) if (!this.active.slice(from, from + pages).includes(true)) return from;
    return -1;
  }

  take(from: number, pages: number): void {
    this.active.fill(true, from, from + pages);
    this.touched.fill(true, from, from + pages);
  }

  give(from: number, pages: number): void {
    this.active.fill(false, from, from + pages);
  }

  /** Ranges that begin and end with a dirty page, and hold none that is active. */
  purge(): number {
    let ranges = 0;
    let inRange = false;
    for (let page = 0; page < SLAB_PAGES; page++) {
      if (this.active[page]) inRange = false;
      else if (this.touched[page]) {
        if (!inRange) ranges++;
        inRange = true;
        this.touched[page] = false;
      }
    }
    return ranges;
  }
}

const step = fc.record({
  op: fc.constantFrom('take', 'take', 'take', 'give', 'give', 'purge', 'hugify'),
  pages: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(31, 32, 33, 63, 64, 65, 200, SLAB_PAGES)),
  pick: fc.nat(),
});

test('a page slab is what its definition says, whatever is taken and given back', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 200 }), (steps) => {
      const table = new HpdataTable(detachedMemory());
      const slab = table.add(7 * HUGEPAGE, 0);
      const slow = new SlowSlab();
      const taken: { from: number; pages: number }[] = [];
      for (const { op, pages, pick } of steps) {
        if (op === 'take' && slow.find(pages) >= 0) {
          const from = slow.find(pages);
          slow.take(from, pages);
          taken.push({ from, pages });
          expect(reserveAlloc(table, slab, pages)).toBe(7 * HUGEPAGE + from * PAGE);
        } else if (op === 'give' && taken.length > 0) {
          const [{ from, pages: given }] = taken.splice(pick % taken.length, 1);
          slow.give(from, given);
          unreserve(table, slab, 7 * HUGEPAGE + from * PAGE, given);
        } else if (op === 'purge' && table.flags[slab] % 2 === 0) {
          expect(purgeDirty(table, slab)).toBe(slow.purge());
        } else if (op === 'hugify' && pick % 8 === 0) {
          slow.touched.fill(true);
          hugify(table, slab);
        }
        expect(table.nactive[slab]).toBe(slow.active.filter(Boolean).length);
        expect(table.ntouched[slab]).toBe(slow.touched.filter(Boolean).length);
        checkHpdata(table, slab);
      }
    }),
    { numRuns: 60 },
  );
});

test('more slabs than the table began with', () => {
  const table = new HpdataTable(detachedMemory());
  const slabs = Array.from({ length: 100 }, (_, i) => table.add(i * HUGEPAGE, i));
  for (const slab of slabs) reserveAlloc(table, slab, 1 + (slab % SLAB_PAGES));
  for (const slab of slabs) {
    checkHpdata(table, slab);
    expect([table.sn[slab], table.nactive[slab]]).toEqual([slab - 1, 1 + (slab % SLAB_PAGES)]);
  }
});
