import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{cli,core,formats,profiles,fixtures}/**/*.test.ts'],
    // What earlier runs learnt of symbols is no part of a test, and the user's folder none of its places.
    env: { JEREPLAY_SYMBOL_CACHE: 'off', JEREPLAY_CODE_CACHE: fileURLToPath(new URL('dist/code', import.meta.url)) },
    globalSetup: './fixtures/bundle_cli.ts',
    benchmark: { include: ['{cli,core,formats,profiles,fixtures}/**/*.bench.ts'] },
    // Files of one worker share a process and the modules they load: no test replaces a module, and code that is compiled already saves a third of the time.
    isolate: false,
    // All processors: most tests wait for programs they started, and the default leaves one of two idle.
    maxWorkers: '100%',
    // Files run beside each other on as few as two slow cores, and some of them start compilers and browsers.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
