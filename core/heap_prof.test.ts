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

// what the real library says, of which it keeps 127 bytes
const ABSENT = `absent/${'x'.repeat(120)}`;
test.each([
  ['prof_final:true,prof_prefix:absent/app', '<jemalloc>: failed to open "absent/app.0.0.f.heap"\n'],
  ['prof_log:true,prof_prefix:absent/ä', '<jemalloc>: creat() for log file "absent/ä.0.0.json"  failed with 2\n'],
  [`prof_final:true,prof_prefix:${ABSENT}`, `<jemalloc>: failed to open "${ABSENT}`.slice(0, 127)],
  [
    'prof_final:true,prof_leak:true,prof_prefix:absent/app',
    '<jemalloc>: failed to open "absent/app.0.0.f.heap"\n' +
      '<jemalloc>: Leak approximation summary: ~112 bytes, ~1 object, >= 1 context\n<jemalloc>: Run jeprof on dump output for leak detail\n',
  ],
])('a dump or log that cannot be opened is said, and the process goes on: %s', (conf, said) => {
  let messages = '';
  const message = (text: string) => void (messages += text);
  const replay = mallocOnce(new Trace(), { conf: `prof:true,lg_prof_sample:0,${conf}`, openFile: () => 2, message });
  expect([replay.exit(), messages]).toEqual([0, said]);
});

test('abort:true ends the process at a dump that cannot be opened', () => {
  const replay = mallocOnce(new Trace(), { conf: 'prof:true,prof_final:true,abort:true', openFile: () => 2 });
  expect(() => replay.exit()).toThrow(
    'exit of the process: the real jemalloc ends the process here: abort:true, and jeprof.0.0.f.heap cannot be opened',
  );
});

test('mallctl tells of a dump and a log that cannot be opened; after that no log starts', () => {
  let messages = '';
  const message = (text: string) => void (messages += text);
  const replay = mallocOnce(new Trace(), { conf: 'prof:true,prof_log:true', openFile: () => 2, message });
  const refused = expect.objectContaining({ code: 'EFAULT' });
  for (const name of ['prof.dump', 'prof.log_stop', 'prof.log_start']) expect(() => replay.mallctl(name), name).toThrow(refused);
  expect(messages).toBe('<jemalloc>: creat() for log file "jeprof.0.0.json"  failed with 2\n');
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
