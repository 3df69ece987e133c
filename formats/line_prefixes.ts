/**
 * What programs that show or collect text put before each line of a recording: to say what is to be taken off.
 * Invariant: a command makes of a file what is compared with the formats here.
 */
import { textOf } from './shared/cursor.ts';

/** A recording with something before each line. */
export interface Prefixed {
  readonly what: string;
  /** Makes the recording of it. */
  readonly command: string;
  /** The lines without. */
  readonly text: Uint8Array;
}

/** What stands there, what it is, and the same as a pattern of sed -E. */
const PREFIXES: readonly (readonly [RegExp, string, string])[] = [
  [/^\x1b\[[0-9;]*m/, 'colours', '\\x1b\\[[0-9;]*m'],
  [/^ *[0-9]+[:\t ] */, 'a number', '^ *[0-9]+[:\\t ] *'],
  [/^[>\t][>\t ]*/, 'a tab or a mark of quotation', '^[>\\t ]+'],
  [/^[0-9-]{10}T[0-9:]{8}[^ ]* /, 'a time', '^[^ ]+ '],
  [/^[A-Z][a-z]{2} +[0-9]+ [0-9:]{8} [^ ]+ [^ ]+: /, 'what a log adds', '^([^ ]+ +){4}[^ ]+: '],
  [/^[A-Z][a-z]{2} +[0-9]+ [0-9:]{8} /, 'a time', '^([^ ]+ +){3}'],
  [/^[^ ]+ +\| /, 'a name', '^[^ ]+ +\\| '],
];
/** Of the lines at least so many have it: output of the program may be among them. */
const SHARE = 0.9;

/** What may stand before the lines of `head`, the first bytes of an input; nothing where too few have it. */
export function* withoutPrefixes(head: Uint8Array): Generator<Prefixed> {
  const lines = textOf(head, 0, head.length).split(/\r?\n/);
  if (lines.length > 1) lines.pop();
  for (const [prefix, what, pattern] of PREFIXES) {
    const own = lines.filter((line) => prefix.test(line)).length;
    if (own === 0 || own < SHARE * lines.length) continue;
    const isColour = what === 'colours';
    const text = lines.map((line) => (isColour ? line.replace(/\x1b\[[0-9;]*m/g, '') : line.replace(prefix, ''))).join('\n');
    yield { what, command: `sed -E 's/${pattern}//${isColour ? 'g' : ''}' FILE`, text: Buffer.from(`${text}\n`) };
  }
}
