/**
 * Reading that a signal ends: what was read is whole lines, and no line counts as torn for that.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Trace } from '../core/trace/trace.ts';
import { readTrace } from './index.ts';
import { openInput } from './input.ts';

const TRACES = fileURLToPath(new URL('../fixtures/traces', import.meta.url));
const SMALL_BYTES = 40_000;
/** Sums, not calls. */
const REFUSED = /^(?:leaky_interval|leakycpp_s5)\.txt$|\.prof_(?:log|recent)\.json$/;
const small = readdirSync(TRACES).filter((name) => !REFUSED.test(name) && statSync(join(TRACES, name)).size < SMALL_BYTES);

/** Reads bytes in chunks of that size, and ends the reading after a share of them. */
async function interrupted(bytes: Uint8Array, size: number, share: number): Promise<Trace> {
  const signal = { aborted: false };
  const trace = new Trace();
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) {
      signal.aborted = at + size >= bytes.length * share;
      yield bytes.subarray(at, at + size);
    }
  }
  await readTrace(chunks(), trace, () => true, { name: 'interrupted', signal });
  return trace;
}

describe.each(small)('%s', (name) => {
  test('no line is torn where the signal came', async () => {
    const parts: Uint8Array[] = [];
    for await (const part of (await openInput(join(TRACES, name))).chunks) parts.push(part.slice());
    const bytes = Buffer.concat(parts);
    const whole = new Trace();
    await readTrace(new Uint8Array(readFileSync(join(TRACES, name))), whole, () => true, { name });
    for (const [size, share] of [
      [10_007, 0.3],
      [1_009, 0.71],
    ] as const) {
      const trace = await interrupted(bytes, size, share);
      expect(trace.skipped.torn ?? 0).toBeLessThanOrEqual(whole.skipped.torn ?? 0);
      expect(trace.warnings.join('\n')).not.toContain('the last one, is torn');
      expect(trace.partial).toBe(true);
    }
  });
});

test('a stream that is closed for the signal is not called damaged', async () => {
  const lines = Array.from({ length: 50_000 }, (_, i) => `{"op":"malloc","size":${i},"ptr":"0x${(i * 65521 + 1).toString(16)}"}\n`);
  const packed = gzipSync(lines.join(''));
  const signal = { aborted: false };
  async function* half() {
    yield packed.subarray(0, packed.length / 2);
    signal.aborted = true;
  }
  const trace = new Trace();
  let events = 0;
  await readTrace(
    half(),
    trace,
    (batch) => {
      events += batch.length;
      return true;
    },
    { name: '-', signal },
  );
  expect(events).toBeGreaterThan(1000);
  expect(trace).toMatchObject({ partial: true, truncated: false, warnings: [] });
  expect(trace.skipped.torn).toBeUndefined();
});
