/**
 * What a command is about: a trace, a recording that sums up, or a profile, told apart by content.
 * Invariant: a heap dump or a pprof profile is read without loading the trace formats, which would take longer than most dumps; the allocator is loaded for none.
 */
import { grown } from '../core/columns.ts';
import type { AccountReplay } from '../core/replay/accounts.ts';
import { InputError } from '../core/trace/input_error.ts';
import type { OpenedBeside } from '../formats/beside/open_beside.ts';
import type { ContextSumsReader } from '../formats/context_sums.ts';
import { faultOf, fileBlocks, HEAD_BYTES, type Input, openInput, peek } from '../formats/input.ts';
import { LineScanner } from '../formats/shared/lines.ts';
import { profileFromContextSums } from '../profiles/context_sums.ts';
import { HeapReader, isHeap } from '../profiles/heap/read.ts';
import { isStackMaps } from '../profiles/collapsed/stack_maps.ts';
import { isPprof } from '../profiles/pprof/read.ts';
import { type Profile, profileFromLedger } from '../profiles/profile.ts';
import { isProfile, type OpenedProfile, PROFILE_FORMATS, readProfile, reportWithin } from '../profiles/read_profile.ts';
import { takeOpened } from './early_opening.ts';
import { EXIT_BAD_INPUT } from './failure.ts';
import { momentOf, parseUntil, type Until } from './settings.ts';
import { onlyOnce } from './standard_input.ts';
import type { Reading } from './trace_accounts.ts';
import type { InputArgs } from './trace_input.ts';
import { setFlag } from './v8_flags.ts';

/** Flags of commands about a subject. */
export interface SubjectArgs extends InputArgs {
  readonly until?: string | undefined;
  /** Of `jereplay jeprof`: lines that no dump has leave the exit code as it is, which scripts written for jeprof look at: it passes them over. */
  readonly asJeprof?: boolean;
}

/** Bytes of an input of no known beginning in which a report is looked for that stands behind a program's output. */
const OUTPUT_BYTES = 16 << 20;

/** An input that was read. */
export interface Subject extends OpenedProfile {
  /** The accounts that the profile is of, if the input was a trace; the profile is made when it is asked for. */
  readonly replay?: AccountReplay;
  /** Where the trace was stopped, if not at its end: "at the peak". */
  readonly moment?: string;
}

/**
 * Reads a trace (to its end, or up to `--until`), a recording that sums up, or a profile.
 * @param wanted of a dump; other profiles are small, and tell all they can
 * @throws InputError for what is neither, and for `--until` with what lists no calls.
 */
export async function readSubject(path: string, args: SubjectArgs, wanted: Wanted = {}): Promise<Subject> {
  const until = args.until === undefined ? undefined : parseUntil(args.until);
  const standard = onlyOnce(path);
  const opening = takeOpened(path);
  if (opening === undefined) return readFrom(path, args, wanted, until, standard);
  // A profile of a kind that is read without them is never what was opened early.
  const [opened] = await Promise.all([opening, import('../formats/index.ts')]);
  try {
    return await readFrom(path, args, wanted, until, standard, opened);
  } finally {
    opened.close();
  }
}

/** `standard`: the bytes of what can be read only once; `opened`: the input at the path, if a thread has opened it already. */
async function readFrom(
  path: string,
  args: SubjectArgs,
  wanted: Wanted,
  until: Until | undefined,
  standard: AsyncGenerator<Uint8Array> | undefined,
  opened?: OpenedBeside,
): Promise<Subject> {
  let kept: Uint8Array[] | undefined = [];
  const keep = (chunk: Uint8Array) => kept?.push(chunk);
  const input = opened?.input ?? (await openInput(standard === undefined ? path : keeping(standard, keep), path));
  const found = await recognize(input, args.from);
  if (found.kind !== 'trace') {
    kept = undefined;
    if (until !== undefined) throw new InputError(path, 'lists no calls, so that there is no stopping at one', 'leave --until out');
    return readUnlisted(found, input, args, wanted);
  }
  // A trace is read from its start again: the file, or what was taken from standard input and the rest of it. Where it is booked as it is read, nothing is left to
  // do beside that but what the thread does that has opened it.
  const whole = standard === undefined ? undefined : following(kept ?? [], standard);
  const goesOn = opened !== undefined && found.booked && until === undefined;
  if (goesOn) input.chunks = found.chunks;
  else if (whole === undefined) await close(found.chunks);
  if (!goesOn) opened?.close();
  const { accountTrace, withUntil } = await import('./trace_accounts.ts');
  const run = ({ args: readArgs, until: end, source }: Reading<SubjectArgs>) =>
    accountTrace(path, readArgs, end === undefined ? {} : { until: end }, source ?? (goesOn ? input : whole));
  // What has been found need not be looked for again.
  const replay = await withUntil(path, { ...args, from: found.from }, until, run, whole);
  const moment = until === undefined ? undefined : momentOf(until);
  let profile: Profile | undefined;
  return {
    get profile() {
      return (profile ??= profileFromLedger(replay.trace, replay.ledger, moment));
    },
    replay,
    ...(moment === undefined ? {} : { moment }),
  };
}

/** What an input was recognized as, and its chunks from the first on. `from`: its format, as `--from` has it, where that is known. */
type Found = Unlisted | { kind: 'trace'; chunks: AsyncIterable<Uint8Array>; from: string; booked: boolean };

