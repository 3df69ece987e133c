import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './testing.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'jereplay-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The kernel may forbid what an installed bpftrace needs: then there is nothing to compare with. */
function kernelTraces(): boolean {
  const allowed = spawnSync('bpftrace', ['-e', 'BEGIN { exit(); }']).status === 0;
  if (!allowed) process.stderr.write('SKIPPED: recording with bpftrace, which this kernel or user does not allow\n');
  return allowed;
}

const fit = new Map([
  ['ltrace', needsTool('ltrace')],
  ['heaptrack', needsTool('heaptrack')],
  ['bpftrace', needsTool('bpftrace') && kernelTraces()],
]);

test.for(['ltrace', 'heaptrack', 'bpftrace'])('%s records a program that replays', async (name, { skip }) => {
  skip(fit.get(name) !== true);
  const trace = join(folder, `${name}.trace`);
  const { code, stdout, stderr } = await run(['record', '--with', name, '-o', trace, '--', 'ls', '-l', '/']);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('usr');
  expect(readFileSync(trace).length).toBeGreaterThan(100);
  const summary = JSON.parse((await run(['replay', trace, '--json'])).stdout) as { events: number; allocations: number; partial: boolean };
  expect(summary.allocations).toBeGreaterThan(10);
  expect(summary.events).toBeGreaterThan(summary.allocations);
});

test('a recording goes to a file', async () => {
  expect(await run(['record', '-o', '-', '--', 'ls'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('a recording goes to a file'),
  });
});
