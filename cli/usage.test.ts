/**
 * The command line's own rules: what stands behind `--`, what is named in refusals, and which outputs and inputs are none.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from './testing.ts';

/** a = malloc 24 in leak <- main */
const SMALL = `{"op":"stack","id":0,"frames":["leak","main"]}\n{"op":"malloc","ts":10,"size":24,"ptr":"0x7f001000","stack":0}\n`;

let folder = '';
let trace = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jereplay-test-'));
  trace = join(folder, 'small.ndjson');
  writeFileSync(trace, SMALL);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.concurrent('what stands behind -- is no flag', () => {
  test.each(['leaks', 'replay', 'report', 'flamegraph', 'jeprof'])('%s', async (command) => {
    const flags = command === 'jeprof' ? ['--text'] : [];
    const plain = await run([command, ...flags, trace]);
    expect(plain.code, plain.stderr).toBe(0);
    expect(await run([command, ...flags, '--', trace])).toEqual(plain);
  });

  test('what comes before it may be a list', async () => {
    const { code, stdout, stderr } = await run([
      'synth',
      '--events',
      '1000',
      '--quiet',
      '--leak',
      'a:8:100',
      '--leak',
      'b:8:100',
      '--',
      'cache',
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/synth, cache|"a"/);
    expect((await run(['synth', '--events', '1000', '--quiet', '--leak', 'a:8:100', '--leak', 'b:8:100', 'cache'])).stdout).toBe(stdout);
  });

  test('options of a sweep, and standard input', async () => {
    const { code, stdout, stderr } = await run(['sweep', '--', '-', 'tcache:false'], SMALL);
    expect(code, stderr).toBe(0);
    expect(stdout.trimEnd().split('\n').slice(4)).toHaveLength(2);
    expect(stdout).toContain('  tcache:false\n');
    expect((await run(['sweep', trace, '--', 'tcache:false'])).stdout).toBe(stdout);
  });

  test('a name that begins with a dash', async () => {
    const { code, stderr } = await run(['leaks', '--', '--from']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^--from: no such file/) });
  });
});
