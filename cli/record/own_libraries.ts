/**
 * Libraries of a tracer's own. A probe fires in every process that has its file mapped, and bpftrace allocates with the C library as all do: each of
 * its calls traps then, and it writes a fiftieth of the events that it writes with a copy of the library, which has no probes.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { TemporaryFolder } from '../temporary_folder.ts';
import { librariesOf } from './allocator.ts';

/** Environment for `tool` in which it uses copies, made in `folder`, of those of the files `probed` that it would use itself; without them where it does not run so. */
export function withOwnLibraries(tool: string, probed: readonly string[], folder: TemporaryFolder): NodeJS.ProcessEnv {
  // What is preloaded is for the program.
  const { LD_PRELOAD: _, ...plain } = process.env;
  const files = new Set(probed.map(fileId));
  const shared = librariesOf(tool).filter((library) => files.has(fileId(library)));
  if (shared.length === 0) return plain;
  try {
    for (const library of shared) copyFileSync(library, folder.file(basename(library)));
  } catch {
    return plain;
  }
  const path = [folder.path, ...(plain['LD_LIBRARY_PATH'] ?? '').split(':')].filter((part) => part !== '').join(':');
  const env = { ...plain, LD_LIBRARY_PATH: path };
  return spawnSync(tool, ['--version'], { env, stdio: 'ignore' }).status === 0 ? env : plain;
}

/** Device and inode, by which the kernel knows where probes are; the path itself of a file that is not there. */
export function fileId(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? path : `${stats.dev}:${stats.ino}`;
}
