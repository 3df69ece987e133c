/**
 * Standard input as chunks, for what is read as `-`.
 */

/** Standard input, which ends when the signal fires: a pipe may stay silent for long. */
export async function* standardInput(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { stdin } = process;
  signal?.addEventListener('abort', () => stdin.destroy(), { once: true });
  try {
    yield* stdin;
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}
