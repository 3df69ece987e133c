#!/usr/bin/env node
/**
 * The program's start: answers --version at once and loads everything else only when it is needed.
 */
import manifest from 'jereplay/package.json' with { type: 'json' };

const { version } = manifest;

if (process.argv.length === 3 && process.argv[2] === '--version') process.stdout.write(`${version}\n`);
else await (await import('./program.ts')).run(process.argv.slice(2), version);
