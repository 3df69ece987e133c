import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { bpftraceTraces, needsTool } from '../fixtures/tools.ts';
import { until } from './record/child.ts';
import { ATTACHED } from './record/probes.ts';
import { finished, MAIN, run, start } from './testing.ts';

const folder = testFolder();

const fit = new Map([
  ['ltrace', needsTool('ltrace')],
  ['heaptrack', needsTool('heaptrack')],
  ['bpftrace', bpftraceTraces()],
]);

test.for(['ltrace', 'heaptrack'])('%s records a program that replays', async (name, { skip }) => {
  skip(fit.get(name) !== true);
  const trace = join(folder, `${name}.trace`);
  const { code, stdout, stderr } = await run(['record', '--with', name, '-o', trace, '--', 'ls', '-l', '/']);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('usr');
  expect(readFileSync(trace).length).toBeGreaterThan(100);
  const summary = JSON.parse((await run(['replay', trace, '--json'])).stdout) as { events: number; allocations: number; partial: boolean };
  expect(summary.allocations).toBeGreaterThan(10);
  expect(summary.events).toBeGreaterThan(summary.allocations);
});

test('a recording goes to a file', () => {
  const output = join(folder, 'output');
  const file = openSync(output, 'w');
  // Behind the name of standard output is a file here, which the program writes to as well.
  for (const name of ['-', '/dev/stdout']) {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'record', '-o', name, '--', 'ls'], {
      stdio: ['ignore', file, 'pipe'],
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 2, stderr: `${name}: a recording goes to a file\nhint: name one with -o FILE\n` });
  }
  closeSync(file);
  expect(readFileSync(output, 'utf8')).toBe('');
});

/** Four threads with names; each leaks a hundred nodes of 48 bytes through a function of its own, and builds what it frees. */
const LEAKY = `#include <map>
#include <pthread.h>
#include <string>
#include <thread>
#include <vector>
struct Node { char bytes[48]; };
Node *volatile last;
__attribute__((noinline)) void leak_node(int i) { last = i % 2 ? new Node : new Node[1]; }
__attribute__((noinline)) void work(int id) {
  pthread_setname_np(pthread_self(), ("worker" + std::to_string(id)).c_str());
  for (int i = 0; i < 100; i++) leak_node(i);
  std::map<int, std::string> freed;
  for (int i = 0; i < 50; i++) freed[i] = std::string(100, 'x');
}
int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back(work, i);
  for (auto &thread : threads) thread.join();
}
`;
const JEMALLOC = '/usr/lib/x86_64-linux-gnu/libjemalloc.a';
/** bpftrace compiles and attaches some sixty probes. */
const SLOW_MS = 240_000;

interface Leaks {
  readonly contexts: readonly { readonly bytes: number; readonly objects: number; readonly stack: readonly string[] }[];
}

const leaksOf = async (trace: string) => JSON.parse((await run(['leaks', trace, '--json'])).stdout) as Leaks;
const summaryOf = async (trace: string) =>
  JSON.parse((await run(['replay', trace, '--json'])).stdout) as {
    events: number;
    allocations: number;
    threads: number;
    requested_bytes_live: number;
    skipped: Record<string, number>;
  };

