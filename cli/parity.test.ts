/**
 * jeprof and this program side by side.
 * On dumps of real programs: where CI is set every report that PARITY.md has a column for, else two; or those that JEREPLAY_PARITY_REPORTS names (`text,call tree`).
 * On random dumps with random flags: JEREPLAY_PARITY_CASES sets how many (300 where CI is set, else 60), JEREPLAY_PARITY_SEED the first.
 */
import childProcess, { type SpawnSyncOptions } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MODES, type Mode, ourReport, oursOf, theirsOf } from '../fixtures/parity/compare.ts';
import { type LaidOutDump, layOut, nameless } from '../fixtures/parity/dumps.ts';
import { comparable, difference, Jeprof } from '../fixtures/parity/jeprof.ts';
import { type KnownProgram, type RandomCase, randomCase } from '../fixtures/profiles/random_case.ts';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { projectRoot } from '../fixtures/root.ts';
import { type NameDifference, nameDifferences, prove } from '../fixtures/parity/proof.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './program.ts';

const CASES = Number(process.env['JEREPLAY_PARITY_CASES'] ?? (process.env['CI'] === undefined ? 60 : 300));
const FIRST_SEED = Number(process.env['JEREPLAY_PARITY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const FEW = ['text', 'base'];
const REPORTS = (process.env['JEREPLAY_PARITY_REPORTS']?.split(',') ??
  (process.env['CI'] === undefined ? FEW : Object.keys(MODES))) as Mode[];
const BASE = 0x555500000000;
const HAS_TOOLS = needsTool('jeprof', 'gcc', 'g++', 'nm', 'readelf', 'addr2line');

// The reports of a dump ask binutils the same questions, whose answers would take most of the time. jeprof's copy keeps its own.
const askedAnew = childProcess.spawnSync;
beforeAll(() => {
  const answers = new Map<string, unknown>();
  const spawnSync = (tool: string, args: readonly string[], options: SpawnSyncOptions) => {
    const question = JSON.stringify([tool, args, String(options.input)]);
    if (!answers.has(question)) answers.set(question, askedAnew(tool, args, options));
    return answers.get(question);
  };
  Object.assign(childProcess, { spawnSync });
  syncBuiltinESMExports();
});
afterAll(() => {
  Object.assign(childProcess, { spawnSync: askedAnew });
  syncBuiltinESMExports();
});

/** The program, without the start of a process. */
async function ours(args: readonly string[]): Promise<void> {
  // Each run of it listens to them.
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
  await run(args, '0.0.0');
  // A graph without nodes: both fail, and what they wrote is compared.
  if (process.exitCode === 1) process.exitCode = 0;
}

describe.skipIf(!HAS_TOOLS)('random dumps', () => {
  let folder: string;
  let program: string;
  let unreadable: string;
  let jeprof: Jeprof;
  let known: KnownProgram;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'parity-')));
    program = build(folder, 'pie');
    jeprof = new Jeprof(folder);
    unreadable = nameless(folder);
    // Bytes of sized functions: there the nearest symbol, which jeprof takes, is the right one.
    const functions = nm(program).filter(({ name, size }) => size > 8 && !name.startsWith('_'));
    const addresses = functions.flatMap(({ start }) => [0, 2, 5].map((offset) => BASE + start + offset));
    known = { addresses, maps: `\nMAPPED_LIBRARIES:\n${mapLine(program, BASE)}` };
  });
  afterAll(() => {
    jeprof.close();
    rmSync(folder, { recursive: true });
  });

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

  test(`${CASES} from seed ${FIRST_SEED}`, async () => {
    process.stderr.write(`comparing with jeprof from JEREPLAY_PARITY_SEED=${FIRST_SEED}\n`);
    let next = 0;
    const failures: string[] = [];
    const work = async () => {
      for (let i = next++; i < CASES && failures.length < 20; i = next++) {
        const seed = FIRST_SEED + i;
        const random = randomCase(seed, known);
        const args = commandLine(random, String(seed), true);
        const theirs = await jeprof.run(args);
        const found = await ourReport(ours, commandLine(random, String(seed), false), join(folder, `${seed}.out`));
        const form = random.flags[0];
        const [left, right] = [comparable(form, theirs), comparable(form, found)];
        if (left === right || (await jeprof.printsInSomeOrder(args, right))) continue;
        failures.push(`seed ${seed}: jeprof ${args.join(' ')}\n${difference(left, right)}`);
      }
    };
    await Promise.all([work(), work()]);
    expect(failures.join('\n\n')).toBe('');
  }, 3_600_000);
});

const fixtures = (folder: string) => join(projectRoot(), 'fixtures', folder);
const allPairs = <A, B>(left: readonly A[], right: readonly B[]) => left.flatMap((a) => right.map((b) => [a, b] as const));

/** Two at a time: jeprof is a process of its own, and we run in this one. */
async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

describe.skipIf(!HAS_TOOLS)('the dumps kept here', () => {
  let folder: string;
  let jeprof: Jeprof;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'parity-')));
    jeprof = new Jeprof(folder);
  });
  afterAll(() => {
    jeprof.close();
    rmSync(folder, { recursive: true });
  });

  /** Holds a report of ours, with jeprof's way to name addresses, against jeprof's, and gives that. */
  async function compare(dump: LaidOutDump, mode: Mode): Promise<string> {
    const running = theirsOf(jeprof, dump, mode);
    const nearest = await oursOf(ours, dump, mode, folder, 'nearest');
    const theirs = await running;
    expect(difference(theirs, nearest), `${dump.name}, ${mode}`).toBe('');
    return theirs;
  }

  test('whose programs are at hand have its reports', async () => {
    const dumps = await layOut(fixtures('parity/dumps'), fixtures('parity/programs'), folder);
    expect(dumps.length).toBe(36);
    const named: NameDifference[] = [];
    await inPairs(allPairs(dumps, REPORTS), async ([dump, mode]) => {
      const theirs = await compare(dump, mode);
      // Names, which are jeprof's only with --nearest.
      if (mode === 'raw symbols') named.push(...nameDifferences(dump.text, theirs, await oursOf(ours, dump, mode, folder, 'own')));
    });
    const proofs = prove(named);
    const unproven = named.filter((_, i) => !proofs[i].proven);
    expect(unproven.map(({ path, at, ...names }) => ({ place: `${path}+0x${at.toString(16)}`, ...names }))).toEqual([]);
    if (REPORTS.includes('raw symbols')) expect(named.length).toBeGreaterThan(0);
  }, 3_600_000);

  test('that have names in them have its reports', async () => {
    const dumps = (await layOut(fixtures('profiles'), undefined, folder)).filter(({ program }) => program === undefined);
    expect(dumps.length).toBeGreaterThan(2);
    // Without a program jeprof makes no report of lines, files or addresses.
    await inPairs(allPairs(dumps, ['text', 'collapsed', 'dot', 'base'] as const), async ([dump, mode]) => {
      await compare(dump, mode);
    });
  }, 3_600_000);
});
