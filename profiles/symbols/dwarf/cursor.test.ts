import { expect, test } from 'vitest';
import { Cursor, Damaged } from './cursor.ts';

const at = (...bytes: number[]) => new Cursor(Uint8Array.from(bytes), true, 100);

test('numbers of seven bits a byte (DWARF 5, 7.6, tables 7.7 and 7.8)', () => {
  const unsigned: [number, number[]][] = [
    [2, [2]],
    [127, [127]],
    [128, [0x80, 1]],
    [129, [0x81, 1]],
    [12857, [0xb9, 0x64]],
    [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
    [0, [0x80, 0x80, 0]],
  ];
  for (const [value, bytes] of unsigned) {
    const cursor = at(...bytes, 7);
    expect(cursor.uleb()).toBe(value);
    expect(cursor.at).toBe(100 + bytes.length);
  }
  const signed: [number, number[]][] = [
    [2, [2]],
    [-2, [0x7e]],
    [127, [0xff, 0]],
    [-127, [0x81, 0x7f]],
    [128, [0x80, 1]],
    [-128, [0x80, 0x7f]],
    [-129, [0xff, 0x7e]],
  ];
  for (const [value, bytes] of signed) expect(at(...bytes).sleb()).toBe(value);
  for (const bytes of [[], [0x80], [0xff, 0xff]]) {
    expect(() => at(...bytes).uleb()).toThrow(Damaged);
    expect(() => at(...bytes).sleb()).toThrow(Damaged);
    expect(() => at(...bytes).skipLeb()).toThrow(Damaged);
  }
});

test('words of both byte orders, and nothing behind the window', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const little = new Cursor(bytes, true);
  const big = new Cursor(bytes, false);
  expect([little.u16(), little.u24(), little.u8()]).toEqual([0x0201, 0x050403, 6]);
  expect([big.u16(), big.u24(), big.u8()]).toEqual([0x0102, 0x030405, 6]);
  expect(new Cursor(bytes, true).u64()).toBe(0x08070605 * 2 ** 32 + 0x04030201);
  expect(new Cursor(bytes, false).u64()).toBe(0x01020304 * 2 ** 32 + 0x05060708);
  expect(() => little.u32()).toThrow(Damaged);
  expect(() => little.take(-1)).toThrow(Damaged);
  expect(() => little.take(Number.NaN)).toThrow(Damaged);
  little.at = 50;
  expect(() => little.u8()).toThrow(Damaged);
});

test('lengths of 32-bit and 64-bit DWARF, texts', () => {
  expect(at(5, 0, 0, 0).unitLength()).toEqual({ length: 5, offsetSize: 4 });
  expect(at(255, 255, 255, 255, 6, 0, 0, 0, 0, 0, 0, 0).unitLength()).toEqual({ length: 6, offsetSize: 8 });
  expect(() => at(0xf0, 255, 255, 255).unitLength()).toThrow(Damaged);
  const texts = at(0x61, 0x62, 0, 0, 0x63);
  expect([texts.text(), texts.text()]).toEqual(['ab', '']);
  expect(() => texts.text()).toThrow(Damaged);
});
