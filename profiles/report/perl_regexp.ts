/**
 * Perl's regular expressions (perlre, perlrecharclass, perlrebackslash of Perl 5.36), in which jeprof's flags are written, as those of this engine.
 * Invariant: what is translated finds a match where Perl finds one; what cannot be is refused, never read as something else.
 * Differs: names are characters, which jeprof has as bytes of UTF-8; `\w`, `\d`, `\s` and case are those of ASCII, as they are of bytes.
 * Every literal, class and group is written anew, so that nothing depends on how the engine would have read it.
 */
import {
  CASED,
  CATEGORIES,
  type CharacterSet,
  complement,
  LAST,
  POSIX,
  type Range,
  SETS,
  setSource,
  setText,
  withBothCases,
} from './character_sets.ts';

/** A pattern that is none, or has what this engine lacks: what is wrong, and what helps. */
export class PatternError extends Error {
  readonly remedy: string | undefined;
  constructor(fact: string, remedy?: string) {
    super(fact);
    this.name = 'PatternError';
    this.remedy = remedy;
  }
}

/** A regular expression that tells whether a name matches. @throws PatternError if the text is none of Perl, or has no equal here */
export function perlRegExp(text: string): RegExp {
  const source = new Translation(text).whole();
  try {
    return new RegExp(source, 'u');
  } catch (error) {
    // The engine's words tell of the translation, which the user did not write.
    throw new PatternError((error as Error).message.replace(/^.*\/u: /s, ''));
  }
}

const ESCAPES: ReadonlyMap<string, number> = new Map(Object.entries({ t: 9, n: 10, f: 12, r: 13, e: 27, a: 7 }));
const START = '(?<![^])';
const END = '(?![^])';

/** Letters that switch how the pattern after them is read. */
interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
  /** Blanks in classes are none either. */
  readonly xx: boolean;
  /** Plain groups do not capture. */
  readonly n: boolean;
}
const NO_FLAGS: Flags = { i: false, m: false, s: false, x: false, xx: false, n: false };

/** A group that is open. */
interface Group {
  /** What its flags go back to behind it. */
  readonly outer: Flags;
  readonly close: string;
  /** Piece that it begins with. */
  readonly at: number;
  readonly capture: number;
  /** Looking behind, the engine goes from right to left. */
  readonly isBehind: boolean;
  /** Groups that have captured wherever this one has come so far. */
  readonly captured: Set<number>;
}

/** One pattern on its way. */
class Translation {
  readonly #text: readonly string[];
  #at = 0;
  #flags = NO_FLAGS;
  readonly #out: string[] = [];
  readonly #groups: Group[] = [{ outer: NO_FLAGS, close: '', at: 0, capture: 0, isBehind: false, captured: new Set() }];
  /** Piece that the last thing begins with, which a quantifier may follow; -1 if none may. */
  #last = -1;
  #lastCapture = 0;
  #captures = 0;
  #atomics = 0;
  readonly #names = new Map<string, number>();

  constructor(text: string) {
    this.#text = [...text];
  }

  whole(): string {
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) this.#step();
    if (this.#groups.length > 1) throw new PatternError('a ( without its )');
    return this.#out.join('');
  }

