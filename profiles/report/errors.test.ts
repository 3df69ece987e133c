import { expect, test } from 'vitest';
import { randomNumbers } from '../../fixtures/profiles/random_dump.ts';
import { readHeap } from '../heap/read.ts';
import { reportErrors } from './errors.ts';
import { prepareReport } from './report.ts';
import { rowsJson } from './rows.ts';

/** One run of a program: 3000 objects of 48 bytes, 400 of 4096 and 5 of 300000, live at its end, and what a Poisson sampler saw of them. */
function sampledDump(random: (n: number) => number, rate: number): string {
  let text = `heap_v2/${rate}\n  t*: 0: 0 [0: 0]\n`;
  for (const [size, count, address] of [
    [48, 3000, 0x401000],
    [4096, 400, 0x402000],
    [300000, 5, 0x403000],
  ]) {
    let sampled = 0;
    for (let i = 0; i < count; i++) if (random(2 ** 30) / 2 ** 30 < 1 - Math.exp(-size / rate)) sampled++;
    if (sampled > 0) text += `@ 0x${address.toString(16)} 0x400000\n  t*: ${sampled}: ${sampled * size} [0: 0]\n`;
  }
  return text;
}

const profileOf = (text: string) => readHeap(new TextEncoder().encode(text), 'a').profile;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test.each(['inuse_space', 'inuse_objects'] as const)('%s of a thousand runs spread as the errors say', (sampleType) => {
  const random = randomNumbers(7);
  const estimates: number[] = [];
  const variances: number[] = [];
  const ofLeaf: number[] = [];
  const leafVariances: number[] = [];
  for (let run = 0; run < 1000; run++) {
    const profile = profileOf(sampledDump(random, 65536));
    estimates.push(prepareReport([profile], { sampleType })[0].total);
    const [errors] = reportErrors([profile], { sampleType });
    variances.push(errors.total ** 2);
    const json = JSON.parse(rowsJson(prepareReport([profile], { sampleType }))) as { rows: Record<string, number | string>[] };
    const leaf = json.rows.find(({ name }) => name === '0000000000402000');
    ofLeaf.push(Number(leaf?.[sampleType === 'inuse_space' ? 'flat_bytes' : 'flat_objects'] ?? 0));
    leafVariances.push((errors.rows.get('0000000000402000')?.flat ?? 0) ** 2);
  }
  for (const [values, expected] of [
    [estimates, variances],
    [ofLeaf, leafVariances],
  ]) {
    const centre = mean(values);
    const spread = mean(values.map((value) => (value - centre) ** 2));
    // The standard deviation of 1000 draws is itself known to about 2 %; a tenth is far beyond chance for variances of 5 %.
    expect(Math.sqrt(spread / mean(expected))).toBeGreaterThan(0.9);
    expect(Math.sqrt(spread / mean(expected))).toBeLessThan(1.1);
  }
  const truth = sampleType === 'inuse_space' ? 3000 * 48 + 400 * 4096 + 5 * 300000 : 3405;
  expect(Math.abs(mean(estimates) - truth)).toBeLessThan(4 * Math.sqrt(mean(variances) / 1000));
});

test('a difference has the errors of both, and what is not sampled has none', () => {
  const one = profileOf('heap_v2/4096\n  t*: 0: 0 [0: 0]\n@ 0x401000\n  t*: 10: 20480 [0: 0]\n');
  const other = profileOf('heap_v2/4096\n  t*: 0: 0 [0: 0]\n@ 0x401000\n  t*: 4: 8192 [0: 0]\n');
  const errorOf = (error: readonly { total: number }[]) => error[0].total;
  const both = errorOf(reportErrors([one], { base: other }));
  expect(both).toBeCloseTo(Math.hypot(errorOf(reportErrors([one], {})), errorOf(reportErrors([other], {}))), 6);
  const p = 1 - Math.exp(-0.5);
  expect(errorOf(reportErrors([one], {}))).toBeCloseTo((2048 * Math.sqrt(10 * (1 - p))) / p, 6);
  expect(errorOf(reportErrors([{ ...one, sampling: { method: 'none', rate: 1 } }], {}))).toBe(0);
});
