/**
 * jeprof and this program side by side.
 * On the dumps kept here: a few reports; of those with addresses every one with JEREPLAY_PARITY_REPORTS=all, which takes two minutes.
 * On random dumps with random flags: JEREPLAY_PARITY_CASES sets how many (300 where CI is set, else 60), JEREPLAY_PARITY_SEED the first.
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MODES, type Mode, ourReport, oursOf, theirsOf } from '../fixtures/parity/compare.ts';
import { layOut } from '../fixtures/parity/dumps.ts';
import { comparable, difference, jeprofByName, runJeprof } from '../fixtures/parity/jeprof.ts';
import { keepAnswers } from '../fixtures/parity/kept_answers.ts';
import { type KnownProgram, type RandomCase, randomCase } from '../fixtures/profiles/random_case.ts';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { projectRoot } from '../fixtures/root.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './program.ts';

const CASES = Number(process.env['JEREPLAY_PARITY_CASES'] ?? (process.env['CI'] === undefined ? 60 : 300));
const FIRST_SEED = Number(process.env['JEREPLAY_PARITY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const BASE = 0x555500000000;
const HAS_TOOLS = ['jeprof', 'gcc', 'g++', 'nm', 'readelf', 'addr2line'].every((tool) => needsTool(tool));

/** The program, without the start of a process. */
async function ours(args: readonly string[]): Promise<void> {
  // Each run of it listens to them.
  for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
  await run(args, '0.0.0');
}

describe.skipIf(!HAS_TOOLS)('random dumps', () => {
  let folder: string;
  let program: string;
  let unreadable: string;
  let jeprof: string;
  let known: KnownProgram;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'parity-')));
    program = build(folder, 'pie');
    jeprof = jeprofByName(folder);
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

  test(`${CASES} from seed ${FIRST_SEED}`, async () => {
    process.stderr.write(`comparing with jeprof from JEREPLAY_PARITY_SEED=${FIRST_SEED}\n`);
    let next = 0;
    const failures: string[] = [];
    const work = async () => {
      for (let i = next++; i < CASES && failures.length < 20; i = next++) {
        const seed = FIRST_SEED + i;
        const random = randomCase(seed, known);
        const args = commandLine(random, String(seed), true);
        const theirs = await runJeprof(jeprof, args);
        const found = await ourReport(ours, commandLine(random, String(seed), false), join(folder, `${seed}.out`));
        const form = random.flags[0];
        if (comparable(form, found) === comparable(form, theirs)) continue;
        failures.push(`seed ${seed}: jeprof ${args.join(' ')}\n${difference(comparable(form, theirs), comparable(form, found))}`);
      }
    };
    await Promise.all([work(), work()]);
    expect(failures.join('\n\n')).toBe('');
  }, 3_600_000);
});

describe.skipIf(!HAS_TOOLS)('the dumps kept here', () => {
  const FEW: readonly Mode[] = ['text', 'collapsed', 'dot', 'base'];
  const WITH_PROGRAM: readonly Mode[] = process.env['JEREPLAY_PARITY_REPORTS'] === 'all' ? (Object.keys(MODES) as Mode[]) : FEW;
  const path = process.env['PATH'];
  let folder: string;
  let jeprof: string;
  let unreadable: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'parity-')));
    jeprof = jeprofByName(folder);
    unreadable = join(folder, 'unreadable');
    writeFileSync(unreadable, '\x7fELF, and no more\n');
    keepAnswers(folder);
  });
  afterAll(() => {
    process.env['PATH'] = path;
    rmSync(folder, { recursive: true });
  });

  test('have the reports of jeprof', async () => {
    const dumps = await layOut(join(projectRoot(), 'fixtures/profiles'), undefined, folder);
    expect(dumps.length).toBeGreaterThan(8);
    for (const dump of dumps) {
      // The programs are not here, the libraries may be; what has names of its own wants no program.
      const program = dump.text.startsWith('--- symbol') ? undefined : (dump.program ?? unreadable);
      // Without a program jeprof makes no report of lines, files or addresses.
      for (const mode of program === undefined ? FEW : WITH_PROGRAM) {
        const running = theirsOf(jeprof, { ...dump, program }, mode);
        const nearest = await oursOf(ours, { ...dump, program }, mode, folder, 'nearest');
        expect(difference(await running, nearest), `${dump.name}, ${mode}`).toBe('');
      }
    }
  }, 600_000);
});
