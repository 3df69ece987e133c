/** Perl's patterns: what they find as perl itself says, and what is refused. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { needsTool } from '../../fixtures/tools.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { pattern } from './filters.ts';
import { PatternError, perlRegExp } from './perl_regexp.ts';

/**
 * What perl says of each name: 1 or 0; `x` of a pattern that it refuses, `fault` where a fault of its own shows: it panics, or finds
 * something else once a part that it cannot look into keeps it from guessing where a match may begin (`"a" =~ /(?=A{,2})[]a]{1,2}/` fails).
 * Patterns and names come in hex.
 */
const ORACLE = `
no warnings;
use re 'eval';
while (<STDIN>) {
  chomp;
  my ($pattern, @names) = map { pack('H*', $_) } split(/,/, $_, -1);
  my $found = eval { join('', map { $_ =~ m/$pattern/ ? 1 : 0 } @names) };
  my $isFault = $@ =~ /^panic/;
  my $careful = "(??{''})(?:" . $pattern . ")";
  my $again = $pattern =~ /[(][?]x/ ? $found : eval { join('', map { $_ =~ m/$careful/ ? 1 : 0 } @names) };
  print !defined $found ? ($isFault ? 'fault' : 'x') : $found eq $again ? $found : 'fault', "\\n";
}`;

