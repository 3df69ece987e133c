/**
 * Ctrl-C: the first one asks the work to end at the event it is at, so that the results so far are still written; the second one ends the program.
 */

/** Exit code of a program that SIGINT ended, as shells have it. */
const EXIT_SIGINT = 130;

export interface Interrupt {
  /** True once the user asked to stop. */
  readonly asked: boolean;
  /** Gives Ctrl-C back to the system. */
  release(): void;
}

/** Takes SIGINT and SIGTERM over until released. */
export function watchInterrupt(): Interrupt {
  let asked = false;
  const onSignal = () => {
    if (asked) process.exit(EXIT_SIGINT);
    asked = true;
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    get asked() {
      return asked;
    },
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
