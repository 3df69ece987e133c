import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { readHeap } from '../heap/read.ts';
import { renderReport } from '../report/report.ts';
import { svgOfDot } from './svg.ts';

const dump = (name: string) =>
  `--- symbol\nbinary=app\n0x0000000000400100 ${name}\n0x00000000004001ff main\n---\n--- heap\nheap_v2/1\n  t*: 1: 4096 [0: 0]\n@ 0x400100 0x400200\n  t*: 1: 4096 [0: 0]\n`;

describe('drawings', () => {
  test('every node and edge of the graph, once', async () => {
    const { profile } = readHeap(new TextEncoder().encode(dump('leak')), 'a');
    const svg = await svgOfDot(renderReport('dot', profile, { showBytes: true }));
    expect(svg).toMatch(/^<\?xml.*<svg .*<\/svg>\s*$/s);
    expect(svg.match(/class="node"/g)).toHaveLength(3);
    expect(svg.match(/class="edge"/g)).toHaveLength(1);
    expect(svg).toContain('>leak<');
    expect(svg).toContain('4096');
  });

  test('letters have the width that boxes are made for, and every line can be seen', async () => {
    const thin =
      'digraph { a [label="worker\\n0.1 (30.5%)\\r"]; a -> b [label=0.0, style="setlinewidth(0.035808),dashed"]; a -> c [style="setlinewidth(2.000000)"]; }';
    const svg = await svgOfDot(thin);
    expect(new Set(svg.match(/font-family="[^"]*"/g))).toEqual(new Set(['font-family="Courier,monospace"']));
    expect(svg.match(/stroke-width="[^"]*"/g)).toEqual(expect.arrayContaining(['stroke-width="0.5"', 'stroke-width="2"']));
    expect(svg).not.toMatch(/stroke-width="0\.0/);
  });

  test('names are text', async () => {
    const { profile } = readHeap(new TextEncoder().encode(dump('<script>alert(1)</script>"&amp;\\N')), 'a');
    const svg = await svgOfDot(renderReport('dot', profile));
    expect(svg).not.toContain('<script');
    expect(svg).not.toMatch(/xlink:href|onload|<image/);
  });

  test('names that begin with their namespaces’ colons are drawn', async () => {
    // Each `::` ends a line of the label, an empty one here.
    for (const file of ['/srv/main.cc', '/src/recurse/main.cc', 'ain.cc', '/a/very/long/folder/of/sources/x.cc']) {
      const { profile } = readHeap(new TextEncoder().encode(dump(`::recurse ${file}:17 (discriminator 1)`)), 'a');
      for (const lines of [1, 2, 3, 5]) {
        const svg = await svgOfDot(renderReport('dot', profile).replace('label="\\n', `label="${'\\n'.repeat(lines)}`));
        expect(svg).toContain('>recurse<');
      }
    }
  });

  test('what is no graph is refused', async () => {
    await expect(svgOfDot('digraph {')).rejects.toThrow(InputError);
  });
});
