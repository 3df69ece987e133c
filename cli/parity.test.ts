/**
 * jeprof and this program side by side, on random dumps with random flags. JEREPLAY_PARITY_CASES sets how many (300 where CI is set, else 60), JEREPLAY_PARITY_SEED the first.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callgrindCalls } from '../fixtures/callgrind.ts';
import { type KnownProgram, type RandomCase, randomCase } from '../fixtures/profiles/random_case.ts';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './program.ts';

const CASES = Number(process.env['JEREPLAY_PARITY_CASES'] ?? (process.env['CI'] === undefined ? 60 : 300));
const FIRST_SEED = Number(process.env['JEREPLAY_PARITY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const BASE = 0x555500000000;
const HAS_TOOLS = ['jeprof', 'gcc', 'g++', 'nm', 'readelf', 'addr2line'].every((tool) => needsTool(tool));

describe.skipIf(!HAS_TOOLS)('random dumps', () => {
  let folder: string;
  let program: string;
  let unreadable: string;
  let jeprofByName: string;
  let known: KnownProgram;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'parity-')));
    program = build(folder, 'pie');
    // Of equal edges jeprof keeps those that its hash table happens to have first: here it is to take them by name.
    const source = readFileSync(execFileSync('sh', ['-c', 'command -v jeprof'], { encoding: 'utf8' }).trim(), 'latin1');
    const byName = source.replace('sort { $edge{$b} <=> $edge{$a} }', 'sort { $edge{$b} <=> $edge{$a} || $a cmp $b }');
    expect(byName).not.toBe(source);
    jeprofByName = join(folder, 'jeprof');
    writeFileSync(jeprofByName, byName, { encoding: 'latin1', mode: 0o755 });
    // Seems a program, and no tool finds a name in it: jeprof then shows bare addresses.
    unreadable = join(folder, 'unreadable');
    writeFileSync(unreadable, '\x7fELF, and no more\n');
    // Bytes of sized functions: there the nearest symbol, which jeprof takes, is the right one.
    const functions = nm(program).filter(({ name, size }) => size > 8 && !name.startsWith('_'));
    const addresses = functions.flatMap(({ start }) => [0, 2, 5].map((offset) => BASE + start + offset));
    known = { addresses, maps: `\nMAPPED_LIBRARIES:\n${mapLine(program, BASE)}` };
  }, 60000);
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The command line of a case, its files written in a folder of their own. */
  function commandLine({ flags, dumps, base, names, unnamed }: RandomCase, name: string, forJeprof: boolean): string[] {
    const write = (text: string, i: string) => {
      const path = join(folder, `${name}.${i}.${forJeprof ? 'unnamed.' : ''}heap`);
      writeFileSync(path, forJeprof ? unnamed(text) : text);
      return path;
    };
    const files = dumps.map((text, i) => write(text, String(i)));
    const baseFlag = base === undefined ? [] : [`--base=${write(base, 'base')}`];
    return [...flags, ...baseFlag, ...(names === 'symbols' ? [] : [names === 'program' ? program : unreadable]), ...files];
  }

  /** What the program writes, without the start of a process. */
  async function ours(args: readonly string[], name: string): Promise<string> {
    const path = join(folder, `${name}.out`);
    rmSync(path, { force: true });
    await run(['jeprof', '--quiet', `--output=${path}`, ...args], '0.0.0');
    return readFileSync(path, 'utf8');
  }

  test(`${CASES} from seed ${FIRST_SEED}`, async () => {
    // Each run of the program listens to them.
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    process.stderr.write(`comparing with jeprof from JEREPLAY_PARITY_SEED=${FIRST_SEED}\n`);
    let next = 0;
    const failures: string[] = [];
    const work = async () => {
      for (let i = next++; i < CASES && failures.length < 20; i = next++) {
        const seed = FIRST_SEED + i;
        const random = randomCase(seed, known);
        const args = commandLine(random, String(seed), true);
        const theirs = await jeprof(jeprofByName, args);
        const found = await ours(commandLine(random, String(seed), false), String(seed));
        const form = random.flags[0];
        if (comparable(form, found) === comparable(form, theirs)) continue;
        failures.push(`seed ${seed}: jeprof ${args.join(' ')}\n${difference(comparable(form, theirs), comparable(form, found))}`);
      }
    };
    await Promise.all([work(), work()]);
    expect(failures.join('\n\n')).toBe('');
  }, 3_600_000);
});

async function jeprof(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { maxBuffer: 1 << 28 })).stdout;
  } catch (error) {
    // --raw ends with an error after its symbols, --dot with one if there is nothing to draw.
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    if (/can only dump remote profiles for --raw|No nodes to print/.test(stderr)) return stdout;
    throw error;
  }
}

/** What of a report is not in the order of jeprof's hash tables. */
function comparable(form: string, text: string): string {
  switch (form) {
    case '--text':
      return text;
    case '--raw':
      // jeprof leaves out the profile itself.
      return text.slice(0, text.indexOf('--- heap')).split('\n').sort().join('\n');
    case '--callgrind':
      return callgrindCalls(text);
    default:
      return text.split('\n').sort().join('\n');
  }
}

/** The first lines that differ. */
function difference(theirs: string, ours: string): string {
  const [a, b] = [theirs.split('\n'), ours.split('\n')];
  const lines: string[] = [];
  for (let i = 0; i < Math.max(a.length, b.length) && lines.length < 8; i++) {
    if (a[i] !== b[i]) lines.push(`jeprof   ${a[i] ?? '(end)'}`, `jereplay ${b[i] ?? '(end)'}`);
  }
  return lines.join('\n');
}
