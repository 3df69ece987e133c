/**
 * A large compressed recording is opened in a thread of its own before anything else is loaded, so that its first bytes are there when they are asked for:
 * the thread takes as long to start as the program.
 */
import type { OpenedBeside } from '../formats/beside/open_beside.ts';
import { paysToOpenBeside } from './unpacking_beside.ts';

/** The path that was opened, and what came of it. */
let opening: { readonly path: string; readonly opened: Promise<OpenedBeside> } | undefined;

/** Opens the recording that arguments name, if that pays. It may be damaged: that is for who takes it. */
export async function openEarly(args: readonly string[]): Promise<void> {
  for (const path of args) {
    if (path.startsWith('-') || !(await paysToOpenBeside(path))) continue;
    const opened = (await import('../formats/beside/open_beside.ts')).openInputBeside(path);
    opened.catch(() => {});
    opening = { path, opened };
    return;
  }
}

/** The input at a path, if it was opened. Who takes it closes it. */
export function takeOpened(path: string): Promise<OpenedBeside> | undefined {
  if (opening?.path !== path) return undefined;
  const { opened } = opening;
  opening = undefined;
  return opened;
}

/** Closes what nobody has taken. */
export function closeOpened(): void {
  opening?.opened.then(
    ({ close }) => close(),
    () => {},
  );
  opening = undefined;
}
