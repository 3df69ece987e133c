import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { needsTool } from '../../fixtures/tools.ts';
import { allocatorOfProcess, allocatorOfProgram, changesUser, mapsOf } from './allocator.ts';
import { until } from './child.ts';

const folder = mkdtempSync(join(tmpdir(), 'jereplay test '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The C library of this process, undefined where it is another one than glibc. */
const libc = / (\/\S+\/libc\.so\.6)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1];

/** Does something with a process that uses the C library in `path`. */
async function withLibrary(path: string, work: (pid: number) => void): Promise<void> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore', env: { ...process.env, LD_LIBRARY_PATH: path } });
  const pid = child.pid as number;
  try {
    expect(await until(() => mapsOf(pid)?.includes(path) === true, 10_000)).toBe(true);
    work(pid);
  } finally {
    child.kill('SIGKILL');
  }
}

test('a C library that was replaced while the process runs is reached through the process', async ({ skip }) => {
  skip(libc === undefined || process.getuid?.() !== 0);
  const path = mkdtempSync(join(folder, 'replaced-'));
  copyFileSync(libc as string, join(path, 'libc.so.6'));
  await withLibrary(path, (pid) => {
    rmSync(join(path, 'libc.so.6'));
    const { file, functions, libc: probed } = allocatorOfProcess(pid);
    expect(file).toMatch(/^\/proc\/\d+\/map_files\/[1-9a-f]\w*-\w+$/);
    expect([probed, functions.has('malloc'), functions.has('free')]).toEqual([file, true, true]);
  });
});

test('the C library of musl is its dynamic linker', async ({ skip }) => {
  skip(libc === undefined);
  const path = mkdtempSync(join(folder, 'musl-'));
  // What counts is what the process has mapped.
  copyFileSync(libc as string, join(path, 'ld-musl-x86_64.so.1'));
  symlinkSync('ld-musl-x86_64.so.1', join(path, 'libc.so.6'));
  await withLibrary(path, (pid) => {
    expect(allocatorOfProcess(pid).file).toBe(`/proc/${pid}/root${path}/ld-musl-x86_64.so.1`);
  });
});

test('libraries in folders with blanks are found', ({ skip }) => {
  skip(libc === undefined);
  const path = mkdtempSync(join(folder, 'b l a n k '));
  copyFileSync(libc as string, join(path, 'libc.so.6'));
  const before = process.env['LD_LIBRARY_PATH'];
  process.env['LD_LIBRARY_PATH'] = path;
  try {
    expect(allocatorOfProgram('/bin/sleep').file).toBe(join(path, 'libc.so.6'));
  } finally {
    if (before === undefined) delete process.env['LD_LIBRARY_PATH'];
    else process.env['LD_LIBRARY_PATH'] = before;
  }
});

test('libraries of a set-uid program are known, though it does not list them itself', ({ skip }) => {
  skip(libc === undefined || process.getuid?.() !== 0);
  const program = join(folder, 'set-uid');
  copyFileSync('/bin/sleep', program);
  expect(changesUser(program)).toBe(false);
  chownSync(program, 65534, 65534);
  chmodSync(program, 0o4755);
  expect(changesUser(program)).toBe(true);
  expect(allocatorOfProgram(program).functions.has('malloc')).toBe(true);
});

test('libraries beside a program are found behind a symbolic link to it', ({ skip }) => {
  skip(libc === undefined || !needsTool('gcc'));
  const place = mkdtempSync(join(folder, 'origin-'));
  writeFileSync(join(place, 'lib.c'), 'void beside(void) {}\n');
  writeFileSync(join(place, 'main.c'), 'void beside(void);\nint main(void) { beside(); }\n');
  const gcc = (...args: readonly string[]) => execFileSync('gcc', args, { cwd: place });
  gcc('-shared', '-fPIC', '-o', 'libbeside.so', 'lib.c');
  gcc('-o', 'program', 'main.c', '-L.', '-lbeside', '-Wl,-rpath,$ORIGIN');
  const link = join(folder, 'linked');
  symlinkSync(join(place, 'program'), link);
  expect(allocatorOfProgram(link).functions.has('malloc')).toBe(true);
  rmSync(join(place, 'libbeside.so'));
  expect(() => allocatorOfProgram(link)).toThrow('loads no C library that is found here');
});

test.for(['je_', '_rjem_', 'duckdb_je_'])('jemalloc is found under names that begin with %s', (prefix, { skip }) => {
  skip(libc === undefined || !needsTool('gcc'));
  const program = join(mkdtempSync(join(folder, 'prefix-')), 'program');
  const functions = ['malloc', 'free', 'mallctl'].map((name) => `void ${prefix}${name}(void) {}\n`);
  writeFileSync(`${program}.c`, `${functions.join('')}int main(void) { return 0; }\n`);
  execFileSync('gcc', ['-o', program, `${program}.c`]);
  expect(allocatorOfProgram(program)).toMatchObject({ file: program, prefix });
});

test('operator new is that of the library, linked in or not, and none that a program has of its own', ({ skip }) => {
  skip(libc === undefined || !needsTool('g++'));
  const place = mkdtempSync(join(folder, 'operators-'));
  writeFileSync(join(place, 'plain.cpp'), 'int *volatile last;\nint main() { last = new int; }\n');
  const own = 'static char pool[999];\nvoid *operator new(decltype(sizeof 0)) { return pool; }\n';
  writeFileSync(join(place, 'own.cpp'), `${own}int *volatile last;\nint main() { last = new int; }\n`);
  const operatorsOf = (source: string, ...args: readonly string[]) => {
    const program = join(place, `${source}${args.join('')}`);
    execFileSync('g++', ['-o', program, join(place, `${source}.cpp`), ...args]);
    return allocatorOfProgram(program).operators?.file.replace(/^.*\//, '');
  };
  expect(operatorsOf('plain')).toMatch(/^libstdc\+\+\.so/);
  expect(operatorsOf('plain', '-static-libstdc++')).toBe('plain-static-libstdc++');
  expect(operatorsOf('own')).toBeUndefined();
});

test('a Go program is called that, not stripped', ({ skip }) => {
  skip(!needsTool('go'));
  const place = mkdtempSync(join(folder, 'go-'));
  writeFileSync(join(place, 'main.go'), 'package main\nfunc main() {}\n');
  execFileSync('go', ['build', '-o', 'program', 'main.go'], {
    cwd: place,
    env: { ...process.env, CGO_ENABLED: '0', GOCACHE: join(place, 'cache') },
  });
  expect(() => allocatorOfProgram(join(place, 'program'))).toThrow('is a Go program, whose runtime allocates by itself');
});
