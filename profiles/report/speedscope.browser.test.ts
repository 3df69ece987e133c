/**
 * What speedscope (its release, in Chromium) makes of the two formats that it reads and this program writes: its own and collapsed stacks.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needsTool } from '../../fixtures/tools.ts';
import { readProfile } from '../read_profile.ts';
import { prepareReport, printPart } from './report.ts';
import { speedscope } from './speedscope.ts';

const FLAGS = '--headless --no-sandbox --enable-unsafe-swiftshader --use-gl=angle --use-angle=swiftshader --disable-background-networking';
const FOLDER = new URL('../../fixtures/profiles/', import.meta.url);
const HAS_TOOLS = needsTool('speedscope', 'chromium');

/** The browser's side of the code that `evaluate` runs there. */
// biome-ignore lint/suspicious/noExplicitAny: the DOM's types would let every source see a browser's globals.
declare const document: any;

/** A stack, root first, and what it is worth. */
type Stack = readonly [names: readonly string[], value: number];

interface SpeedscopeFile {
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  readonly profiles: readonly { readonly samples: readonly (readonly number[])[]; readonly weights: readonly number[] }[];
}

describe.skipIf(!HAS_TOOLS)('speedscope shows each function with its values', () => {
  let folder: string;
  let browser: Browser;
  let release: string;
  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'speedscope-')));
    const script = realpathSync(execFileSync('sh', ['-c', 'command -v speedscope'], { encoding: 'utf8' }).trim());
    release = pathToFileURL(join(dirname(script), '../dist/release/index.html')).href;
    const executablePath = (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((part) => join(part, 'chromium'))
      .find(existsSync);
    browser = await chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: FLAGS.split(' ') });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  /** Rows of the table of functions of a file: name, total and own value, as printed. */
  async function shown(name: string, text: string): Promise<string[]> {
    // As its command line hands a file over.
    const script = join(folder, `${name}.js`);
    const arguments_ = [name, Buffer.from(text).toString('base64')].map((part) => JSON.stringify(part));
    writeFileSync(script, `speedscope.loadFileFromBase64(${arguments_.join(', ')})`);
    // The table has only the rows that are in sight.
    const page = await browser.newPage({ viewport: { width: 1600, height: 12_000 } });
    await page.goto(`${release}#localProfilePath=${script}`);
    await page.waitForFunction(() => document.querySelector('canvas') !== null && /Sandwich/.test(document.body.textContent));
    await page.getByText('Sandwich').click();
    await page.waitForSelector('tr >> nth=1');
    const rows = await page.evaluate(() =>
      [...document.querySelectorAll('tr')].slice(1).map((row) => {
        const [total, self, fn] = [...row.children].map((cell: { readonly textContent: string }) => cell.textContent);
        return `${fn} ${total.replace(/ \(.*/, '')} ${self.replace(/ \(.*/, '')}`;
      }),
    );
    await page.close();
    return rows.sort();
  }

  /** The same of stacks: a function counts once in each, and what is worth nothing is not shown. */
  function expected(stacks: readonly Stack[]): string[] {
    const totals = new Map<string, number>();
    const own = new Map<string, number>();
    for (const [names, value] of stacks) {
      if (value === 0) continue;
      for (const name of new Set(names)) totals.set(name, (totals.get(name) ?? 0) + value);
      const leaf = names.at(-1) ?? '';
      own.set(leaf, (own.get(leaf) ?? 0) + value);
    }
    return [...totals].map(([name, total]) => `${name} ${total.toLocaleString('en')} ${(own.get(name) ?? 0).toLocaleString('en')}`).sort();
  }

  const profile = (name: string) => readProfile(readFileSync(new URL(name, FOLDER)), name)!.profile;
  const DUMPS = ['leaky_s0.symbolized.heap', 'leakycpp_s0_mt4.symbolized.heap'];

  test.each(DUMPS)(
    '%s as collapsed stacks',
    async (dump) => {
      const [part] = prepareReport([profile(dump)]);
      const text = printPart('collapsed', part, {});
      const stacks = [...text.matchAll(/^(.*) (\d+)$/gm)].map(([, names, value]): Stack => [names.split(';'), Number(value)]);
      expect(await shown('collapsed.txt', text)).toEqual(expected(stacks));
    },
    60_000,
  );

  test.each(DUMPS)(
    '%s in its own format',
    async (dump) => {
      // Objects have no unit there, so that they are printed in full.
      const text = speedscope(prepareReport([profile(dump)], { sampleType: 'inuse_objects' }), 'inuse_objects', () => {});
      const { shared, profiles } = JSON.parse(text) as SpeedscopeFile;
      const [{ samples, weights }] = profiles;
      const stacks = samples.map((sample, i): Stack => [sample.map((frame) => shared.frames[frame].name), weights[i]]);
      expect(await shown('own.speedscope.json', text)).toEqual(expected(stacks));
    },
    60_000,
  );
});
