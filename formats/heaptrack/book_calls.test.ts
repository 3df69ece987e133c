import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Replay } from '../../core/replay/replay.ts';
import { Trace } from '../../core/trace/trace.ts';
import { fixtureBytes } from '../../fixtures/tally.ts';
import { CallLines } from './call_lines.ts';
import { heaptrack } from './heaptrack.ts';

const utf8 = new TextEncoder();

/** Everything that a replay without a model knows of a recording, whose calls are booked as they are read or come in batches. */
function accountsOf(bytes: Uint8Array, booked: boolean, contexts: boolean, chunk: number) {
  const trace = new Trace();
  const replay = new Replay(trace, { model: false, contexts });
  let handed = 0;
  const take = (batch: Parameters<Replay['take']>[0]) => {
    handed += batch.length;
    replay.take(batch);
  };
  const reader = heaptrack.open(trace, take, { name: 'x', batchEvents: 16, ...(booked ? { accounts: replay } : {}) });
  for (let at = 0; at < bytes.length; at += chunk) reader.write(bytes.subarray(at, at + chunk));
  reader.end();
  const { ledger, eventCount, endTime } = replay;
  const { totalObjects, totalBytes, totalLiveObjects, totalLiveBytes, totalPeakBytes, totalPeakTime, totalPeakEvent, frees } = ledger;
  const totals = { totalObjects, totalBytes, totalLiveObjects, totalLiveBytes, totalPeakBytes, totalPeakTime, totalPeakEvent, frees };
  const { skipped, warnings, partial } = trace;
  const said = { skipped, warnings, partial, stacks: trace.stacks.length };
  const temporary = ledger.totalTemporaryObjects;
  return { accounts: { rows: [...ledger.rows()], totals, temporary, eventCount, endTime, said, newPeak: ledger.newPeak }, handed };
}

function sameBooked(bytes: Uint8Array, contexts: boolean, chunk = 1 << 16): number {
  const events = accountsOf(bytes, false, contexts, chunk);
  const booked = accountsOf(bytes, true, contexts, chunk);
  expect(booked.accounts).toEqual(events.accounts);
  expect(booked.handed).toBe(0);
  return events.handed;
}

describe('booked as they are read, calls come to what their events come to', () => {
  test.each(['leaky_500', 'grow', 'edge', 'jq', 'leakycpp_cut'])('%s', async (name) => {
    const bytes = await fixtureBytes(`${name}.heaptrack.zst`);
    expect(sameBooked(bytes, true)).toBeGreaterThan(0);
    sameBooked(bytes, true, 7);
    sameBooked(bytes, false);
  });

  test('in recordings that no program leaves', () => {
    const line = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.tuple(fc.constantFrom('a', 't'), fc.nat(40), fc.nat(9)).map(([of, a, b]) => `${of} ${a.toString(16)} ${b}`),
      },
      { weight: 20, arbitrary: fc.tuple(fc.constantFrom('+', '-'), fc.nat(7)).map(([sign, info]) => `${sign} ${info}`) },
      { weight: 1, arbitrary: fc.nat(9).map((time) => `c ${time}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('', '# note', 'a ffffffffffff 2', '+ G', '- 0000001', '+ 00000001', 'R 5', '+ 1 ', 'a 5', '- '),
      },
    );
    const head = 'v 10400 3\nX p\nI 1000 5\ns 1 f\ns 7 realloc\ni 400010 0 1\ni 400020 0 2\nt 1 0\nt 2 1\nt 2 0\na 10 1\na 20 2\na 30 3\n';
    fc.assert(
      fc.property(fc.array(line, { maxLength: 120 }), fc.boolean(), fc.integer({ min: 1, max: 200 }), (lines, contexts, chunk) => {
        sameBooked(utf8.encode(`${head}${lines.map((text) => `${text}\n`).join('')}`), contexts, chunk);
      }),
      { numRuns: 300 },
    );
  });

  test('of more infos than a processor keeps near, of which some share a stack with a later one', () => {
    const lines = ['v 10400 3', 's 4 main', 'i 400010 0 1'];
    for (let trace = 1; trace <= 20_000; trace++) lines.push(`t 1 ${(trace >> 1).toString(16)}`);
    for (let call = 0; call < 60_000; call++) {
      const info = (call * 7919) % 25_000;
      if (call < 25_000) lines.push(`a ${(call % 300).toString(16)} ${((call % 20_000) + 1).toString(16)}`);
      lines.push(`+ ${Math.min(info, call).toString(16)}`);
      if (call % 3 === 0) lines.push(`- ${Math.min(info, call).toString(16)}`);
      if (call % 5000 === 0) lines.push(`c ${(call / 5000).toString(16)}`);
    }
    sameBooked(utf8.encode(`${lines.join('\n')}\n`), true);
  });

  test('and raw ones, which are not booked, hand over their events', async () => {
    const raw = await fixtureBytes('leaky_500.heaptrack.raw.zst');
    const events = accountsOf(raw, false, true, 1 << 16);
    expect(accountsOf(raw, true, true, 1 << 16)).toEqual(events);
    expect(events.handed).toBeGreaterThan(0);
    expect(heaptrack.books?.(raw)).toBe(false);
    expect(heaptrack.books?.(await fixtureBytes('leaky_500.heaptrack.zst'))).toBe(true);
    expect(heaptrack.books?.(utf8.encode('v 10000 0\n'))).toBe(false);
    expect(heaptrack.books?.(utf8.encode('malloc\n'))).toBe(false);
  });
});

test('lines of calls are those that a regular expression finds, wherever the bytes end', () => {
  const digit = fc.constantFrom(...'0123456789abcdef', 'A', 'G', 'g', '/', ':', '`', ' ', '\r', '\x80', 'ÿ', '\0');
  const line = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constantFrom('+ ', '- '), fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), maxLength: 8 })),
    },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('+ ', '- ', '+', ', ', '* ', '+\t'), fc.string({ unit: digit, maxLength: 9 })) },
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom(0, 1, 16, 300, 1 << 28), fc.nat(40), fc.nat(3), (lines, infos, behind, before) => {
      const texts = lines.map((parts) => parts.join(''));
      const expected: number[] = [];
      for (const text of texts) {
        const info = /^[+-] [0-9a-f]{1,7}$/.test(text) ? Number.parseInt(text.slice(2), 16) : infos;
        if (info >= infos) break;
        expected.push(info * 2 + (text[0] === '-' ? 1 : 0));
      }
      const text = texts.map((each) => `${each}\n`).join('');
      const bytes = Uint8Array.from(`${' '.repeat(before)}${text}${'a'.repeat(behind)}`, (letter) => letter.charCodeAt(0));
      const reader = new CallLines();
      const stop = reader.read(bytes, before, before + text.length, infos);
      expect([...reader.calls.subarray(0, reader.count)]).toEqual(expected);
      expect(stop).toBe(before + texts.slice(0, expected.length).reduce((sum, each) => sum + each.length + 1, 0));
    }),
    { numRuns: 2000 },
  );
});