  #step(): void {
    const character = this.#text[this.#at++];
    switch (character) {
      case '\\':
        return this.#escape();
      case '[':
        return this.#thing(setSource(this.#class()));
      case '(':
        return this.#open();
      case ')':
        return this.#close();
      case '|':
        this.#group().captured.clear();
        this.#last = -1;
        this.#out.push('|');
        return;
      case '.':
        return this.#thing(this.#flags.s ? '[^]' : '[^\\n]');
      case '^':
        return this.#thing(this.#flags.m ? `(?:${START}|(?<=\\n)(?=[^]))` : START);
      case '$':
        return this.#thing(this.#flags.m ? `(?=\\n|${END})` : `(?=\\n?${END})`);
      case '*':
      case '+':
      case '?':
        return this.#quantify(character);
      case '{': {
        const counts = this.#counts();
        return counts === undefined ? this.#literal(character) : this.#quantify(counts);
      }
      default:
        return this.#literal(character);
    }
  }

  #group(): Group {
    return this.#groups[this.#groups.length - 1];
  }

  /** Something that a quantifier may follow. */
  #thing(source: string): void {
    this.#last = this.#out.length;
    this.#lastCapture = 0;
    this.#out.push(source);
  }

  #literal(character: string): void {
    this.#character(character.codePointAt(0) ?? 0);
  }

  #character(point: number): void {
    this.#thing(setSource(this.#cased({ ranges: [[point, point]], properties: [] })));
  }

  /** Comments, and with `x` blanks: nothing, also before a quantifier. */
  #skip(): void {
    for (;;) {
      if (this.#follows('(?#')) {
        const end = this.#text.indexOf(')', this.#at);
        if (end < 0) throw new PatternError('a (?# without its )');
        this.#at = end + 1;
      } else if (this.#flags.x && /^[\t-\r \x85\u200e\u200f\u2028\u2029]$/.test(this.#text[this.#at] ?? '')) {
        this.#at++;
      } else if (this.#flags.x && this.#text[this.#at] === '#') {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = end < 0 ? this.#text.length : end + 1;
      } else {
        return;
      }
    }
  }

  #follows(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#text[this.#at + i] !== text[i]) return false;
    return true;
  }

  /** What a pattern for the text from here on finds, and goes behind it. */
  #take(pattern: RegExp): RegExpExecArray | undefined {
    const match = pattern.exec(this.#text.slice(this.#at).join(''));
    if (match === null) return undefined;
    this.#at += [...match[0]].length;
    return match;
  }

  /** `{2}`, `{2,}`, `{2,3}` and `{,3}`, with blanks, behind the brace; undefined if it is only a brace. */
  #counts(): string | undefined {
    const match = this.#take(/^[ \t]*(?:(\d+)[ \t]*(,?)[ \t]*(\d*)|,[ \t]*(\d+))[ \t]*\}/);
    if (match === undefined) return undefined;
    const [, least, comma, most, only] = match;
    if (least === undefined) return `{0,${only}}`;
    if (comma === '' && most !== '') throw new PatternError(`${match[0].slice(0, -1)} are no counts`);
    return `{${least}${comma}${most}}`;
  }

  #quantify(quantifier: string): void {
    if (this.#last < 0) throw new PatternError(`${quantifier} repeats nothing`);
    if (quantifier === '*' || quantifier === '?' || /^\{0+[,}]/.test(quantifier)) this.#group().captured.delete(this.#lastCapture);
    const repeated = this.#out.splice(this.#last).join('') + quantifier;
    this.#skip();
    const isPossessive = this.#follows('+');
    const isLazy = this.#follows('?');
    if (isPossessive || isLazy) this.#at++;
    this.#out.push(isPossessive ? this.#atomic() + repeated + this.#atomicEnd() : repeated + (isLazy ? '?' : ''));
    this.#last = -1;
  }

  /** An atomic group: what was looked ahead at is not tried again in another way. */
  #atomic(): string {
    if (this.#groups.some(({ isBehind }) => isBehind))
      throw new PatternError('an atomic group or possessive quantifier is looked behind at', 'leave out its > or +');
    return `(?:(?=(?<a${++this.#atomics}>`;
  }

  #atomicEnd(number = this.#atomics): string {
    return `))\\k<a${number}>)`;
  }

  #open(): void {
    if (this.#follows('*')) throw unknown(`(*${this.#text[this.#at + 1] ?? ''}…)`);
    const begin = (open: string, { close = ')', capture = 0, isBehind = false, flags = this.#flags } = {}) => {
      this.#groups.push({ outer: this.#flags, close, at: this.#out.length, capture, isBehind, captured: new Set() });
      this.#flags = flags;
      this.#last = -1;
      this.#out.push(open);
    };
    const beginCapture = (name?: string) => {
      const capture = ++this.#captures;
      // Of groups of one name none is meant for sure.
      if (name !== undefined) this.#names.set(name, this.#names.has(name) ? 0 : capture);
      begin(`(?<g${capture}>`, { capture });
    };
    if (!this.#follows('?')) {
      if (this.#flags.n) begin('(?:');
      else beginCapture();
      return;
    }
    this.#at++;
    const look = this.#take(/^(?:<?[=!])/);
    if (look !== undefined) return begin(`(?${look[0]}`, { isBehind: look[0].startsWith('<') });
    if (this.#take(/^>/) !== undefined) {
      const open = this.#atomic();
      return begin(open, { close: this.#atomicEnd() });
    }
    const name = this.#take(/^(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/);
    if (name !== undefined) return beginCapture(name[1] ?? name[2]);
    const switches = this.#take(/^(\^?)([a-z]*)(?:-([a-z]*))?([:)])/);
    if (switches === undefined || (switches[1] !== '' && switches[3] !== undefined))
      throw unknown(`(?${this.#text.slice(this.#at, this.#at + 1).join('')}…`);
    const [, reset, on, off = '', end] = switches;
    const other = /[^imsxnadpcgo]/.exec(on) ?? /[^imsxnpcgo]/.exec(off);
    if (other !== null) throw unknown(`the flag ${other[0]}`);
    const flags = switched(reset === '' ? this.#flags : NO_FLAGS, on, off);
    if (end === ':') return begin('(?:', { flags });
    this.#flags = flags;
    this.#last = -1;
  }

  #close(): void {
    const group = this.#groups.length > 1 ? this.#groups.pop() : undefined;
    if (group === undefined) throw new PatternError('a ) without its (');
    this.#out.push(group.close);
    this.#flags = group.outer;
    this.#last = group.at;
    this.#lastCapture = group.capture;
    if (group.capture > 0 && !this.#group().isBehind) this.#group().captured.add(group.capture);
  }

  #escape(): void {
    const letter = this.#text[this.#at];
    if (letter === undefined) throw new PatternError('a \\ at its end');
    const set = this.#set();
    if (set !== undefined) return this.#thing(setSource(set));
    // Of two digits and more it is a character, where there are not so many groups.
    const isOctal = this.#text.filter((character) => character === '(').length < 10 && this.#take(/^(?=[1-7][0-7])/) !== undefined;
    if (!isOctal && (/^[1-9]$/.test(letter) || letter === 'g' || letter === 'k')) return this.#reference();
    const named = this.#text[this.#at + 1] === '{';
    switch (letter) {
      case 'A':
        return this.#anchor(START);
      case 'z':
        return this.#anchor(END);
      case 'Z':
        return this.#anchor(`(?=\\n?${END})`);
      case 'K':
        // Where a match begins is nothing to a test.
        return this.#anchor('');
      case 'b':
      case 'B':
        if (named) throw unknown(`\\${letter}{…}`);
        return this.#anchor(`\\${letter}`);
      case 'N':
        if (this.#text[this.#at + 1] === '{' && !/^N\{[ \t]*(?:\d|,[ \t]*\d|U\+)/.test(this.#text.slice(this.#at).join('')))
          throw unknown('\\N{…}', 'write the character itself, or \\x{…}');
        if (!named || this.#text[this.#at + 2] !== 'U') {
          this.#at++;
          return this.#thing('[^\\n]');
        }
    }
    return this.#character(this.#point());
  }

  #anchor(source: string): void {
    this.#at++;
    this.#thing(`(?:${source})`);
  }

  /** An escape for one of several characters, behind its \; undefined if it is another. */
  #set(): CharacterSet | undefined {
    const letter = this.#text[this.#at];
    const small = letter.toLowerCase();
    const ranges = SETS.get(small);
    if (ranges !== undefined) {
      this.#at++;
      return { ranges: letter === small ? ranges : complement(ranges), properties: [] };
    }
    if (small !== 'p') return undefined;
    const match = this.#take(/^[pP](?:([A-Z])|\{[ \t]*(\^?)[ \t]*(\w+)[ \t]*\})/);
    const name = match?.[1] ?? match?.[3] ?? '';
    if (match === undefined || !CATEGORIES.test(name))
      throw unknown(`\\${letter}${name === '' ? '' : `{${name}}`}`, 'a general category such as \\p{Lu}, or a class such as [[:upper:]]');
    const isNegated = (letter === 'P') !== (match[2] === '^');
    return { ranges: [], properties: [`\\${isNegated ? 'P' : 'p'}{${this.#flags.i && CASED.test(name) ? 'LC' : name}}`] };
  }

  /** The character that an escape stands for, behind its \. @throws PatternError if it is none */
  #point(): number {
    const hex = this.#take(/^(?:x\{[ \t]*([0-9A-Fa-f]*)[ \t]*\}|x(?!\{)([0-9A-Fa-f]{0,2})|N\{[ \t]*U\+([0-9A-Fa-f]+)[ \t]*\})/);
    if (hex !== undefined) return pointOf(hex[1] ?? hex[2] ?? hex[3], 16);
    const octal = this.#take(/^(?:o\{[ \t]*([0-7]+)[ \t]*\}|([0-7]{1,3}))/);
    if (octal !== undefined) return pointOf(octal[1] ?? octal[2], 8);
    const control = this.#take(/^c([ -~])/);
    if (control !== undefined) return control[1].toUpperCase().charCodeAt(0) ^ 0x40;
    const letter = this.#text[this.#at++];
    const known = ESCAPES.get(letter);
    if (known !== undefined) return known;
    if (/^[0-9A-Za-z]$/.test(letter)) throw unknown(`\\${letter}`);
    return letter.codePointAt(0) ?? 0;
  }

  /** A reference to a group that has captured: of one that has not, the engines think differently. */
  #reference(): void {
    const match = this.#take(/^(?:g?(-?[1-9])(?!\d)|g\{(-?[1-9]\d*)\}|[gk]\{([A-Za-z_]\w*)\}|k<([A-Za-z_]\w*)>|k'([A-Za-z_]\w*)')/);
    const number = Number(match?.[1] ?? match?.[2] ?? this.#names.get(match?.[3] ?? match?.[4] ?? match?.[5] ?? '') ?? 0);
    const capture = number < 0 ? this.#captures + 1 + number : number;
    const isCaptured = this.#groups.some(({ captured }) => captured.has(capture));
    if (match === undefined || !isCaptured || this.#groups.some(({ isBehind }) => isBehind))
      throw new PatternError(
        'a reference to a group that may not have matched there',
        'write what it may be, or a group right before it in the same alternative',
      );
    if (this.#flags.i) throw unknown('a reference to a group without regard to case', 'write what it may be');
    this.#thing(`\\k<g${capture}>`);
  }

  /** A class in brackets, behind the first. */
  #class(): CharacterSet {
    const isNegated = this.#follows('^');
    if (isNegated) this.#at++;
    const ranges: Range[] = [];
    const properties: string[] = [];
    for (let isFirst = true; ; isFirst = false) {
      this.#skipInClass();
      if (this.#at >= this.#text.length) throw new PatternError('a [ without its ]');
      if (this.#follows(']') && !isFirst) break;
      const item = this.#classItem();
      this.#skipInClass();
      const isRange = this.#follows('-') && this.#text[this.#at + 1] !== undefined && !this.#endsBehindDash();
      if (typeof item !== 'number') {
        if (isRange) throw unknown('a range from a class', 'write \\- for the sign');
        ranges.push(...item.ranges);
        properties.push(...item.properties);
        continue;
      }
      if (!isRange) {
        ranges.push([item, item]);
        continue;
      }
      this.#at++;
      this.#skipInClass();
      const last = this.#classItem();
      if (typeof last !== 'number') throw unknown('a range to a class', 'write \\- for the sign');
      if (last < item) throw new PatternError(`no range from ${String.fromCodePoint(item)} to ${String.fromCodePoint(last)}`);
      ranges.push([item, last]);
    }
    this.#at++;
    const set = this.#cased({ ranges, properties });
    if (!isNegated) return set;
    return { ranges: [], properties: [`^${setText(set)}`] };
  }

  #skipInClass(): void {
    while (this.#flags.xx && /^[ \t]$/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  /** True if the - here is the last of a class. */
  #endsBehindDash(): boolean {
    let next = this.#at + 1;
    while (this.#flags.xx && /^[ \t]$/.test(this.#text[next] ?? '')) next++;
    return this.#text[next] === ']';
  }

  #classItem(): number | CharacterSet {
    const posix = this.#take(/^\[:(\^?)(\w+):\]/);
    if (posix !== undefined) {
      const ranges = POSIX.get(posix[2]);
      if (ranges === undefined) throw new PatternError(`${posix[0]} is no class`, `one of ${[...POSIX.keys()].join(' ')}`);
      const cased = this.#cased({ ranges, properties: [] }).ranges;
      return { ranges: posix[1] === '' ? cased : complement(cased), properties: [] };
    }
    if (this.#take(/^\[([.=]).*?\1\]/s) !== undefined) throw unknown('[. .] and [= =]');
    const character = this.#text[this.#at++];
    if (character !== '\\') return character.codePointAt(0) ?? 0;
    const letter = this.#text[this.#at];
    if (letter === undefined) throw new PatternError('a [ without its ]');
    const set = this.#set();
    if (set !== undefined) return set;
    if (letter === 'b') {
      this.#at++;
      return 8;
    }
    return this.#point();
  }

  /** The same, and where case does not count with the other case of each letter. */
  #cased(set: CharacterSet): CharacterSet {
    return this.#flags.i ? withBothCases(set) : set;
  }
}

function switched(flags: Flags, on: string, off: string): Flags {
  const has = (flag: 'i' | 'm' | 's' | 'x' | 'n') => (flags[flag] || on.includes(flag)) && !off.includes(flag);
  // Each list that names it says anew whether it stands there twice.
  const xx = on.includes('x') ? on.includes('xx') : flags.xx;
  return { i: has('i'), m: has('m'), s: has('s'), x: has('x'), n: has('n'), xx: xx && !off.includes('x') };
}

function pointOf(digits: string, base: number): number {
  const point = digits === '' ? 0 : Number.parseInt(digits, base);
  if (point > LAST) throw new PatternError(`${digits} is no character`);
  return point;
}

function unknown(
  what: string,
  remedy = 'write it in another way: groups, classes, anchors, quantifiers and (?i) are understood',
): PatternError {
  return new PatternError(`${what} is not understood`, remedy);
}
