/**
 * jeprof's command line (jemalloc 5.3.0, bin/jeprof.in, ParseArgs; Perl, Getopt::Long) as one of ours.
 * Invariant: what comes out has one spelling per flag, which yargs takes as it is.
 * Differs: what needs a network or another profile than a heap's is refused, with what to do instead.
 */
import { existsSync } from 'node:fs';
import { InputError } from '../core/trace/input_error.ts';

/** Flags without a value; `--noX` undoes them. */
const FLAGS =
  'cum functions lines addresses files text callgrind symbols gv evince web dot ps pdf svg gif raw collapsed interactive inuse_space inuse_objects alloc_space alloc_objects show_bytes drop_negative heapcheck help'.split(
    ' ',
  );
const VALUES =
  'base add_lib lib_prefix list disasm nodecount nodefraction edgefraction maxdegree focus thread ignore scale retain exclude tools'.split(
    ' ',
  );
/** Of no effect here: debug files are always found by build id, and the others are about servers. */
const IDLE_FLAGS = ['debug', 'debug-syms-by-id'];
const IDLE_VALUES = ['seconds', 'test_stride'];
/** What is not made here, and what is in its place. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['test', 'jereplay has tests of its own'],
  ...['total_delay', 'contentions', 'mean_delay'].map(
    (flag) => [flag, 'heap profiles have no such values; --inuse_space is the default'] as const,
  ),
]);
/** Flags of gperftools' pprof that scripts for both may have. */
const PPROF_FLAGS: ReadonlyMap<string, string> = new Map([
  ['stacks', '--traces prints backtraces with their values'],
  ['cycles', 'heap profiles have no such values'],
]);
const NAMES = [...FLAGS, ...VALUES, ...IDLE_FLAGS, ...IDLE_VALUES, ...REFUSED.keys(), 'version'];
/** Flags of ours that jeprof does not have. */
const OUR_VALUES = ['output', 'from', 'pid', 'debug-dir', 'peek', 'top', 'fail-over', 'until', 'sample_index'];
const OURS = [...'quiet nearest error tree traces json csv speedscope pprof temporary_objects'.split(' '), ...OUR_VALUES];

/**
 * Translates the arguments after `jereplay jeprof`.
 * @param tools JEPROF_TOOLS of the environment
 * @throws InputError for flags that jeprof does not know, and for modes that are not made here
 */
export function jeprofArguments(args: readonly string[], tools: string | undefined): string[] {
  const result: string[] = [];
  const inputs: string[] = [];
  // Flag -> its value, or whether it is set. Given twice, the last counts.
  const given = new Map<string, string | boolean>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      inputs.push(...args.slice(i + 1));
      break;
    }
    const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(arg);
    if (match === null) {
      if (arg.startsWith('-') && arg !== '-') throw unknown(arg);
      inputs.push(arg);
      continue;
    }
    const [, spelled = '', attached] = match;
    const { name, negated } = flagOf(spelled, arg);
    if (VALUES.includes(name) || IDLE_VALUES.includes(name) || OUR_VALUES.includes(name)) {
      const value = attached ?? args[++i];
      if (negated) throw unknown(arg);
      if (value === undefined) throw new InputError('jereplay jeprof', `--${name} needs a value`);
      given.set(name, value);
    } else {
      if (attached !== undefined) throw new InputError('jereplay jeprof', `--${name} takes no value`);
      given.set(name, !negated);
    }
  }
  if (tools !== undefined && tools !== '' && !given.has('tools')) given.set('tools', tools);
  for (const [name, value] of given) {
    const instead = REFUSED.get(name);
    if (instead !== undefined && value !== false) throw new InputError('jereplay jeprof', `--${name} is not made here`, instead);
    if (value === false || instead !== undefined || IDLE_FLAGS.includes(name) || IDLE_VALUES.includes(name)) continue;
    // jeprof's patterns and numbers: an empty one is none.
    if (value === true) result.push(`--${name}`);
    else if (value !== '') result.push(`--${name}=${value}`);
  }
  for (const input of [...inputs, given.get('base')]) if (typeof input === 'string') refuseRemote(input);
  // A file name is no flag.
  return [...result, ...inputs.map((input) => (input.startsWith('-') && input !== '-' ? `./${input}` : input))];
}

/** `http://host:port/pprof/heap` or `host:port`, which jeprof fetches. @throws InputError with the command that does */
function refuseRemote(input: string): void {
  const [, scheme = 'http://', host, page = ''] = /^(https?:\/\/)?([\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)(\/.*)?$/i.exec(input) ?? [];
  if (host === undefined || !(input.includes('://') || host.includes(':')) || existsSync(input)) return;
  const url = `${scheme}${host}${page === '' || page === '/' ? '/pprof/heap' : page}`;
  throw new InputError(input, 'profiles are not fetched', `curl -fsS -o remote.heap '${url}', then jereplay jeprof PROGRAM remote.heap`);
}

/** A flag by its name, any beginning of it that no other has, and with `no` or `no-` before it. Case does not matter. */
function flagOf(spelled: string, arg: string): { readonly name: string; readonly negated: boolean } {
  const names = [...NAMES, ...OURS];
  const find = (text: string) => {
    const lower = text.toLowerCase();
    if (names.includes(lower)) return [lower];
    return NAMES.filter((name) => lower !== '' && name.startsWith(lower));
  };
  const plain = find(spelled);
  if (plain.length === 1) return { name: plain[0] as string, negated: false };
  if (plain.length > 1) throw new InputError('jereplay jeprof', `${arg} may be --${plain.join(' or --')}`);
  const negative = /^no-?(.*)$/i.exec(spelled);
  const undone = negative === null ? [] : find(negative[1] as string);
  if (undone.length === 1) return { name: undone[0] as string, negated: true };
  const instead = PPROF_FLAGS.get(spelled.toLowerCase());
  if (instead !== undefined) throw new InputError('jereplay jeprof', `jeprof has no --${spelled}`, instead);
  if (spelled === 'o') return { name: 'output', negated: false };
  throw unknown(arg);
}

function unknown(arg: string): InputError {
  return new InputError('jereplay jeprof', `unknown flag ${arg}`, 'jereplay jeprof --help lists what it takes');
}
