/**
 * Work of which most code runs once: to compile it to be fast takes the second processor from it and from the tools it has at work, and pays for itself only later.
 * A file of its own, loaded when names are learnt: what is then compiled as it is joins the kept code (kept_code.ts).
 */
import { setFlagsFromString } from 'node:v8';

/** Does work without V8's optimising compiler. */
export async function withoutOptimising<T>(work: () => Promise<T>): Promise<T> {
  setFlagsFromString('--no-opt');
  try {
    return await work();
  } finally {
    setFlagsFromString('--opt');
  }
}
