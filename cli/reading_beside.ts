/**
 * Where it pays to read a trace in a thread of its own: where there is a second processor, and reading takes much longer than starting the thread.
 * Differs from a look at the file's size: a recording may be a hundredth of its text once compressed, so its beginning is decompressed for an estimate.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { compact } from '../formats/compact/reader.ts';
import { heaptrack } from '../formats/heaptrack/heaptrack.ts';
import { isCompressed, openInput } from '../formats/input.ts';

/** Bytes of text from which it pays: the thread begins to read after about as long as reading a few megabytes takes. */
const LEAST_BYTES = 16 << 20;
/** Bytes of the file that the estimate is made from. */
const HEAD_BYTES = 1 << 16;

/** Bytes of a compressed file from which it pays to decompress it in a thread of its own, where it is not read in one. */
const LEAST_PACKED_BYTES = 4 << 20;

/** `always` or `never`: whatever the machine and the trace, for tests and comparisons. */
const SETTING = 'JEREPLAY_READ_BESIDE';

/**
 * Whether to read the trace at a path beside what its events are for: accounts alone, or more. False for what cannot be opened, for pipes, which may be silent for long, and in a
 * thread that is one of several already (a sweep's).
 */
export async function paysBeside(path: string, accountsAlone = false): Promise<boolean> {
  return mayPay(path, async (size) => size > HEAD_BYTES && (await textBytes(path, size, accountsAlone)) >= LEAST_BYTES);
}

/** Whether to decompress the file at a path, which is not read beside what its events are for, in a thread of its own. */
export function paysToUnpackBeside(path: string): Promise<boolean> {
  return mayPay(path, (size) => size >= LEAST_PACKED_BYTES && isCompressed(beginning(path)));
}

async function mayPay(path: string, isLong: (size: number) => boolean | Promise<boolean>): Promise<boolean> {
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

/**
 * About how many bytes of text the file decompresses to, if the rest of it is as its beginning. A compact trace has none: reading it takes little. Nor has what
 * is booked as it is read: nothing is left to do beside it.
 */
async function textBytes(path: string, size: number, accountsAlone: boolean): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of (await openInput(beginning(path))).chunks) {
      if (bytes === 0 && (compact.sniff(chunk) > 0 || (accountsAlone && heaptrack.books?.(chunk) === true))) return 0;
      bytes += chunk.length;
    }
  } catch {
    // Damaged, or not to be opened: whoever reads it says so.
  }
  return (size * bytes) / HEAD_BYTES;
}

function beginning(path: string): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const fd = openSync(path, 'r');
  try {
    return head.subarray(0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}
