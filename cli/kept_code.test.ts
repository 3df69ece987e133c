import { spawn } from 'node:child_process';
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { codeFolder, readCode, writeCode } from './kept_code.ts';
import { finished, start } from './testing.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'code-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const CODE = new Map([
  ['a.js', new Uint8Array([1, 2, 3])],
  ['empty.js', new Uint8Array(0)],
  ['b.js', new Uint8Array(1000).fill(7)],
]);
const asLists = (code: ReadonlyMap<string, Uint8Array>) => [...code].map(([part, bytes]) => [part, [...bytes]]);

test('code is kept where the user or the XDG specification says, or not at all', () => {
  expect(codeFolder({ XDG_CACHE_HOME: '/cache' })).toBe('/cache/jereplay/code');
  expect(codeFolder({ XDG_CACHE_HOME: '/cache', JEREPLAY_CODE_CACHE: '/own' })).toBe('/own');
  expect(codeFolder({ JEREPLAY_CODE_CACHE: 'off' })).toBeUndefined();
  expect(codeFolder({ JEREPLAY_CODE_CACHE: '/own', NODE_DISABLE_COMPILE_CACHE: '1' })).toBeUndefined();
});

test('code comes back as it was written, for its user alone', () => {
  writeCode(join(folder, 'new/er'), 'name', () => CODE);
  expect(asLists(readCode(join(folder, 'new/er'), 'name'))).toEqual(asLists(CODE));
  expect(statSync(join(folder, 'new/er/name')).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'new/er'))).toEqual(['name']);
  expect(readCode(folder, 'other').size).toBe(0);
});

test('code is not asked for where there is no place for it', () => {
  writeFileSync(join(folder, 'file'), '');
  const take = vi.fn(() => CODE);
  writeCode(join(folder, 'file/folder'), 'name', take);
  expect(take).not.toHaveBeenCalled();
});

// only root may give a file to others
test.runIf(process.getuid?.() === 0)('nothing is kept in the home of another user, whose sudo this may be', () => {
  expect(codeFolder({ XDG_CACHE_HOME: folder })).toBe(join(folder, 'jereplay/code'));
  chownSync(folder, (process.getuid?.() ?? 0) + 1, 0);
  expect(codeFolder({ XDG_CACHE_HOME: folder })).toBeUndefined();
  expect(codeFolder({ XDG_CACHE_HOME: folder, JEREPLAY_CODE_CACHE: folder })).toBe(folder);
});

test.runIf(process.getuid?.() === 0)('code that another user has put there is not used', () => {
  writeCode(folder, 'name', () => CODE);
  chownSync(join(folder, 'name'), (process.getuid?.() ?? 0) + 1, 0);
  expect(readCode(folder, 'name').size).toBe(0);
});

test('of a damaged file nothing is used, whichever byte it is', () => {
  writeCode(folder, 'name', () => CODE);
  const path = join(folder, 'name');
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += at < 60 ? 1 : 97) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 0x10;
    writeFileSync(path, damaged);
    expect(readCode(folder, 'name').size, `byte ${at}`).toBe(0);
    writeFileSync(path, whole.subarray(0, at));
    expect(readCode(folder, 'name').size, `${at} bytes`).toBe(0);
  }
});

test('the oldest code goes when there is too much, and nothing that others put there', () => {
  writeFileSync(join(folder, 'diary'), 'x'.repeat(3000));
  utimesSync(join(folder, 'diary'), 0, 0);
  const names = ['a', 'b', 'c'].map((command) => `0123456789abcdef-v20.0.0-x64-${command}`);
  for (const [i, name] of names.entries()) {
    writeCode(folder, name, () => CODE, 2500);
    utimesSync(join(folder, name), i, i);
  }
  expect(readdirSync(folder)).toEqual([...names.slice(1), 'diary']);
});

describe('the program', () => {
  const DUMP = 'heap_v2/524288\n  t*: 1: 100 [0: 0]\n@ 0x1 0x2\n  t*: 1: 100 [0: 0]\n\nMAPPED_LIBRARIES:\n';
  const report = async (env: Readonly<Record<string, string>>) => {
    const child = start(['report', '--text', join(folder, 'dump')], env);
    child.stdin?.end();
    return finished(child);
  };
  const kept = () => readdirSync(join(folder, 'kept')).map((name) => ({ name, ...stampOf(join(folder, 'kept', name)) }));
  const stampOf = (path: string) => ({ ino: statSync(path).ino, bytes: statSync(path).size });
  let plain: Awaited<ReturnType<typeof report>>;
  beforeEach(async () => {
    writeFileSync(join(folder, 'dump'), DUMP);
    plain = await report({ JEREPLAY_CODE_CACHE: 'off' });
    expect(plain).toMatchObject({ code: 0 });
  });

  test('keeps its code once, and says the same with it', async () => {
    const env = { JEREPLAY_CODE_CACHE: join(folder, 'kept') };
    expect(await report(env)).toEqual(plain);
    const [first, ...others] = kept();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ name: expect.stringMatching(`^[0-9a-f]{16}-[0-9a-f]{8}-${process.version}-${process.arch}-report$`) });
    expect(await report(env)).toEqual(plain);
    // another file would be another inode
    expect(kept()).toEqual([first]);
  });

  test('keeps code of its own for each installation of a build', async () => {
    const env = { JEREPLAY_CODE_CACHE: join(folder, 'kept') };
    await report(env);
    const dist = fileURLToPath(new URL('../dist', import.meta.url));
    for (const part of ['cli', 'shared']) cpSync(join(dist, part), join(folder, 'other/dist', part), { recursive: true });
    for (const name of ['package.json', 'node_modules']) symlinkSync(join(dist, '..', name), join(folder, 'other', name));
    const args = [join(folder, 'other/dist/cli/main.js'), 'report', '--text', join(folder, 'dump')];
    const child = spawn(process.execPath, args, { stdio: 'pipe', env: { ...process.env, ...env } });
    child.stdin.end();
    expect(await finished(child)).toEqual(plain);
    expect(kept()).toHaveLength(2);
  });

  test('adds the parts that another run of the command needs', async () => {
    const env = { JEREPLAY_CODE_CACHE: join(folder, 'kept') };
    const child = start(['report', '--no-such-flag'], env);
    child.stdin?.end();
    expect(await finished(child)).toMatchObject({ code: 2 });
    const [{ bytes }] = kept();
    expect(await report(env)).toEqual(plain);
    expect(kept()[0].bytes).toBeGreaterThan(bytes);
  });

  test('does without code that is damaged, of other flags or not to be kept', async () => {
    const env = { JEREPLAY_CODE_CACHE: join(folder, 'kept') };
    await report(env);
    const path = join(folder, 'kept', kept()[0].name);
    const damaged = readFileSync(path).fill(0, 5000, 6000);
    writeFileSync(path, damaged);
    expect(await report(env)).toEqual(plain);
    expect(readFileSync(path)).not.toEqual(damaged);
    expect(await report({ ...env, NODE_OPTIONS: '--max-old-space-size=500' })).toEqual(plain);
    mkdirSync(join(folder, 'file'));
    writeFileSync(join(folder, 'file/name'), '');
    expect(await report({ JEREPLAY_CODE_CACHE: join(folder, 'file/name') })).toEqual(plain);
  });
});
