import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../fixtures/root.ts';
import { Random } from './synth/random.ts';
import { ColumnMemory } from './memory.ts';
import { InputError } from './trace/input_error.ts';

test('columns do not overlap, are empty, and stay what they are when the memory grows', () => {
  const memory = new ColumnMemory();
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

test('it knows its own columns, also those that were there before it grew', () => {
  const memory = new ColumnMemory();
  const columns = [memory.int32(3), memory.uint8(5_000_001), memory.float64(2)];
  const others = [new Int32Array(3), new ColumnMemory().int32(3)];
  expect(columns.map((column) => memory.owns(column))).toEqual([true, true, true]);
  expect(others.map((column) => memory.owns(column))).toEqual([false, false]);
});

test('what was given back is taken again, and is empty', () => {
  const memory = new ColumnMemory();
  const place = memory.take(100);
  new Uint8Array(memory.buffer, place, 128).fill(255);
  memory.give(place, 100);
  // as many lines of 64 bytes
  expect(memory.take(65)).toBe(place);
  expect(new Uint8Array(memory.buffer, place, 128).every((byte) => byte === 0)).toBe(true);
  expect(memory.take(100)).not.toBe(place);
});

test('places that are in use never overlap, whatever was given back before', () => {
  const memory = new ColumnMemory();
  const random = new Random(1);
  const used: { start: number; bytes: number }[] = [];
  for (let step = 0; step < 3000; step++) {
    if (used.length > 0 && random.oneIn(2)) {
      const [{ start, bytes }] = used.splice(random.below(used.length), 1);
      new Uint8Array(memory.buffer, start, bytes).fill(255);
      memory.give(start, bytes);
    } else {
      const bytes = random.below(600);
      const start = memory.take(bytes);
      expect(new Uint8Array(memory.buffer, start, bytes).every((byte) => byte === 0)).toBe(true);
      for (const other of used)
        expect(start + bytes <= other.start || other.start + other.bytes <= start || bytes === 0 || other.bytes === 0).toBe(true);
      used.push({ start, bytes });
    }
  }
});

test('a column that grows keeps what is in it, is empty beyond, and gives back its room', () => {
  const memory = new ColumnMemory();
  const column = memory.uint16(100).fill(9);
  const place = column.byteOffset;
  const larger = memory.grown(column, 101);
  expect(larger).toHaveLength(200);
  expect([...larger]).toEqual(Array.from({ length: 200 }, (_, i) => (i < 100 ? 9 : 0)));
  expect(memory.grown(larger, 1000)).toHaveLength(1000);
  const next = memory.uint16(100);
  expect([next.byteOffset, next.every((value) => value === 0)]).toEqual([place, true]);
});

test('more than there is, is refused as what it is, and takes nothing', () => {
  const memory = new ColumnMemory();
  const before = memory.take(64);
  expect(() => memory.float64(2 ** 29)).toThrow(InputError);
  expect(memory.take(64)).toBe(before + 64);
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
