/**
 * Ctrl-C: the first one asks the work to end at the event it is at, so that the results so far are still written; the second one ends the program.
 */

/** Exit code of a program that SIGINT ended, as shells have it. */
const EXIT_SIGINT = 130;

/**
 * Runs work that ends early when the user asks for it.
 * @param work gets a signal that fires on the first SIGINT or SIGTERM.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_SIGINT);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
