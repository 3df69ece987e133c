import { command } from './command.ts';

export default command(
  'synth <workload>',
  'Make up a trace with known leaks: server, cache, leak, threads, fragment or churn',
  (program) =>
    program.positional('workload', { type: 'string', demandOption: true, describe: 'What the made-up program does' }).options({
      output: {
        alias: 'o',
        type: 'string',
        describe: 'The file to write; its ending says the format (default: NDJSON on standard output)',
        requiresArg: true,
      },
      to: { type: 'string', describe: 'The format to write, if the ending does not say it', requiresArg: true },
      events: { type: 'string', describe: 'Events in all, for example 100000 or 10M', requiresArg: true, default: '1M' },
      seed: { type: 'string', describe: 'The same seed gives the same trace', requiresArg: true, default: '1' },
      threads: { type: 'string', describe: "Threads (default: the workload's)", requiresArg: true },
      live: { type: 'string', describe: "Blocks that are kept live (default: the workload's)", requiresArg: true },
      leak: {
        type: 'string',
        array: true,
        describe: 'A leak SITE:BYTES:EVERY: a block of BYTES at function SITE after every EVERY allocations; may be given again',
        requiresArg: true,
      },
      truth: { type: 'string', describe: 'A file for what is true of the trace, JSON (default: stderr)', requiresArg: true },
      quiet: { type: 'boolean', describe: 'No progress, and no truth on stderr' },
    }),
  async (args) => (await import('../jobs/synth.ts')).synth(args),
);
