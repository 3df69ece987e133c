import { command, INPUT_FLAGS } from './command.ts';
import { SYMBOL_FLAGS } from './symbol_flags.ts';

export default command(
  'replay <trace>',
  'Run a trace through the jemalloc core and write what is asked for',
  (program) =>
    program.positional('trace', { type: 'string', demandOption: true, describe: 'A recorded trace; - for standard input' }).options({
      conf: { type: 'string', describe: 'A MALLOC_CONF string, as jemalloc reads it', requiresArg: true },
      ncpus: { type: 'string', describe: "CPUs that the model sees (default: the trace's, else 4)", requiresArg: true },
      'prng-seed': { type: 'string', describe: "PRNG state of the main thread, hex (default: the trace's, else 0)", requiresArg: true },
      until: { type: 'string', describe: 'Stop after so many events, at a time such as 1.5s, or at the peak', requiresArg: true },
      unmatched: {
        choices: ['count', 'error'] as const,
        describe: 'What a free of an unknown address does',
        default: 'count' as const,
        requiresArg: true,
      },
      audit: { type: 'boolean', describe: "Check the model's tables after every event (slow)" },
      heap: { type: 'string', describe: "The heap profile, jemalloc's heap_v2 text", requiresArg: true },
      stats: { type: 'string', describe: 'The malloc_stats_print JSON document', requiresArg: true },
      'stats-text': { type: 'string', describe: "jemalloc's human-readable statistics", requiresArg: true },
      placements: { type: 'string', describe: 'Where each allocation lies, NDJSON', requiresArg: true },
      pprof: { type: 'string', describe: 'A pprof profile, gzipped profile.proto', requiresArg: true },
      flamegraph: { type: 'string', describe: 'A self-contained flame graph page', requiresArg: true },
      leaks: { type: 'string', describe: 'Who allocated what was never freed, text (.json: JSON)', requiresArg: true },
      collapsed: { type: 'string', describe: 'Collapsed stacks of live bytes', requiresArg: true },
      output: { alias: 'o', type: 'string', describe: 'A folder for the whole set', requiresArg: true },
      json: { type: 'boolean', describe: 'The summary as one JSON object' },
      ...SYMBOL_FLAGS,
      ...INPUT_FLAGS,
      quiet: { type: 'boolean', describe: 'No progress, no notes on stderr, and no summary beside results' },
    }),
  async (args) => (await import('../jobs/replay.ts')).replay(args),
);
