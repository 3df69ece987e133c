/**
 * The bpftrace script for one process: jereplay.bt, with the probes that its allocator has, and what a recording needs besides the calls.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FACT_PREFIX } from '../../formats/shared/recording_facts.ts';
import type { Allocator } from './allocator.ts';

/** Lines that the script prints for us; to a reader they are notes like bpftrace's own "Attaching …". */
export const ATTACHED = 'Attached to the process';
export const DRAINED = 'Attached until here';
/** Condition of a probe that records: all are in place, and the end has not come. */
const OPEN = '@closed[0] == 0';
/** What ends a recording: no call that begins from here on is part of it. */
const END_ACTIONS = '@closed[0] = 1; @ended = 1;';
/** What prints an event. */
const PRINTS_EVENT = /^\tprintf\("%llu %d %d (?!thread\().*$/gm;

/** One probe of jereplay.bt: kind, function, its condition and its actions. */
const PROBE = /^(uprobe|uretprobe):\$1:(\w+) (\/.*\/)\n(\{\n[\s\S]*?\n\})\n\n?/gm;

/**
 * Forms of operator new and delete. Allocators other than glibc's define them, and their fast path calls no malloc and no free.
 * A size comes first; an alignment, if any, second.
 */
const NEW = ['_Znwm', '_Znam', '_ZnwmRKSt9nothrow_t', '_ZnamRKSt9nothrow_t'];
const NEW_ALIGNED = [
  '_ZnwmSt11align_val_t',
  '_ZnamSt11align_val_t',
  '_ZnwmSt11align_val_tRKSt9nothrow_t',
  '_ZnamSt11align_val_tRKSt9nothrow_t',
];
const DELETE = ['_ZdlPv', '_ZdaPv'].flatMap((name) =>
  ['', 'RKSt9nothrow_t', 'm', 'St11align_val_t', 'mSt11align_val_t', 'St11align_val_tRKSt9nothrow_t'].map((ending) => name + ending),
);
/** Numbers of these in the script's @op: above those of malloc and of all that may call it, so that a malloc within is part of them. */
const OP_NEW = 10;
const OP_NEW_ALIGNED = 11;

/** A path as bpftrace takes it, whatever is in it (libstdc++). */
const quoted = (path: string) => JSON.stringify(path);

/** Bytes of a string in a script, with the NUL that ends it (bpftrace's default of BPFTRACE_STRLEN). */
const STRING_BYTES = 64;

/** A file's name for people: as its process has it, and only the end of a long one. */
function shown(path: string): string {
  let name = /^\/proc\/\d+\/map_files\//.test(path) ? readlinkSync(path) : path.replace(/^\/proc\/\d+\/root(?=\/)/, '');
  while (Buffer.byteLength(name) >= STRING_BYTES) name = name.slice(1);
  return name;
}

/** The recording script, which users may also run by hand. */
function recordingScript(): string {
  const root = dirname(createRequire(import.meta.url).resolve('jereplay/package.json'));
  return readFileSync(join(root, 'formats/bpftrace/jereplay.bt'), 'utf8');
}

/** What is recorded of which process. */
export interface Scope {
  readonly pid: number;
  /** The process is the shell that is about to become the program: what it allocates before is not the program's. */
  readonly launched: boolean;
  /** Thread that ends the recording when it is given a name. */
  readonly ender: number;
  /** Events after which the recording ends, some more if processors count at once. */
  readonly most: number;
  /** CPUs that the process may run on. */
  readonly cpus: number;
}

/** The script for one process. */
export function scriptFor({ pid, launched, ender, most, cpus }: Scope, allocator: Allocator): string {
  const { file, prefix, functions, libc, libcFunctions } = allocator;
  const own = `pid == ${pid}`;
  const bodies = new Map<string, string>();
  // One name of each address: two probes in one place would record a call twice.
  const taken = new Set<number>();
  let script = recordingScript().replace(PROBE, (_all, kind: string, name: string, condition: string, body: string) => {
    bodies.set(`${kind} ${name}`, body);
    const exit = name === '__call_tls_dtors';
    const address = exit ? libcFunctions.get(name) : functions.get(prefix + name);
    if (address === undefined) return '';
    if (!exit) taken.add(address);
    return `${kind}:${quoted(exit ? libc : file)}:${exit ? '' : prefix}${name} ${condition}\n${body}\n\n`;
  });
  const operators: string[] = [];
  const addOperators = (place: string, known: ReadonlyMap<string, number>, seen: Set<number>, deletes: readonly string[]) => {
    const untaken = (name: string): boolean => {
      const address = known.get(name);
      if (address === undefined || seen.has(address)) return false;
      seen.add(address);
      return true;
    };
    const bodyOf = (kind: string, like: string, op: number) =>
      (bodies.get(`${kind} ${like}`) as string).replace(/@op\[tid\] = \d+;/, `@op[tid] = ${op};`);
    const addNew = (names: readonly string[], op: number, like: string, swap: (body: string) => string) => {
      for (const name of names.filter(untaken)) {
        operators.push(`uprobe:${quoted(place)}:${name} /${own} && ${OPEN}/\n${swap(bodyOf('uprobe', like, op))}`);
        operators.push(`uretprobe:${quoted(place)}:${name} /${own} && @op[tid] == ${op}/\n${bodyOf('uretprobe', like, op)}`);
      }
    };
    // new of nothing asks malloc for one byte.
    if (bodies.has('uprobe malloc')) addNew(NEW, OP_NEW, 'malloc', (body) => body.replace('= arg0;', '= arg0 == 0 ? 1 : arg0;'));
    // aligned_alloc takes the alignment first.
    if (bodies.has('uprobe aligned_alloc')) {
      addNew(NEW_ALIGNED, OP_NEW_ALIGNED, 'aligned_alloc', (body) =>
        body.replace('= arg1;', '= SIZE;').replace('= arg0;', '= arg1;').replace('= SIZE;', '= arg0;'),
      );
    }
    for (const name of deletes.filter(untaken)) {
      operators.push(
        `uprobe:${quoted(place)}:${name} /${own} && ${OPEN}/\n{\n\t@del[tid] = arg0;\n${(bodies.get('uprobe free') as string).slice(2)}`,
      );
      operators.push(`uretprobe:${quoted(place)}:${name} /${own}/ { delete(@del[tid]); }`);
    }
  };
  if (file !== libc || functions.has('_Znwm')) addOperators(file, functions, taken, DELETE);
  const cxx = allocator.operators;
  if (cxx !== undefined && !functions.has('_Znwm')) addOperators(cxx.file, cxx.functions, new Set(), []);
  const deletes = operators.some((probe) => probe.includes('@del'));
  // A free within a delete is part of it.
  if (deletes) script = script.replace(/^(uprobe:.*:free \/.*)\/$/m, '$1 && (@del[tid] != arg0 || arg0 == 0)/');
  script = script
    .replaceAll('pid == (uint64)$2', own)
    // A program that is started opens by itself.
    .replace(/(BEGIN\n{[^}]*)\tclear\(@closed\);\n/, launched ? '$1' : '$&')
    .replaceAll('str($1)', JSON.stringify(shown(file)))
    .replaceAll('$2', String(pid))
    // At once, and not only at the end: what is read from a pipe, or compressed, is replayed with as many from its first event.
    .replace(/(BEGIN\n\{\n.*\n)/, `$1\tprintf("${FACT_PREFIX}ncpus ${cpus}\\n");\n`)
    // bpftrace takes one END probe: our maps are cleared in the script's.
    .replace('END\n{', `END\n{ clear(@attached); clear(@ended); clear(@marked); clear(@calls);${deletes ? ' clear(@del);' : ''}`);
  const lines = [
    script,
    ...operators,
    // bpftrace prints nothing but the header before every probe is in place.
    `interval:ms:10 /!@attached${launched ? '' : ` && ${OPEN}`}/ { @attached = 1; printf("${ATTACHED}\\n"); }`,
    // Stops the process where it leaves: once it is gone its stacks have no names.
    `uprobe:${quoted(libc)}:_exit /${own}/ { @ended = 1; signal("SIGSTOP"); }`,
    `tracepoint:task:task_rename /tid == ${ender}/ { ${END_ACTIONS} }`,
    // Then a line in the ring of each CPU: what comes before it is all that the ring held. A call that was under way has until the second tick.
    `profile:hz:10 /@ended && @marked[cpu] < 2/ { @marked[cpu]++; if (@marked[cpu] == 2) { printf("${DRAINED}\\n"); } }`,
  ];
  if (launched) lines.push(`uprobe:${quoted(libc)}:__libc_start_main /${own} && !@ended/ { @closed[0] = 0; }`);
  let text = lines.join('\n');
  if (most < Infinity) text = text.replace(PRINTS_EVENT, (print) => `${print}\n\t@calls++; if (@calls >= ${most}) { ${END_ACTIONS} }`);
  // A map that no probe fills is unknown to bpftrace.
  return text.replace(/\bclear\((@\w+)\);/g, (clear, map: string) => (new RegExp(`${map}(?:\\[| = |\\+\\+)`).test(text) ? clear : ''));
}
