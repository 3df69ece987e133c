/**
 * Files, lines and inlined functions: from debug information itself, and where that is of a kind that is not read here (split units, damage, compression
 * that this Node does not know) by the tools that read it (GNU binutils: addr2line; LLVM: llvm-symbolizer).
 * Invariant: at most one process of a tool for a binary, whatever the number of addresses; what one tool does not answer the next is asked; an address that debug information does not cover has no answer,
 * also where the tool guesses one from the symbols around it.
 */
import { dwarfLines, type OwnAnswer } from './dwarf/dwarf.ts';
import type { DebugBinary } from './debug_files.ts';
import type { SourceFrame } from './frames.ts';
import type { SymbolHost, SymbolTool } from './host.ts';
import type { FoundSymbol } from './symbol_table.ts';

/** addr2line takes its time with large files. */
const LARGE_BYTES = 64 << 20;

/** What is known at addresses. */
export interface SourceLines {
  /** An element per address: functions, outermost first; undefined where nothing is known. */
  readonly frames: readonly (readonly SourceFrame[] | undefined)[];
  /** False if a tool might know more, and there is none. */
  readonly complete: boolean;
}

/**
 * The functions at each address: from the file itself, and where that is not read here, by a tool.
 * @param addresses before relocation
 * @param symbolAt what the symbol table has at an address: its name counts where debug information has only the source's, its file where that has nothing
 */
export function sourceLines(
  host: SymbolHost,
  debug: DebugBinary | undefined,
  addresses: readonly number[],
  symbolAt: SymbolAt,
): SourceLines {
  const own = ownLines(host, debug, addresses, symbolAt);
  const asked = new Asked(own.left);
  for (const question of questions(host, debug)) {
    if (asked.isAnswered) break;
    asked.take(question, host.run(question.tool, question.args, asked.input));
  }
  return withTool(own, asked);
}

/** `sourceLines` of a host that need not wait for its tools: what the file itself tells is there at once. */
export function beginSourceLines(
  host: SymbolHost,
  begin: NonNullable<SymbolHost['begin']>,
  debug: DebugBinary | undefined,
  addresses: readonly number[],
  symbolAt: SymbolAt,
): { readonly own: SourceLines; readonly all: Promise<SourceLines> } {
  const own = ownLines(host, debug, addresses, symbolAt);
  const ask = async () => {
    const asked = new Asked(own.left);
    for (const question of questions(host, debug)) {
      if (asked.isAnswered) break;
      asked.take(question, await begin(question.tool, question.args, asked.input));
    }
    return withTool(own, asked);
  };
  return { own: withTool(own, new Asked(own.left)), all: ask() };
}

/** What the file itself tells, and the addresses that a tool is to be asked for. */
interface Own {
  readonly answers: readonly OwnAnswer[];
  readonly left: readonly number[];
}

function ownLines(host: SymbolHost, debug: DebugBinary | undefined, addresses: readonly number[], symbolAt: SymbolAt): Own {
  if (debug === undefined || addresses.length === 0) return { answers: addresses.map(() => undefined), left: [] };
  if ((host.namedTools ?? []).length > 0) return { answers: addresses.map(() => 'unread'), left: addresses };
  const outermost = (address: number, name: string | undefined) => {
    const symbol = symbolAt(address);
    if (symbol === undefined) return name;
    const chosen = symbolOfSource(symbol, name);
    return chosen === symbol.name ? undefined : chosen;
  };
  const answers = dwarfLines(host, debug, addresses, outermost).map((answer, i) => {
    // As addr2line has it: a file, of which no line is known.
    const file = answer === undefined ? symbolAt(addresses[i])?.file : undefined;
    return file === undefined ? answer : [{ name: undefined, location: `${file}:?` }];
  });
  return { answers, left: addresses.filter((_, i) => answers[i] === 'unread') };
}

/**
 * Of the symbols of a function the one that has its name in the source: where functions of equal code have been made one, the others are its callers' names for it.
 * If none has, or the source's is not known, the one that addr2line takes.
 */
