/**
 * Opens a file in a thread of its own, beside whatever its bytes are for: that one reads it and takes off its compression.
 * Invariant: chunk by chunk, the bytes and what is said of the input are those that `openInput` would give.
 */
import { on } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Input } from '../input.ts';
import { errorOf } from './messages.ts';
import { OPENING_THREAD, type OpeningMessage, type OpeningState, type OpeningTask, WAKE_EVERY } from './opening_thread.ts';

/** An input, and what ends the thread, whether or not the input's chunks were taken. */
export interface OpenedBeside {
  readonly input: Input;
  close(): void;
}

/**
 * `openInput` of a file in a thread of its own, which is started at once. Takes some tens of milliseconds and 30 MiB more, and a second processor.
 * @throws InputError as `openInput` does, and so do its chunks.
 */
export async function openInputBeside(path: string, name = path): Promise<OpenedBeside> {
  const used = new Int32Array(new SharedArrayBuffer(4));
  const workerData: OpeningTask = { task: 'open an input', path, name, used };
  const thread = new Worker(new URL(OPENING_THREAD), { workerData });
  const close = () => void thread.terminate();
  const messages = on(thread, 'message') as AsyncIterableIterator<[OpeningMessage]>;
  const state: OpeningState = { totalBytes: undefined, bytesRead: 0, fault: undefined };
  /** The next chunk; undefined where there is none. */
  const next = async (): Promise<Uint8Array | undefined> => {
    const [message] = (await messages.next()).value as [OpeningMessage];
    if ('failed' in message) throw errorOf(message.failed);
    Object.assign(state, message.state);
    return message.chunk;
  };
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let chunk = await next(); chunk !== undefined; chunk = await next()) {
      yield chunk;
      if ((Atomics.add(used, 0, 1) + 1) % WAKE_EVERY !== 0) continue;
      Atomics.notify(used, 0);
      // As long as there are messages Node looks at nothing else, a signal say.
      await setImmediate();
    }
  }
  try {
    await next();
  } catch (error) {
    close();
    throw error;
  }
  return { input: Object.assign(state, { name, chunks: chunks() }), close };
}
