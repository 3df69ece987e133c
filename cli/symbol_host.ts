/**
 * Files and tools for naming addresses: this machine's.
 * Invariant: a file is opened once and read in parts; all are closed when the process ends.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, openSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { InputError } from '../core/trace/input_error.ts';
import { keptFolder, keptTexts } from './kept_symbols.ts';
import type { SymbolFile, SymbolHost, SymbolTool } from '../profiles/symbols/host.ts';

/** Fewer addresses are named before the code for it is compiled to be fast. */
const FEW_ADDRESSES = 500;
/** Most bytes that a tool may answer. */
const ANSWER_BYTES = 1 << 30;

/**
 * The host of `Symbolizer`.
 * @param tools what `--tools` says: `NAME:PATH` and prefixes of tools' paths, by commas
 */
export function symbolHost(tools: string | undefined): SymbolHost {
  const files = new Map<string, SymbolFile | undefined>();
  // Nothing is to be fetched: binutils and LLVM would ask a debuginfod server that these name.
  const env = { ...process.env, DEBUGINFOD_URLS: '' };
  const places = new Places(availableParallelism());
  const folder = keptFolder();
  return {
    // Who names a tool wants its answers.
    namedTools: LINE_TOOLS.filter((tool) => toolPath(tool, tools) !== tool),
    kept: folder === undefined ? undefined : keptTexts(folder, (tool) => toolPath(tool, tools)),
    open(path) {
      if (!files.has(path)) files.set(path, openFile(path));
      return files.get(path);
    },
    run(tool, args, input) {
      const { status, stdout } = spawnSync(toolPath(tool, tools), args, {
        input,
        maxBuffer: ANSWER_BYTES,
        stdio: ['pipe', 'pipe', 'ignore'],
        env,
      });
      return status === 0 ? stdout : undefined;
    },
    async learning(addresses, work) {
      if (addresses >= FEW_ADDRESSES) return work();
      return (await import('./without_optimising.ts')).withoutOptimising(work);
    },
    async begin(tool, args, input) {
      // A tool starts at once if it may: whoever begins it has other work to do meanwhile.
      const turn = places.take();
      if (turn !== undefined) await turn;
      try {
        return await output(spawn(toolPath(tool, tools), args, { stdio: ['pipe', 'pipe', 'ignore'], env }), input);
      } finally {
        places.leave();
      }
    },
  };
}

/** What a tool prints; undefined if it is not there, fails or prints more than it may. */
function output(child: ChildProcessByStdio<Writable, Readable, null>, input: string | Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= ANSWER_BYTES) parts.push(part);
      else child.kill();
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? Buffer.concat(parts) : undefined));
    // A tool that ends before it has read everything says so by its exit code.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Places for tools at work: as many as processors, since each may take the memory of a large file's debug information. */
class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a place. @returns what to wait for if none is free */
  take(): Promise<void> | undefined {
    if (this.#free === 0) return new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#free--;
    return undefined;
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** Only what is a plain file is opened: paths come from dumps, and some devices act when they are opened. */
function openFile(path: string): SymbolFile | undefined {
  let fd: number;
  let size: number;
  let modified: number;
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size === 0) return undefined;
    ({ size, mtimeMs: modified } = stat);
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  return {
    size,
    modified,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const count = readSync(fd, bytes, at, Math.min(length - at, 1 << 30), offset + at);
        if (count === 0) break;
        at += count;
      }
      return bytes.subarray(0, at);
    },
  };
}

/** Path of a tool: of `--tools` an entry for it, else the first prefix that has it (jeprof, ConfigureTool); else its name, to be found in PATH. */
function toolPath(tool: SymbolTool, tools: string | undefined): string {
  const entries = (tools ?? '').split(',').filter((entry) => entry !== '');
  for (const entry of entries) if (entry.startsWith(`${tool}:`)) return entry.slice(tool.length + 1);
  for (const entry of entries) if (!entry.includes(':') && isExecutable(entry + tool)) return entry + tool;
  return tool;
}

/** Makes sure that `--tools` names what is there. @throws InputError for an entry that leads to no tool. */
export function checkTools(tools: string | undefined): void {
  for (const entry of (tools ?? '').split(',').filter((part) => part !== '')) {
    const [name = '', ...path] = entry.split(':');
    if (path.length > 0 && !NAMED.has(name))
      throw new InputError('--tools', `no tool is called "${name}"`, `those that are asked: ${ASKED.join(', ')}`);
    const isThere = path.length > 0 ? isExecutable(path.join(':')) : TOOLS.some((tool) => isExecutable(entry + tool));
    if (!isThere)
      throw new InputError(
        '--tools',
        `no tool at ${path.length > 0 ? path.join(':') : `${name}…`}`,
        'a folder with a slash at its end, or NAME:PATH',
      );
  }
}

const LINE_TOOLS: readonly SymbolTool[] = ['addr2line', 'llvm-symbolizer'];
const TOOLS: readonly SymbolTool[] = [...LINE_TOOLS, 'objdump'];
const ASKED: readonly SymbolTool[] = [...TOOLS, 'c++filt', 'xz'];
/** Names that may stand in `--tools`: those that jeprof knows, too, whose scripts name all of them. */
const NAMED: ReadonlySet<string> = new Set([...ASKED, 'nm', 'otool', 'addr2line_pdb', 'nm_pdb']);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
