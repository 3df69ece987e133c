/** The tables of estimates beside those that the C library's exp gives. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needsTool } from '../../fixtures/tools.ts';
import { indexToSize, NSIZES } from '../sizes/sc.ts';
import { UnbiasMap } from './unbias.ts';

/** A line for each rate and size: bytes and eightfold objects that a sample stands for. The sizes come on standard input. */
const PROGRAM = `
#include <math.h>
#include <stdio.h>
#include <stddef.h>
int main(void) {
  double sizes[${NSIZES}];
  for (int i = 0; i < ${NSIZES}; i++) if (scanf("%lf", &sizes[i]) != 1) return 1;
  for (int lg = 0; lg < 64; lg++) for (int i = 0; i < ${NSIZES}; i++) {
    double chance = 1.0 - exp(-sizes[i] / (double)((size_t)1 << lg));
    printf("%zu %zu\\n", (size_t)round(sizes[i] / chance), (size_t)round(8.0 / chance));
  }
  return 0;
}`;

test.skipIf(!needsTool('gcc'))('what a sample stands for, at every rate and for every size', () => {
  const folder = mkdtempSync(join(tmpdir(), 'jereplay-unbias-'));
  try {
    writeFileSync(join(folder, 'tables.c'), PROGRAM);
    const program = join(folder, 'tables');
    expect(spawnSync('gcc', ['-O2', '-o', program, join(folder, 'tables.c'), '-lm'], { encoding: 'utf8' }).stderr).toBe('');
    const { stdout } = spawnSync(program, { input: Array.from(indexToSize.subarray(0, NSIZES)).join(' '), encoding: 'utf8' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBe(64 * NSIZES);
    const wrong: string[] = [];
    for (let lg = 0; lg < 64; lg++) {
      const { bytes, shiftedCount } = new UnbiasMap(lg);
      const value = (words: Uint32Array, szind: number) => (BigInt(words[2 * szind + 1]) << 32n) | BigInt(words[2 * szind]);
      for (let szind = 0; szind < NSIZES; szind++) {
        const ours = `${value(bytes, szind)} ${value(shiftedCount, szind)}`;
        const real = lines[lg * NSIZES + szind];
        if (ours !== real) wrong.push(`lg ${lg}, size ${indexToSize[szind]}: ${real}, ours ${ours}`);
      }
    }
    expect(wrong).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
