/**
 * Traces from any format to the ones that jereplay writes.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { compact } from '../../formats/compact/reader.ts';
import { sniffFormat } from '../../formats/index.ts';
import { endsEarly, faultOf, HEAD_BYTES, openInput, peek } from '../../formats/input.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs } from '../output_places.ts';
import { onlyOnce } from '../standard_input.ts';
import { copyTrace } from '../trace_copy.ts';
import type { InputArgs } from '../trace_input.ts';
import { traceOutput } from '../trace_output.ts';

interface ConvertArgs extends InputArgs {
  readonly inputs: readonly string[];
  readonly output: string;
  readonly to?: string | undefined;
}

/** Converts a recording; several inputs are its parts, in order, as `cat` would put them together. */
export async function convert(args: ConvertArgs): Promise<void> {
  checkOutputs([args.output], args.inputs);
  const format = traceOutput(args.output, args.to);
  const trace = new Trace();
  const [first] = args.inputs as [string];
  const parts: Part[] = [];
  try {
    await copyTrace(first, trace, format, args, args.inputs.length === 1 ? undefined : joined(args.inputs, trace, parts));
  } catch (error) {
    throw inPart(error, first, parts);
  }
  printNotes(trace.warnings, args.quiet);
}

/** A part of a recording that has been begun. */
interface Part {
  readonly path: string;
  /** Ends of lines in the parts before it. */
  readonly linesBefore: number;
}

/** What is wrong with a line of all parts, which are named after the `first` one, as what is wrong with that of its part. */
function inPart(error: unknown, first: string, parts: readonly Part[]): unknown {
  if (!(error instanceof InputError) || !error.place.startsWith(`${first}:`)) return error;
  const line = Number(error.place.slice(first.length + 1));
  const part = parts.findLast(({ linesBefore }) => linesBefore < line);
  if (part === undefined || part === parts[0]) return error;
  const ofPart = line - part.linesBefore;
  const hint = ofPart === 1 ? SEVERAL_INPUTS : error.hint;
  return new InputError(`${part.path}:${ofPart}`, error.fact, hint);
}

const SEVERAL_INPUTS = 'several inputs are the parts of one recording, in order';

/** Ends of lines in a chunk. */
function lineEnds(chunk: Uint8Array): number {
  let count = 0;
  for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) count++;
  return count;
}

/**
 * The decompressed bytes of several files, one after the other.
 * @param parts takes each as it begins
 * @throws InputError for files that cannot be the parts of one recording.
 */
async function* joined(paths: readonly string[], trace: Trace, parts: Part[]): AsyncGenerator<Uint8Array> {
  let known: { path: string; name: string } | undefined;
  let lines = 0;
  for (const path of paths) {
    const input = await openInput(onlyOnce(path) ?? path, path);
    const [head, chunks] = await peek(input.chunks, HEAD_BYTES);
    // A part that begins in the middle of a recording may look like nothing.
    const format = sniffFormat(head.subarray(0, HEAD_BYTES));
    if (format === compact) {
      throw new InputError(
        path,
        'is a compact trace, which is whole by itself',
        'join the parts as they were recorded: jereplay convert PART1 PART2 -o OUT',
      );
    }
    if (known !== undefined && format !== undefined && format.name !== known.name) {
      throw new InputError(
        path,
        `is ${format.name}, but ${known.path} is ${known.name}`,
        'several inputs are the parts of one recording, in one format',
      );
    }
    if (known === undefined && format !== undefined) known = { path, name: format.name };
    parts.push({ path, linesBefore: lines });
    for await (const chunk of chunks) {
      lines += lineEnds(chunk);
      yield chunk;
    }
    const fault = faultOf(input);
    if (fault === undefined) continue;
    if (endsEarly(input)) trace.partial = true;
    trace.truncated = true;
    trace.warnings.push(`${path}: ${fault}`);
  }
}
