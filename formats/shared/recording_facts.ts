/**
 * Lines that `jereplay record` appends to what a recorder has written, for what the recorder does not say:
 *
 *     # jereplay command redis-server --port 7000
 *     # jereplay pid 4242
 *     # jereplay ncpus 2
 *     # jereplay page_size 4096
 *     # jereplay map 55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/redis-server
 *     # jereplay thread 4243 bio_close_file
 *
 * or puts before the first call, of the addresses that a recording by bpftrace has without names:
 *
 *     # jereplay symbol 55d0c0001234 main+12 (/usr/bin/redis-server)
 *
 * and, where other code came into a place, of what the address is from a time on, nanoseconds:
 *
 *     # jereplay symbol_since 772218247019 7f3a5c001126 draw+29 (/usr/lib/plugin.so)
 */
import type { Trace, TraceHeader } from '../../core/trace/trace.ts';

/** What these lines begin with. */
export const FACT_PREFIX = '# jereplay ';
/** What the line begins with by which jereplay.bt opens a recording. */
export const SCRIPT_HEADER: string = `${FACT_PREFIX}bpftrace `;
/** What a line begins with that names an address; the rest is as a line of a stack in bpftrace's perf style. */
export const SYMBOL_FACT: string = `${FACT_PREFIX}symbol `;
/** The same from a time on, which stands before the address; lines of one address are in order of time. */
export const SYMBOL_SINCE_FACT: string = `${FACT_PREFIX}symbol_since `;
const FACT = /^# jereplay (command|pid|ncpus|page_size|map|thread) (.*)$/s;

/** Bytes at a file's end that are looked at before it is read. */
export const TAIL_BYTES = 1 << 20;

/**
 * The CPUs that such lines tell of, for the model has its arenas by their number from the first event on.
 * @param tail the last bytes of a file, compressed or not
 */
export function cpusAtEnd(tail: Uint8Array): number | undefined {
  const lines = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  const last = lines.lastIndexOf(`${FACT_PREFIX}ncpus `);
  if (last < 0) return undefined;
  const [, count] = /^# jereplay ncpus ([1-9]\d{0,8})\n/.exec(lines.toString('latin1', last, last + 40)) ?? [];
  return count === undefined ? undefined : Number(count);
}

/** Takes such lines into a trace. */
export class RecordingFacts {
  readonly #trace: Trace;
  /** Thread id -> name; the last one given stays. */
  readonly #names = new Map<number, string>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Takes a line, which is counted as a note; false if it is none of these. */
  take(line: string): boolean {
    const match = FACT.exec(line);
    if (match === null || !this.#takeFact(...(match.slice(1) as [string, string]))) return false;
    this.#trace.skip('note');
    return true;
  }

  /** Names the threads that have no name yet, once all their rows are there. */
  end(): void {
    const { tids, names } = this.#trace.threads;
    for (const [row, tid] of tids.entries()) names[row] ??= this.#names.get(tid);
  }

  #takeFact(key: string, value: string): boolean {
    const { header } = this.#trace;
    if (key === 'command') header.command = value;
    else if (key === 'map') header.maps = `${header.maps ?? ''}${value}\n`;
    else if (key === 'thread') {
      const [, tid, name] = /^(\d{1,9}) (.+)$/s.exec(value) ?? [];
      if (name === undefined) return false;
      this.#names.set(Number(tid), name);
    } else {
      const number = /^\d{1,9}$/.test(value) ? Number(value) : 0;
      if (number === 0) return false;
      if (key === 'pid') header.pid = number;
      else if (key === 'ncpus') header.ncpus = number;
      else header.pageSize = number;
    }
    return true;
  }
}

/** The lines for a header and the names of threads by id. */
export function recordingFacts(
  { command, pid, ncpus, pageSize, maps }: TraceHeader,
  threads: ReadonlyMap<number, string> = new Map(),
): string {
  const lines = [
    ['command', command],
    ['pid', pid],
    ['ncpus', ncpus],
    ['page_size', pageSize],
    ...(maps ?? '').split('\n').map((line) => ['map', line === '' ? undefined : line]),
    ...[...threads].map(([tid, name]) => ['thread', `${tid} ${name}`]),
  ];
  return lines.map(([key, value]) => (value === undefined ? '' : `${FACT_PREFIX}${key} ${withoutControls(String(value))}\n`)).join('');
}

/** A symbol as such lines have it; `offset` counts from the function's start, bytes. */
interface Symbol {
  readonly fn: string;
  readonly offset: number;
  readonly module: string;
}

/** The line that names an address. */
export function symbolFact(pc: number, symbol: Symbol): string {
  return `${SYMBOL_FACT}${placed(pc, symbol)}\n`;
}

/** The line that names it from a time on, nanoseconds, or says that its name is not known: that of the file then stands for a symbol. */
export function symbolSinceFact(since: number, pc: number, symbol: Symbol | string): string {
  return `${SYMBOL_SINCE_FACT}${since} ${placed(pc, symbol)}\n`;
}

function placed(pc: number, symbol: Symbol | string): string {
  const address = pc.toString(16);
  if (typeof symbol === 'string') return `${address} 0x${address} (${withoutControls(symbol)})`;
  return `${address} ${withoutControls(symbol.fn)}+${symbol.offset} (${withoutControls(symbol.module)})`;
}

/** A value that ends where its line does. */
const withoutControls = (text: string) => text.replace(/[\0-\x1f]+/g, ' ');
