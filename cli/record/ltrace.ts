/**
 * Recording with ltrace: needs no privileges, slows the program down about a thousandfold, and sees no stacks.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { inTemporary, TemporaryFolder } from '../temporary_folder.ts';
import { kindOf, unseenAllocator } from './allocator.ts';
import { codeOf, endProcesses, ended } from './child.ts';
import { Observed } from './observed.ts';
import { childrenOf, machineFacts, programOf, textOf, threadsOf, tracedBy } from './proc.ts';
import { findProgram, notInstalled, type Recorder, type Unfit } from './recorder.ts';

const ALLOCATOR = [
  'malloc',
  'calloc',
  'realloc',
  'free',
  'memalign',
  'posix_memalign',
  'aligned_alloc',
  'valloc',
  'pvalloc',
  'reallocarray',
];
/** Calls through a program's or library's PLT. They tell who calls, of whatever allocator the program has. */
const CALLS = [...ALLOCATOR, 'strdup', 'strndup'].join('+');
/**
 * Functions of the C library entered. A program that also takes the address of free, as git, ls, grep and gcc do, calls it where the PLT is not
 * looked at (.plt.got): none of its frees would be recorded. Calls that are seen both ways are counted once.
 */
const ENTRIES = ALLOCATOR.map((name) => `${name}@libc.so*`).join('+');

/**
 * What the functions take and give, in place of ltrace's own files (-F): those have no posix_memalign, whose block ltrace shows if its argument
 * is said to be given back (`+`).
 */
const PROTOTYPES = `addr malloc(ulong);
addr calloc(ulong, ulong);
addr realloc(addr, ulong);
void free(addr);
addr memalign(ulong, ulong);
int posix_memalign(+addr*, ulong, ulong);
addr aligned_alloc(ulong, ulong);
addr valloc(ulong);
addr pvalloc(ulong);
addr reallocarray(addr, ulong, ulong);
addr strdup(string);
addr strndup(string, ulong);
`;

const PROTOTYPES_KEPT = 'ltrace has prototypes of functions there';

/** Milliseconds between two looks at the process: a thread that lives shorter keeps no name, but few do at this pace. */
const LOOK_MS = 50;

export const ltrace: Recorder = {
  name: 'ltrace',
  gives: 'every call, without privileges and without stacks, a thousand times slower',
  unfit(target) {
    if (findProgram('ltrace') === undefined) return notInstalled('ltrace');
    const refused = 'pid' in target ? refusedAttach(target.pid) : undefined;
    if (refused !== undefined) return refused;
    // Its breakpoints miss their threads: of ten attempts at a busy process seven ended in a segmentation fault of that.
    if ('pid' in target && threadsOf(target.pid).length > 1)
      return {
        fact: 'mostly ends processes of several threads that it attaches to',
        remedy: 'with ltrace, record the program from its start: jereplay record --with ltrace -- PROGRAM',
      };
    const kind = 'pid' in target ? 'dynamic' : kindOf(target.program[0] as string);
    if (kind === 'script')
      return {
        fact: 'does not start scripts',
        remedy: 'record its interpreter with ltrace: jereplay record --with ltrace -- INTERPRETER SCRIPT',
      };
    if (kind === 'static')
      return {
        fact: 'does not start programs that are linked statically',
        remedy: 'with ltrace, record a build that uses the shared C library',
      };
    return 'program' in target ? unseenAllocator(target.program[0] as string) : undefined;
  },
  // A call through a PLT ends after that of the function entered: of the two, the one that nothing interrupts is counted.
  isEvent: (line) => /\) += /.test(line) && !line.includes(' resumed> '),
  async record(target, file, signal, { onStart }) {
    const what = 'pid' in target ? ['-p', String(target.pid)] : ['--', ...target.program];
    const folder = new TemporaryFolder(PROTOTYPES_KEPT);
    const prototypes = folder.file('prototypes.conf');
    inTemporary(PROTOTYPES_KEPT, () => writeFileSync(prototypes, PROTOTYPES));
    const tracer = spawn('ltrace', ['-F', prototypes, '-f', '-ttt', '-e', CALLS, '-x', ENTRIES, '-o', file, ...what], { stdio: 'inherit' });
    // On SIGINT it lets a process go that it was attached to; a program that it started it goes on with, and with it the recording ends.
    const stop = () => ('pid' in target ? tracer.kill('SIGINT') : void endProcesses(tracedBy(tracer.pid as number)));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    onStart();
    let observed = 'pid' in target ? new Observed(target.pid) : undefined;
    const look = () => {
      observed ??= startedBy(tracer.pid as number);
      observed?.look();
      observed?.lookAtThreads();
    };
    look();
    const looker = setInterval(look, LOOK_MS);
    try {
      const ownCode = await ended(tracer);
      const notes = ['ltrace sees no stacks'];
      const header = observed?.header ?? machineFacts();
      const end = endIn(file, observed?.pid);
      const facts = { threads: observed?.threads ?? new Map<number, string>() };
      return 'pid' in target
        ? { exitCode: 0, notes: [...notes, 'the recording starts mid-life: blocks from before it are unknown'], header, ...facts }
        : {
            exitCode: ownCode || end.exitCode,
            notes: end.isSignalled && (end.several || facts.threads.size > 1) ? [...notes, MISSED_THREADS] : notes,
            header: { ...header, command: target.program.join(' ') },
            ...facts,
          };
    } finally {
      clearInterval(looker);
      folder.remove();
    }
  },
};

