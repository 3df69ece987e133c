/**
 * `report --pprof` of the kept dumps, shown by `go tool pprof` and by our own reports side by side.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../fixtures/root.ts';
import { needsTool } from '../fixtures/tools.ts';
import { SAMPLE_TYPES } from '../profiles/profile.ts';
import { symbolName } from '../profiles/report/symbols.ts';
import { run } from './program.ts';

const PROFILES = join(projectRoot(), 'fixtures/profiles');
const DUMPS = readdirSync(PROFILES).filter((name) => /\.heap(\.zst)?$/.test(name));
const FORMS = ['top', 'tree', 'peek', 'traces'] as const;
/** A row of a table: value, cumulative value, name. */
const ROW = /^ *(-?\d+)B? +[\d.]+% +[\d.]+% +(-?\d+)B? +[\d.]+% +(?:\| +)?(.*?)(?: \((?:partial-)?inline\))?$/;

interface OurReport {
  readonly rows: readonly { readonly name: string; readonly [value: string]: number | string }[];
  readonly [total: string]: unknown;
}

describe.skipIf(!needsTool('go'))('go tool pprof', () => {
  let folder: string;
  beforeAll(() => {
    // Each run of the program listens to them.
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    folder = mkdtempSync(join(tmpdir(), 'pprof-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function ours(name: string, ...args: string[]): Promise<string> {
    const path = join(folder, name);
    await run(['report', '--quiet', ...args, '-o', path], '0.0.0');
    return path;
  }

  /** Every form of every sample type, by one process. */
  function theirs(path: string): Map<string, string> {
    const commands = ['unit=B', 'nodecount=1000000', 'nodefraction=0', 'edgefraction=0'];
    const files = SAMPLE_TYPES.flatMap((type) => FORMS.map((form) => `${type}.${form}`));
    for (const type of SAMPLE_TYPES) {
      commands.push(`sample_index=${type}`);
      for (const form of FORMS) commands.push(`${form}${form === 'peek' ? ' .' : ''} > ${join(folder, `${type}.${form}`)}`);
    }
    execFileSync('go', ['tool', 'pprof', '-symbolize=none', path], {
      input: `${commands.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder },
    });
    return new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  }

  test.each(DUMPS)(
    '-top, -tree, -peek and -traces of %s have the totals of our table',
    async (dump) => {
      const shown = theirs(await ours('dump.pb.gz', '--pprof', join(PROFILES, dump)));
      for (const type of SAMPLE_TYPES) {
        const unit = type.endsWith('space') ? 'bytes' : 'objects';
        const path = await ours('ours.json', '--json', `--${type}`, join(PROFILES, dump));
        const table = JSON.parse(readFileSync(path, 'utf8')) as OurReport;
        const total = Number(table[`total_${unit}`]);
        const traces = shown.get(`${type}.traces`) ?? '';
        const values = [...traces.matchAll(/^-+\+-+\n(?: +bytes:.*\n)? *(-?\d+)B? {3}/gm)].map(([, value]) => Number(value));
        // Each sample of a pprof file is rounded, in ours their sum is.
        const slack = 1 + values.length / 2;
        const isNear = (value: number, expected: number, what: string) =>
          expect(Math.abs(value - expected), `${type} ${what}`).toBeLessThanOrEqual(slack);

        for (const form of ['top', 'tree', 'peek']) {
          const text = shown.get(`${type}.${form}`) ?? '';
          if (total > 0) isNear(Number(/ of (\d+)B? total/.exec(text)?.[1]), total, form);
          const rows = text.split('\n').flatMap((line) => ROW.exec(line) ?? []);
          expect(rows.length > 0 || total === 0).toBe(true);
          // Each function's own value, under the name without arguments that our table has.
          const flat = new Map<string, number>();
          for (let i = 0; i < rows.length; i += 4) {
            const name = symbolName(rows[i + 3]).short;
            flat.set(name, (flat.get(name) ?? 0) + Number(rows[i + 1]));
          }
          isNear(
            [...flat.values()].reduce((sum, value) => sum + value, 0),
            total,
            form,
          );
          if (!dump.includes('symbolized')) continue;
          for (const { name, [`flat_${unit}`]: value } of table.rows) isNear(flat.get(name) ?? 0, Number(value), `${form} ${name}`);
        }
        isNear(
          values.reduce((sum, value) => sum + value, 0),
          total,
          'traces',
        );
      }
    },
    60000,
  );
});
