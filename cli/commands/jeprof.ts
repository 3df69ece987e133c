import { command, PROFILE_KINDS } from './command.ts';
import { flag, REPORT_FLAGS, value } from './report.ts';

/** Its flags may be spelled as jeprof takes them: what yargs sees has been through `jeprofArguments`. */
export default command(
  'jeprof <profiles..>',
  'As jeprof: a script that calls it works with the name changed',
  (program) =>
    program
      .positional('profiles', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: `The program, if it is not where it ran, and what it left: ${PROFILE_KINDS}. On a terminal, without a report, a prompt asks`,
      })
      .options({
        ...REPORT_FLAGS,
        symbols: {
          ...flag('Names of addresses: maps and addresses on standard input, the program as argument'),
          group: REPORT_FLAGS.text.group,
        },
        scale: { ...value('N: scale of gv (default: 0)'), group: REPORT_FLAGS.nodecount.group },
      }),
  async (args) => (await import('../jobs/jeprof.ts')).jeprof(args),
);
