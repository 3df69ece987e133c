/**
 * The heap that a trace is replayed in: jemalloc as it starts in the process that was recorded.
 * Invariant: what the options do not say the trace's header does; what neither says is fixed.
 */
import type { AddressSpaceOptions } from '../base/pages.ts';
import { type BootConf, bootConf } from '../conf/boot.ts';
import { fromByteString, textOfByteString } from '../conf/byte_string.ts';
import { type ConfMessage, environmentSources, parseMallocConf } from '../conf/malloc_conf.ts';
import type { Options } from '../conf/options.ts';
import { profBoot1 } from '../conf/prof_boot.ts';
import { AbortError, hangAt } from '../hang_error.ts';
import { Heap } from '../heap.ts';
import type { ModelMemory } from '../model_memory.ts';
import type { ProfFile } from '../prof/host.ts';
import { PAGE } from '../sizes/sc.ts';
import { MOST_CPU } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { Trace, TraceHeader } from '../trace/trace.ts';

/** What the allocator finds in its surroundings. */
export interface ModelOptions {
  /** MALLOC_CONF, as the environment would give it. */
  readonly conf?: string;
  /** Profiling is on unless `conf` turns it off: where `conf` does not turn it on by itself, the program's own `malloc_conf` says prof:true. */
  readonly profiling?: boolean;
  /** CPUs the model sees; default the trace's, else 4. */
  readonly ncpus?: number;
  /** PRNG state of the main thread; default the trace's, else 0. */
  readonly prngSeed?: bigint;
  /** Takes what jemalloc would write to standard error, piece by piece: as text, in which a character may be cut, and its bytes. */
  readonly message?: ConfMessage;
  /** Takes the automatic heap dumps and profiling logs, under jemalloc's file names; a number is the error (errno) for which there can be no such file. */
  readonly openFile?: (name: string) => ProfFile | number;
}

/** CPUs where nobody says. */
const DEFAULT_NCPUS = 4;
/** Place of errors in what a trace says of its process. */
const HEADER = 'header of the trace';
/** End of user space on x86-64, and the lowest address that a process can map (vm.mmap_min_addr). */
const USER_SPACE_END = 1n << 47n;
const LOWEST_ADDRESS = 0x10000n;

/** How the trace says that the address space looked. @throws InputError for what no process has: AddressSpace takes it as it is. */
function addressSpaceOf({ mmapTop, programBreak }: TraceHeader): Partial<AddressSpaceOptions> {
  if (mmapTop !== undefined && (mmapTop > USER_SPACE_END || mmapTop % BigInt(PAGE) !== 0n))
    throw new InputError(
      HEADER,
      `mmap_top 0x${mmapTop.toString(16)} is not the end of a page up to 0x${USER_SPACE_END.toString(16)}`,
      'give the end of the highest free page, or leave mmap_top out',
    );
  if (programBreak !== undefined && (programBreak >= USER_SPACE_END || programBreak < LOWEST_ADDRESS))
    throw new InputError(
      HEADER,
      `program_break 0x${programBreak.toString(16)} is not an address from 0x${LOWEST_ADDRESS.toString(16)} to 0x${USER_SPACE_END.toString(16)}`,
      'give what sbrk(0) is when the allocator starts, or leave program_break out',
    );
  return {
    ...(mmapTop === undefined ? {} : { top: Number(mmapTop) }),
    ...(programBreak === undefined ? {} : { programBreak: Number(programBreak) }),
  };
}

/** CPUs that the model has. @throws InputError for a number that no system has */
function ncpusOf(options: ModelOptions, header: TraceHeader): number {
  const ncpus = options.ncpus ?? header.ncpus ?? DEFAULT_NCPUS;
  if (ncpus >= 1 && ncpus <= MOST_CPU + 1) return ncpus;
  const place = options.ncpus === undefined ? HEADER : '--ncpus';
  throw new InputError(place, `${ncpus} CPUs, where a system has 1 to ${MOST_CPU + 1}`, 'pass --ncpus with the number that there are');
}

/**
 * Boots jemalloc for a trace (malloc_init_hard).
 * @returns the heap, and whether the option string has mistakes, which jemalloc warns of and passes by
 * @throws UnsupportedOption for options that cannot be replayed, InputError for what no process has, or where the real library would not start
 */
export function bootHeap(trace: Trace, options: ModelOptions, memory: ModelMemory): { readonly heap: Heap; readonly confError: boolean } {
  const { header, threads, stacks } = trace;
  const message: ConfMessage = options.message ?? (() => {});
  const { conf: environment = null, profiling = false } = options;
  const program = profiling && !turnsProfilingOn(environment) ? 'prof:true' : null;
  const parsed = parseMallocConf(['', program, '', environment, null], message);
  if (parsed.aborted) throw hangAt('--conf', new AbortError('abort_conf:true, and something in the string is wrong'));
  const ncpus = ncpusOf(options, header);
  const clockBase = header.startTime ?? 0n;
  const heap = new Heap({
    conf: confOf(parsed.options, ncpus, message),
    memory,
    mainSeed: options.prngSeed ?? header.prngSeed ?? threads.prngSeeds[0] ?? 0n,
    addressSpace: addressSpaceOf(header),
    clockBase,
    profiling: {
      stacks,
      pid: header.pid ?? 0,
      clockBase,
      systemThreadName: (thread) => threads.names[thread] ?? '',
      maps: () => header.maps,
      openFile: options.openFile ?? (() => ({ write: () => {}, close: () => {} })),
      message: (text) => message(textOfByteString(text), fromByteString(text)),
    },
  });
  return { heap, confError: parsed.hadError };
}

function confOf(options: Options, ncpus: number, message: ConfMessage): BootConf {
  try {
    return bootConf(options, { ncpus }, message);
  } catch (error) {
    throw hangAt('--conf', error);
  }
}

/** Whether a MALLOC_CONF string has profiling on by itself: by prof, or by prof_leak, under which nothing is dumped on the way. */
function turnsProfilingOn(conf: string | null): boolean {
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  profBoot1(options);
  return options.prof;
}
