import { command, FROM_FLAG, INPUT_FLAGS, PROFILE_KINDS, UNTIL_FLAG } from './command.ts';
import { SYMBOL_FLAGS } from './symbol_flags.ts';

export default command(
  'leaks <inputs..>',
  'Who allocated what was never freed',
  (program) =>
    program
      .positional('inputs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: `The program, if it is not where it ran, and what it left: ${PROFILE_KINDS}. - is standard input`,
      })
      .options({
        output: { alias: 'o', type: 'string', describe: 'A file for the report (default: standard output)', requiresArg: true },
        json: { type: 'boolean', describe: 'The report as JSON, every context' },
        top: { type: 'string', describe: 'Contexts shown (default: 20)', requiresArg: true },
        allocators: { type: 'boolean', describe: 'Keep allocation functions at the head of stacks' },
        'fail-on-leak': { type: 'string', describe: 'Exit with 1 if more than these bytes are live, for example 64k', requiresArg: true },
        ...UNTIL_FLAG,
        ...SYMBOL_FLAGS,
        ...INPUT_FLAGS,
        ...FROM_FLAG,
      }),
  async (args) => (await import('../jobs/leaks.ts')).leaks(args),
);
