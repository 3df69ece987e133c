#!/usr/bin/env node
/**
 * The program's start: answers --version at once and loads everything else only when it is needed.
 * Differs from our other files, with `start.ts`: becomes a CommonJS module. For the first ES module Node takes another fifth of its own start.
 */
import { writeSync } from 'node:fs';
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

/** False in a folder that has been removed, where no path can be resolved; said as any bad usage, and before anything else is loaded: yargs asks for the folder at once. */
function hasFolder(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    process.stderr.write('working directory: is no longer there\nhint: cd to a folder that is\n');
    process.exitCode = 2;
    return false;
  }
}

if (!(process.argv.length === 3 && process.argv[2] === '--version' && saysVersion()) && hasFolder())
  void import('./start.ts').then(({ start }) => start(process.argv.slice(2), version));
