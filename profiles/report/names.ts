/**
 * Function names as reports show them (jeprof, ShortFunctionName).
 * Invariant: linear time in the length of the name, however deep its brackets nest.
 * Differs: one pass that matches brackets for jeprof's substitution repeated until nothing matches; the results are the same.
 */

/** The name without argument types, template arguments and leading type: `void ns::f<int>(char) const` is `ns::f`. */
export function shortFunctionName(name: string): string {
  let short = name;
  if (short.includes('(')) short = withoutPairs(short, '(', ')', true);
  if (short.includes('<')) short = withoutPairs(short, '<', '>', false);
  return short.includes('::') ? withoutLeadingType(short) : short;
}

/**
 * Names of other languages than C++, in which brackets are no arguments: `<T as Clone>::clone`, `Vec::<u8>::new` (Rust), `main.(*T).f`, `a/b.New[…()…]` (Go),
 * `a.B.<init>` (Java), `<module>`, `f (a.py:1)` (Python), `(anonymous)` (JavaScript), those behind a place, `b.rs:7 - <T as Clone>::clone`, and of
 * none `[unknown <7f25>]` (stackcollapse-perf.pl). Of C++ are `(anonymous namespace)::f`,
 * `f()::<lambda(int)>`, `decltype (x) f<int>(int)`, `int (*f<int>())()` and `f() (.cold)`.
 */
const NOT_CPP =
  /^<(?!lambda\(|unnamed)|^\((?!anonymous )|\.[(<]|::<(?!lambda\(|unnamed)|^[^(<]*(?<!decltype) \((?![*&.]|anonymous )|^[^(<\s]*\/|^[^(<]* - |^\[|<impl |<[^()<]* as /;

/** False of a name in which brackets are no arguments. */
export const isCppName = (name: string) => !NOT_CPP.test(name);

/** The short form of a name of any language: of C++ `shortFunctionName`, of others the name, of which what is cut tells functions apart. */
export function shortName(name: string): string {
  if (!isCppName(name)) return name;
  return shortFunctionName(name) || name;
}

const CONST = /[ \t\n\v\f\r]*const/y;

/** Leaves out every bracketed part whose brackets match, and a `const` after it where asked. */
function withoutPairs(text: string, open: string, close: string, dropConst: boolean): string {
  // Starts of brackets that are open, and of the matched pairs that lie in none of them: each start, then the place after its end.
  const opened: number[] = [];
  const pairs: number[] = [];
  let nextOpen = text.indexOf(open);
  for (let at = text.indexOf(close); at >= 0; at = text.indexOf(close, at + 1)) {
    for (; nextOpen >= 0 && nextOpen < at; nextOpen = text.indexOf(open, nextOpen + 1)) opened.push(nextOpen);
    const start = opened.pop();
    if (start === undefined) continue;
    // A pair takes the place of those within it.
    while (pairs.length > 0 && pairs[pairs.length - 2] > start) pairs.length -= 2;
    pairs.push(start, at + 1);
  }
  let kept = '';
  let from = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    kept += text.slice(from, pairs[i]);
    from = pairs[i + 1];
    if (!dropConst) continue;
    CONST.lastIndex = from;
    if (CONST.test(text)) from = CONST.lastIndex;
  }
  return kept + text.slice(from);
}

/** Leaves out everything before the last blank that a qualified name follows. */
function withoutLeadingType(text: string): string {
  let start = 0;
  for (const match of text.matchAll(/[ \t\n\v\f\r](?=\w+::)/g)) start = match.index + 1;
  return text.slice(start);
}

/** Order of names, by their characters' numbers. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
