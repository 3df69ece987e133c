/**
 * What `help` says at the prompt.
 */
import { InputError } from '../../core/trace/input_error.ts';

const COMMANDS: readonly (readonly [string, string])[] = [
  ['top [N] [RE]', 'the largest N rows (10); also top20'],
  ['text [N] [RE]', 'the whole table'],
  ['tree [N] [RE]', 'the tree of calls'],
  ['traces [N] [RE]', 'backtraces with their values'],
  ['peek RE', 'callers and callees of functions that match'],
  ['list RE', 'source of functions that match, by line'],
  ['disasm RE', 'instructions of functions that match'],
  ['web, gv, evince [N] [RE]', 'the call graph in a window, N nodes at most'],
  ['dot, svg, ps, pdf, gif [N] [RE]', 'the call graph, for > FILE'],
  ['callgrind [FILE]', 'a file for kcachegrind, or kcachegrind'],
  ['json, csv, collapsed, speedscope, pprof, raw', 'other forms, for > FILE'],
  ['help [COMMAND]', 'this text'],
  ['quit', 'ends, as Ctrl-D does; Ctrl-C clears the line'],
];

const SETTINGS: readonly (readonly [string, string])[] = [
  ['inuse_space, inuse_objects, alloc_space, alloc_objects', 'what is counted'],
  ['functions, lines, files, addresses', 'what a row is'],
  ['cum, flat', 'what rows are sorted by'],
  ['focus=RE, ignore=RE', 'backtraces that match, or do not'],
  ['retain=RE, exclude=RE', 'frames that match, or do not'],
  ['base=FILE, drop_negative', 'a profile to subtract'],
  ['thread=N', 'one thread; * for each'],
  ['show_bytes', 'bytes, not megabytes'],
  ['nodecount=N, nodefraction=F, edgefraction=F, maxdegree=N, heapcheck', 'of call graphs'],
  ['options, reset', 'show the settings; make them what they were'],
];

const NOTES = `RE after a command focuses on the backtraces that match, -RE leaves them out;
> FILE at the end writes to a file. NAME=VALUE holds for the session, NAME=
takes it away, noNAME turns off. With dashes in a command, as in top --cum, a
setting is for that command. What has blanks goes between quotes.
`;

/** The whole help, or the line of one command. @throws InputError if there is no such command */
export function helpText(name: string | undefined): string {
  if (name !== undefined) {
    const found = [...COMMANDS, ...SETTINGS].filter(([usage]) => usage.split(/[^\w]+/).includes(name));
    if (found.length === 0) throw new InputError('help', `there is no ${name}`, 'help alone lists what there is');
    return table(found);
  }
  return `Commands\n${table(COMMANDS)}\nSettings\n${table(SETTINGS)}\n${NOTES}`;
}

const COLUMN = 33;

/** Usage and meaning side by side, or below each other where the usage is long. */
function table(rows: readonly (readonly [string, string])[]): string {
  return rows
    .map(([usage, meaning]) =>
      usage.length < COLUMN ? `  ${usage.padEnd(COLUMN)}${meaning}\n` : `  ${usage}\n  ${' '.repeat(COLUMN)}${meaning}\n`,
    )
    .join('');
}
