/**
 * The bpftrace script for one process: jereplay.bt, with the probes that its allocator has, and what a recording needs besides the calls.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FACT_PREFIX } from '../../formats/shared/recording_facts.ts';
import type { Allocator } from './allocator.ts';
import { type Further, furtherOf, NEW_FORMS } from './further_functions.ts';

/** Lines that the script prints for us; to a reader they are notes like bpftrace's own "Attaching …". */
export const ATTACHED = 'Attached to the process';
const ENDED = 'Attached until here';
/** What begins a line for code of a file that takes its place in memory: start and length, hexadecimal, and the time. A program that is executed takes all places. */
export const PLACED = 'Attached to code at ';
/** User space. */
const ALL_PLACES = '0 800000000000';
const PROT_EXEC = 4;
const MAP_ANONYMOUS = 0x20;
/** A line for each process that the process starts. */
export const FORKED = 'Attached not to a process that it started';

/**
 * What the script is told: a thread of ours takes it for its name, and a probe on that sees it. bpftrace's own probes that look at something now and then (`interval`,
 * `profile`) come late, by seconds or minutes: they hang on kernel timers, which may stand still where a CPU has nothing to do.
 */
export interface Word {
  /** The name: 15 bytes at most, which is what Linux keeps of one. */
  readonly name: string;
  /** The line that answers it. */
  readonly answer: string;
}

/** Answered once calls are recorded. */
export const READY: Word = { name: 'jereplay ready', answer: ATTACHED };
/** Answered once the recording has ended by itself. */
export const OVER: Word = { name: 'jereplay over', answer: ENDED };
/** Ends the recording. */
export const END = 'jereplay end';
/**
 * Told one after the other at the end, each once the one before is answered. bpftrace empties the rings of all CPUs in turn: by the second answer it has been at
 * each of them once since the first, and has written all that they held.
 */
export const MARKS: readonly Word[] = [
  { name: 'jereplay mark 1', answer: 'Attached until the first mark' },
  { name: 'jereplay mark 2', answer: 'Attached until the second mark' },
];

/** Condition of a probe that records: all are in place, and the end has not come. */
const OPEN = '@closed[0] == 0';
/** clone(2): the child is a thread. */
const CLONE_THREAD = 0x10000;
/** What ends a recording: no call that begins from here on is part of it. */
const END_ACTIONS = '@closed[0] = 1; @ended = 1;';
/** What prints an event. */
const PRINTS_EVENT = /^\tprintf\("%llu %d %d (?!thread\().*$/gm;

/** Condition of a free or delete that is not part of a delete. */
const NOT_DELETED = '(@del[tid] != arg0 || arg0 == 0)';

/** One probe of jereplay.bt: kind, function, its condition and its actions. */
const PROBE = /^(uprobe|uretprobe):\$1:(\w+) (\/.*\/)\n(\{\n[\s\S]*?\n\})\n\n?/gm;

/** A path as bpftrace takes it, whatever is in it (libstdc++). */
const quoted = (path: string) => JSON.stringify(path);

/** What every thread of glibc's calls at its end, before its destructors, and what every one of musl's does. */
const THREAD_ENDS = ['__call_tls_dtors', 'pthread_exit'];
/** Where a process leaves: one place in glibc, and in musl the second one leads to the first. */
const PROCESS_ENDS = ['_Exit', '_exit'];

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
  /** The process is one that was started for this, and is stopped where it executes a program, and where that has its libraries. */
  readonly launched: boolean;
  /** It is yet to execute the program: what it allocates before is not the program's. */
  readonly waits: boolean;
  /** Thread that tells the script words. */
  readonly speaker: number;
  /** Events after which the recording ends, some more if processors count at once. */
  readonly most: number;
  /** CPUs that the process may run on. */
  readonly cpus: number;
  /** The kernel has tracepoints of system calls (CONFIG_FTRACE_SYSCALLS). */
  readonly syscalls: boolean;
}

