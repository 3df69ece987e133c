/**
 * What a command is about: a trace or a profile, told apart by content.
 */
import type { Replay } from '../core/replay/replay.ts';
import { sniffFormat } from '../formats/index.ts';
import { openInput, peek, type Source } from '../formats/input.ts';
import { readCollapsed } from '../profiles/collapsed/collapsed.ts';
import { isHeap, readHeap } from '../profiles/heap/read.ts';
import { isPprof, readPprof } from '../profiles/pprof/read.ts';
import { type Profile, profileFromLedger } from '../profiles/profile.ts';
import { STANDARD } from './output.ts';
import { type InputArgs, standardInput } from './trace_input.ts';
import { runTrace } from './trace_run.ts';

/** An input that was read. */
export interface Subject {
  readonly profile: Profile;
  /** The replay that the profile is the ledger of, if the input was a trace. */
  readonly replay?: Replay;
  /** The dump's own text, if it was a heap dump. */
  readonly dumpText?: string;
}

/** Decompressed bytes that tell a profile. */
const HEAD_BYTES = 65536;

/**
 * Reads a trace (to its end) or a profile.
 * @throws InputError for what is neither.
 */
export async function readSubject(path: string, args: InputArgs): Promise<Subject> {
  const kept: Uint8Array[] = [];
  const standard = path === STANDARD ? standardInput() : undefined;
  const input = await openInput(standard === undefined ? path : keeping(standard, kept), path);
  const [head, chunks] = await peek(input.chunks, HEAD_BYTES);
  const read = args.from === undefined ? readerOf(head) : undefined;
  if (read !== undefined) {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk.slice());
    return read(Buffer.concat(parts), path);
  }
  // A trace is read from its start again: the file, or what was taken from standard input and the rest of it.
  let source: Source | undefined;
  if (standard === undefined) await chunks[Symbol.asyncIterator]().return?.();
  else source = following(kept, standard);
  const replay = await runTrace(path, args, {}, source);
  return { profile: profileFromLedger(replay.trace, replay.ledger), replay };
}

type ProfileReader = (bytes: Uint8Array, name: string) => Subject;

/** The reader of the profile that begins with `head`; undefined if it is a trace, or unknown. */
function readerOf(head: Uint8Array): ProfileReader | undefined {
  if (isHeap(head)) {
    return (bytes, name) => {
      const { profile, text } = readHeap(bytes, name);
      return { profile, dumpText: new TextDecoder('latin1').decode(text) };
    };
  }
  if (sniffFormat(head) !== undefined) return undefined;
  if (isPprof(head)) return (bytes, name) => ({ profile: readPprof(bytes, name) });
  if (isCollapsed(head)) return (bytes, name) => ({ profile: readCollapsed(new TextDecoder().decode(bytes), name) });
  return undefined;
}

/** True if the whole lines of `head` are stacks, joined by semicolons, and a value. */
function isCollapsed(head: Uint8Array): boolean {
  const lines = new TextDecoder().decode(head).split('\n');
  const whole = head.length < HEAD_BYTES ? lines.filter((line) => line !== '') : lines.slice(0, -1);
  return whole.length > 0 && whole.every((line) => /^\S.* -?\d+$/.test(line)) && whole.some((line) => line.includes(';'));
}

/** The chunks of a stream, each also kept until `following` takes over. */
async function* keeping(chunks: AsyncIterator<Uint8Array>, kept: Uint8Array[]): AsyncGenerator<Uint8Array> {
  // By hand: leaving a for-await loop would close the stream.
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    kept.push(next.value);
    yield next.value;
  }
}

async function* following(kept: Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  while (kept.length > 0) yield kept.shift() as Uint8Array;
  yield* rest;
}
