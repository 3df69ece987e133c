import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Op, type EventBatch } from '../../core/trace/events.ts';
import { HashFactor } from '../../core/trace/hash_factor.ts';
import { BatchBuilder } from './batch_builder.ts';
import { AddressTable } from './address_table.ts';
import { ByteTable } from './byte_table.ts';
import { ascii, ByteCursor, findWord, fourDigits, roundUp, twelveHex } from './cursor.ts';
import { LineScanner } from './lines.ts';
import { Reorder } from './reorder.ts';
import { TimeOrigin } from './time_origin.ts';

const firstFactor = new HashFactor().value;

function cursorAt(text: string): ByteCursor {
  const cursor = new ByteCursor();
  const bytes = ascii(text);
  cursor.reset(bytes, 0, bytes.length);
  return cursor;
}

describe('ByteCursor', () => {
  test.each([
    ['0', 0],
    ['7', 7],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', 9007199254740994],
    ['9223372036854775807', 2 ** 63],
    ['18446744073709551615', 2 ** 64],
    ['x', NaN],
    ['', NaN],
  ])('decimal %s', (text, value) => {
    const cursor = cursorAt(`${text},`);
    expect(cursor.decimal()).toBe(value);
    expect(cursor.pos).toBe(text === 'x' ? 0 : text.length);
  });

  test.each([
    ['0x10', 16],
    ['0x7fffffffffffffff', 2 ** 63],
    ['10', 10],
    ['0', 0],
    ['0x', 0],
    ['0x20000000000001', 2 ** 53 + 2],
  ])('number %s', (text, value) => expect(cursorAt(text).number()).toBe(value));

  test('addresses lose their tag bits above 2^52 and nothing else', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.boolean(), (value, prefixed) => {
        const text = (prefixed ? '0x' : '') + value.toString(16);
        const cursor = cursorAt(`${text}\n`);
        expect(cursor.address()).toBe(Number(value & (2n ** 52n - 1n)));
        expect(cursor.pos).toBe(text.length);
      }),
    );
  });

  test('sizes are the least double that is not below them', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
        const decimal = cursorAt(String(value)).decimal();
        expect(BigInt(decimal)).toBeGreaterThanOrEqual(value);
        expect(decimal).toBe(roundUp(value));
        expect(cursorAt(value.toString(16)).hex()).toBe(decimal);
      }),
    );
  });

  test.each([
    ['1795218296.566403', 1795218296, 566403000],
    ['0.1', 0, 100000000],
    ['5', 5, 0],
    ['1.1234567899', 1, 123456789],
  ])('time %s', (text, seconds, nanos) => {
    const cursor = cursorAt(`${text} `);
    expect(cursor.time()).toBe(true);
    expect([cursor.seconds, cursor.nanos, cursor.pos]).toEqual([seconds, nanos, text.length]);
  });

  test('wall-clock nanoseconds stay exact', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 62n), fc.bigInt(-(2n ** 52n), 2n ** 52n), (start, offset) => {
        fc.pre(start + offset >= 0n);
        const origin = new TimeOrigin();
        const first = cursorAt(String(start));
        first.nanoseconds();
        origin.set(first.seconds, first.nanos);
        const second = cursorAt(String(start + offset));
        second.nanoseconds();
        expect(origin.since(second.seconds, second.nanos)).toBe(Number(offset));
        expect(origin.toBigInt()).toBe(start);
      }),
    );
  });

  test('four digits at once', () => {
    const view = new DataView(new ArrayBuffer(4));
    for (let value = 0; value < 10_000; value++) {
      for (const [i, digit] of [...String(value).padStart(4, '0')].entries()) view.setUint8(i, digit.charCodeAt(0));
      expect(fourDigits(view, 0)).toBe(value);
    }
    for (let place = 0; place < 4; place++) {
      for (let byte = 0; byte < 256; byte++) {
        for (let i = 0; i < 4; i++) view.setUint8(i, 0x39);
        view.setUint8(place, byte);
        expect(fourDigits(view, 0) >= 0).toBe(byte >= 0x30 && byte <= 0x39);
      }
    }
  });

  test('twelve hex digits at once', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 48n - 1n), fc.nat(11), fc.nat(255), (value, place, byte) => {
        const bytes = ascii(value.toString(16).padStart(12, '0'));
        expect(twelveHex(bytes, 0)).toBe(Number(value));
        bytes[place] = byte;
        expect(twelveHex(bytes, 0) >= 0).toBe(/[0-9a-f]/i.test(String.fromCharCode(byte)));
      }),
    );
  });

  test('finds words', () => {
    const bytes = ascii('aab aabc');
    expect(findWord(bytes, 0, bytes.length, ascii('aabc'))).toBe(4);
    expect(findWord(bytes, 0, bytes.length - 1, ascii('aabc'))).toBe(-1);
  });
});

