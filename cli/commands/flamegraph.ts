import { command, FROM_FLAG, INPUT_FLAGS, PROFILE_KINDS, UNTIL_FLAG } from './command.ts';
import { SYMBOL_FLAGS } from './symbol_flags.ts';

export default command(
  'flamegraph <inputs..>',
  'A self-contained flame graph page',
  (program) =>
    program
      .positional('inputs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: `The program, if it is not where it ran, and what it left: ${PROFILE_KINDS}. Several are summed; - is standard input`,
      })
      .options({
        output: { alias: 'o', type: 'string', describe: 'The HTML file (default: standard output)', requiresArg: true },
        base: { type: 'string', describe: 'Show what grew and shrank since this trace or profile', requiresArg: true },
        title: { type: 'string', describe: "The page's heading (default: the inputs' names)", requiresArg: true },
        allocators: { type: 'boolean', describe: 'Keep allocation functions at the head of stacks' },
        ...UNTIL_FLAG,
        ...SYMBOL_FLAGS,
        ...INPUT_FLAGS,
        ...FROM_FLAG,
      }),
  async (args) => (await import('../jobs/flamegraph.ts')).flamegraph(args),
);
