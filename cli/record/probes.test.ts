import { expect, test } from 'vitest';
import { scriptFor } from './probes.ts';

test.each([
  ['/usr/lib/libjemalloc.so.2', 'library=%s\\n", 7, "/usr/lib/libjemalloc.so.2"'],
  ['/proc/7/root/usr/lib/libjemalloc.so.2', 'library=%s\\n", 7, "/usr/lib/libjemalloc.so.2"'],
  [`/proc/7/root/${'long/'.repeat(30)}libjemalloc.so.2`, 'long/libjemalloc.so.2"'],
  [`/${'ü/'.repeat(40)}libjemalloc.so.2`, 'ü/libjemalloc.so.2"'],
])('%s: bpftrace takes strings of 63 bytes, and probes the whole path', (file, printed) => {
  const functions = new Map([
    ['malloc', 1],
    ['free', 2],
  ]);
  const script = scriptFor(
    { pid: 7, launched: false, ender: 8, most: Infinity, cpus: 3 },
    { file, prefix: '', functions, operators: undefined, libc: '/lib/libc.so.6', libcFunctions: new Map() },
  );
  expect(script).toMatch(/^BEGIN\n\{\n.*\n\tprintf\("# jereplay ncpus 3\\n"\);$/m);
  expect(script).toContain(`uprobe:${JSON.stringify(file)}:malloc `);
  const line = script.split('\n').find((text) => text.includes('printf("# jereplay bpftrace')) as string;
  expect(line).toContain(printed);
  const [, text] = /, ("[^"]*")\);$/.exec(line) as unknown as [string, string];
  expect(Buffer.byteLength(JSON.parse(text) as string)).toBeLessThan(64);
});
