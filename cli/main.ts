#!/usr/bin/env node
/**
 * The program's start: answers --version at once and loads everything else only when it is needed.
 */
import { writeSync } from 'node:fs';
import * as nodeModule from 'node:module';
import manifest from 'jereplay/package.json' with { type: 'json' };

const { version } = manifest;

/** What keeps it from being written, the whole program says as of any output. */
function saysVersion(): boolean {
  try {
    writeSync(1, `${version}\n`);
    return true;
  } catch {
    return false;
  }
}

if (!(process.argv.length === 3 && process.argv[2] === '--version' && saysVersion())) {
  // Node 22.8 and later keep compiled code in a folder of theirs (NODE_COMPILE_CACHE, else below the temporary one): a fifth of a small report.
  (nodeModule as { readonly enableCompileCache?: () => void }).enableCompileCache?.();
  await (await import('./program.ts')).run(process.argv.slice(2), version);
}