export function symbolOfSource({ firstName, aliases = [] }: FoundSymbol, name: string | undefined): string {
  // Of templates the arguments are mangled in another way than they are written.
  const [base] = (name ?? '').split('<', 1);
  if (base === '') return firstName;
  const isNamed = (symbol: string) => {
    if (symbol.startsWith('_Z') || symbol.startsWith('_R')) return symbol.includes(`${base.length}${base}`);
    return symbol === base || symbol.startsWith(`${base}.`);
  };
  return [firstName, ...aliases].find(isNamed) ?? firstName;
}

/** Both together. */
function withTool({ answers }: Own, { found, isComplete }: Asked): SourceLines {
  let next = 0;
  const frames = answers.map((answer) => (answer === 'unread' ? found[next++] : answer));
  return { frames, complete: isComplete };
}

/** Addresses that tools are asked for, one tool after the other, and what they have said. */
class Asked {
  readonly found: (readonly SourceFrame[] | undefined)[];
  readonly #addresses: readonly number[];
  /** Rows of the addresses without an answer. */
  #open: readonly number[];
  #hasRun = false;

  constructor(addresses: readonly number[]) {
    this.#addresses = addresses;
    this.found = addresses.map(() => undefined);
    this.#open = addresses.map((_, row) => row);
  }

  get isAnswered(): boolean {
    return this.#open.length === 0;
  }

  /** False if no tool ran that might know more. */
  get isComplete(): boolean {
    return this.#hasRun || this.#addresses.length === 0;
  }

  /** Addresses without an answer, a line each. */
  get input(): string {
    return this.#open.map((row) => `0x${this.#addresses[row].toString(16)}\n`).join('');
  }

  /** @param output undefined if the tool did not run */
  take({ read }: Question, output: Uint8Array | undefined): void {
    if (output === undefined) return;
    this.#hasRun = true;
    const open = this.#open;
    read(
      new TextDecoder().decode(output),
      open.map((row) => this.#addresses[row]),
    ).forEach((frames, i) => (this.found[open[i]] = frames));
    this.#open = open.filter((row) => this.found[row] === undefined);
  }
}

/** What the symbol table has at an address. */
type SymbolAt = (address: number) => FoundSymbol | undefined;

/** An element per address, undefined where nothing is known. */
type Answers = readonly (readonly SourceFrame[] | undefined)[];

/** How a tool is asked, and how its answers are read. */
interface Question {
  readonly tool: SymbolTool;
  readonly args: readonly string[];
  readonly read: (output: string, addresses: readonly number[]) => Answers;
}

/** What to ask of a file with debug information, each of what those before did not answer: first the tools that the user named. */
function questions({ namedTools = [] }: SymbolHost, debug: DebugBinary | undefined): readonly Question[] {
  if (debug === undefined) return [];
  const { path, image } = debug;
  // `-a` prints each address before its functions, of which there may be any number, two lines each.
  const binutils: Question = { tool: 'addr2line', args: ['-a', '-f', '-i', '-e', path], read: readBinutils };
  const options = [`--obj=${path}`, '--output-style=JSON', '--no-demangle', '--inlines', '--functions=linkage'];
  const llvm: Question = { tool: 'llvm-symbolizer', args: options, read: readLlvm };
  // Of split units addr2line (2.40) knows no function, inlined ones least of all, and of DWARF 5's no line: what it says is no answer to stop at.
  const isSplit = image.sections.some(({ name }) => name === '.debug_addr');
  const all = isSplit || image.file.size > LARGE_BYTES ? [llvm, binutils] : [binutils, llvm];
  const isNamed = ({ tool }: Question) => namedTools.includes(tool);
  return [...all.filter(isNamed), ...all.filter((question) => !isNamed(question))];
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
    // That of the address is no answer then; that of a call that was inlined is not known to DWARF 2.
    if (answers[at] === undefined && location.startsWith('??:')) continue;
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
