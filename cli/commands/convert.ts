import { command, INPUT_FLAGS } from './command.ts';

export default command(
  'convert <inputs..>',
  'Any trace format to NDJSON or to the compact binary trace',
  (program) =>
    program
      .positional('inputs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'A trace, or the parts of one in order; - for standard input',
      })
      .options({
        output: {
          alias: 'o',
          type: 'string',
          demandOption: true,
          describe: 'The file to write; its ending says the format (.ndjson, .jrt), and .gz or .zst after it compress',
          requiresArg: true,
        },
        to: { type: 'string', describe: 'The format to write, if the ending does not say it', requiresArg: true },
        ...INPUT_FLAGS,
      }),
  async (args) => (await import('../jobs/convert.ts')).convert(args),
);
