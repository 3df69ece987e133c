/**
 * Untrusted text as one line that can be shown: nothing in it moves a cursor, changes colours or the order of letters, or ends the line.
 * Invariant: what `printable` gives has no control character, and is the text itself where that has none.
 */

/** C0, DEL, C1, line separators, direction marks and overrides, and halves of surrogate pairs. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;
const EACH_UNPRINTABLE = new RegExp(UNPRINTABLE, 'gu');

/** Shows each character that a terminal would act on as an escape: `\n`, `\x1b`, `\u202e`. */
export function printable(text: string): string {
  return UNPRINTABLE.test(text) ? text.replace(EACH_UNPRINTABLE, escaped) : text;
}

function escaped(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  const code = character.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
