/**
 * The two assertions of yargs. Stand for `node:assert` in the bundle (fixtures/bundle.mjs), which draws the difference of two values: a millisecond to load,
 * and another for an assertion that fails, as the one on the version does that yargs looks for at each start.
 */
export function strictEqual(actual: unknown, expected: unknown, message?: string): void {
  if (actual !== expected) throw new Error(message);
}

export function notStrictEqual(actual: unknown, expected: unknown, message?: string): void {
  if (actual === expected) throw new Error(message);
}
