/**
 * A whole trace from one form into another.
 */
import type { EventBatch } from '../core/trace/events.ts';
import type { Trace } from '../core/trace/trace.ts';
import type { Source } from '../formats/index.ts';
import { type InputArgs, readInput } from './trace_input.ts';
import type { TraceOutput } from './trace_output.ts';

/** Reads the trace at a path, or what `source` gives under that name, into `trace` and writes it out. @throws InputError for bad input */
export async function copyTrace(path: string, trace: Trace, output: TraceOutput, args: InputArgs, source?: Source): Promise<void> {
  const writer = output.open(trace);
  const write = (batch: EventBatch) => {
    writer.batch(batch);
    return true;
  };
  await readInput(path, trace, write, { ...args, keepFields: true }, source);
  writer.end();
}