describe('LineScanner', () => {
  test('lines that straddle chunks can be taken ahead like any other', () => {
    const input = Buffer.from('one\ntwo\nthree\nfour\n');
    for (let cut = 1; cut < input.length; cut++) {
      const ahead: string[] = [];
      const left: string[] = [];
      const textOfLine = (bytes: Uint8Array, start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString();
      const scanner = new LineScanner(
        'x',
        (bytes, start, end) => left.push(`${scanner.line} ${textOfLine(bytes, start, end)}`),
        1000,
        (bytes, start, limit) => {
          let at = start;
          // those that begin with a `t` are taken
          while (at < limit && bytes[at] === 0x74) {
            const end = bytes.indexOf(0x0a, at);
            scanner.line++;
            ahead.push(`${scanner.line} ${textOfLine(bytes, at, end)}`);
            at = end + 1;
          }
          return at;
        },
      );
      scanner.write(new Uint8Array(input.subarray(0, cut)));
      scanner.write(new Uint8Array(input.subarray(cut)));
      expect({ ahead, left }).toEqual({ ahead: ['2 two', '3 three'], left: ['1 one', '4 four'] });
    }
  });

  test('lines are the same whatever the cuts', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }).map((line) => line.map((byte) => (byte % 4 === 0 ? 10 : byte)))), (chunks) => {
        const lines: string[] = [];
        const scanner = new LineScanner('x', (bytes, start, end) => lines.push(Buffer.from(bytes.subarray(start, end)).toString('latin1')));
        for (const chunk of chunks) scanner.write(chunk);
        scanner.end();
        const all = Buffer.concat(chunks).toString('latin1').split('\n');
        if (all.at(-1) === '') all.pop();
        expect(lines).toEqual(all);
        expect(scanner.line).toBe(all.length);
      }),
    );
  });

  test('a line without end is an error, not memory', () => {
    const scanner = new LineScanner('x', () => {}, 1000);
    expect(() => {
      for (let i = 0; i < 100; i++) scanner.write(new Uint8Array(100).fill(65));
    }).toThrow('x:1: a line of more than 1000 bytes');
  });
});

test('ByteTable gives one row per distinct string', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 2000 }), (words) => {
      const table = new ByteTable();
      const rows = new Map<string, number>();
      for (const word of words) {
        const bytes = Buffer.from(word, 'utf8');
        const expected = rows.get(word) ?? rows.size;
        expect(table.find(bytes, 0, bytes.length)).toBe(rows.get(word) ?? -1);
        expect(table.intern(bytes, 0, bytes.length)).toBe(expected);
        rows.set(word, expected);
      }
      for (const [word, row] of rows) expect(table.text(row)).toBe(word);
      expect(table.length).toBe(rows.size);
    }),
  );
});