/**
 * Why a user may not trace a process that runs; undefined if nothing is known to forbid it.
 * @param scope text of kernel.yama.ptrace_scope: from 1 on only parents and root may
 */
export function refusedAttach(
  pid: number,
  user = process.getuid?.(),
  scope = textOf('/proc/sys/kernel/yama/ptrace_scope'),
): Unfit | undefined {
  if (user === 0) return undefined;
  const remedy = 'run jereplay record with sudo';
  if (statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid !== user) return { fact: 'attaches to processes of your own alone', remedy };
  return Number(scope ?? 0) > 0 ? { fact: 'may not attach to running processes (kernel.yama.ptrace_scope)', remedy } : undefined;
}

/** Bytes at a recording's end that tell how its processes ended. */
const TAIL_BYTES = 1 << 16;

/** Of a program of four threads that only allocate, every other run ends so. */
const MISSED_THREADS =
  'a signal ended the program, and may be of ltrace’s making: its breakpoints miss threads now and then; record it again, or with another recorder';

/** How a program ended. */
interface End {
  /** After a signal, what shells make of it. */
  readonly exitCode: number;
  readonly isSignalled: boolean;
  /** The ends of several threads or processes are told. */
  readonly several: boolean;
}

/** How the program ended as its recording has it, for ltrace's own exit code is 0: that process, or the last one. */
function endIn(file: string, pid: number | undefined): End {
  if (!existsSync(file)) return { exitCode: 0, isSignalled: false, several: false };
  const fd = openSync(file, 'r');
  try {
    const tail = Buffer.alloc(TAIL_BYTES);
    const length = readSync(fd, tail, 0, TAIL_BYTES, Math.max(0, fstatSync(fd).size - TAIL_BYTES));
    const ends = [
      ...tail.toString('latin1', 0, length).matchAll(/^(\d+) .*\+\+\+ (?:exited \(status (\d+)\)|killed by (SIG\w+)) \+\+\+$/gm),
    ];
    const [, , status, signal] = ends.find(([, process]) => Number(process) === pid) ?? ends.at(-1) ?? [];
    const exitCode = signal === undefined ? Number(status ?? 0) : codeOf(signal as NodeJS.Signals);
    return { exitCode, isSignalled: signal !== undefined, several: ends.length > 1 };
  } finally {
    closeSync(fd);
  }
}

/** The program that ltrace has started, once it is that program and no longer a copy of ltrace. */
function startedBy(tracer: number): Observed | undefined {
  const own = programOf(tracer);
  const pid = childrenOf(tracer).find((child) => ![undefined, own].includes(programOf(child)));
  return pid === undefined ? undefined : new Observed(pid);
}
