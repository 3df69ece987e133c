#!/usr/bin/env node
/**
 * The program's start: answers --version at once and loads everything else only when it is needed.
 */
import * as nodeModule from 'node:module';
import manifest from 'jereplay/package.json' with { type: 'json' };

const { version } = manifest;

if (process.argv.length === 3 && process.argv[2] === '--version') process.stdout.write(`${version}\n`);
else {
  // Node 22.8 and later keep compiled code in a folder of theirs (NODE_COMPILE_CACHE, else below the temporary one): a fifth of a small report.
  (nodeModule as { readonly enableCompileCache?: () => void }).enableCompileCache?.();
  await (await import('./program.ts')).run(process.argv.slice(2), version);
}