/** The least processor time of three runs, ms. */
function timeOf(run: () => void): number {
  const times = [0, 0, 0].map(() => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return Math.min(...times);
}

test('ByteTable takes no longer for strings whose hashes are the same', () => {
  const hashOf = (text: string, start: number) => {
    let hash = start;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return hash;
  };
  // Of each pair both lead from one hash to one other: 2^13 strings of 13 of those have the same (Joux, Multicollisions in iterated hash functions, 2004).
  let chosen = [''];
  for (let pairs = 0, start = firstFactor; pairs < 13; pairs++) {
    const seen = new Map<number, string>();
    for (let next = 0; ; next++) {
      const text = (next * 7919).toString(36);
      const hash = hashOf(text, start);
      const other = seen.get(hash);
      seen.set(hash, text);
      if (other === undefined) continue;
      chosen = chosen.flatMap((before) => [before + other, before + text]);
      start = hash;
      break;
    }
  }
  const intern = (words: readonly string[]) => {
    const bytes = words.map((word) => Buffer.from(word));
    return timeOf(() => {
      const table = new ByteTable();
      expect(bytes.every((word, row) => table.intern(word, 0, word.length) === row)).toBe(true);
      expect(table.find(Buffer.from('none'), 0, 4)).toBe(-1);
    });
  };
  const ordinary = intern(chosen.map((word, row) => word.slice(0, -5) + String(10_000 + row)));
  expect(intern(chosen) / ordinary).toBeLessThan(10);
});

test('AddressTable takes no longer for addresses whose hashes are the same', () => {
  const COUNT = 20_000;
  const chosen: number[] = [];
  for (let high = 1; chosen.length < COUNT; high++) {
    const low = Math.imul(high, firstFactor);
    if (low >>> 28 === 0) chosen.push(high * 2 ** 32 + low * 16);
  }
  const enter = (addresses: readonly number[]) =>
    timeOf(() => {
      const table = new AddressTable();
      addresses.forEach((address, index) => table.set(address, index + 1));
      expect(table.get(17)).toBe(0);
      expect(table.end(addresses[5], -1)).toBe(6);
      expect(addresses.every((address, index) => table.get(address) === (index === 5 ? -1 : index + 1))).toBe(true);
      expect([...table.live()]).toHaveLength(COUNT - 1);
    });
  const ordinary = enter(chosen.map((_, index) => 0x7f00_0000_0010 + index * 272));
  expect(enter(chosen) / ordinary).toBeLessThan(10);
});

test('BatchBuilder hands over every event once, in order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100)), fc.integer({ min: 1, max: 7 }), (times, capacity) => {
      const got: number[] = [];
      const sink = (batch: EventBatch) => {
        for (let row = 0; row < batch.length; row++) got.push(batch.ptr[row], batch.time[row]);
      };
      const builder = new BatchBuilder(sink, capacity);
      let last = 0;
      const expected: number[] = [];
      times.forEach((time, i) => {
        expect(builder.count).toBe(i);
        builder.append(Op.free, 0, time, i, 0, 0, 0, -1);
        last = Math.max(last, time);
        expected.push(i, last);
      });
      builder.flush();
      expect(got).toEqual(expected);
    }),
  );
});

describe('Reorder', () => {
  const each = (take: (time: number, ptr: number) => void) => (rows: EventBatch, count: number) => {
    for (let row = 0; row < count; row++) take(rows.time[row], rows.ptr[row]);
  };
  const sortedBy = (times: number[]) => times.map((time, i) => [time, i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);

  test('a window that holds everything sorts, and is stable', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 300 }), (times) => {
        const got: number[][] = [];
        const reorder = new Reorder(
          each((time, ptr) => got.push([time, ptr])),
          400,
        );
        times.forEach((time, i) => reorder.push(0, 0, time, i, 0, 0, 0, -1));
        reorder.flush();
        expect(got).toEqual(sortedBy(times));
        expect(reorder.late).toBe(0);
      }),
    );
  });

  test('records at most a window late leave in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(1000), { maxLength: 500 }), (window, jitter) => {
        // Record i claims a time up to `window` records before its own place.
        const times = jitter.map((j, i) => i - (j % (window + 1)));
        const got: number[][] = [];
        const reorder = new Reorder(
          each((time, ptr) => got.push([time, ptr])),
          window,
        );
        times.forEach((time, i) => reorder.push(0, 0, time, i, 0, 0, 0, -1));
        reorder.flush();
        expect(got).toEqual(sortedBy(times));
        expect(reorder.late).toBe(0);
      }),
    );
  });

  test('later ones are passed on and counted', () => {
    const got: number[] = [];
    const reorder = new Reorder(
      each((time) => got.push(time)),
      2,
    );
    for (const time of [5, 6, 7, 8, 9, 1]) reorder.push(0, 0, time, 0, 0, 0, 0, -1);
    reorder.flush();
    expect(got.length).toBe(6);
    expect(reorder.late).toBe(1);
  });
});