/** What a recording says of its process, by way of NDJSON. */
async function factsOf(trace: string): Promise<{ header: Record<string, unknown>; maps: unknown; names: unknown[] }> {
  const text = `${trace}.ndjson`;
  expect((await run(['convert', trace, '-o', text])).code).toBe(0);
  const lines = readFileSync(text, 'utf8')
    .split('\n')
    .filter((line) => /^{"op":"(?:trace|maps|thread)"/.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (kind: string) => lines.filter(({ op }) => op === kind);
  return { header: Object.assign({}, ...of('trace')), maps: of('maps')[0]?.['text'], names: of('thread').map(({ name }) => name) };
}

const WORKERS = ['worker0', 'worker1', 'worker2', 'worker3'];

function compiled(name: string, ...args: readonly string[]): string {
  const source = join(folder, 'leaky.cpp');
  writeFileSync(source, LEAKY);
  const program = join(folder, name);
  execFileSync('g++', ['-g', '-O1', '-fno-omit-frame-pointer', '-o', program, source, '-pthread', ...args]);
  return program;
}

test.for([
  ['the C library', []],
  ['its own library linked in', ['-static-libstdc++']],
  ['all linked in', ['-static']],
  ['jemalloc linked in', ['-static', '-Wl,--whole-archive', JEMALLOC, '-Wl,--no-whole-archive', '-lm']],
] as const)('bpftrace: a C++ program with threads and %s, its leak to the byte', { timeout: SLOW_MS }, async ([what, args], { skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('g++') || (args.length > 1 && !needsTool('libjemalloc')));
  const trace = join(folder, 'leaky.trace');
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', compiled(what.replaceAll(' ', '_'), ...args)]);
  expect(code, stderr).toBe(0);
  const { contexts } = await leaksOf(trace);
  const nodes = contexts.filter(({ stack }) => stack[0] === 'leak_node(int)' && stack.includes('work(int)'));
  expect(nodes.map(({ bytes, objects }) => [bytes, objects])).toEqual([[4 * 100 * 48, 400]]);
  expect((await summaryOf(trace)).skipped['free_unknown']).toBeUndefined();

  const { header, maps, names } = await factsOf(trace);
  expect(header).toMatchObject({ ncpus: cpus().length, pid: expect.any(Number) });
  expect(maps).toContain(what.replaceAll(' ', '_'));
  expect(names).toEqual(expect.arrayContaining(WORKERS));
});

/** A server with a thread for each of 1,200 requests; each leaks ten blocks. */
const SERVER = `#include <pthread.h>
#include <stdlib.h>
void *volatile last;
__attribute__((noinline)) void leak(int size) { last = malloc(size); }
void *serve(void *request) { for (int i = 0; i < 10; i++) leak(100); return request; }
int main() {
  pthread_t threads[4];
  for (int round = 0; round < 300; round++) {
    for (int i = 0; i < 4; i++) pthread_create(threads + i, 0, serve, 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  }
}
`;

// bpftrace looks symbols up by thread, and does not survive one that is gone between two of its looks.
test('bpftrace: a program whose threads live short is recorded to its end, and its stacks have names once it is no longer there', {
  timeout: SLOW_MS,
}, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
  const trace = join(folder, 'server.trace');
  const program = join(folder, 'server');
  writeFileSync(`${program}.c`, SERVER);
  execFileSync('gcc', ['-O1', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-o', program, `${program}.c`, '-pthread']);
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', program]);
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain('missing');
  rmSync(program);
  const { contexts } = await leaksOf(trace);
  const leaks = contexts.filter(({ stack }) => stack[0] === 'leak');
  expect(leaks.map(({ bytes, objects, stack }) => [bytes, objects, stack[1]])).toEqual([[1_200_000, 12_000, 'serve']]);
});

test('bpftrace: code of a library that was closed has names', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
  const trace = join(folder, 'closed.trace');
  const program = join(folder, 'closes');
  const library = join(folder, 'libclosed.so');
  const flags = ['-fno-omit-frame-pointer', '-fno-optimize-sibling-calls'];
  writeFileSync(`${library}.c`, '#include <stdlib.h>\nvoid *volatile last;\nvoid leak_closed() { last = malloc(4321); }\n');
  execFileSync('gcc', [...flags, '-shared', '-fPIC', '-o', library, `${library}.c`]);
  writeFileSync(
    `${program}.c`,
    `#include <dlfcn.h>\n#include <unistd.h>
int main(int count, char **args) { void *library = dlopen(args[1], RTLD_NOW); ((void (*)())dlsym(library, "leak_closed"))(); sleep(2); dlclose(library); sleep(2); }\n`,
  );
  execFileSync('gcc', [...flags, '-o', program, `${program}.c`]);
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', program, library]);
  expect(code, stderr).toBe(0);
  const { contexts } = await leaksOf(trace);
  expect(contexts.filter(({ bytes }) => bytes === 4321).map(({ stack }) => stack[0])).toEqual(['leak_closed']);
});

/** A program that leaks blocks of a size by a function, in its turn loads libraries that do, and executes another program. */
const leaker = (name: string, size: number) => `#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
void *volatile last;
__attribute__((noinline)) void ${name}() { for (int i = 0; i < 10; i++) last = malloc(${size}); }
int main(int count, char **args) {
  ${name}();
  for (int i = 2; i < count; i++) {
    void *library = dlopen(args[i], RTLD_NOW);
    ((void (*)())dlsym(library, "leak_there"))();
    usleep(300000);
    dlclose(library);
  }
  if (count > 1) execl(args[1], args[1], (char *)0);
}
`;

test('bpftrace: addresses are named by what was there at the time of the call: of libraries and programs that follow each other in one place', {
  timeout: SLOW_MS,
}, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
  const trace = join(folder, 'places.trace');
  const build = (name: string, text: string, ...args: string[]) => {
    const path = join(folder, name);
    writeFileSync(`${path}.c`, text);
    execFileSync('gcc', ['-O1', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-o', path, `${path}.c`, ...args]);
    return path;
  };
  // Not relocated, so that they have the same addresses.
  const [first, second] = [1001, 2002].map((size) => build(`program_${size}`, leaker(`leak_${size}`, size), '-no-pie', '-ldl'));
  const libraries = [3003, 4004].map((size) =>
    build(
      `lib${size}.so`,
      `#include <stdlib.h>\nvoid *volatile last;\n__attribute__((noinline)) void leak_${size}() { last = malloc(${size}); }\nvoid leak_there() { leak_${size}(); }\n`,
      '-shared',
      '-fPIC',
    ),
  );
  const command = [first as string, second as string, ...libraries, ...libraries];
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', ...command]);
  expect(code, stderr).toBe(0);
  const { stdout } = await run(['report', '--collapsed', '--alloc_space', trace]);
  const leaks = stdout.split('\n').flatMap((line) => /(leak_\d+) (\d+)$/.exec(line)?.slice(1).join(' ') ?? []);
  expect(leaks.sort()).toEqual(['leak_1001 10010', 'leak_2002 20020', 'leak_3003 6006', 'leak_4004 8008']);
});

/** A 32-bit program that executes what its arguments name, without a C library. */
const EXECUTES = `static int call(int number, void *a, void *b, void *c) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}
__attribute__((used)) void execute(void **stack) {
  void **arguments = stack + 1;
  call(11, arguments[1], arguments + 1, arguments + (int)stack[0] + 1);
  call(1, (void *)127, 0, 0);
}
__asm__(".globl _start\\n_start: mov %esp, %eax\\n push %eax\\n call execute\\n");
`;

// System calls of 32-bit programs have other numbers.
test.for(['itself', '32-bit program'] as const)(
  'bpftrace: a script that becomes a program, by %s, leaks what the program leaks',
  { timeout: SLOW_MS },
  async (by, { skip }) => {
    skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
    const trace = join(folder, 'wrapped.trace');
    const program = join(folder, 'wrapped');
    const executes = join(folder, 'executes');
    writeFileSync(
      `${program}.c`,
      '#include <stdlib.h>\nvoid *volatile last;\nint main() { for (int i = 0; i < 7; i++) last = malloc(1000 + i); }\n',
    );
    execFileSync('gcc', ['-g', '-fno-omit-frame-pointer', '-o', program, `${program}.c`]);
    writeFileSync(`${executes}.c`, EXECUTES);
    execFileSync('gcc', ['-m32', '-nostdlib', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector', '-o', executes, `${executes}.c`]);
    writeFileSync(`${program}.sh`, `#!/bin/sh\nkept=$(printf %1000s x)\nexec ${by === 'itself' ? '' : executes} ${program}\n`, {
      mode: 0o755,
    });
    const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', `${program}.sh`]);
    expect(code, stderr).toBe(0);
    expect((await run(['leaks', trace])).stderr).toMatch(/the process called exec\(\), which freed \d+ blocks of its former program/);
    const { contexts } = await leaksOf(trace);
    expect(contexts.map(({ bytes, objects, stack }) => [bytes, objects, stack.includes('main')])).toEqual([[7021, 7, true]]);
  },
);

test('bpftrace: a program that is started with another allocator than what starts it', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('g++', 'libjemalloc'));
  const trace = join(folder, 'preloaded.trace');
  const preload = `LD_PRELOAD=${JEMALLOC.replace(/a$/, 'so.2')}`;
  const { code, stderr } = await run(['record', '-o', trace, '--', 'env', preload, compiled('preloaded')]);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('executes another one, which allocates elsewhere');
  const { contexts } = await leaksOf(trace);
  const nodes = contexts.filter(({ stack }) => stack[0] === 'leak_node(int)');
  expect(nodes.map(({ bytes, objects }) => [bytes, objects])).toEqual([[4 * 100 * 48, 400]]);
});

/** Six threads, one after the other, and then the first one allocate, resize and free by chance. */
const CHANCE = `#include <cstdint>
#include <cstdlib>
#include <thread>
static void *blocks[2000];
static void work(uint64_t seed) {
  auto next = [&seed] { seed ^= seed << 13; seed ^= seed >> 7; return seed ^= seed << 17; };
  for (int i = 0; i < 3000; i++) {
    void *&block = blocks[next() % 2000];
    const size_t size = 1 + next() % (next() % 50 == 0 ? 200000 : 2000);
    if (block == nullptr) block = next() % 5 == 0 ? calloc(1, size) : malloc(size);
    else if (next() % 4 == 0) block = realloc(block, size);
    else { free(block); block = nullptr; }
  }
}
int main() {
  for (int i = 1; i <= 6; i++) std::thread(work, 1000 + i).join();
  work(99);
}
`;

test('bpftrace: what a recording is replayed to is what the program has with the real jemalloc', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('g++', 'libjemalloc'));
  const program = join(folder, 'chance');
  writeFileSync(`${program}.cpp`, CHANCE);
  execFileSync('g++', ['-O1', '-fno-builtin', '-o', program, `${program}.cpp`, '-pthread']);
  const trace = `${program}.trace`;
  expect((await run(['record', '--with', 'bpftrace', '-o', trace, '--', program])).code).toBe(0);
  const figures = (text: string) => {
    const { stats } = (JSON.parse(text) as { jemalloc: { stats: Record<string, unknown> } }).jemalloc;
    return ['allocated', 'active', 'metadata', 'resident', 'mapped', 'retained'].map((name) => [name, stats[name]]);
  };
  // What hangs on time does not: pages are given back at once, or never.
  for (const conf of [
    'dirty_decay_ms:0,muzzy_decay_ms:0',
    'dirty_decay_ms:-1',
    'tcache:false,dirty_decay_ms:-1',
    'narenas:1,dirty_decay_ms:-1',
  ]) {
    const env = { ...process.env, LD_PRELOAD: JEMALLOC.replace(/a$/, 'so.2'), MALLOC_CONF: `${conf},stats_print:true,stats_print_opts:J` };
    // At random addresses one run in forty has 2 MiB more of metadata.
    const real = spawnSync('setarch', ['-R', program], { env, encoding: 'utf8' });
    const { stdout } = await run(['replay', trace, '--conf', conf, '--stats', '-']);
    expect([conf, figures(stdout)]).toEqual([conf, figures(real.stderr)]);
  }
});

test('bpftrace: calls before main, of a program that a signal ends, have names', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
  const program = join(folder, 'aborts');
  const gcc = (...args: readonly string[]) => execFileSync('gcc', ['-g', '-fno-omit-frame-pointer', ...args], { cwd: folder });
  writeFileSync(
    `${program}.lib.c`,
    '#include <stdlib.h>\nvoid *early;\n__attribute__((constructor)) void load(void) { early = malloc(4321); }\n',
  );
  writeFileSync(`${program}.c`, '#include <stdlib.h>\nextern void *early;\nint main() { free(early); early = malloc(99); abort(); }\n');
  gcc('-shared', '-fPIC', '-o', 'libearly.so', `${program}.lib.c`);
  gcc('-o', program, `${program}.c`, '-L.', '-learly', '-Wl,-rpath,$ORIGIN');
  const trace = `${program}.trace`;
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', program]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('the program ended with exit code 134')]);
  const { contexts } = await leaksOf(trace);
  expect(contexts.map(({ bytes, stack }) => [bytes, stack[0]])).toEqual([[99, 'main']]);
  const { allocations, skipped } = await summaryOf(trace);
  expect([allocations, skipped['free_unknown']]).toEqual([2, undefined]);
});

