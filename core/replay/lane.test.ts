import { expect, test } from 'vitest';
import { EventBatch, Op } from '../trace/events.ts';
import { Trace } from '../trace/trace.ts';
import { WINDOW } from './lane.ts';
import { Replay, type ReplayOptions } from './replay.ts';

/** Batches of so many rows: mallocs of small and large objects, each freed some time later, on two threads. */
function batches(rows: number, capacity: number): EventBatch[] {
  const made: EventBatch[] = [];
  for (let from = 0; from < rows; from += capacity) {
    const batch = new EventBatch(capacity);
    for (; batch.length < capacity && from + batch.length < rows; batch.length++) {
      const event = from + batch.length;
      const frees = event % 3 === 2 && event > 300;
      batch.op[batch.length] = frees ? Op.free : Op.malloc;
      batch.thread[batch.length] = (event >> 4) & 1;
      batch.time[batch.length] = event * 1000;
      batch.ptr[batch.length] = 4096 + 32 * (frees ? event - 301 : event);
      batch.size[batch.length] = frees ? 0 : (event * 7919) % (event % 100 === 0 ? 30_000 : 600);
    }
    made.push(batch);
  }
  return made;
}

function begin(options: ReplayOptions = {}): Replay {
  const trace = new Trace();
  for (const thread of [1, 2]) trace.threads.intern(thread);
  return new Replay(trace, options);
}

function results(replay: Replay): unknown {
  replay.finish(false);
  return [replay.summary(), [...replay.ledger.rows()], replay.statsJson()];
}

const EVENTS = 3 * WINDOW + 100;

test.each([1, 7, 100, WINDOW, WINDOW + 1, EVENTS])('batches of %d rows come to the same', (capacity) => {
  const usual = begin();
  for (const batch of batches(EVENTS, 1000)) usual.take(batch);
  const replay = begin();
  for (const batch of batches(EVENTS, capacity)) replay.take(batch);
  expect(results(replay)).toEqual(results(usual));
});

test('replays in turn, and one within what another one is asked for, do not disturb each other', () => {
  const alone = begin({ conf: 'stats_interval:100000' });
  for (const batch of batches(EVENTS, 5000)) alone.take(batch);
  const inner = begin();
  const more = batches(EVENTS, 2000);
  const given = [...more];
  const takeOne = () => {
    const batch = more.shift();
    if (batch !== undefined) inner.take(batch);
  };
  const outer = begin({ conf: 'stats_interval:100000', message: takeOne });
  for (const batch of batches(EVENTS, 5000)) outer.take(batch);
  expect(more).toEqual([]);
  expect(results(outer)).toEqual(results(alone));
  const innerAlone = begin();
  for (const batch of given) innerAlone.take(batch);
  expect(results(inner)).toEqual(results(innerAlone));
});
