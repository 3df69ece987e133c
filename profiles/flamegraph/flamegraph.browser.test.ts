/**
 * The flame graph page in a real browser: what it draws, what its controls do, what it must not do.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, type CDPSession, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Ledger } from '../../core/replay/ledger.ts';
import { Trace } from '../../core/trace/trace.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { formatBytes, formatCount } from '../format_units.ts';
import { type Profile, profileFromLedger } from '../profile.ts';
import { type FlameGraphOptions, renderFlameGraph } from './flamegraph.ts';

const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
const SCRIPT = '<script>alert(1)</script>';

/** The browser's side of the code that `evaluate` runs there. */
// biome-ignore lint/suspicious/noExplicitAny: the DOM's types would let every source see a browser's globals.
declare const document: any;
declare const window: object;
declare function getComputedStyle(element: unknown): { color: string; [property: string]: string };

/** Calls as `[stack, root first], bytes, allocated, freed`. */
type Call = [path: string, bytes: number, allocated: number, freed?: number];

const CALLS: Call[] = [
  ['main;handle;leak_session', 312, 200],
  ['main;handle;parse;strdup', 20, 900, 850],
  ['main;handle;parse;intern_add;malloc', 32, 40],
  [`main;${SCRIPT};__proto__`, 700, 30],
  ['main;table;calloc', 32768, 1],
];

function profile(calls: readonly Call[]): Profile {
  const trace = new Trace();
  const ledger = new Ledger();
  for (const [path, bytes, allocated, freed = 0] of calls) {
    const frames = path
      .split(';')
      .filter((fn) => fn !== '')
      .map((fn) => trace.stacks.frames.intern({ fn, module: fn.includes('l') ? '/lib/libone.so' : '/bin/two' }));
    const stack = trace.stacks.intern(frames.reverse());
    for (let i = 0; i < allocated; i++) ledger.allocate(stack, bytes, i, i);
    for (let i = 0; i < freed; i++) ledger.free(stack, bytes);
  }
  return profileFromLedger(trace, ledger);
}

