import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { readCollapsed } from '../collapsed/collapsed.ts';
import { formatCount } from '../format_units.ts';
import { profileFromLedger, SampleTable, type Profile } from '../profile.ts';
import { Ledger } from '../../core/replay/ledger.ts';
import { renderFlameGraph } from './flamegraph.ts';
import { pageLibraries } from './libraries.ts';
import { decodeTree } from './page_tree.ts';
import type { FlameNode, PageData, PageTree } from './page_types.ts';

const decode = (data: PageData, tree: PageTree): FlameNode => decodeTree(data, tree, formatCount);

const HOSTILE = [
  '<script>alert(1)</script>',
  '</script><img src=x onerror=alert(2)>',
  '__proto__',
  'constructor',
  'a\u2028b',
  '\u001b[31m\u202e',
  '<!--',
  '',
];

function profile(...samples: [path: string[], bytes: number, objects?: number][]): Profile {
  const trace = new Trace();
  const ledger = new Ledger();
  for (const [path, bytes, objects = 1] of samples) {
    const stack = trace.stacks.intern(path.map((fn) => trace.stacks.frames.intern({ fn })));
    for (let i = 0; i < objects; i++) ledger.allocate(stack, bytes, i, i);
  }
  return profileFromLedger(trace, ledger);
}

/** The data of a page, read as a browser reads it: up to the first end of a script. */
function dataOf(html: string): PageData {
  const start = html.indexOf('id="data">') + 'id="data">'.length;
  return JSON.parse(html.slice(start, html.indexOf('</script', start))) as PageData;
}

function names(node: FlameNode): string[] {
  return [node.name, ...(node.children ?? []).flatMap(names)];
}

test('the trees of a page hold every frame and the profile’s totals', () => {
  const made = profile([['malloc', 'leak', 'main'], 100, 3], [['parse', 'main'], 50], [[], 7]);
  const data = dataOf(renderFlameGraph(made, { title: 't' }));
  expect(data.metrics.map(({ key, total }) => [key, total])).toEqual([
    ['inuse_space', 357],
    ['inuse_objects', 5],
    ['alloc_space', 357],
    ['alloc_objects', 5],
  ]);
  const callees = decode(data, data.trees.callees);
  expect(names(callees)).toEqual(['all allocations', 'main', 'leak', 'parse']);
  expect(callees.values).toEqual([357, 5, 357, 5]);
  const callers = decode(data, data.trees.callers);
  expect(names(callers)).toEqual(['all allocations', 'leak', 'main', 'parse', 'main']);
  expect(callers.values).toEqual(callees.values);
  expect(names(decode(...both(renderFlameGraph(made, { title: 't', foldAllocators: false }))))).toContain('malloc');

  function both(html: string): [PageData, PageData['trees']['callees']] {
    const kept = dataOf(html);
    return [kept, kept.trees.callees];
  }
});

test('names are neither markup nor code', () => {
  const html = renderFlameGraph(profile([[...HOSTILE, 'main'], 8]), { title: HOSTILE[0], subtitle: HOSTILE[1] });
  expect(html.match(/<script/g)).toHaveLength(3);
  expect(html.match(/<\/script/g)).toHaveLength(3);
  expect(html).not.toContain('<img');
  expect(html).not.toMatch(/[\u2028\u001b\u202e]/);
  const data = dataOf(html);
  expect(names(decode(data, data.trees.callers))).toEqual([
    'all allocations',
    HOSTILE[0],
    HOSTILE[1],
    '__proto__',
    'constructor',
    'a\\u2028b',
    '\\x1b[31m\\u202e',
    '<!--',
    '(no name)',
    'main',
  ]);
});

test('the page’s policy lets in exactly what the page holds', () => {
  const html = renderFlameGraph(profile([['f'], 1]), { title: 't' });
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1];
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => hash(text));
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(html)!;
  expect(policy).toBe(
    `default-src 'none'; script-src ${scripts.join(' ')}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`,
  );
  expect(html).not.toMatch(/\s(?:src|href)="(?!data:)/);
  expect(html).not.toMatch(/\sstyle="|\son\w+="/);
});

test('the libraries are whole and name their licences', () => {
  const text = pageLibraries();
  for (const name of ['d3-flame-graph 5', 'd3-selection 3', 'd3-hierarchy 3', 'd3-transition 3', 'd3-scale 4'])
    expect(text).toContain(`/*! ${name}`);
  // Each after those it is made of.
  expect(text.indexOf('/*! d3-color ')).toBeLessThan(text.indexOf('/*! d3-interpolate '));
  expect(text.indexOf('/*! d3-scale ')).toBeLessThan(text.indexOf('/*! d3-flame-graph '));
});

test('estimates from samples are whole numbers that keep their sum', () => {
  const made = profile([['a'], 1], [['b'], 1], [['c'], 1]);
  const samples = new SampleTable();
  for (const stack of [0, 1, 2]) samples.add(stack as StackIndex, 1 / 3, 1000.4 / 3, 0, 0);
  const html = renderFlameGraph({ ...made, samples, sampling: { method: 'poisson', rate: 524288 }, accumulated: false }, { title: 't' });
  const data = dataOf(html);
  expect(data.metrics.map(({ key }) => key)).toEqual(['inuse_space', 'inuse_objects']);
  expect(decode(data, data.trees.callees).values).toEqual([1000, 1, 0, 0]);
  expect(data.metrics.map(({ total }) => total)).toEqual([1000, 1]);
  expect(html).toContain('estimated from samples');
});