test('bpftrace: processes that a program starts are said not to be recorded', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true);
  const { stderr } = await run(['record', '--with', 'bpftrace', '-o', join(folder, 'starts.trace'), '--', 'sh', '-c', 'ls /; ls /; true']);
  expect(stderr).toContain('the program started 2 processes, of which nothing is recorded');
});

test('bpftrace: a program that uses musl, to its last call', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('musl-gcc'));
  const program = join(folder, 'musl');
  writeFileSync(
    `${program}.c`,
    `#include <pthread.h>
#include <stdlib.h>
void *volatile last;
void *work(void *arg) { for (int i = 0; i < 1000; i++) free(last = malloc(9)); return last = malloc(50); }
int main() { pthread_t thread; pthread_create(&thread, 0, work, 0); pthread_join(thread, 0); last = malloc(600); }
`,
  );
  execFileSync('musl-gcc', ['-g', '-fno-omit-frame-pointer', '-fno-builtin', '-o', program, `${program}.c`]);
  const trace = `${program}.trace`;
  const { code, stderr } = await run(['record', '--with', 'bpftrace', '-o', trace, '--', program]);
  expect([code, stderr]).toEqual([0, expect.not.stringContaining('missing')]);
  const { contexts } = await leaksOf(trace);
  expect(contexts.map(({ bytes, stack }) => [bytes, stack[0]])).toEqual([
    [600, 'main'],
    [50, 'work'],
  ]);
  const { stdout } = await run(['convert', trace, '--to', 'ndjson', '-o', '-']);
  expect(stdout.match(/"thread_exit"/g)).toHaveLength(1);
});

