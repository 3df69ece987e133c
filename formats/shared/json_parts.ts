/**
 * The parts of a JSON object or list as they are spelt: what is kept of a line without being understood keeps its digits and spaces.
 */

/** A mark, the beginning of a string, or a number or literal. */
const TOKEN = /["{}[\],:]|[^\s"{}[\],:]+/g;

/**
 * The place behind the string whose quote is at `start`. No pattern finds it: of strings of megabytes, as texts of mappings are, the engine's stack does not hold
 * the turns.
 */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0;
    while (text[quote - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** `text`, JSON, with each string as `respell` spells it. */
export function withStrings(text: string, respell: (string: string) => string): string {
  const pieces: string[] = [];
  let from = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', from)) {
    const end = endOfString(text, start);
    pieces.push(text.slice(from, start), respell(text.slice(start, end)));
    from = end;
  }
  return pieces.join('') + text.slice(from);
}

/** The members of an object (`"key":value`) or the elements of a list, in order. `text` is an object or a list that JSON.parse takes. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = -1;
  let end = 0;
  const tokens = new RegExp(TOKEN);
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const { 0: token, index } = match;
    const opens = token === '{' || token === '[';
    if (token === '}' || token === ']') depth--;
    const ends = depth === 0 || (depth === 1 && token === ',');
    if (ends && start >= 0) {
      parts.push(text.slice(start, end));
      start = -1;
    } else if (start < 0 && depth === 1) start = index;
    if (opens) depth++;
    end = token === '"' ? endOfString(text, index) : tokens.lastIndex;
    tokens.lastIndex = end;
  }
  return parts;
}

/** The members of an object by key, each as it is spelt; of a key that comes twice the last. */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  for (const part of partsOf(text)) members.set(JSON.parse(part.slice(0, endOfString(part, 0))) as string, part);
  return members;
}

/** The members of an object whose keys are not `known`, with commas between them; undefined if there are none. */
export function otherMembers(text: string, known: ReadonlySet<string>): string | undefined {
  const others: string[] = [];
  for (const [key, member] of membersOf(text)) if (!known.has(key)) others.push(member);
  return others.length === 0 ? undefined : others.join(',');
}

/** The value of a member, as it is spelt. */
export function spellingOf(member: string): string {
  return member.slice(endOfString(member, 0)).replace(/^\s*:\s*/, '');
}
