import { command } from './command.ts';
import { flag, REPORT_FLAGS, reportedProfiles, underHeadings, value } from './report.ts';

/** Its flags may be spelled as jeprof takes them: what yargs sees has been through `jeprofArguments`. */
export default command(
  'jeprof <profiles..>',
  'As jeprof: a script that calls it works with the name changed',
  (program) =>
    underHeadings(
      program.positional('profiles', reportedProfiles('On a terminal, without a report, a prompt asks')).options({
        ...REPORT_FLAGS,
        symbols: flag('Names of addresses: maps and addresses on standard input, the program as argument'),
        scale: value('N: scale of gv (default: 0)'),
      }),
      { 'Reports, one of': ['symbols'], 'Call graphs': ['scale'] },
    ),
  async (args) => (await import('../jobs/jeprof.ts')).jeprof(args),
);
