import { bench, describe } from 'vitest';
import { DEFAULT_OPTIONS } from '../../fixtures/prof/engine.ts';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import type { ProfHost } from './host.ts';
import { Prof } from './prof.ts';
import type { SizeClass, StackIndex } from '../units.ts';

/** Memory that costs nothing: what is measured is profiling alone. */
const host: ProfHost = {
  memory: detachedMemory(),
  iallocztm: () => 0,
  idalloctm: () => {},
  arenaIchoose: () => 0,
  isNominal: () => true,
  reentrancyLevel: () => 0,
  now: () => 0,
  clockBase: 0n,
  systemThreadName: () => '',
  pid: 1,
  version: '',
  maps: () => undefined,
  openFile: () => ({ write: () => {}, close: () => {} }),
  message: () => {},
};

const CONTEXTS = 50000;
const DEPTH = 24;

/** Every allocation sampled, from 50,000 stacks of 24 frames, by 8 threads. */
function profiled(): Prof {
  const frames = Int32Array.from({ length: CONTEXTS * DEPTH }, (_, i) => (i % DEPTH === 0 ? i / DEPTH : CONTEXTS + ((i * 7) % 5000)));
  const prof = new Prof(
    host,
    { ...DEFAULT_OPTIONS, lg_prof_sample: 0 },
    {
      framesOf: (stack) => frames.subarray(stack * DEPTH, (stack + 1) * DEPTH),
      frames: { addressOf: (frame) => 0x55d000000000n + BigInt(frame) * 16n },
    },
    0,
  );
  prof.boot(0);
  for (let stack = 0; stack < CONTEXTS; stack++)
    prof.mallocSampleObject(stack % 8, prof.allocPrep(stack % 8, stack as StackIndex), 100, 112, 7 as SizeClass);
  return prof;
}

describe('profiling', () => {
  const prof = profiled();
  let stack = 0;

  bench('a sampled malloc and free in a known context', () => {
    stack = (stack + 7919) % CONTEXTS;
    const thread = stack % 8;
    prof.free(
      thread,
      prof.mallocSampleObject(thread, prof.allocPrep(thread, stack as StackIndex), 100, 112, 7 as SizeClass),
      stack as StackIndex,
    );
  });

  bench('a sampled malloc and free that make and destroy their thread context', () => {
    stack = (stack + 7919) % CONTEXTS;
    prof.free(8, prof.mallocSampleObject(8, prof.allocPrep(8, stack as StackIndex), 100, 112, 7 as SizeClass), stack as StackIndex);
  });

  bench('a dump of 50,000 contexts', () => {
    prof.dumpText(0);
  });

  bench('50,000 new contexts', () => {
    profiled();
  });
});