test('ltrace: the trace has the CPU count, maps and names of threads, which ltrace does not write', { timeout: SLOW_MS }, async ({
  skip,
}) => {
  skip(!needsTool('ltrace', 'g++'));
  const trace = join(folder, 'traced.trace');
  expect((await run(['record', '--with', 'ltrace', '-o', trace, '--', compiled('traced')])).code).toBe(0);
  const { header, maps, names } = await factsOf(trace);
  expect(header).toMatchObject({ ncpus: cpus().length, pid: expect.any(Number) });
  expect(maps).toContain('traced');
  expect(names).toEqual(expect.arrayContaining(WORKERS));
});

test('heaptrack: the trace has the CPU count, and heaptrack still reads it', async ({ skip }) => {
  skip(!needsTool('heaptrack', 'heaptrack_print'));
  const trace = join(folder, 'counted.zst');
  expect((await run(['record', '--with', 'heaptrack', '-o', trace, '--', 'ls', '/'])).code).toBe(0);
  expect((await factsOf(trace)).header).toMatchObject({ ncpus: cpus().length, source: 'heaptrack' });
  const { allocations } = await summaryOf(trace);
  const printed = spawnSync('heaptrack_print', [trace], { encoding: 'utf8' }).stdout;
  expect(printed).toContain(`calls to allocation functions: ${allocations} `);
});

