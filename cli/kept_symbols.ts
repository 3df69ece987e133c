/**
 * Answers on symbols, kept between runs in the user's cache folder (XDG Base Directory Specification: $XDG_CACHE_HOME, else ~/.cache).
 * Invariant: a file is used only if it is the user's own; it is written under its name in one step, all together hold at most MOST_BYTES, and only their user may read them.
 * A folder that cannot be used is as if nothing was kept. JEREPLAY_SYMBOL_CACHE names another folder, or is `off`.
 */
import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder, makeRoom, readKept } from './cache_folder.ts';
import type { KeptTexts, SymbolTool } from '../profiles/symbols/host.ts';

/** Of all files; the oldest go first. */
const MOST_BYTES = 64 << 20;

/** Names of files, with a dot before those that are being written: build id and checksum come first. */
const OURS = /^\.?[0-9a-f]+(?:\.|$)/;

/** Tools that answers come from. */
const TOOLS: readonly SymbolTool[] = ['addr2line', 'llvm-symbolizer', 'c++filt', 'xz'];

/** The folder of answers; undefined if none are to be kept. */
export function keptFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return cacheFolder('symbols', environment['JEREPLAY_SYMBOL_CACHE'], environment);
}

/**
 * Texts kept in a folder.
 * @param toolPath where a tool is, or its name if it is to be found in PATH
 * @param mostBytes of all files
 */
export function keptTexts(folder: string, toolPath: (tool: SymbolTool) => string, mostBytes = MOST_BYTES): KeptTexts {
  let tools: string | undefined;
  // Bytes in the folder, at most: it need not be looked through for each text.
  let held = Number.POSITIVE_INFINITY;
  return {
    get tools() {
      tools ??= TOOLS.map((tool) => stampOf(toolPath(tool))).join();
      return tools;
    },
    read(name) {
      return readKept(folder, name)?.toString('utf8');
    },
    write(name, text) {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const next = join(folder, `.${name}.${process.pid}`);
        writeFileSync(next, text, { mode: 0o600 });
        renameSync(next, join(folder, name));
        held += Buffer.byteLength(text);
        if (held > mostBytes) held = makeRoom(folder, OURS, mostBytes);
      } catch {
        // Later runs ask again.
      }
    },
  };
}

/** Which file a tool is, and of what time: another version answers differently. */
function stampOf(tool: string): string {
  const places = tool.includes('/') ? [tool] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, tool));
  for (const place of places) {
    const stat = statSync(place, { throwIfNoEntry: false });
    if (stat?.isFile()) return `${place} ${stat.size} ${stat.mtimeMs}`;
  }
  return tool;
}
