/**
 * Files, lines and inlined functions, by the tools that read debug information (GNU binutils: addr2line; LLVM: llvm-symbolizer).
 * Invariant: one process a binary, whatever the number of addresses; an address that debug information does not cover has no answer,
 * also where the tool guesses one from the symbols around it.
 */
import type { SymbolHost, SymbolTool } from './host.ts';

/** A function at an address. */
export interface SourceFrame {
  /** As the compiler calls it, mangled; undefined if it does not say. */
  readonly name: string | undefined;
  /** `file:line`, with what addr2line puts after it. */
  readonly location: string;
}

/** addr2line takes its time with large files. */
const LARGE_BYTES = 64 << 20;

/**
 * Asks for the functions at each address, outermost first.
 * @param path a file with debug information
 * @param size its bytes, which decide what tool is asked first
 * @returns an element per address, undefined where nothing is known; undefined altogether if there is no tool
 */
export function sourceLines(host: SymbolHost, path: string, size: number, addresses: readonly number[]): Answers {
  if (addresses.length === 0) return [];
  for (const { tool, args, read } of questions(path, size)) {
    const output = host.run(tool, args, input(addresses));
    if (output !== undefined) return read(decoder.decode(output), addresses);
  }
  return undefined;
}

/** `sourceLines` of a host that need not wait for its tools. */
export async function beginSourceLines(
  begin: NonNullable<SymbolHost['begin']>,
  path: string,
  size: number,
  addresses: readonly number[],
): Promise<Answers> {
  if (addresses.length === 0) return [];
  for (const { tool, args, read } of questions(path, size)) {
    const output = await begin(tool, args, input(addresses));
    if (output !== undefined) return read(decoder.decode(output), addresses);
  }
  return undefined;
}

type Answers = (readonly SourceFrame[] | undefined)[] | undefined;

/** How a tool is asked, and how its answers are read. */
interface Question {
  readonly tool: SymbolTool;
  readonly args: readonly string[];
  readonly read: (output: string, addresses: readonly number[]) => Answers;
}

/** What to ask of a file with debug information; each of these if the one before did not run. */
function questions(path: string, size: number): readonly Question[] {
  // `-a` prints each address before its functions, of which there may be any number, two lines each.
  const binutils: Question = { tool: 'addr2line', args: ['-a', '-f', '-i', '-e', path], read: readBinutils };
  const options = [`--obj=${path}`, '--output-style=JSON', '--no-demangle', '--inlines', '--functions=linkage'];
  const llvm: Question = { tool: 'llvm-symbolizer', args: options, read: readLlvm };
  return size > LARGE_BYTES ? [llvm, binutils] : [binutils, llvm];
}

function readBinutils(output: string, addresses: readonly number[]): Answers {
  const lines = output.split('\n');
  const answers: (SourceFrame[] | undefined)[] = addresses.map(() => undefined);
  let at = -1;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    if (at + 1 < addresses.length && /^0x[0-9a-f]+$/.test(line) && Number(line) === addresses[at + 1]) {
      at++;
      continue;
    }
    if (at < 0 || i + 1 >= lines.length) continue;
    const location = lines[++i].replaceAll('\\', '/');
    if (location.startsWith('??:')) continue;
    (answers[at] ??= []).unshift({ name: line === '??' ? undefined : line, location });
  }
  return answers;
}

interface LlvmAnswer {
  readonly Symbol?: readonly { readonly FunctionName?: string; readonly FileName?: string; readonly Line?: number }[];
}

/** A line of JSON per address (LLVM 12 and later; earlier ones fail). */
function readLlvm(output: string, addresses: readonly number[]): Answers {
  const lines = output.split('\n');
  return addresses.map((_, i) => {
    let answer: LlvmAnswer;
    try {
      answer = JSON.parse(lines[i] ?? '{}') as LlvmAnswer;
    } catch {
      return undefined;
    }
    const frames: SourceFrame[] = [];
    for (const { FunctionName, FileName, Line } of answer.Symbol ?? []) {
      if (FileName === undefined || FileName === '') continue;
      frames.unshift({
        name: FunctionName === '' ? undefined : FunctionName,
        location: `${FileName}:${Line === undefined || Line === 0 ? '?' : Line}`,
      });
    }
    return frames.length === 0 ? undefined : frames;
  });
}

function input(addresses: readonly number[]): string {
  return addresses.map((address) => `0x${address.toString(16)}\n`).join('');
}

const decoder = new TextDecoder();
