/**
 * What a recording by bpftrace begins and ends with: all of its probes at once, and all that they saw.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { bpftraceTraces, needsTool } from '../fixtures/tools.ts';
import { until } from './record/child.ts';
import { ATTACHED } from './record/probes.ts';
import { finished, run, start } from './testing.ts';

const SLOW_MS = 240_000;
const fits = needsTool('gcc') && bpftraceTraces();

const folder = testFolder();

function compiled(name: string, source: string, ...args: readonly string[]): string {
  const program = join(folder, name);
  writeFileSync(`${program}.c`, source);
  execFileSync('gcc', ['-g', '-O1', '-fno-builtin', '-fno-omit-frame-pointer', '-o', program, `${program}.c`, ...args]);
  return program;
}

/** How many of each call a recording has. */
async function callsIn(trace: string): Promise<Record<string, number>> {
  const { code, stdout } = await run(['convert', trace, '-o', '-', '--to', 'ndjson', '--quiet']);
  expect(code).toBe(0);
  const counts: Record<string, number> = {};
  for (const [, op] of stdout.matchAll(/^{"op":"(malloc|calloc|realloc|free)"/gm)) counts[op as string] = (counts[op as string] ?? 0) + 1;
  return counts;
}

/** The same four calls over and over, as fast as it goes. */
const ROUNDS = `#include <stdlib.h>
#include <unistd.h>
int main() { for (;;) { void *a = malloc(100), *b = calloc(3, 50); free(realloc(a, 300)); free(b); usleep(50); } }
`;

test.for([
  ['shared', [], ['--duration', '400ms']],
  ['static', ['-static'], ['--duration', '400ms']],
  ['shared', [], ['--max-events', '1000']],
  // All there before anyone could say that the recording has begun.
  ['shared', [], ['--max-events', '8']],
] as const)(
  'an attached recording (%s %j) begins and ends for all calls at once, %j',
  { timeout: SLOW_MS },
  async ([name, args, limit], { skip }) => {
    skip(!fits);
    const trace = join(folder, 'rounds.trace');
    const program = spawn(compiled(name, ROUNDS, ...args), { stdio: 'ignore' });
    try {
      const { code, stderr } = await run(['record', '--with', 'bpftrace', '-p', String(program.pid), ...limit, '-o', trace]);
      expect(code, stderr).toBe(0);
    } finally {
      program.kill('SIGKILL');
    }
    const { malloc = 0, calloc = 0, realloc = 0, free = 0 } = await callsIn(trace);
    const most = limit[0] === '--max-events' ? Number(limit[1]) : Infinity;
    expect(malloc).toBeGreaterThan(Math.min(100, most / 9));
    expect(Math.abs(calloc - malloc)).toBeLessThanOrEqual(1);
    expect(Math.abs(realloc - malloc)).toBeLessThanOrEqual(1);
    expect(Math.abs(free - 2 * malloc)).toBeLessThanOrEqual(2);
    if (most < Infinity) expect(malloc + calloc + realloc + free).toBe(most);
  },
);

/** Pairs of malloc and free, as many as it is told, each time that it reads a byte. */
const BURST = `#include <stdlib.h>
#include <unistd.h>
int main(int count, char **arguments) {
  char byte;
  while (read(0, &byte, 1) == 1) {
    for (int i = 0; i < atoi(arguments[1]); i++) free(malloc(32 + i % 64));
    write(1, "done\\n", 5);
  }
}
`;

test('Ctrl-C right after a burst: what bpftrace still holds of it is written', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(!fits);
  const trace = join(folder, 'burst.trace');
  const program = spawn(compiled('burst', BURST), ['20000'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const recording = start(['record', '--with', 'bpftrace', '-p', String(program.pid), '-o', trace]);
    const result = finished(recording);
    const attached = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(ATTACHED);
    await until(() => recording.exitCode !== null || attached(), SLOW_MS);
    program.stdin.write('\n');
    await once(program.stdout, 'data');
    recording.kill('SIGINT');
    const { code, stderr } = await result;
    expect(code, stderr).toBe(0);
  } finally {
    program.kill('SIGKILL');
  }
  expect(await callsIn(trace)).toEqual({ malloc: 20_000, free: 20_000 });
});