/** The script for one process. */
export function scriptFor({ pid, launched, waits, speaker, most, cpus, syscalls }: Scope, allocator: Allocator): string {
  const { file, prefix, functions, libc, libcFunctions } = allocator;
  const own = `pid == ${pid}`;
  const bodies = new Map<string, string>();
  // One name of each address: two probes in one place would record a call twice.
  const taken = new Set<number>();
  let script = recordingScript().replace(PROBE, (_all, kind: string, name: string, condition: string, body: string) => {
    bodies.set(`${kind} ${name}`, body);
    if (name === '__call_tls_dtors') {
      const end = THREAD_ENDS.find((known) => libcFunctions.has(known));
      return end === undefined ? '' : `${kind}:${quoted(libc)}:${end} ${condition}\n${body}\n\n`;
    }
    const address = functions.get(prefix + name);
    if (address === undefined) return '';
    taken.add(address);
    return `${kind}:${quoted(file)}:${prefix}${name} ${condition}\n${body}\n\n`;
  });
  const further: string[] = [];
  const add = (place: string, known: ReadonlyMap<string, number>, seen: Set<number>, forms: readonly Further[]) =>
    further.push(...furtherProbes(own, bodies, place, known, seen, forms));
  if (file !== libc || functions.has('_Znwm')) add(file, functions, taken, furtherOf(prefix));
  const cxx = allocator.operators;
  if (cxx !== undefined && !functions.has('_Znwm')) add(cxx.file, cxx.functions, new Set(), NEW_FORMS);
  const deletes = further.some((probe) => probe.includes('@del'));
  if (deletes) script = script.replace(new RegExp(`^(uprobe:.*:${prefix}free /.*)/$`, 'm'), `$1 && ${NOT_DELETED}/`);
  script = script
    .replaceAll('pid == (uint64)$2', own)
    // A program that is started opens by itself.
    .replace(/(BEGIN\n{[^}]*)\tclear\(@closed\);\n/, waits ? '$1' : '$&')
    .replaceAll('str($1)', JSON.stringify(shown(file)))
    .replaceAll('$2', String(pid))
    // At once, and not only at the end: what is read from a pipe, or compressed, is replayed with as many from its first event.
    .replace(/(BEGIN\n\{\n.*\n)/, `$1\tprintf("${FACT_PREFIX}ncpus ${cpus}\\n");\n`)
    // bpftrace takes one END probe: our maps are cleared in the script's.
    .replace('END\n{', `END\n{ clear(@ended); clear(@calls); clear(@mapped);${deletes ? ' clear(@del);' : ''}`);
  // A probe that fires where the speaker takes a name.
  const hears = (name: string, condition: string, actions: string) =>
    `tracepoint:task:task_rename /tid == ${speaker} && args->newcomm == "${name}"${condition === '' ? '' : ` && ${condition}`}/ { ${actions} }`;
  const says = ({ answer }: Word) => `printf("${answer}\\n");`;
  const lines = [
    script,
    ...further,
    // bpftrace prints nothing but the header before every probe is in place.
    // Those that are wanted may all have come by then.
    hears(READY.name, waits ? '' : `(${OPEN} || @ended)`, says(READY)),
    hears(OVER.name, '@ended', says(OVER)),
    hears(END, '', END_ACTIONS),
    ...MARKS.map((mark) => hears(mark.name, '', says(mark))),
    // Stops the process where it leaves: once it is gone, what it has mapped and the files that only it sees name no stacks.
    ...PROCESS_ENDS.filter((name) => libcFunctions.has(name))
      .slice(0, 1)
      .map((name) => `uprobe:${quoted(libc)}:${name} /${own}/ { @ended = 1; signal("SIGSTOP"); }`),
    // bpftrace would run on for ever where we are killed.
    `tracepoint:sched:sched_process_exit /tid == ${speaker}/ { exit(); }`,
    // Threads are started in the same way, and stay in the process.
    `tracepoint:task:task_newtask /${own} && ${OPEN} && (args->clone_flags & ${CLONE_THREAD}) == 0/ { printf("${FORKED}\\n"); }`,
    `tracepoint:sched:sched_process_exec /${own} && ${OPEN}/ { printf("${PLACED}${ALL_PLACES} %llu\\n", nsecs); }`,
  ];
  if (syscalls) {
    lines.push(
      `tracepoint:syscalls:sys_enter_mmap /${own} && ${OPEN} && (args->prot & ${PROT_EXEC}) != 0 && (args->flags & ${MAP_ANONYMOUS}) == 0/ { @mapped[tid] = args->len; }`,
      `tracepoint:syscalls:sys_exit_mmap /${own} && @mapped[tid] != 0/ { printf("${PLACED}%lx %lx %llu\\n", args->ret, @mapped[tid], nsecs); delete(@mapped[tid]); }`,
    );
  }
  // Behind the script's own, which records that a program which is recorded executes another one.
  if (waits) lines.push(`tracepoint:sched:sched_process_exec /${own} && !@ended/ { @closed[0] = 0; }`);
  if (launched) {
    lines.push(
      `tracepoint:sched:sched_process_exec /${own}/ { signal("SIGSTOP"); }`,
      `uprobe:${quoted(libc)}:__libc_start_main /${own}/ { signal("SIGSTOP"); }`,
    );
  }
  let text = lines.join('\n');
  if (most < Infinity) text = text.replace(PRINTS_EVENT, (print) => `${print}\n\t@calls++; if (@calls >= ${most}) { ${END_ACTIONS} }`);
  // A map that no probe fills is unknown to bpftrace.
  return text.replace(/\bclear\((@\w+)\);/g, (clear, map: string) => (new RegExp(`${map}(?:\\[| = |\\+\\+)`).test(text) ? clear : ''));
}

/**
 * Probes on functions that are recorded like one of the script's.
 * @param own condition of what the process does
 * @param bodies actions of the script's probes, by kind and function
 * @param known function -> address
 * @param seen addresses that have a probe; those of the new ones are added
 */
function furtherProbes(
  own: string,
  bodies: ReadonlyMap<string, string>,
  place: string,
  known: ReadonlyMap<string, number>,
  seen: Set<number>,
  forms: readonly Further[],
): string[] {
  const probes: string[] = [];
  for (const { name, like, args, op, nests } of forms) {
    const address = known.get(name);
    const body = bodies.get(`uprobe ${like}`);
    if (address === undefined || seen.has(address) || body === undefined) continue;
    seen.add(address);
    const taking = (text: string) => text.replace(/\barg(\d)\b/g, (arg, index: string) => args[Number(index)] ?? arg);
    const at = `${quoted(place)}:${name} /${own} && ${OPEN}`;
    if (like === 'free') {
      // A free within a delete is part of it, and so is a delete that another one becomes.
      probes.push(
        nests
          ? `uprobe:${at} && ${NOT_DELETED}/\n{\n\t@del[tid] = arg0;\n${body.slice(2)}\nuretprobe:${quoted(place)}:${name} /${own}/ { delete(@del[tid]); }`
          : `uprobe:${at}/\n${body}`,
      );
      continue;
    }
    // Of a function that another one becomes, the outer one's return address is that of the probe on its return, and no caller.
    const within = like === 'realloc' ? ' || @a[tid] != arg0' : '';
    const size = taking(/@n\[tid\] = (.*);/.exec(body)?.[1] as string);
    const numbered = (text: string) => text.replace(/@op\[tid\] = \d+;/, `@op[tid] = ${op};`);
    probes.push(
      `uprobe:${at} && (@op[tid] != ${op} || @n[tid] != (${size})${taking(within)})/\n${numbered(taking(body))}`,
      `uretprobe:${quoted(place)}:${name} /${own} && @op[tid] == ${op}/\n${bodies.get(`uretprobe ${like}`)}`,
    );
  }
  return probes;
}
