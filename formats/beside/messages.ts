/**
 * What the reading thread says to the other one, in order: a message for each batch, and a last one, which says how the reading ended.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { ReadTraceOptions } from '../index.ts';
import type { SharedMemory } from './shared_batches.ts';
import type { TraceNews } from './trace_news.ts';

/** What the reading thread is started with. */
export interface ReadingTask {
  readonly task: 'read a trace';
  readonly path: string;
  readonly options: Pick<ReadTraceOptions, 'name' | 'pid' | 'from' | 'batchEvents' | 'reorderWindow' | 'keepFields' | 'stopped'>;
  readonly memory: SharedMemory;
}

/** The number of a batch; or that nothing more comes, because the input is over, or because reading it failed. */
type ReadingStep = { readonly batch: number } | { readonly end: true } | { readonly failed: Failure };

/** A message. `news` is what the tables have got before the batch, or before the end. */
export type ReadingMessage = ReadingStep & { readonly news: TraceNews | undefined };

/** An error, whose class and fields a message between threads would lose. */
export type Failure =
  | { readonly input: { readonly place: string; readonly fact: string; readonly hint: string | undefined } }
  | { readonly error: unknown; readonly fields: object };

/** An error as it goes into a message. */
export function failureOf(error: unknown): Failure {
  if (error instanceof InputError) return { input: { place: error.place, fact: error.fact, hint: error.hint } };
  const { code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  return { error, fields: { ...(code === undefined ? {} : { code }), ...(path === undefined ? {} : { path }) } };
}

/** The error of a message. */
export function errorOf(failure: Failure): unknown {
  if ('input' in failure) return new InputError(failure.input.place, failure.input.fact, failure.input.hint);
  return failure.error instanceof Error ? Object.assign(failure.error, failure.fields) : failure.error;
}
