/**
 * Lines of earlier sessions, in the user's state folder (XDG Base Directory Specification: $XDG_STATE_HOME, else ~/.local/state).
 * Invariant: the file holds at most twice KEPT_LINES lines of at most LINE_LENGTH characters, and only its user may read it.
 * Differs from a shell's: each line is added as it is typed, so that sessions beside each other keep both.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

const KEPT_LINES = 500;
const LINE_LENGTH = 1000;
/** A file that is larger is none of ours. */
const FILE_BYTES = 4 * KEPT_LINES * LINE_LENGTH;

/** Where the lines are kept. */
export function historyPath(environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment['XDG_STATE_HOME'] ?? '';
  // A relative path is to be ignored, says the specification.
  return join(isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'jereplay', 'history');
}

/** The latest lines, oldest first; none where there is no file. Cuts a file that has grown. */
export function readHistory(path: string): string[] {
  let lines: string[];
  try {
    const { size } = statSync(path);
    lines =
      size > FILE_BYTES
        ? []
        : readFileSync(path, 'utf8')
            .split('\n')
            .filter((line) => line !== '');
    if (size > FILE_BYTES || lines.length > 2 * KEPT_LINES) {
      const next = `${path}.${process.pid}`;
      writeFileSync(
        next,
        lines
          .slice(-KEPT_LINES)
          .map((line) => `${line}\n`)
          .join(''),
        { mode: 0o600 },
      );
      renameSync(next, path);
    }
  } catch {
    return [];
  }
  return lines.slice(-KEPT_LINES);
}

/** Adds a line. Where nothing can be written, nothing is kept. */
export function keepLine(path: string, line: string): void {
  if (line.trim() === '' || line.length > LINE_LENGTH) return;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    appendFileSync(path, `${line.trim()}\n`, { mode: 0o600 });
  } catch {
    // A session works without a memory.
  }
}