/** A client that never rests, and one that asks a hundred times a second. */
const BUSY = ['redis-benchmark', '-n', '100000000', '-c', '1', '-t', 'set,lpush', '-r', '1000', '-d', '100'] as const;
const CALM = ['redis-cli', '-r', '-1', '-i', '0.01', 'set', 'key', 'value'] as const;

/** Runs redis-server with a client while `work` runs. */
async function underLoad([tool, ...args]: readonly [string, ...string[]], work: (redis: ChildProcess) => Promise<void>): Promise<void> {
  const port = String(20_000 + (process.pid % 20_000));
  const redis = spawn('redis-server', ['--port', port, '--save', '', '--dir', folder], { stdio: 'ignore' });
  // A client that comes before the server listens gives up.
  const answers = () => spawnSync('redis-cli', ['-p', port, 'ping'], { encoding: 'utf8' }).stdout.includes('PONG');
  expect(await until(answers, 30_000)).toBe(true);
  // What else runs on the machine goes first: probes are put in place at the expense of what is recorded.
  const load = spawn('nice', ['-n', '19', tool, '-p', port, ...args], { stdio: 'ignore' });
  try {
    await work(redis);
  } finally {
    load.kill('SIGKILL');
    redis.kill('SIGKILL');
  }
}

const redisFits = () => fit.get('bpftrace') === true && needsTool('redis-server', 'redis-benchmark', 'redis-cli');

test('bpftrace: redis-server under load, attached for a while; it runs on, with nothing attached', { timeout: SLOW_MS }, async ({
  skip,
}) => {
  skip(!redisFits());
  const trace = join(folder, 'redis.trace');
  await underLoad(BUSY, async (redis) => {
    const { code, stderr } = await run(['record', '-p', String(redis.pid), '--duration', '300ms', '-o', trace]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/recording with bpftrace \(threads, times and stacks/);
    expect(readFileSync(`/proc/${redis.pid}/status`, 'utf8')).toMatch(/State:\s+[RS]/);
    expect(spawnSync('pgrep', ['-f', `pid=${redis.pid} library`]).stdout.toString()).toBe('');
  });
  expect(readFileSync(trace, 'utf8')).toContain('libjemalloc');
  const { allocations, skipped } = await summaryOf(trace);
  expect(allocations).toBeGreaterThan(100);
  expect(skipped['unparsed']).toBeUndefined();
  expect((await leaksOf(trace)).contexts.some(({ stack }) => stack.some((fn) => fn.startsWith('zmalloc')))).toBe(true);
  const page = join(folder, 'redis.html');
  expect((await run(['flamegraph', trace, '-o', page])).code).toBe(0);
  expect(statSync(page).size).toBeGreaterThan(10_000);
});

test('Ctrl-C ends an attached recording and keeps what there is', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(!redisFits());
  const trace = join(folder, 'interrupted.trace');
  await underLoad(CALM, async (redis) => {
    const recording = start(['record', '-p', String(redis.pid), '-o', trace]);
    const result = finished(recording);
    const recorded = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(' malloc(');
    await until(() => recording.exitCode !== null || recorded(), SLOW_MS);
    recording.kill('SIGINT');
    const { code, stderr } = await result;
    expect(code, stderr).toBe(0);
    expect(readFileSync(`/proc/${redis.pid}/status`, 'utf8')).toMatch(/State:\s+[RS]/);
  });
  expect((await summaryOf(trace)).allocations).toBeGreaterThan(0);
});

