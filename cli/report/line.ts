/**
 * A line at the prompt, taken apart.
 * Invariant: between quotes blanks are letters, and so is everything else; a backslash is the pattern's own.
 */
import { InputError } from '../../core/trace/input_error.ts';

/** Words of a line, and the file that `> FILE` at its end names. */
export interface Line {
  readonly words: readonly string[];
  readonly output: string | undefined;
}

/** @throws InputError for a quote that is not closed, and for `>` without a file */
export function parseLine(text: string): Line {
  const words: string[] = [];
  let redirect = -1;
  const word = /\s*((?:"[^"]*"|'[^']*'|[^\s"'])+|["'])/y;
  for (let match = word.exec(text); match !== null; match = word.exec(text)) {
    const [, spelled = ''] = match;
    if (spelled === '"' || spelled === "'") throw new InputError(text.trim(), `a quote ${spelled} that is not closed`);
    if (spelled.startsWith('>') && words.length > 0 && redirect < 0) redirect = words.length;
    words.push(
      spelled.replace(/"([^"]*)"|'([^']*)'/g, (_, double: string | undefined, single: string | undefined) => double ?? single ?? ''),
    );
  }
  if (redirect < 0) return { words, output: undefined };
  const output = words.slice(redirect).join(' ').replace(/^>\s*/, '');
  if (output === '') throw new InputError(text.trim(), 'no file after >');
  return { words: words.slice(0, redirect), output };
}