describe.skipIf(!needsTool('chromium'))('the page in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flamegraph-'));
  const complaints: string[] = [];
  let browser: Browser;
  let pages = 0;
  const sessions = new WeakMap<Page, CDPSession>();

  beforeAll(async () => {
    const executablePath = process.env['PATH']!.split(delimiter)
      .map((part) => join(part, 'chromium'))
      .find(existsSync)!;
    browser = await chromium.launch({ executablePath, args: FLAGS.split(' ') });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  // Whatever a test does: no errors, no refused scripts, nothing asked of any network.
  afterEach(() => expect(complaints.splice(0)).toEqual([]));

  async function open(html: string, options: BrowserContextOptions = {}): Promise<Page> {
    const file = join(folder, `${pages++}.html`);
    writeFileSync(file, html);
    const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));
    const { href } = pathToFileURL(file);
    page.on('request', (request) => {
      if (request.url() !== href && !request.url().startsWith('data:')) complaints.push(`request: ${request.url()}`);
    });
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    sessions.set(page, session);
    await page.goto(href);
    if (options.javaScriptEnabled !== false) await drawn(page);
    return page;
  }

  async function processorSeconds(page: Page): Promise<number> {
    const { metrics } = await sessions.get(page)!.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')!.value;
  }

  const show = (options: Partial<FlameGraphOptions> = {}) => open(renderFlameGraph(profile(CALLS), { title: 'a test', ...options }));
  const drawn = (page: Page) =>
    page.waitForFunction(
      () => performance.getEntriesByName('drawn').length > 0 && document.querySelector('.d3-flame-graph-label')?.textContent,
    );
  /** Drawn frames by name; their widths as parts of the graph's. */
  const frames = async (page: Page): Promise<Map<string, number>> => {
    // Labels are set and frames moved as transitions, which end in a later frame of the display even if they take no time.
    await page.waitForTimeout(150);
    return new Map(
      await page.evaluate(() => {
        const total = document.querySelector('#graph svg')!.getBoundingClientRect().width;
        return [...document.querySelectorAll('#graph g')].map((g): [string, number] => [
          g.getAttribute('name')!,
          g.querySelector('rect')!.getBoundingClientRect().width / total,
        ]);
      }),
    );
  };
  const frame = (page: Page, name: string) => page.locator('#graph g').and(page.locator(`[name="${name}"]`));
  const choose = (page: Page, value: string) => page.check(`input[value="${value}"]`, { force: true });
  const tip = (page: Page) => page.locator('#tip').textContent();

  test('draws each frame as wide as its share of the profile’s total', async () => {
    const page = await show();
    const total = profile(CALLS).samples.total('inuse_space');
    expect(total).toBe(62400 + 1000 + 1280 + 21000 + 32768);
    expect(await page.getAttribute('input[value=inuse_space]', 'data-total')).toBe(String(total));
    expect(await page.locator('#details').textContent()).toContain(formatBytes(total));
    const widths = await frames(page);
    expect([...widths.keys()].sort()).toEqual(
      [SCRIPT, '__proto__', 'all allocations', 'handle', 'intern_add', 'leak_session', 'main', 'parse', 'table'].sort(),
    );
    expect(widths.get('all allocations')).toBeCloseTo(1, 3);
    expect(widths.get('leak_session')).toBeCloseTo(62400 / total, 3);
    expect(widths.get('__proto__')).toBeCloseTo(21000 / total, 3);
    await frame(page, 'all allocations').hover();
    expect(await tip(page)).toMatch(new RegExp(`In use bytes\\s*${formatBytes(total)}\\s*100.0%`));
  });

  test('switches between in use and allocated, bytes and objects', async () => {
    const page = await show();
    const { samples } = profile(CALLS);
    await choose(page, 'alloc_objects');
    const total = samples.total('alloc_objects');
    expect(await page.locator('#details').textContent()).toContain(`${formatCount(total)} objects`);
    expect((await frames(page)).get('leak_session')).toBeCloseTo(200 / total, 3);
    // The largest sibling stands first.
    const lefts = await page.evaluate(() =>
      ['parse', 'leak_session'].map((name) => document.querySelector(`#graph g[name="${name}"]`)!.getBoundingClientRect().left),
    );
    expect(lefts[0]).toBeLessThan(lefts[1]);
    await choose(page, 'alloc_space');
    expect((await frames(page)).get('leak_session')).toBeCloseTo(62400 / samples.total('alloc_space'), 3);
  });

  test('zooms to a frame and back', async () => {
    const page = await show();
    const before = await frames(page);
    await frame(page, 'parse').click();
    const zoomed = await frames(page);
    expect(zoomed.get('parse')).toBeCloseTo(1, 3);
    expect(zoomed.get('intern_add')).toBeCloseTo(1280 / 2280, 3);
    expect(zoomed.has('leak_session')).toBe(false);
    expect(await page.locator('#details').textContent()).toMatch(/^parse .*1\.9% of all/);
    // Another measure keeps the zoom.
    await choose(page, 'inuse_objects');
    expect((await frames(page)).get('parse')).toBeCloseTo(1, 3);
    await choose(page, 'inuse_space');
    await page.click('#reset');
    expect(await frames(page)).toEqual(before);
    expect(await page.isDisabled('#reset')).toBe(true);
  });

  test('searches names as text, and as a pattern', async () => {
    const page = await show();
    const hits = () =>
      page.evaluate(() =>
        [...document.querySelectorAll('#graph g')]
          .filter((g) => g.querySelector('rect')!.getAttribute('fill') === 'var(--hit)')
          .map((g) => g.getAttribute('name')),
      );
    const result = page.locator('#search-result');
    await page.keyboard.press('/');
    await page.keyboard.type('P');
    // parse holds intern_add: what matches within a match counts once.
    await expect.poll(() => result.textContent()).toBe(`3 frames, ${formatBytes(2280 + 21000)}, 19.7% of all`);
    expect((await hits()).sort()).toEqual([SCRIPT, '__proto__', 'parse']);
    await page.fill('#search', '/^leak_|^table$/');
    await expect.poll(() => result.textContent()).toBe(`2 frames, ${formatBytes(62400 + 32768)}, 80.3% of all`);
    await page.fill('#search', '/(/');
    await expect.poll(() => result.textContent()).toBe('not a regular expression');
    await page.fill('#search', '.*');
    await expect.poll(() => result.textContent()).toBe('no frame matches');
    await page.keyboard.press('Escape');
    await expect.poll(() => result.textContent()).toBe('');
    expect(await hits()).toEqual([]);
  });

  test('shows icicles, and who called each allocating function', async () => {
    const page = await show();
    const top = (name: string) =>
      page.evaluate((wanted) => document.querySelector(`#graph g[name="${wanted}"]`)!.getBoundingClientRect().top, name);
    expect(await top('main')).toBeGreaterThan(await top('leak_session'));
    await choose(page, 'icicle');
    await frames(page);
    expect(await top('main')).toBeLessThan(await top('leak_session'));
    await choose(page, 'callers');
    const widths = await frames(page);
    expect(widths.get('leak_session')).toBeCloseTo(62400 / 118448, 3);
    expect(await top('leak_session')).toBeLessThan(await top('handle'));
    await choose(page, 'flame');
    await frames(page);
    expect(await top('main')).toBeGreaterThan(await top('leak_session'));
  });

  test('shows hostile names as text', async () => {
    const page = await show({ title: SCRIPT });
    expect(await page.title()).toBe(SCRIPT);
    expect(await page.locator('h1').textContent()).toBe(SCRIPT);
    await frames(page);
    const labels = await page.locator('.d3-flame-graph-label').allInnerTexts();
    expect(labels).toEqual(expect.arrayContaining([SCRIPT, '__proto__']));
    await frame(page, SCRIPT).hover();
    expect(await tip(page)).toContain(SCRIPT);
    expect(await page.locator('#top').textContent()).toContain('__proto__');
    expect(await page.locator('script').count()).toBe(3);
    // The policy holds even against what gets into the page.
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      return 'ran' in window;
    });
    expect(ran).toBe(false);
    expect(complaints.splice(0).join()).toContain('Content Security Policy');
  });

  test('works from the keyboard', async () => {
    const page = await show();
    await page.focus('#graph');
    const spoken = page.locator('#spoken');
    await page.keyboard.press('ArrowUp');
    expect(await spoken.textContent()).toContain('all allocations');
    for (const key of ['ArrowUp', 'ArrowUp', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    expect(await spoken.textContent()).toBe(`${SCRIPT}, ${formatBytes(21000)}, 17.7% of all`);
    // Beside it is also what another function called.
    for (const [key, name] of [
      ['ArrowUp', '__proto__'],
      ['ArrowLeft', 'parse'],
      ['ArrowRight', '__proto__'],
      ['ArrowDown', SCRIPT],
    ]) {
      await page.keyboard.press(key);
      expect(await spoken.textContent()).toContain(`${name}, `);
    }
    await page.keyboard.press('Enter');
    expect((await frames(page)).get('__proto__')).toBeCloseTo(1, 3);
    await page.keyboard.press('Escape');
    expect((await frames(page)).get('main')).toBeCloseTo(1, 3);
    expect((await frames(page)).has('table')).toBe(true);
  });

  test('compares with a base', async () => {
    const page = await show({
      base: profile([
        ['main;handle;leak_session', 312, 100],
        ['main;table;calloc', 32768, 1],
        ['main;gone', 50_000, 1],
        [`main;${SCRIPT};__proto__`, 700, 60],
      ]),
    });
    const table = async () => (await page.locator('#top tr').allInnerTexts()).map((text) => text.split(/\t\s*/).join('  '));
    const row = (change: string, before: number, name: string) => `${change}  from ${formatBytes(before)}  ${name}`;
    // By what changed, not by what holds most.
    expect(await table()).toEqual([
      row(`\u2212${formatBytes(50_000)}`, 50_000, 'gone'),
      row(`+${formatBytes(31_200)}`, 31_200, 'leak_session'),
      row(`\u2212${formatBytes(21_000)}`, 42_000, '__proto__'),
      row(`+${formatBytes(1280)}`, 0, 'intern_add'),
      row(`+${formatBytes(1000)}`, 0, 'parse'),
    ]);
    const fill = (name: string) => frame(page, name).locator('rect').getAttribute('fill');
    expect(await fill('leak_session')).toMatch(/--grown/);
    expect(await fill('__proto__')).toMatch(/--shrunk/);
    expect(await fill('table')).toBe('var(--grey)');
    await frame(page, 'leak_session').hover();
    expect(await tip(page)).toMatch(new RegExp(`\\+${formatBytes(31200)}`));
    expect((await frames(page)).has('gone')).toBe(false);
    await choose(page, 'base');
    expect((await frames(page)).has('gone')).toBe(true);
    expect((await table())[0]).toBe(`${formatBytes(50_000)}  32.1%  gone`);
    await choose(page, 'now');
    await page.check('#normalise');
    // As parts of their totals, the unchanged table has grown: 32768 of 118448 against 32768 of 155968.
    expect(await fill('table')).toMatch(/--grown/);
    expect((await table()).join('\n')).toMatch(/^\+.* {2}from .* {2}calloc$|^\+.* {2}from .* {2}table$/m);
  });

  test('shows that the graph goes on beyond its edges', async () => {
    const deep = Array.from({ length: 80 }, (_, i) => `f${i}`).join(';');
    const page = await open(renderFlameGraph(profile([[deep, 10, 1]]), { title: 'deep' }));
    const edges = () =>
      page.evaluate(() => ['data-above', 'data-below'].map((name) => document.querySelector('#graph').hasAttribute(name)));
    expect(await edges()).toEqual([true, false]);
    await page.evaluate(() => (document.querySelector('#graph').scrollTop = 100));
    await expect.poll(edges).toEqual([true, true]);
    await page.evaluate(() => (document.querySelector('#graph').scrollTop = 0));
    await expect.poll(edges).toEqual([false, true]);
    expect(await (await show()).evaluate(() => document.querySelector('#graph').hasAttribute('data-above'))).toBe(false);
  });

  test('shows what is chosen, bars and the legend in the few colours of a system that has its own', async () => {
    const page = await open(renderFlameGraph(profile(CALLS), { title: 'a test' }), { forcedColors: 'active' });
    const style = (selector: string, name: string) =>
      page.evaluate(([found, property]) => getComputedStyle(document.querySelector(found))[property], [selector, name] as const);
    expect(await style('.metrics label:has(:checked)', 'outlineStyle')).toBe('solid');
    expect(await style('.choice label:has(:checked)', 'outlineStyle')).toBe('solid');
    expect(await style('.choice label:not(:has(:checked))', 'outlineStyle')).toBe('none');
    const colours = await page.evaluate(() =>
      [...document.querySelectorAll('.legend i')].map((swatch) => getComputedStyle(swatch)['backgroundColor']),
    );
    expect(new Set(colours).size).toBe(colours.length);
    expect(colours.length).toBeGreaterThan(1);
  });

  test.each(['light', 'dark'] as const)('has labels that stand out in the %s scheme', async (colorScheme) => {
    const page = await open(renderFlameGraph(profile(CALLS), { title: 'a test' }), { colorScheme });
    const contrasts = await page.evaluate(() => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
      const luminance = (colour: string) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) =>
          byte <= 10.31475 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (a: string, b: string) => {
        const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
      };
      const probe = document.createElement('p');
      document.body.append(probe);
      const computed = (value: string) => {
        probe.style.setProperty('color', value);
        return getComputedStyle(probe).color;
      };
      const variable = (name: string) => computed(`var(--${name})`);
      const fills = ['hue0', 'hue1', 'hue2', 'hue3', 'hue4', 'hue5', 'hue6', 'hue7', 'grey', 'hit', 'miss', 'grown', 'shrunk'];
      return [
        ...fills.map((name): [string, number] => [name, contrast(variable(name), variable('label'))]),
        ...fills
          .slice(0, 9)
          .map((name): [string, number] => [
            `tint of ${name}`,
            contrast(computed(`color-mix(in oklab, var(--${name}) 68%, var(--paper))`), variable('label')),
          ]),
        ['soft on paper', contrast(variable('soft'), variable('paper'))] as [string, number],
        ['soft on accent', contrast(variable('soft'), variable('accent-soft'))] as [string, number],
      ];
    });
    expect(contrasts.filter(([, ratio]) => !(ratio >= 4.5))).toEqual([]);
  });

  test('has no heading of functions where none is known', async () => {
    const page = await open(renderFlameGraph(profile([['', 100, 3]]), { title: 'a test' }));
    expect(await page.locator('#top-heading').isVisible()).toBe(false);
    expect(await page.locator('#top tr').count()).toBe(0);
    expect((await frames(page)).size).toBeGreaterThan(0);
  });

  test('follows the window’s width, and prints', async () => {
    const page = await show();
    for (const width of [1400, 360, 320, 200]) {
      await page.setViewportSize({ width, height: 700 });
      await page.waitForTimeout(200);
      const [graph, paper] = await page.evaluate(() => [
        document.querySelector('#graph svg')!.getBoundingClientRect().width,
        document.documentElement.scrollWidth,
      ]);
      expect(graph).toBeGreaterThan(width * 0.85);
      expect(paper).toBeLessThanOrEqual(width);
      const lefts = await page.evaluate(() => ['#search', '#reset'].map((id) => document.querySelector(id).getBoundingClientRect().left));
      // below each other where they do not fit, both at the edge
      if (width <= 320) expect(lefts[1]).toBe(lefts[0]);
    }
    expect((await page.pdf({ preferCSSPageSize: true })).length).toBeGreaterThan(10_000);
    expect((await frames(page)).get('main')).toBeCloseTo(1, 3);
  });

  test('without scripts says so, and shows no control that does nothing', async () => {
    const page = await open(renderFlameGraph(profile(CALLS), { title: 'a test' }), { javaScriptEnabled: false });
    expect(await page.locator('.unrun').isVisible()).toBe(true);
    expect(await page.locator('.metrics b').first().textContent()).toBe(formatBytes(118448));
    for (const selector of ['.tools', '.legend', '.choice', '.keys', 'section', '#graph'])
      expect(await page.locator(selector).first().isVisible(), selector).toBe(false);
  });

  test('with 50,000 stacks is small and soon drawn, and loses nothing', { timeout: 240_000 }, async () => {
    const made = profile(manyStacks(50_000));
    expect(made.samples.length).toBeGreaterThanOrEqual(50_000);
    const html = renderFlameGraph(made, { title: 'many' });
    expect(html.length).toBeLessThan(5e6);
    const page = await open(html);
    // Processor time of the page's thread up to here: what else the machine is doing does not count.
    expect(await processorSeconds(page)).toBeLessThan(1);
    const total = made.samples.total('inuse_space');
    await frame(page, 'all allocations').hover();
    expect(await tip(page)).toMatch(new RegExp(`In use bytes\\s*${formatBytes(total).replace('.', '\\.')}\\s*100.0%`));
    expect(await page.locator('.notes').textContent()).toMatch(/[\d,]{6,} frames too small to be seen .*are merged/);
    // The table is of all stacks, not of the frames that are left.
    const sizes = [...made.samples.inuseBytes.subarray(0, made.samples.length)].sort((a, b) => b - a).slice(0, 12);
    expect(await page.locator('#top .number').allInnerTexts()).toEqual(sizes.map(formatBytes));
    await choose(page, 'callers');
    expect((await frames(page)).get('all allocations')).toBeCloseTo(1, 3);
    await page.fill('#search', 'no such function');
    await expect.poll(() => page.locator('#search-result').textContent()).toBe('no frame matches, of those not merged');
    await page.fill('#search', 'function_7');
    await expect.poll(() => page.locator('#search-result').textContent()).toMatch(/% of all; merged frames are not searched$/);
  });
});

/** Stacks of 4 to 30 frames of 500 functions, all different. */
function manyStacks(count: number): Call[] {
  let state = 1;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, (_, i): Call => {
    const path = ['main'];
    for (let depth = 3 + random(27), at = 0; depth > 0; depth--) path.push(`function_${(at = (at * 5 + 1 + random(4)) % 500)}`);
    return [`${path.join(';')};leaf_${i}`, 16 + random(1000), 1 + random(3), random(2)];
  });
}
