/**
 * Loads the parts of the program: scripts that the bundler makes of its modules, since Node 20 takes compiled code for scripts only.
 * A part is a function `(exports, require, load, url)` that fills `exports`; `load` stands for `import()`, `url` for `import.meta.url`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { type CompiledCode, readCode, writeCode } from './kept_code.ts';

/** Exports of a part. */
type Exports = Record<string, unknown>;
type Part = (exports: Exports, require: (name: string) => unknown, load: (name: string) => Promise<unknown>, url: string) => void;

/**
 * Gives the function that loads a part by its name, once.
 * @param folder of `parts`, the scripts, and beside it `shared`, the same as modules: for threads, and for what looks for files from where it is
 * @param kept folder of compiled code, which is read now and written when the process ends if there was more to compile
 * @param name of the code in it
 */
export function openParts(folder: string, kept: string | undefined, name: string): (part: string) => Exports {
  const loaded = new Map<string, Exports>();
  const scripts = new Map<string, Script>();
  const code: CompiledCode = kept === undefined ? new Map() : readCode(kept, name);
  let isComplete = true;
  const modules = pathToFileURL(join(folder, '../shared/')).href;
  const get = (id: string) => (id.endsWith('.js') ? loadPart(id) : require(id));
  // Node's own modules need no loader of ES modules.
  const load = async (id: string) => (id.endsWith('.js') ? loadPart(id) : id.startsWith('node:') ? require(id) : import(id));
  function loadPart(part: string): Exports {
    const known = loaded.get(part);
    if (known !== undefined) return known;
    const exports: Exports = {};
    loaded.set(part, exports);
    const filename = join(folder, 'parts', part);
    const cachedData = code.get(part);
    // ASCII, as the bundler writes it: no bytes are to be decoded.
    const script = new Script(readFileSync(filename, 'latin1'), { filename, ...(cachedData === undefined ? {} : { cachedData }) });
    // V8 takes no code that was compiled under other flags. Once it has taken some, such flags are set for a while only.
    if (cachedData === undefined || (script.cachedDataRejected === true && scripts.size === 0)) isComplete = false;
    scripts.set(part, script);
    (script.runInThisContext() as Part)(exports, get, load, modules + part);
    return exports;
  }
  if (kept !== undefined)
    process.once('exit', () => {
      if (isComplete) return;
      // What this run did not load is as it was.
      const compiled = () => [...scripts].map(([part, script]) => [part, script.createCachedData()] as const);
      writeCode(kept, name, () => new Map([...code, ...compiled()]));
    });
  return loadPart;
}
