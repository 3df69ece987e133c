/**
 * Where it pays to decompress a file in a thread of its own: where there is a second processor, and the file is large.
 * Invariant: nothing of a format is loaded here, so that the thread can be started before they are.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { HEAD_BYTES, isCompressed, isZstd } from '../formats/input.ts';

/** Bytes of a compressed file from which it pays to decompress it in a thread of its own, where it is not read in one. */
const LEAST_PACKED_BYTES = 4 << 20;

/** `always` or `never`: whatever the machine and the trace, for tests and comparisons. */
const SETTING = 'JEREPLAY_READ_BESIDE';

/** Whether to decompress the file at a path, which is not read beside what its events are for, in a thread of its own. */
export function paysToUnpackBeside(path: string): Promise<boolean> {
  return mayPay(path, (size) => size >= LEAST_PACKED_BYTES && isCompressed(beginning(path)));
}

/**
 * Whether to start that thread at once, before it is known what is in the file, so that formats are loaded meanwhile. Only of Zstandard's files: a profile of
 * pprof is never one, and the decoder of the others is here already.
 */
export async function paysToOpenBeside(path: string): Promise<boolean> {
  return (await paysToUnpackBeside(path)) && isZstd(beginning(path));
}

/**
 * Whether `isLong` says so of the bytes of the file at a path. False for what cannot be opened, for pipes, which may be silent for long, and in a thread that is
 * one of several already (a sweep's).
 */
export async function mayPay(path: string, isLong: (size: number) => boolean | Promise<boolean>): Promise<boolean> {
  const setting = process.env[SETTING];
  if (setting === 'never') return false;
  if (setting !== 'always' && availableParallelism() < 2) return false;
  const size = fileSize(path);
  if (size === undefined || !(setting === 'always' || (await isLong(size)))) return false;
  return (await import('node:worker_threads')).isMainThread;
}

/** Bytes of a regular file; undefined for anything else, and for what cannot be looked at. */
function fileSize(path: string): number | undefined {
  try {
    const stats = statSync(path);
    return stats.isFile() ? stats.size : undefined;
  } catch {
    return undefined;
  }
}

/** The first bytes of a file; none of one that cannot be opened, of which whoever reads it says so. */
export function beginning(path: string): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return head.subarray(0, 0);
  }
  try {
    return head.subarray(0, readSync(file, head));
  } finally {
    closeSync(file);
  }
}
