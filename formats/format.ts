/**
 * A trace format is one value: its name, how to recognise it, how to read it.
 */
import type { AccountReplay } from '../core/replay/accounts.ts';
import type { EventBatch } from '../core/trace/events.ts';
import type { Trace } from '../core/trace/trace.ts';

export { InputError } from '../core/trace/input_error.ts';

/**
 * Takes each full batch. It must be done with the batch when it returns: the reader fills it again.
 * `false` ends the reading there (see readTrace).
 */
export type BatchSink = (batch: EventBatch) => boolean | void;

/** Accounts that a reader may book calls in itself: a replay without a model that runs to the trace's end. */
export type Accounts = Pick<AccountReplay, 'ledger' | 'eventCount' | 'booked'>;

/** Settings that the command line passes to a reader. */
export interface ReadOptions {
  /** Name for error messages: the path, or "-" for standard input. */
  readonly name: string;
  /** Only this process (pid or tid of its main thread), where the recording mixes several; default: the format's choice, said in a warning. */
  readonly pid?: number;
  /** Names the format that lines which fit no rule of this one are surely of, if there is one: a file that changes its format midway. */
  readonly formatOf?: (bytes: Uint8Array) => string | undefined;
  /** Events held back to sort recordings whose lines are out of order. Default 1 << 18. */
  readonly reorderWindow?: number;
  /** Events handed over at once, at most. Default 4096. */
  readonly batchEvents?: number;
  /**
   * Keeps fields that this version does not know, where the format can have them: those of events in `trace.eventFields`, of stacks in `trace.stackFields`,
   * and `fields` of threads and frames. For who writes the trace.
   */
  readonly keepFields?: boolean;
  /** Where accounts are all that is wanted of the calls: a format that knows how books them there, and hands over no batches. */
  readonly accounts?: Accounts;
}

/** Settings for a reader that only looks at an input's head to say how sure it is: its events go nowhere, so few are kept at once. */
export const SNIFFING: ReadOptions = { name: '-', batchEvents: 64, reorderWindow: 64 };

/**
 * How an input ends: where its writer has ended it; broken off, as compressed data may be; or where whoever reads has stopped. The line that
 * it was stopped in is not torn: it is not looked at. Of the latter two the caller marks the trace as partial.
 */
export type InputEnd = 'whole' | 'cut' | 'stopped';

/** A reader under way: bytes in, batches and trace tables out. */
export interface TraceReader {
  /**
   * Takes the next bytes, cut anywhere. The chunk may be reused by the caller afterwards.
   * @throws InputError for input that the format forbids.
   */
  write(chunk: Uint8Array): void;
  /** The input is over, default: as a whole. Takes what is left and hands over the last batch. */
  end(ending?: InputEnd): void;
}

/** A trace format. */
export interface TraceFormat {
  /** Name for `--from` and messages: "ltrace", "bpftrace", "ndjson" … */
  readonly name: string;
  /** A few words for the list of formats in --help and errors. */
  readonly title: string;
  /**
   * How sure the first bytes of the input (up to 64 KiB, decompressed, possibly ending mid-line) are of this format:
   * 0 no, 1 certain. The file's name plays no part.
   */
  sniff(head: Uint8Array): number;
  /** Whether an input of this format that begins so is booked in `accounts` as it is read. Default: none is. */
  books?(head: Uint8Array): boolean;
  /** Its recordings are of one process each, and the reader takes no notice of `ReadOptions.pid`. */
  readonly ofOneProcess?: true;
  open(trace: Trace, sink: BatchSink, options: ReadOptions): TraceReader;
}
