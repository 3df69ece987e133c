import { command, INPUT_FLAGS } from './command.ts';

export default command(
  'sweep <trace> [confs..]',
  'What jemalloc would have held with each of several MALLOC_CONF strings',
  (program) =>
    program
      .positional('trace', { type: 'string', demandOption: true, describe: 'A recorded trace; - for standard input' })
      .positional('confs', {
        type: 'string',
        array: true,
        default: [],
        describe: 'MALLOC_CONF strings, each a row besides the default options (default: what people try first)',
      })
      .options({
        'confs-from': {
          type: 'string',
          describe: 'A file of further strings, one a line (# begins a comment); - is standard input',
          requiresArg: true,
        },
        ncpus: { type: 'string', describe: "CPUs that the model sees (default: the trace's, else 4)", requiresArg: true },
        sort: {
          type: 'string',
          choices: ['peak', 'mean', 'most', 'end', 'purged', 'calls'] as const,
          describe: 'The column to sort by, least first (default: as named)',
          requiresArg: true,
        },
        output: { alias: 'o', type: 'string', describe: 'A file for the table (default: standard output)', requiresArg: true },
        json: { type: 'boolean', describe: 'The table as JSON' },
        ...INPUT_FLAGS,
      }),
  async (args) => (await import('../jobs/sweep.ts')).sweep(args),
);
