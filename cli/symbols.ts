/**
 * Names of a dump's addresses from the binaries of this machine, for reports on dumps that carry none.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { Profile } from '../profiles/profile.ts';
import { elfSymbolSource } from '../profiles/report/elf_symbols.ts';
import type { SymbolSource } from '../profiles/report/symbols.ts';

/** Most bytes that addr2line and c++filt may answer. */
const ANSWER_BYTES = 1 << 28;

/**
 * Where the names of a profile come from, if it has none itself and its maps tell the files.
 * @param program stands for the mapped file of the same name, which may lie elsewhere on this machine.
 */
export function symbolsOf({ symbolized, maps }: Profile, program: string | undefined): SymbolSource | undefined {
  if (symbolized || maps === undefined) return undefined;
  const local = (path: string) => (program !== undefined && path.startsWith('/') && basename(path) === basename(program) ? program : path);
  return elfSymbolSource(maps, {
    readFile: (path) => {
      try {
        return readFileSync(local(path));
      } catch {
        return undefined;
      }
    },
    run: (tool, args, input) => {
      const { status, stdout } = spawnSync(tool, args.map(local), {
        input,
        encoding: 'utf8',
        maxBuffer: ANSWER_BYTES,
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      return status === 0 ? stdout : undefined;
    },
  });
}

/** True for a program or library: jeprof takes one before the profiles. */
export function isElf(path: string): boolean {
  try {
    const fd = openSync(path, 'r');
    try {
      const magic = Buffer.alloc(4);
      return readSync(fd, magic) === 4 && magic.toString('latin1') === '\x7fELF';
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