function askPerl(cases: readonly (readonly [pattern: string, names: readonly string[]])[]): string[] {
  const hex = (text: string) => Buffer.from(text).toString('hex');
  const input = cases.map(([text, names]) => `${[text, ...names].map(hex).join(',')}\n`).join('');
  const { status, stdout } = spawnSync('perl', ['-e', ORACLE], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  expect(status).toBe(0);
  return stdout.trimEnd().split('\n');
}

const ours = (text: string, names: readonly string[]) => {
  const compiled = perlRegExp(text);
  return names.map((name) => (compiled.test(name) ? 1 : 0)).join('');
};

const NAMES = [
  ...['', 'a', 'aa', 'aaa', 'aaaa', 'b', 'ab', 'aB', 'AB', 'abab', 'a b', 'a,b', 'A1', '_x', 'Vec::grow', 'vec', 'cache_put', 'Cache-Put'],
  ...['main(int, char**)', 'a{,}', '{a', 'a{,3}', 'x}', ']c', 'operator[]', 'std::vector<T>', '~T', 'foo#bar', '\\', '^a$', '?'],
];

describe.skipIf(!needsTool('perl'))('as perl', () => {
  test('what it says of each construct', () => {
    const texts = String.raw`
      [[:upper:]]ec  \Acache_put\z  cache_put\Z  [[:alpha:]]+_put  \p{Lu}ec  \pLec  \P{Lu}  \p{^Lu}  \x{63}ache
      (?i:CACHE)  cache_put|(?i)VEC  (?>cache)  []c]ache  [^]c]  \h  [\h]  \H  \v  \e  \a  \Kb  \N  \N+b
      \N{2}b  \N{U+61}  ^a{,3}$  ^a{ 1, 3 }$  ^a{,}$  a{ , 3 }$  {a  a|{  x\}  x}  (?s)a.b  (?x) a b # c  (?x)a b +
      (?xx)[a b]$  (?^:x)  (?i)x(?^:x)  (?#c)b  a(?#c)+$  a++b  a*+a  ^a?+a$  a{1,2}+a$  (?n)(a)b  (?i)[[:upper:]]b
      (?i)[[:^upper:]]  [[:^alpha:][:digit:]]  (?i)[Y-b]  (?i)\p{Lu}  (?-i)b  (?i-i)B  (?a)\w  [\d_]  [\]c]  [a\-z]  [a-]
      [-a]  [\b]  [\101]  \101  \40b  \060  \o{101}  \cA  \_  \:\:  \<T\>  \x41  \x4  \x  (a)\1  (?<n>a)\k<n>
      (?'n'a)\k{n}  (?P<n>a)\g{n}  (a)(b)\g{-2}  (a|b)+\1  (?=a)a  (?<=a)b  (?<!a)b  (?!a)  (?m)^a$  ^$  a(?i)B|ab
      ((?i)a)B  [[:a]  [:alpha:]  [^\W_]  [\w:]+  \S+ \S  (?:a|b){2}  \bput\b  a\Bb  \.  .  (?x)[ ] b  (?c)b
    `
      .trim()
      .split(/ {2,}|\n */);
    const theirs = askPerl(texts.map((text) => [text, NAMES]));
    expect(texts.map((text) => `${text} ${ours(text, NAMES)}`)).toEqual(texts.map((text, i) => `${text} ${theirs[i]}`));
  });

  test('random patterns and names', () => {
    const name = fc.string({ unit: fc.constantFrom(...'aAbBzZ19_-: ].<>~#'), maxLength: 8 });
    const posix = fc.constantFrom(
      'alpha',
      'upper',
      'lower',
      'digit',
      'punct',
      'space',
      'blank',
      'word',
      'alnum',
      'graph',
      '^upper',
      '^alpha',
    );
    const set = fc.constantFrom(
      '\\d',
      '\\D',
      '\\w',
      '\\W',
      '\\s',
      '\\S',
      '\\h',
      '\\H',
      '\\v',
      '\\V',
      '\\p{Lu}',
      '\\P{Ll}',
      '\\pN',
      '\\p{P}',
    );
    const item = fc.oneof(
      fc.constantFrom('a', 'B', 'A-Z', 'Y-b', '1', '_', '\\]', '\\-', '.', '\\x{61}', '\\t'),
      set,
      posix.map((text) => `[:${text}:]`),
    );
    const brackets = fc
      .tuple(fc.constantFrom('', '^', ']', '^]'), fc.array(item, { minLength: 1, maxLength: 3 }))
      .map(([open, items]) => `[${open}${items.join('')}]`);
    const atom = fc.oneof(
      fc.constantFrom('a', 'A', 'b', 'B', '1', '_', '.', ':', ' ', '\\.', '\\x{62}', '\\N{U+41}', '\\N', '-', ']', '<', '\\#'),
      set,
      brackets,
    );
    const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{,2}', '{1,}', '{1,2}', '*?', '+?', '++', '*+', '?+', '{,2}+');
    const anchor = fc.constantFrom('^', '$', '\\A', '\\z', '\\Z', '\\b', '\\B', '(?#x)', '(?i)', '(?-i)', '(?s)');
    const group = fc.constantFrom('(', '(?:', '(?i:', '(?-i:', '(?^:', '(?=', '(?!', '(?s:', '(?>');
    const { whole } = fc.letrec<{ whole: string; piece: string }>((tie) => ({
      piece: fc.oneof(
        { depthSize: 'small' },
        { weight: 8, arbitrary: fc.tuple(atom, quantifier).map(([text, times]) => text + times) },
        { weight: 2, arbitrary: anchor },
        // A group that may be empty is not repeated: after an empty turn Perl goes on where this engine tries another.
        { weight: 2, arbitrary: fc.tuple(group, tie('whole')).map(([open, text]) => `${open}${text})`) },
        { weight: 1, arbitrary: fc.tuple(group, atom, tie('whole')).map(([open, text, rest]) => `(?:${text}${open}${rest}))+`) },
      ),
      whole: fc
        .array(fc.array(tie('piece'), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 })
        .map((alternatives) => alternatives.map((pieces) => pieces.join('')).join('|')),
    }));
    const cases = fc.sample(fc.tuple(whole, fc.array(name, { minLength: 20, maxLength: 20 })), 3000);
    const theirs = askPerl(cases);
    const differing = cases.flatMap(([text, names], i) => {
      if (theirs[i] === 'fault') return [];
      let found: string;
      try {
        found = ours(text, names);
      } catch (error) {
        if (error instanceof PatternError) return theirs[i] === 'x' ? [] : [`${text}: refused (${error.message}), perl ${theirs[i]}`];
        throw error;
      }
      return theirs[i] === found ? [] : [`${text}: ${found}, perl ${theirs[i]} of ${JSON.stringify(names)}`];
    });
    expect(differing.slice(0, 5)).toEqual([]);
    expect(theirs.filter((answer) => answer === 'fault').length).toBeLessThan(cases.length / 20);
  });
});

const REFUSED = String.raw`
  (?R)  (?1)  (?|a|b)  (?(1)a|b)  (?{ 1 })  (*FAIL)  \X  \R  \G  \y  \b{wb}  \N{DIGIT ONE}  \p{Alphabetic}
  [[:foo:]]  [[.a.]]  [a-\d]  (?u)a  (?i)(a)\1  (?:(a)|b)\1  (a)?\1  (a)|\1  \2  \18  (?<=(?>a))  [b-a]  (  )
  [a  *  a**  \  (?#  \x{110000}  \pq  (?<a>x)(?<a>y)\k<a>  a{2,1}
`;
test.each(REFUSED.trim().split(/ {2,}|\n */))('%s is refused in one line', (text) => {
  expect(() => perlRegExp(text)).toThrow(PatternError);
  expect(() => pattern(text, '--focus')).toThrow(InputError);
  expect(() => pattern(text, '--focus')).toThrow(/^--focus: no regular expression: [^\n]+$/);
});

test('names are characters', () => {
  expect(perlRegExp('^h.llo$').test('héllo')).toBe(true);
  expect(perlRegExp('^[äö]+$').test('äö')).toBe(true);
  expect(perlRegExp('\\x{1f600}.$').test('😀😀')).toBe(true);
});