test('bpftrace: a running process that executes a program with another allocator', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('gcc'));
  const program = join(folder, 'executed');
  writeFileSync(`${program}.c`, '#include <stdlib.h>\n#include <unistd.h>\nint main() { free(malloc(9)); sleep(1); }\n');
  execFileSync('gcc', ['-static', '-o', program, `${program}.c`]);
  const shell = spawn('sh', ['-c', 'read line; kept=$(printf %1000s x); sleep 0.1; exec "$0"', program], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const trace = `${program}.trace`;
  const recording = start(['record', '--with', 'bpftrace', '-p', String(shell.pid), '-o', trace]);
  const result = finished(recording);
  const attached = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(ATTACHED);
  await until(() => recording.exitCode !== null || attached(), SLOW_MS);
  shell.stdin.end('\n');
  const { code, stderr } = await result;
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining(`the process executed ${program}, which allocates elsewhere: nothing of that is recorded`),
  ]);
});

test('bpftrace ends where record is killed', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true);
  const trace = join(folder, 'killed.trace');
  const program = spawn('sleep', ['300'], { stdio: 'ignore' });
  const recording = start(['record', '--with', 'bpftrace', '-p', String(program.pid), '-o', trace]);
  const attached = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(ATTACHED);
  const tracer = () => spawnSync('pgrep', ['-P', String(recording.pid), 'bpftrace'], { encoding: 'utf8' }).stdout.trim();
  try {
    expect(await until(attached, SLOW_MS)).toBe(true);
    const pid = tracer();
    expect(pid).toMatch(/^\d+$/);
    recording.kill('SIGKILL');
    expect(await until(() => !existsSync(`/proc/${pid}`), 60_000)).toBe(true);
  } finally {
    program.kill('SIGKILL');
  }
});

/** A table of 200 rows, sorted and summed. */
const SQL = `create table t(a, b); with recursive n(x) as (select 1 union all select x + 1 from n where x < 200)
insert into t select x, hex(x) from n; select sum(a) from (select a from t order by b);`;

test('bpftrace: sqlite3, started', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('sqlite3'));
  const trace = join(folder, 'sqlite3.trace');
  const { code, stdout, stderr } = await run(['record', '-o', trace, '--', 'sqlite3', ':memory:', SQL]);
  expect(code, stderr).toBe(0);
  expect(stdout.trim()).toBe('20100');
  const { events, allocations } = await summaryOf(trace);
  expect(allocations).toBeGreaterThan(200);
  expect(events).toBeGreaterThan(allocations);
  expect((await factsOf(trace)).maps).toContain('libsqlite3');
});

/**
 * Says that it has started, and once asked keeps 300 lists of 100 to 399 elements, of 8 bytes each, and leaves without tidying up. To start takes an interpreter
 * fifteen thousand calls, some of them by the same ways, and it may be a script that looks for one.
 */
const LISTS =
  'import posix; print("here", flush=True); input(); kept = [[0] * n for n in range(100, 400)]; print(len(kept), flush=True); posix._exit(0)';
const LISTS_BYTES = (300 * 8 * (100 + 399)) / 2;

