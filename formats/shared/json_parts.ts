/**
 * The parts of a JSON object or list as they are spelt: what is kept of a line without being understood keeps its digits and spaces.
 */

/** A string, a mark, or a number or literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/** The members of an object (`"key":value`) or the elements of a list, in order. `text` is an object or a list that JSON.parse takes. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = -1;
  let end = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const opens = token === '{' || token === '[';
    if (token === '}' || token === ']') depth--;
    const ends = depth === 0 || (depth === 1 && token === ',');
    if (ends && start >= 0) {
      parts.push(text.slice(start, end));
      start = -1;
    } else if (start < 0 && depth === 1) start = index;
    if (opens) depth++;
    end = index + token.length;
  }
  return parts;
}

/** The members of an object by key, each as it is spelt; of a key that comes twice the last. */
export function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  for (const part of partsOf(text)) members.set(JSON.parse(/^"(?:[^"\\]|\\.)*"/.exec(part)?.[0] ?? '""') as string, part);
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
  return member.replace(/^"(?:[^"\\]|\\.)*"\s*:\s*/, '');
}
