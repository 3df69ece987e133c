/**
 * Where it pays to read a trace in a thread of its own: where there is a second processor, and reading takes much longer than starting the thread.
 * Differs from a look at the file's size: a recording may be a hundredth of its text once compressed, so its beginning is decompressed for an estimate.
 */
import { compact } from '../formats/compact/reader.ts';
import { heaptrack } from '../formats/heaptrack/heaptrack.ts';
import { HEAD_BYTES, openInput } from '../formats/input.ts';
import { beginning, mayPay } from './unpacking_beside.ts';

/** Bytes of text from which it pays: the thread begins to read after about as long as reading a few megabytes takes. */
const LEAST_BYTES = 16 << 20;

/**
 * Whether to read the trace at a path beside what its events are for: accounts alone, or more. False for what cannot be opened, for pipes, which may be silent for long, and in a
 * thread that is one of several already (a sweep's).
 */
export async function paysBeside(path: string, accountsAlone = false): Promise<boolean> {
  return mayPay(path, async (size) => size > HEAD_BYTES && (await textBytes(path, size, accountsAlone)) >= LEAST_BYTES);
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
