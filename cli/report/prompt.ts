/**
 * The prompt of a session: lines from the terminal, with completion and history, or from a pipe without either.
 * Invariant: a line that fails is told of and the next one is read. After lines from a pipe the exit code is that of the last failure.
 */
import { createInterface, type Interface } from 'node:readline';
import { explain } from '../failure.ts';
import { printNotes } from '../notes.ts';
import { ReaderGone } from '../output.ts';
import { wantsColour } from '../terminal.ts';
import type { ReportArgs } from './args.ts';
import { historyPath, keepLine, readHistory } from './history.ts';
import { Session } from './session.ts';
import type { ReportSource } from './source.ts';

/** How long a silent standard input is no matter, ms. */
const PATIENCE = 1000;

/** Reads lines until there are no more, or one of them is `quit`. */
export async function prompt(source: ReportSource, args: ReportArgs): Promise<void> {
  const session = new Session(source, args);
  printNotes(source.warnings, args.quiet);
  try {
    if (process.stdin.isTTY === true) await fromTerminal(session);
    else await fromPipe(session, args.quiet);
  } finally {
    session.close();
  }
}

/** Who looks at a terminal sees no prompt here, and is told what is waited for, and if nothing came. */
async function fromPipe(session: Session, quiet: boolean | undefined): Promise<void> {
  const isSeen = process.stderr.isTTY === true;
  const waiting = setTimeout(
    () => printNotes(['waiting for commands on standard input, which is no terminal'], quiet || !isSeen),
    PATIENCE,
  );
  let isEmpty = true;
  try {
    for await (const line of createInterface({ input: process.stdin, terminal: false })) {
      clearTimeout(waiting);
      isEmpty = false;
      const { goesOn, code } = await outcome(session, line);
      if (code !== 0) process.exitCode = code;
      if (!goesOn) return;
    }
  } finally {
    clearTimeout(waiting);
  }
  if (isEmpty) printNotes(['no command came on standard input, which is no terminal: --text prints the table'], quiet);
}

async function fromTerminal(session: Session): Promise<void> {
  const { stdin } = process;
  // Results may be on their way to a file.
  const screen = process.stdout.isTTY === true ? process.stdout : process.stderr;
  const path = historyPath();
  const name = '(jereplay) ';
  const lines = createInterface({
    input: stdin,
    output: screen,
    prompt: wantsColour(screen) ? `\u001b[1m${name}\u001b[0m` : name,
    completer: (text: string) => session.complete(text),
    history: readHistory(path).reverse(),
    historySize: 500,
    removeHistoryDuplicates: true,
  });
  lines.on('SIGINT', () => clearLine(lines, screen));
  screen.write('help lists the commands, Ctrl-D leaves.\n');
  lines.prompt();
  for await (const line of lines) {
    keepLine(path, line);
    // While a report is made, Ctrl-C ends the program as it does elsewhere.
    stdin.setRawMode(false);
    const { goesOn } = await outcome(session, line);
    if (!goesOn) {
      lines.close();
      return;
    }
    stdin.setRawMode(true);
    lines.prompt();
  }
  screen.write('\n');
}

function clearLine(lines: Interface, screen: NodeJS.WriteStream): void {
  lines.write(null, { ctrl: true, name: 'e' });
  screen.write('^C\n');
  lines.write(null, { ctrl: true, name: 'u' });
  lines.prompt();
}

/** Runs a line and tells of its failure. */
async function outcome(session: Session, line: string): Promise<{ readonly goesOn: boolean; readonly code: number }> {
  try {
    return { goesOn: await session.run(line), code: 0 };
  } catch (error) {
    if (error instanceof ReaderGone) throw error;
    const { text, code } = explain(error);
    process.stderr.write(text);
    return { goesOn: true, code };
  }
}
