import { expect, test } from 'vitest';
import { Replay } from './replay/replay.ts';
import { EventBatch, Op } from './trace/events.ts';
import { Trace } from './trace/trace.ts';

test.each(['é', 'данные', '漢字/🙂', 'plain'])('a dump is opened by the name that prof_prefix spells: %s', (prefix) => {
  const names: string[] = [];
  const replay = new Replay(new Trace(), {
    conf: `prof:true,prof_final:true,prof_prefix:${prefix}`,
    openFile: (name) => {
      names.push(name);
      return { write: () => {}, close: () => {} };
    },
  });
  const batch = new EventBatch();
  batch.length = 1;
  batch.op[0] = Op.malloc;
  batch.size[0] = 100;
  batch.ptr[0] = 16;
  batch.stack[0] = -1;
  replay.take(batch);
  replay.finish(false);
  replay.exit();
  expect(names).toEqual([`${prefix}.0.0.f.heap`]);
});
