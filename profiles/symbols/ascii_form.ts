/**
 * Mangled names with letters beyond ASCII (C++: `_ZN6名前3runEv`), as demanglers take them: c++filt ends a name on its standard input at such a letter,
 * and cpp_demangle reads none.
 * Invariant: the ASCII form has as many bytes as the name in UTF-8, so that the lengths in it (Itanium C++ ABI, `<source-name>`) stay true.
 */

/** A name in ASCII, and the way back. */
export interface AsciiForm {
  readonly text: string;
  /** Puts the letters into what a demangler made of `text`. */
  readonly restore: (readable: string) => string;
}

/** Begins what stands for a letter: demanglers take it for a part of a name. */
const MARK = '$';
/** What follows the mark, one for each letter that a name has. Further marks fill up to the bytes of the letter. */
const PLACES = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const NOT_ASCII = /[^\0-\x7f]/gu;

/** The ASCII form of a name; itself if it is ASCII, or has the mark, or more letters than there are places. */
export function asciiForm(name: string): AsciiForm {
  const letters = [...new Set(name.match(NOT_ASCII))];
  if (letters.length === 0 || letters.length > PLACES.length || name.includes(MARK)) return { text: name, restore: (readable) => readable };
  const forms = letters.map((letter, i) => `${MARK}${PLACES[i]}`.padEnd(new TextEncoder().encode(letter).length, MARK));
  return {
    text: name.replace(NOT_ASCII, (letter) => forms[letters.indexOf(letter)]),
    restore: (readable) => restored(readable, letters, forms),
  };
}

function restored(readable: string, letters: readonly string[], forms: readonly string[]): string {
  let text = '';
  for (let at = 0; at < readable.length; ) {
    const letter = readable[at] === MARK ? forms.findIndex((form) => readable.startsWith(form, at)) : -1;
    text += letters[letter] ?? readable[at];
    at += forms[letter]?.length ?? 1;
  }
  return text;
}
