import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { projectRoot } from '../../fixtures/root.ts';
import { LaneMemory } from './lane_memory.ts';

test('columns do not overlap, are empty, and stay what they are when the memory grows', () => {
  const memory = new LaneMemory();
  const first = memory.int32(3).fill(7);
  const large = memory.uint8(5_000_001);
  const second = memory.float64(2).fill(-1);
  expect(first.byteOffset).toBeGreaterThan(0);
  expect(large.byteOffset).toBeGreaterThanOrEqual(first.byteOffset + first.byteLength);
  expect(second.byteOffset).toBeGreaterThanOrEqual(large.byteOffset + large.byteLength);
  expect([first.byteOffset % 64, second.byteOffset % 64]).toEqual([0, 0]);
  expect(large.every((byte) => byte === 0)).toBe(true);
  large.fill(1);
  expect([...new Int32Array(memory.buffer, first.byteOffset, 3), ...first]).toEqual([7, 7, 7, 7, 7, 7]);
  expect([...second]).toEqual([-1, -1]);
});

test('more than there is, is refused as what it is', () => {
  const memory = new LaneMemory();
  expect(() => memory.float64(2 ** 29)).toThrow(InputError);
});

describe('little address space', () => {
  const replay = (options: string) =>
    spawnSync('bash', ['-c', `ulimit -v 8000000; ${options} exec node dist/cli/main.js replay --json -`], {
      cwd: projectRoot(),
      input: '{"op":"malloc","size":24,"ptr":"0x7f001000"}\n',
      encoding: 'utf8',
    });

  test('is said, with what helps; newer versions of Node do without', () => {
    const { status, stderr, stdout } = replay('');
    if (Number(process.versions.node.split('.')[0]) >= 24) expect(JSON.parse(stdout)).toMatchObject({ events: 1 });
    else {
      expect(stderr).toMatch(/^memory: the system refuses .*\nhint: raise the limit \(ulimit -v\), or set NODE_OPTIONS=/);
      expect(status).toBe(2);
    }
  });

  test('what helps, helps', () => {
    const { status, stdout } = replay('NODE_OPTIONS=--disable-wasm-trap-handler');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ events: 1 });
  });
});
