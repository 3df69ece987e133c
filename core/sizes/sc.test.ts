import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alignedUsableSize,
  firstFitPind,
  indexToSize,
  LARGE_MAXCLASS,
  NPSIZES,
  NSIZES,
  PAGE,
  pagesToPind,
  pindToPages,
  sizeToIndex,
  usableSize,
} from './sc.ts';
import type { Bytes } from '../units.ts';

describe('size classes', () => {
  test.each([
    [0, 8],
    [1, 8],
    [8, 8],
    [9, 16],
    [16, 16],
    [17, 32],
    [33, 48],
    [64, 64],
    [65, 80],
    [127, 128],
    [129, 160],
    [1000, 1024],
    [1025, 1280],
    [4095, 4096],
    [4096, 4096],
    [4097, 5120],
    [14336, 14336],
    [14337, 16384],
    [16385, 20480],
    [40000, 40960],
    [7982033, 8388608],
    [9000000, 10485760],
    [2 ** 32, 2 ** 32],
    [2 ** 32 + 1, 1.25 * 2 ** 32],
    [2 ** 47, 2 ** 47],
    [2 ** 52 + 1, 1.25 * 2 ** 52],
    [LARGE_MAXCLASS, LARGE_MAXCLASS],
    [LARGE_MAXCLASS + 2048, Infinity],
  ])('%d bytes are served by %d', (size, usable) => expect(usableSize(size as Bytes)).toBe(usable));

  test('232 classes, four to a doubling, each its own size', () => {
    expect(indexToSize.length).toBe(NSIZES);
    for (let index = 0; index < NSIZES; index++) {
      expect(sizeToIndex(indexToSize[index])).toBe(index);
      if (index > 0) expect(indexToSize[index]).toBeGreaterThan(indexToSize[index - 1]);
      if (index >= 9) expect(indexToSize[index]).toBe(2 * indexToSize[index - 4]);
    }
    expect(indexToSize[NSIZES - 1]).toBe(LARGE_MAXCLASS);
    expect(sizeToIndex((2 ** 63) as Bytes)).toBe(NSIZES);
  });

  test('a request gets the least class that holds it', () => {
    const slow = (size: number) => indexToSize.findIndex((bytes) => bytes >= size);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 62, noNaN: true }), (lg) => {
        expect(sizeToIndex(Math.floor(2 ** lg) as Bytes)).toBe(slow(Math.floor(2 ** lg)));
      }),
    );
    const other = [];
    for (let size = 0; size <= 20_000; size++) if (sizeToIndex(size as Bytes) !== slow(size)) other.push(size);
    expect(other).toEqual([]);
  });
});

describe('aligned sizes', () => {
  test.each([
    [100, 64, 128],
    [3000, 1024, 3072],
    [12289, 4096, 16384],
    [1, 8192, 16384],
    [20000, 64, 20480],
    [0, 64, 8],
    [1, 64, 64],
    [24784, 4096, 28672],
    [14336, 4096, 16384],
    [1, 2 ** 62, 16384],
    [LARGE_MAXCLASS, 2 ** 60, LARGE_MAXCLASS],
    [LARGE_MAXCLASS, 2 ** 63, 0],
    [1, 2 ** 63, 0],
  ])('%d bytes at a multiple of %d: %d', (size, alignment, usable) =>
    expect(alignedUsableSize(size as Bytes, alignment as Bytes)).toBe(usable),
  );

  test('a small class is a multiple of its alignment', () => {
    const sizes = fc.integer({ min: 1, max: 40_000 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 12 }), (size, lg) => {
        const usable = alignedUsableSize(size as Bytes, (2 ** lg) as Bytes);
        expect(usable).toBeGreaterThanOrEqual(size);
        if (usable < 16384) expect(usable % 2 ** lg).toBe(0);
      }),
    );
  });
});

describe('page size classes', () => {
  test.each([
    [1, 0, 0],
    [2, 1, 1],
    [8, 7, 7],
    [9, 8, 8],
    [10, 8, 9],
    [11, 9, 9],
    [12, 9, 10],
    [13, 10, 10],
    [511, 31, 32],
    [512, 31, 32],
    [513, 32, 32],
    [LARGE_MAXCLASS / PAGE, NPSIZES - 1, NPSIZES],
    [LARGE_MAXCLASS / PAGE + 1, NPSIZES, NPSIZES],
  ])('an extent of %d pages lies in row %d; a search for one begins in row %d', (pages, row, first) => {
    expect(pagesToPind(pages)).toBe(row);
    expect(firstFitPind(pages)).toBe(first);
  });

  test('every extent of the first row of a search is large enough, and the row below has one that is not', () => {
    const least = (row: number) => (row === 0 ? 1 : pindToPages[row - 1] + 1);
    const wrong = [];
    for (let pages = 2; pages <= 5000; pages++) {
      const first = firstFitPind(pages);
      if (least(first) < pages || least(first - 1) >= pages) wrong.push(pages);
    }
    expect(wrong).toEqual([]);
  });
});