/** An input that lists no calls. */
type Unlisted = { chunks: AsyncIterable<Uint8Array> } & (
  | { kind: 'dump' }
  | { kind: 'profile'; from: string | undefined }
  | { kind: 'sums'; read: ContextSumsReader }
);

/**
 * @param from what `--from` says that it is
 * @throws InputError for what is neither trace nor profile.
 */
async function recognize(input: Input, from: string | undefined): Promise<Found> {
  const [start, chunks] = await peek(input.chunks, HEAD_BYTES);
  if (from !== undefined) {
    return PROFILE_FORMATS.includes(from) ? { kind: 'profile', chunks, from } : { kind: 'trace', chunks, from, booked: false };
  }
  const head = start.subarray(0, HEAD_BYTES);
  if (isHeap(head)) return { kind: 'dump', chunks };
  if (isPprof(head)) return { kind: 'profile', chunks, from };
  const { contextSumsReader, sniffFormat, unknownInput } = await import('../formats/index.ts');
  const read = contextSumsReader(head);
  if (read !== undefined) return { kind: 'sums', chunks, read };
  const format = sniffFormat(head);
  // Folded stacks are like many a text: what is a trace is none. Maps alone are no trace, though bpftrace printed them.
  if ((format === undefined || isStackMaps(head)) && isProfile(head)) return { kind: 'profile', chunks, from };
  if (format !== undefined) return { kind: 'trace', chunks, from: format.name, booked: format.books?.(head) === true };
  if (start.length >= HEAD_BYTES) {
    const [output, all] = await peek(chunks, OUTPUT_BYTES);
    const report = reportWithin(output);
    if (report !== undefined) return { kind: 'profile', chunks: all, from: report };
  }
  throw unknownInput(head, input.name, PROFILE_FORMATS);
}

async function readUnlisted(found: Unlisted, input: Input, args: SubjectArgs, wanted: Wanted): Promise<Subject> {
  switch (found.kind) {
    case 'dump':
      return wanted.text === true ? openProfile(found.chunks, input, args) : readDump(found.chunks, input, args, wanted);
    case 'sums':
      return judged({ profile: profileFromContextSums(await found.read(found.chunks, input.name)) }, input, args);
    case 'profile':
      return openProfile(found.chunks, input, { ...args, from: found.from });
  }
}

/** What else is wanted of an input than its values. */
export interface Wanted {
  /** A dump's own text. */
  readonly text?: boolean;
  /** What each thread has. */
  readonly threads?: boolean;
}

/** A dump that makes the young generation grow. */
const LARGE_BYTES = 1 << 20;

/** Reads a heap dump without holding its text, which would be most of what that takes. */
async function readDump(chunks: AsyncIterable<Uint8Array>, input: Input, args: SubjectArgs, wanted: Wanted): Promise<Subject> {
  // Backtraces are in columns; what else is made lives briefly or to the end, and gains nothing from a young generation that grows.
  if ((input.totalBytes ?? Infinity) > LARGE_BYTES) setFlag('--semi-space-growth-factor=1', '--semi-space-growth-factor=2');
  const reader = new HeapReader(input.name, wanted.threads === true);
  const scanner = new LineScanner(input.name, (bytes, start, end) => reader.takeLine(bytes, start, end), Infinity);
  if (input.isPlainFile) {
    await close(chunks);
    let left = input.totalBytes ?? 0;
    for (const block of fileBlocks(input.name)) {
      scanner.write(block);
      reader.expect((left -= block.length));
    }
  } else for await (const chunk of chunks) scanner.write(chunk);
  scanner.end();
  return judged({ profile: reader.finish().profile }, input, args);
}

async function openProfile(chunks: AsyncIterable<Uint8Array>, input: Input, args: SubjectArgs): Promise<Subject> {
  const opened = readProfile(await wholeOf(chunks, input), input.name, args.from);
  if (opened !== undefined) return judged(opened, input, args);
  throw new InputError(input.name, 'begins like a profile and is none');
}

/** Closes an input that is not read to its end. */
async function close(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  // A generator that has not begun would leave open what it has.
  await iterator.next();
  await iterator.return?.();
}

/** All bytes of an input, in room made for a file of that size: two copies of a large dump would be most of what reading it takes. */
async function wholeOf(chunks: AsyncIterable<Uint8Array>, input: Input): Promise<Uint8Array> {
  let bytes = new Uint8Array((input.totalBytes ?? 0) + HEAD_BYTES);
  let length = 0;
  for await (const chunk of chunks) {
    if (length + chunk.length > bytes.length) bytes = grown(bytes, length + chunk.length);
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes.subarray(0, length);
}

/** The subject that an input gave, which says so if it came from a damaged file: that is used, and is bad input all the same. */
function judged(opened: OpenedProfile, input: Input, { asJeprof }: SubjectArgs): Subject {
  const fault = faultOf(input);
  const { profile } = opened;
  if (fault !== undefined || (profile.damaged === true && asJeprof !== true)) process.exitCode = EXIT_BAD_INPUT;
  if (fault === undefined) return opened;
  return { ...opened, profile: { ...profile, damaged: true, warnings: [...profile.warnings, `${input.name}: ${fault}`] } };
}

/** The chunks of a stream, each of which `keep` gets too. */
async function* keeping(chunks: AsyncIterator<Uint8Array>, keep: (chunk: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  // By hand: leaving a for-await loop would close the stream.
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    keep(next.value);
    yield next.value;
  }
}

async function* following(kept: Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  while (kept.length > 0) yield kept.shift() as Uint8Array;
  yield* rest;
}
