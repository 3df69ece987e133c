/**
 * Columns that text takes on a terminal.
 * Invariant: what `truncate` gives is no wider than asked. Text that is not trusted goes through `printable` before.
 */

/** Letters that take two columns (East Asian wide and emoji) and marks that take none. */
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const MARK = /\p{Mn}|\p{Me}|\u200d/u;

/** Columns that a character takes. */
function columns(character: string): number {
  if (character < '\u0300') return 1;
  return MARK.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** Columns that printable text takes. */
export function columnsOf(text: string): number {
  let sum = 0;
  for (const character of text) sum += columns(character);
  return sum;
}

/** Cuts printable text to `width` columns; what is cut off is marked with an ellipsis. */
export function truncate(text: string, width: number): string {
  let used = 0;
  let end = 0;
  let cut = 0;
  for (const character of text) {
    used += columns(character);
    if (used > width) return width > 0 ? `${text.slice(0, cut)}…` : '';
    end += character.length;
    if (used < width) cut = end;
  }
  return text;
}
