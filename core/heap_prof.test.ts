import { expect, test } from 'vitest';
import { Replay, type ReplayOptions } from './replay/replay.ts';
import { EventBatch, Op } from './trace/events.ts';
import { Trace } from './trace/trace.ts';
import { type Bytes, NO_STACK } from './units.ts';

/** A replay with profiling of one malloc by the main thread. */
function mallocOnce(trace: Trace, options: ReplayOptions): Replay {
  const replay = new Replay(trace, options);
  const batch = new EventBatch();
  batch.length = 1;
  batch.op[0] = Op.malloc;
  batch.size[0] = 100 as Bytes;
  batch.ptr[0] = 16;
  batch.stack[0] = NO_STACK;
  replay.take(batch);
  replay.finish(false);
  return replay;
}

test.each(['é', 'данные', '漢字/🙂', 'plain'])('a dump is opened by the name that prof_prefix spells: %s', (prefix) => {
  const names: string[] = [];
  const replay = mallocOnce(new Trace(), {
    conf: `prof:true,prof_final:true,prof_prefix:${prefix}`,
    openFile: (name) => {
      names.push(name);
      return { write: () => {}, close: () => {} };
    },
  });
  replay.exit();
  expect(names).toEqual([`${prefix}.0.0.f.heap`]);
});

// the lines of a dump as the real library writes them for threads of these names, which the system keeps 15 bytes of
test.each([
  ['exactly_fifteen', ' exactly_fifteen'],
  ['one_more_than_15', ' one_more_than_1'],
  ['tab\tin it', ' tab\tin it'],
  ['not ASCII: ü', ''],
  ['past the end: ü', ''],
  ['past the end it: ü', ' past the end it'],
])('prof_sys_thread_name takes what the system has of a name: %j', (name, shown) => {
  const trace = new Trace();
  trace.threads.names[trace.threads.intern(0)] = name;
  const replay = mallocOnce(trace, { conf: 'prof:true,lg_prof_sample:0,prof_sys_thread_name:true' });
  expect(replay.heapText()).toContain(`  t0: 1: 112 [0: 0]${shown}\n@`);
});
