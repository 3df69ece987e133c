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
    { pid: 7, launched: false, waits: false, speaker: 8, most: Infinity, cpus: 3, syscalls: true },
    { file, prefix: '', functions, operators: undefined, libc: '/lib/libc.so.6', libcFunctions: new Map() },
  );
  expect(script).toMatch(/^BEGIN\n\{\n.*\n\tprintf\("# jereplay ncpus 3\\n"\);$/m);
  expect(script).toContain(`uprobe:${JSON.stringify(file)}:malloc `);
  const line = script.split('\n').find((text) => text.includes('printf("# jereplay bpftrace')) as string;
  expect(line).toContain(printed);
  const [, text] = /, ("[^"]*")\);$/.exec(line) as unknown as [string, string];
  expect(Buffer.byteLength(JSON.parse(text) as string)).toBeLessThan(64);
});

test("an allocator's own functions are recorded as those of the C library that take and give the same, each once", () => {
  const names = ['malloc', 'free', 'aligned_alloc', 'realloc'].map((name) => `_rjem_${name}`);
  const own = ['_rjem_mallocx', '_rjem_rallocx', '_rjem_sdallocx', '_ZdlPv', '_ZdlPvm'];
  const functions = new Map([...names, ...own].map((name, index) => [name, index + 1]));
  // Another name for one of them.
  functions.set('_ZdaPv', functions.get('_ZdlPv') as number);
  const script = scriptFor(
    { pid: 7, launched: false, waits: false, speaker: 8, most: Infinity, cpus: 3, syscalls: true },
    { file: '/app', prefix: '_rjem_', functions, operators: undefined, libc: '/lib/libc.so.6', libcFunctions: new Map() },
  );
  const probe = (name: string) => {
    const start = script.indexOf(`uprobe:"/app":${name} `);
    return start < 0 ? undefined : script.slice(start, script.indexOf('\n}', start));
  };
  expect(probe('_rjem_mallocx')).toMatch(/@n\[tid\] = arg0;\n\t@a\[tid\] = \(uint64\)1 << \(arg1 & 63\);/);
  expect(probe('_rjem_rallocx')).toMatch(/@n\[tid\] = arg1;\n\t@a\[tid\] = arg0;/);
  expect(probe('_rjem_sdallocx')).toContain('free(0x%lx)\\n", nsecs, pid, tid, arg0);');
  expect(probe('_ZdaPv')).toBeUndefined();
  for (const name of ['_rjem_free', '_ZdlPv', '_ZdlPvm']) expect(probe(name)).toContain('(@del[tid] != arg0 || arg0 == 0)');
});
