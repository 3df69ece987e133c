import { command } from './command.ts';
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
        describe: 'Heap dumps, pprof profiles or traces, after their program',
      })
      .options({
        ...REPORT_FLAGS,
        symbols: flag('Names of addresses: maps and addresses on standard input, the program as argument'),
        scale: value('--gv: its scale (default: 0)'),
      }),
  async (args) => (await import('../jobs/jeprof.ts')).jeprof(args),
);
