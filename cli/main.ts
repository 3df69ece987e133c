#!/usr/bin/env node
/**
 * The program's start: answers --version at once and loads everything else only when it is needed.
 */
import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('jereplay/package.json') as { version: string };
process.stdout.write(version + '\n');
