/**
 * Ctrl-C: the first one asks the work to end at the event it is at, so that the results so far are still written; the second one ends the program.
 * So does a terminal that is closed. Without one a hangup is nobody's: what nohup(1) has started goes on, whose word Node does not heed.
 */
import { isatty } from 'node:tty';

/** Exit code of a program that SIGINT ended, as shells have it. */
const EXIT_SIGINT = 130;

/**
 * Runs work that ends early when the user asks for it.
 * @param work gets a signal that fires on the first SIGINT or SIGTERM, and on SIGHUP of a terminal.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  // One that is closed is none any more.
  const hasTerminal = [0, 1, 2].some((fd) => isatty(fd));
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_SIGINT);
    controller.abort();
  };
  const onHangup = () => {
    if (!hasTerminal) return;
    // There is nobody left to tell.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
    // As other programs end; Node aborts where it cannot put the terminal's modes back.
    process.once('exit', () => process.kill(process.pid, 'SIGHUP'));
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onHangup);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    process.off('SIGHUP', onHangup);
  }
}
