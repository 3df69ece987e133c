/**
 * What naming addresses takes from its surroundings: files, read in parts, and the tools of the machine.
 * Invariant: nothing else of this folder touches a file or starts a process, and nothing reaches for the network.
 */

/** A file that is open for reading. */
export interface SymbolFile {
  /** Bytes. */
  readonly size: number;
  /** When its content last changed, ms of any clock; undefined if that is not known. */
  readonly modified?: number;
  /** Bytes from `offset` on: fewer than asked for at the end of the file. Both are whole numbers, not negative. */
  read(offset: number, length: number): Uint8Array;
}

/** Tools that may be asked, under the names of GNU binutils, LLVM and xz. */
export type SymbolTool = 'addr2line' | 'llvm-symbolizer' | 'c++filt' | 'objdump' | 'xz';

/** A place for texts that later runs may use again. What cannot be kept is not, and nothing fails. */
export interface KeptTexts {
  /** Which tools these are, in any words: others may answer differently. */
  readonly tools: string;
  /** The text of a name, if there is one. */
  read(name: string): string | undefined;
  write(name: string, text: string): void;
}

/** Files and tools. */
export interface SymbolHost {
  /** Opens a regular file; undefined if it is not there or may not be read. */
  open(path: string): SymbolFile | undefined;
  /** Runs a tool with this standard input and gives its standard output; undefined if it is not there or fails. */
  run(tool: SymbolTool, args: readonly string[], input: string | Uint8Array): Uint8Array | undefined;
  /** The same without waiting for the tool: several may be at work. A host that cannot leaves it out. */
  begin?(tool: SymbolTool, args: readonly string[], input: string | Uint8Array): Promise<Uint8Array | undefined>;
  /** Does the work of learning the names of so many addresses, in whatever way suits their number. A host that knows only one way leaves it out. */
  learning?<T>(addresses: number, work: () => Promise<T>): Promise<T>;
  /** Tools that the user named: asked for lines and inlined functions before others, and where debug information could be read as well. */
  readonly namedTools?: readonly SymbolTool[] | undefined;
  /** Where answers are kept from one run to the next; without it they are not. */
  readonly kept?: KeptTexts | undefined;
}