test('bpftrace: python3, attached, what it keeps to the byte', { timeout: SLOW_MS }, async ({ skip }) => {
  skip(fit.get('bpftrace') !== true || !needsTool('python3'));
  const trace = join(folder, 'python3.trace');
  const python = spawn('python3', ['-ISc', LISTS], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(python.stdout, 'data');
  const recording = start(['record', '--with', 'bpftrace', '-p', String(python.pid), '-o', trace]);
  const result = finished(recording);
  const attached = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(ATTACHED);
  await until(() => recording.exitCode !== null || attached(), SLOW_MS);
  python.stdin.end('\n');
  const { code, stderr } = await result;
  expect(code, stderr).toBe(0);
  const { contexts } = await leaksOf(trace);
  expect(contexts.map(({ bytes, objects }) => [bytes, objects])).toContainEqual([LISTS_BYTES, 300]);
});

test('ltrace: blocks of posix_memalign are in the recording', async ({ skip }) => {
  skip(!needsTool('ltrace', 'gcc'));
  const program = join(folder, 'aligned');
  const calls = 'void *block; for (int i = 0; i < 9; i++) if (posix_memalign(&block, 16 << i % 3, 100) == 0 && i % 3) free(block);';
  writeFileSync(`${program}.c`, `#include <stdlib.h>\nint main() { ${calls} return 0; }\n`);
  execFileSync('gcc', ['-o', program, `${program}.c`]);
  const trace = `${program}.trace`;
  expect((await run(['record', '--with', 'ltrace', '-o', trace, '--', program])).code).toBe(0);
  const { skipped, ...summary } = await summaryOf(trace);
  expect([summary.events, summary.requested_bytes_live, skipped.no_address]).toEqual([15, 300, undefined]);
});

test('--max-events: the recording has so many calls', async ({ skip }) => {
  skip(!needsTool('ltrace'));
  const trace = join(folder, 'few.trace');
  const { code, stderr } = await run(['record', '--with', 'ltrace', '--max-events', '20', '-o', trace, '--', 'ls', '-l', '/']);
  expect(code, stderr).toBe(0);
  const { events, skipped } = await summaryOf(trace);
  // Most calls are seen twice, through the PLT and entered, and counted once; a free of NULL is an event.
  const { note: _notes, nested: _nested, free_null: _nulls, ...others } = skipped;
  expect(events + Object.values(others).reduce((sum, count) => sum + count, 0)).toBe(20);
});

test('the best recorder is said, with what speaks against the others and how to get them', async () => {
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  const env = { PATH: tools };
  const none = await finished(start(['record', '-o', join(folder, 'none.trace'), '--', '/bin/ls'], env));
  expect(none).toMatchObject({ code: 2 });
  expect(none.stderr).toContain('bpftrace is not installed; heaptrack is not installed; ltrace is not installed');
  expect(none.stderr).toContain('hint: apt-get install bpftrace, or apt-get install heaptrack, or apt-get install ltrace');
  if (!needsTool('ltrace')) return;
  symlinkSync('/usr/bin/ltrace', join(tools, 'ltrace'));
  const last = await finished(start(['record', '-o', join(folder, 'last.trace'), '--', '/bin/true'], env));
  expect(last.stderr).toContain('recording with ltrace (every call, without privileges');
  expect(last.stderr).toContain('bpftrace is not installed; heaptrack is not installed');
});

test('bpftrace: not where processes have other numbers than the kernel gives them', ({ skip }) => {
  const space = (...command: string[]) => spawnSync('unshare', ['-pf', '--mount-proc', ...command], { encoding: 'utf8' });
  skip(fit.get('bpftrace') !== true || space('true').status !== 0);
  const trace = join(folder, 'space.trace');
  const { status, stderr } = space(process.execPath, 'dist/cli/main.js', 'record', '--with', 'bpftrace', '-o', trace, '--', 'ls');
  expect([status, existsSync(trace)]).toEqual([2, false]);
  expect(stderr).toMatch(
    /^jereplay record: no recorder: bpftrace counts processes as the host does.*\nhint: run jereplay record on the host/,
  );
});

test('bpftrace: a disk that is full ends the recording, and is said', { timeout: SLOW_MS }, ({ skip }) => {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const shell = (commands: string) =>
    spawnSync('unshare', ['-m', 'sh', '-c', `mount -t tmpfs -o size=64k tmpfs ${disk} && ${commands}`], { encoding: 'utf8' });
  skip(fit.get('bpftrace') !== true || shell('true').status !== 0);
  const trace = join(disk, 'full.trace');
  const { status, stderr } = shell(
    `${process.execPath} dist/cli/main.js record --with bpftrace -o ${trace} -- ls -lR /usr/include/linux >/dev/null`,
  );
  expect([status, stderr.split('\n').at(-2)]).toEqual([2, `${trace}: no space left on the device`]);
});

test('ltrace: scripts and static programs, which it does not start, and a program without calls', { timeout: SLOW_MS }, async ({
  skip,
}) => {
  skip(!needsTool('ltrace', 'gcc'));
  const trace = join(folder, 'nothing.trace');
  const record = (program: string) => run(['record', '--with', 'ltrace', '-o', trace, '--', program]);
  const program = join(folder, 'silent');
  writeFileSync(`${program}.c`, 'int main() { return 0; }\n');
  writeFileSync(`${program}.sh`, '#!/bin/sh\ntrue\n', { mode: 0o755 });
  execFileSync('gcc', ['-o', program, `${program}.c`]);
  execFileSync('gcc', ['-static', '-o', `${program}.static`, `${program}.c`]);
  expect(await record(`${program}.sh`)).toMatchObject({ code: 2, stderr: expect.stringContaining('ltrace does not start scripts') });
  expect(await record(`${program}.static`)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('ltrace does not start programs that are linked statically'),
  });
  expect(existsSync(trace)).toBe(false);
  const { code, stderr } = await record(program);
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/\nltrace: recorded no call of the allocator\nhint: does the process itself allocate/),
  ]);
  expect(stderr).not.toContain('see it with');
});

