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

const CONST = /[ \t\n\v\f\r]*const/y;

/** Leaves out every bracketed part whose brackets match, and a `const` after it where asked. */
function withoutPairs(text: string, open: string, close: string, dropConst: boolean): string {
  const opened: number[] = [];
  // Start -> position after the closing bracket, of matched pairs; only the outermost ones are looked at.
  const pairs = new Map<number, number>();
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === open) opened.push(i);
    else if (char === close && opened.length > 0) pairs.set(opened.pop() as number, i + 1);
  }
  let kept = '';
  let from = 0;
  for (let i = 0; i < text.length; ) {
    const end = pairs.get(i);
    if (end === undefined) {
      i++;
      continue;
    }
    kept += text.slice(from, i);
    i = end;
    if (dropConst) {
      CONST.lastIndex = i;
      if (CONST.test(text)) i = CONST.lastIndex;
    }
    from = i;
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
