import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildSplit, mapLine, nm } from '../fixtures/symbols/host.ts';
import { needsTool } from '../fixtures/tools.ts';
import { keptFolder, keptTexts } from './kept_symbols.ts';
import { finished, start } from './testing.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'kept-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the folder is that of the XDG specification, or the one that is named', () => {
  expect(keptFolder({ XDG_CACHE_HOME: '/cache' })).toBe('/cache/jereplay/symbols');
  expect(keptFolder({ XDG_CACHE_HOME: 'relative' })).toBe(join(homedir(), '.cache/jereplay/symbols'));
  expect(keptFolder({ XDG_CACHE_HOME: '/cache', JEREPLAY_SYMBOL_CACHE: '/own' })).toBe('/own');
  expect(keptFolder({ JEREPLAY_SYMBOL_CACHE: 'off' })).toBeUndefined();
});

test('the oldest texts go when there are too many bytes', () => {
  const texts = keptTexts(join(folder, 'made'), (tool) => tool, 25);
  mkdirSync(join(folder, 'made'));
  writeFileSync(join(folder, 'made/of_others'), 'what the user had in that folder');
  utimesSync(join(folder, 'made/of_others'), 0, 0);
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    texts.write(name, 'ten bytes.');
    utimesSync(join(folder, 'made', name), i, i);
  }
  texts.write('b', '10 others.');
  expect(['a', 'b', 'c'].map((name) => texts.read(name))).toEqual([undefined, '10 others.', 'ten bytes.']);
  expect(readdirSync(join(folder, 'made'))).toContain('of_others');
});

// only root may give a file to others
test.runIf(process.getuid?.() === 0)('a text that another user has put there is not used', () => {
  const texts = keptTexts(folder, (tool) => tool);
  texts.write('a', 'own');
  expect(texts.read('a')).toBe('own');
  chownSync(join(folder, 'a'), (process.getuid?.() ?? 0) + 1, 0);
  expect(texts.read('a')).toBeUndefined();
});

test('another tool in PATH is known for another', () => {
  const tool = join(folder, 'addr2line');
  const stamp = () => keptTexts(folder, (name) => (name === 'addr2line' ? tool : name)).tools;
  const none = stamp();
  writeFileSync(tool, 'one');
  const one = stamp();
  writeFileSync(tool, 'three');
  expect(new Set([none, one, stamp()]).size).toBe(3);
});

const HAS_TOOLS = needsTool('gcc', 'g++', 'nm', 'readelf', 'addr2line');

describe.skipIf(!HAS_TOOLS)('a report', () => {
  const BASE = 0x555500000000;
  let dump: string;
  let cache: string;
  beforeEach(() => {
    // Of debug information that addr2line is asked for.
    const { program } = buildSplit(folder);
    const at = (name: string) => `0x${(BASE + (nm(program).find((symbol) => symbol.name === name)?.start ?? 0) + 8).toString(16)}`;
    dump = join(folder, 'a.heap');
    const backtrace = `@ ${at('hidden')} ${at('exported')} ${at('main')}\n  t*: 2: 2048 [0: 0]\n`;
    writeFileSync(dump, `heap_v2/1\n  t*: 2: 2048 [0: 0]\n${backtrace}\nMAPPED_LIBRARIES:\n${mapLine(program, BASE)}`);
    cache = join(folder, 'cache');
  });

  const lines = async (env: Record<string, string>) => {
    const { code, stdout } = await finished(start(['report', '--lines', dump], env));
    expect(code).toBe(0);
    return stdout;
  };

  /** A PATH whose addr2line and llvm-symbolizer, where there is one, count their runs and answer as the real ones. */
  function countingPath(): { readonly PATH: string; readonly runs: () => number } {
    const tools = join(folder, 'tools');
    mkdirSync(tools);
    for (const tool of ['addr2line', 'llvm-symbolizer']) {
      const real = execFileSync('sh', ['-c', `command -v ${tool} || true`], { encoding: 'utf8' }).trim();
      if (real !== '') writeFileSync(join(tools, tool), `#!/bin/sh\necho >>${tools}/runs\nexec ${real} "$@"\n`, { mode: 0o755 });
    }
    writeFileSync(join(tools, 'runs'), '');
    return { PATH: `${tools}:${process.env['PATH']}`, runs: () => readFileSync(join(tools, 'runs'), 'utf8').length };
  }

  test('is the same from what an earlier one kept, and no tool runs', async () => {
    const { PATH, runs } = countingPath();
    const first = await lines({ PATH, JEREPLAY_SYMBOL_CACHE: cache });
    expect(first).toContain('program.c:');
    expect(runs()).toBe(1);
    expect(await lines({ PATH, JEREPLAY_SYMBOL_CACHE: cache })).toBe(first);
    expect(runs()).toBe(1);
    expect(await lines({ PATH, JEREPLAY_SYMBOL_CACHE: 'off' })).toBe(first);
    expect(runs()).toBe(2);
    const [file, ...others] = readdirSync(cache);
    expect(others).toEqual([]);
    expect(statSync(join(cache, file)).mode & 0o777).toBe(0o600);
    // Damaged: not used, and made anew.
    const text = readFileSync(join(cache, file), 'utf8');
    writeFileSync(join(cache, file), text.replace('program.c:', 'problem.c:'));
    expect(await lines({ PATH, JEREPLAY_SYMBOL_CACHE: cache })).toBe(first);
    expect(runs()).toBe(3);
    expect(readFileSync(join(cache, file), 'utf8')).toBe(text);
  });

  test('does without a folder that cannot be used', async () => {
    const plain = await lines({ JEREPLAY_SYMBOL_CACHE: 'off' });
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o500);
    for (const place of ['file/below', 'locked/below', 'file'])
      expect(await lines({ JEREPLAY_SYMBOL_CACHE: join(folder, place) }), place).toBe(plain);
  });
});