test('ltrace: a running process of several threads, which it would end, is refused', async ({ skip }) => {
  skip(!needsTool('ltrace'));
  // Node has threads of its own.
  const trace = join(folder, 'threads.trace');
  expect(await run(['record', '--with', 'ltrace', '-p', String(process.pid), '-o', trace])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /no recorder: ltrace mostly ends processes of several threads that it attaches to\nhint: with ltrace, record the program from its start/,
    ),
  });
});

test('heaptrack: a script that executes a program, of which nothing is recorded, is no recording', async ({ skip }) => {
  skip(!needsTool('heaptrack'));
  const script = join(folder, 'wrapper.sh');
  writeFileSync(script, '#!/bin/sh\nexec ls /\n', { mode: 0o755 });
  expect(await run(['record', '--with', 'heaptrack', '-o', join(folder, 'wrapped.trace'), '--', script])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('heaptrack: recorded no call of the allocator\nhint: does the process itself allocate'),
  });
});

test('heaptrack: of a script whose interpreter env finds, that one is recorded', async ({ skip }) => {
  skip(!needsTool('heaptrack', 'perl'));
  const script = join(folder, 'env.pl');
  writeFileSync(script, '#!/usr/bin/env perl\nprint "@ARGV\\n";\n', { mode: 0o755 });
  const trace = join(folder, 'env.trace');
  expect(await run(['record', '--with', 'heaptrack', '-o', trace, '--', script, 'a', 'b c'])).toMatchObject({ code: 0, stdout: 'a b c\n' });
  expect((await factsOf(trace)).header.command).toMatch(/perl \S+env\.pl a b c$/);
  const { contexts } = JSON.parse((await run(['leaks', trace, '--json'])).stdout) as { contexts: { stack: string[] }[] };
  expect(contexts.some(({ stack }) => stack.includes('perl_run') || stack.includes('perl_parse'))).toBe(true);
});

test('heaptrack and ltrace: a program that brings its allocator along, of which they would see nothing or wait for ever', async ({
  skip,
}) => {
  skip(!needsTool('heaptrack', 'ltrace', 'gcc', 'libjemalloc'));
  const program = join(folder, 'brings');
  writeFileSync(`${program}.c`, '#include <stdlib.h>\nint main() { free(malloc(7)); }\n');
  execFileSync('gcc', ['-o', program, `${program}.c`, '-Wl,--whole-archive', JEMALLOC, '-Wl,--no-whole-archive', '-lm', '-lstdc++']);
  for (const name of ['heaptrack', 'ltrace']) {
    expect(await run(['record', '--with', name, '-o', join(folder, 'brings.trace'), '--', program])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${name} sees nothing of an allocator that is linked into a program\nhint: record it with bpftrace`),
    });
  }
});

test('heaptrack and ltrace: a program that uses musl, for which they wait or abort', async ({ skip }) => {
  skip(!needsTool('heaptrack', 'ltrace', 'musl-gcc'));
  const program = join(folder, 'unseen-musl');
  writeFileSync(`${program}.c`, 'int main() { return 0; }\n');
  execFileSync('musl-gcc', ['-o', program, `${program}.c`]);
  for (const name of ['heaptrack', 'ltrace']) {
    expect(await run(['record', '--with', name, '-o', join(folder, 'musl.trace'), '--', program])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${name} does not work with programs that use musl\nhint: record it with bpftrace, as root`),
    });
  }
});

test('heaptrack: a static program, for which it would wait for ever', async ({ skip }) => {
  skip(!needsTool('heaptrack', 'gcc'));
  const program = join(folder, 'unseen');
  writeFileSync(`${program}.c`, 'int main() { return 0; }\n');
  execFileSync('gcc', ['-static', '-o', program, `${program}.c`]);
  expect(await run(['record', '--with', 'heaptrack', '-o', join(folder, 'unseen.trace'), '--', program])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('heaptrack sees nothing of programs that are linked statically'),
  });
});

test.for([
  [['--duration', '3'], '--duration: "3" is no length of time'],
  [['--max-events', '0'], '--max-events: "0" is not a whole number from 1 up'],
  [['--with', 'heaptrack', '--max-events', '5'], 'heaptrack'],
] as const)('%j is refused', async ([args, message]) => {
  const { code, stderr } = await run(['record', ...args, '-o', join(folder, 'refused.trace'), '--', 'ls']);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
