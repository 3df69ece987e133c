import { command, INPUT_FLAGS } from './command.ts';

export default command(
  'leaks <input>',
  'Who allocated what was never freed',
  (program) =>
    program
      .positional('input', { type: 'string', demandOption: true, describe: 'A trace, heap dump or pprof profile; - for standard input' })
      .options({
        output: { alias: 'o', type: 'string', describe: 'A file for the report (default: standard output)', requiresArg: true },
        json: { type: 'boolean', describe: 'The report as JSON, every context', default: false },
        top: { type: 'string', describe: 'Contexts shown (default: 20)', requiresArg: true },
        allocators: { type: 'boolean', describe: 'Keep allocation functions at the head of stacks', default: false },
        'fail-on-leak': { type: 'string', describe: 'Exit with 1 if more than these bytes are live, for example 64k', requiresArg: true },
        ...INPUT_FLAGS,
      }),
  async (args) => (await import('../jobs/leaks.ts')).leaks(args),
);
