import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import type { Form } from './args.ts';
import { makeReport } from './forms.ts';
import { ReportSource } from './source.ts';

const folder = testFolder();

test.each<Form>(['collapsed', 'traces', 'tree', 'callgrind'])(
  '--%s of many backtraces is made in pieces, as it is written',
  async (form) => {
    const path = join(folder, 'stacks.txt');
    const stacks = Array.from({ length: 20_000 }, (_, i) => `main;${'some_function_'.repeat(10)}${i} 5\n`);
    writeFileSync(path, stacks.join(''));
    const args = { profiles: [path], nodefraction: '0' };
    const { content } = await makeReport(form, await ReportSource.open(args), args, () => {});
    const sizes = Array.from(content as Iterable<Uint8Array>, (piece) => piece.length);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(2 ** 20 + 1000);
  },
);
