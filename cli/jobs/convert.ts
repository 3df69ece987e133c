/**
 * Traces from any format to the ones that jereplay writes.
 */
import { extname } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import type { EventBatch } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { openInput } from '../../formats/input.ts';
import { NdjsonWriter } from '../../formats/ndjson/writer.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs, Output, STANDARD } from '../output.ts';
import { type InputArgs, readInput, standardInput } from '../trace_input.ts';

/** A writer under way: batches in, bytes out. */
interface TraceWriter {
  batch(batch: EventBatch): void;
  end(): void;
}

/** The formats that can be written, by name, with the endings of file names that ask for them. */
const WRITERS: readonly { name: string; endings: readonly string[]; open(trace: Trace, out: (bytes: Uint8Array) => void): TraceWriter }[] =
  [{ name: 'ndjson', endings: ['.ndjson', '.jsonl', '.json'], open: (trace, out) => new NdjsonWriter(trace, out) }];

interface ConvertArgs extends InputArgs {
  readonly inputs: readonly string[];
  readonly output: string;
  readonly to?: string | undefined;
}

/** Converts a recording; several inputs are its parts, in order, as `cat` would put them together. */
export async function convert(args: ConvertArgs): Promise<void> {
  const format = writerFor(args);
  checkOutputs([args.output]);
  if (args.inputs.includes(args.output) && args.output !== STANDARD) {
    throw new InputError(args.output, 'is an input and the output at once', 'name another file with -o');
  }
  const trace = new Trace();
  const [first] = args.inputs as [string];
  const output = new Output(args.output);
  const writer = format.open(trace, (bytes) => output.write(bytes));
  const source = args.inputs.length === 1 ? undefined : joined(args.inputs, trace);
  const write = (batch: EventBatch) => {
    writer.batch(batch);
    return true;
  };
  await readInput(first, trace, write, args, source);
  writer.end();
  output.close();
  printNotes(trace.warnings, args.quiet);
}

/** The writer that `--to` names, or the ending of the output; NDJSON for standard output. */
function writerFor({ to, output }: ConvertArgs): (typeof WRITERS)[number] {
  const known = WRITERS.map(({ name, endings }) => `${name} (${endings.join(', ')})`).join('; ');
  if (to !== undefined) {
    const named = WRITERS.find(({ name }) => name === to);
    if (named === undefined) throw new InputError('--to', `unknown format ${JSON.stringify(to)}`, `known: ${known}`);
    return named;
  }
  if (output === STANDARD) return WRITERS[0];
  const ending = extname(output).toLowerCase();
  const found = WRITERS.find(({ endings }) => endings.includes(ending));
  if (found === undefined)
    throw new InputError(output, `its ending "${ending}" names no format that can be written`, `pass --to, or use an ending: ${known}`);
  return found;
}

/** The decompressed bytes of several files, one after the other. */
async function* joined(paths: readonly string[], trace: Trace): AsyncGenerator<Uint8Array> {
  for (const path of paths) {
    const input = await openInput(path === STANDARD ? standardInput() : path, path);
    yield* input.chunks;
    if (!input.cut) continue;
    trace.partial = true;
    trace.warnings.push(`${path} breaks off: what came through is used`);
  }
}