test('a base puts its values beside, whatever its own frame numbers are', () => {
  const now = profile([['grown', 'main'], 300], [['new', 'main'], 10]);
  const base = profile([['gone', 'main'], 40], [['grown', 'main'], 100]);
  const data = dataOf(renderFlameGraph(now, { title: 't', base }));
  const main = decode(data, data.trees.callees).children![0];
  const { column, base: before, baseTotal } = data.metrics[0];
  expect(baseTotal).toBe(140);
  expect(new Map(main.children!.map(({ name, values }) => [name, [values[column], values[before]]]))).toEqual(
    new Map([
      ['grown', [300, 100]],
      ['new', [10, 0]],
      ['gone', [0, 40]],
    ]),
  );
});

test('a page says of its sizes what the source does, and has no choice of what is not counted', () => {
  const folded = readCollapsed('main;leak 4096\n', 'a.folded');
  const page = renderFlameGraph(folded, { title: 't' });
  expect(dataOf(page).metrics.map(({ key }) => key)).toEqual(['inuse_space']);
  expect(page).not.toContain('Widths are');
  expect(renderFlameGraph({ ...folded, requested: false }, { title: 't' })).toContain(
    'Widths are sizes as the allocator rounded them up. ',
  );
  expect(renderFlameGraph({ ...folded, sampling: { method: 'poisson', rate: 512 } }, { title: 't' })).toContain(
    'Widths are estimated from samples. ',
  );
});

test('what only one of two profiles counts is not compared, and sizes of two kinds are told apart', () => {
  const now = profile([['leak', 'main'], 100, 3]);
  const dump = { ...profile([['leak', 'main'], 112, 2]), requested: false, accumulated: false };
  const page = renderFlameGraph(now, { title: 't', base: dump });
  expect(dataOf(page).metrics.map(({ key }) => key)).toEqual(['inuse_space', 'inuse_objects']);
  expect(page).toContain(
    'Widths are sizes as the program asked for them. The base’s are sizes as the allocator rounded them up: some of what changed is that. ',
  );
  const folded = readCollapsed('main;leak 5\n', 'x');
  expect(dataOf(renderFlameGraph(now, { title: 't', base: folded })).metrics.map(({ key }) => key)).toEqual(['inuse_space']);
  const empty = profile();
  expect(dataOf(renderFlameGraph(now, { title: 't', base: empty })).metrics).toHaveLength(4);
  expect(renderFlameGraph(now, { title: 't', base: empty })).not.toContain('The base’s');
  // Of two that have nothing in common, what there is.
  const freed = { ...now, freedOnly: true };
  expect(dataOf(renderFlameGraph(freed, { title: 't', base: dump })).metrics).toHaveLength(4);
});

test('a page whose script does not run says so', () => {
  expect(renderFlameGraph(profile([['main'], 1]), { title: 't' })).toMatch(/<noscript>.*scripts do not run here.*<\/noscript>/);
});

test('huge names do not make a huge page', () => {
  const html = renderFlameGraph(
    profile(...Array.from({ length: 2000 }, (_, i): [string[], number] => [[`${i}${'<'.repeat(1000)}${i}`, 'main'], i + 1])),
    { title: 't' },
  );
  expect(html.length).toBeLessThan(5e6);
  const data = dataOf(html);
  expect(decode(data, data.trees.callees).values[0]).toBe((2000 * 2001) / 2);
  expect(html).toMatch(/frames too small to be seen .*are merged/);
});

test('frames that are merged are counted by why, and in each view', () => {
  const deep = renderFlameGraph(profile([Array.from({ length: 1000 }, (_, i) => `f${i}`), 1]), { title: 't' });
  expect(deep).toContain('Frames more than 400 calls deep are merged');
  expect(deep).not.toContain('too small');
  const wide = renderFlameGraph(
    profile(...Array.from({ length: 20_000 }, (_, i): [string[], number] => [[`w${i}`, 'main'], 1 + (i % 2)])),
    {
      title: 't',
    },
  );
  const data = dataOf(wide);
  const merged = (tree: PageTree) => tree.frame.reduce((sum, frame) => sum + Math.max(0, -1 - frame), 0);
  const [inFlame, ofCallers] = [merged(data.trees.callees), merged(data.trees.callers)].map(formatCount);
  expect(wide).toContain(`${inFlame} frames too small to be seen (${ofCallers} in the view of callers) are merged`);
  const main = decode(data, data.trees.callees).children?.[0];
  expect(main?.children?.map(({ name }) => name)).toContain(`(${inFlame} small frames)`);
});

test('the same profile gives the same page', () => {
  const made = profile([['a', 'main'], 3], [['b', 'main'], 2]);
  expect(renderFlameGraph(made, { title: 't' })).toBe(renderFlameGraph(made, { title: 't' }));
});
