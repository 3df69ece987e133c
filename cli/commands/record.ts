import { command } from './command.ts';

export default command(
  'record',
  'Record a trace with what the machine has: bpftrace, heaptrack or ltrace',
  (program) =>
    program.usage('$0 record [-o FILE] (-p PID | -- PROGRAM ARGS...)').options({
      output: { alias: 'o', type: 'string', describe: 'The file to write (default: PROGRAM.trace)', requiresArg: true },
      pid: { alias: 'p', type: 'string', describe: 'A running process, until it ends or Ctrl-C', requiresArg: true },
      with: {
        choices: ['bpftrace', 'heaptrack', 'ltrace'] as const,
        describe: 'The recorder (default: the best that the machine has, which is said)',
      },
      duration: { type: 'string', describe: 'Ends the recording after a time: 30s, 5m', requiresArg: true },
      'max-events': { type: 'string', describe: 'Ends the recording after so many calls', requiresArg: true },
      quiet: { type: 'boolean', describe: 'No notes on stderr' },
    }),
  async (args) => (await import('../jobs/record.ts')).record(args),
);
