import { describe, expect, test } from 'vitest';
import {
  askLibrary,
  changedSettings,
  flatSettings,
  type RealAnswer,
  SHOW_SETTINGS,
  storedAnswers,
  surroundingsHere,
} from '../../fixtures/conf/real_conf.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { CtlStats } from '../stats/ctl_stats.ts';
import { statsPrint } from '../stats/stats_print.ts';
import { type BootConf, type BootSurroundings, arenaOfCpu, bootConf, UnsupportedOption } from './boot.ts';
import { textOfByteString, toByteString } from './byte_string.ts';
import { formatFxp, parseFxp } from './fxp.ts';
import { CONF_KEYS, environmentSources, parseMallocConf } from './malloc_conf.ts';
import { strtoumax } from './strtoumax.ts';

/** All messages of parsing and boot as bytes, and the boot's result if it is reached. */
function start(
  conf: string,
  surroundings: BootSurroundings,
): { stderr: string; aborted: boolean; boot: BootConf | null; refused: boolean } {
  let stderr = '';
  const message = (_: string, bytes: Uint8Array) => (stderr += Buffer.from(bytes).toString('latin1'));
  const { options, aborted } = parseMallocConf(environmentSources(conf), message);
  if (aborted) return { stderr, aborted, boot: null, refused: false };
  try {
    const boot = bootConf(options, surroundings, message);
    return { stderr, aborted, boot, refused: false };
  } catch (error) {
    if (!(error instanceof UnsupportedOption)) throw error;
    return { stderr, aborted, boot: null, refused: true };
  }
}

/** The settings that a start with `conf` ends in, as the general part of a print shows them. */
function settingsOf(conf: string, surroundings: BootSurroundings) {
  const { boot } = start(SHOW_SETTINGS + conf, surroundings);
  if (boot === null) return null;
  const stats = new CtlStats();
  for (let i = 0; i < boot.narenasTotal; i++) stats.arenas.push(undefined);
  const { options } = boot;
  const live = {
    conf: boot,
    background_thread: false,
    dirty_decay_ms: options.dirty_decay_ms,
    muzzy_decay_ms: options.muzzy_decay_ms,
    prof_thread_active_init: options.prof && options.prof_thread_active_init,
    prof_active: options.prof && options.prof_active,
    prof_gdump: options.prof && options.prof_gdump,
    prof_lg_sample: options.prof ? options.lg_prof_sample : 0,
    zero_reallocs: 0,
    prof_stats: null,
  };
  const chunks: Uint8Array[] = [];
  statsPrint(stats, live, 'Jmdax', (chunk) => chunks.push(chunk));
  return flatSettings(Buffer.concat(chunks).toString('latin1'));
}

function compare(answer: RealAnswer, surroundings: BootSurroundings, plain: Record<string, unknown>): void {
  const own = start(answer.conf, surroundings);
  const label = JSON.stringify(answer.conf.slice(0, 300));
  if (own.refused) {
    expect([label, answer.stderr.startsWith(own.stderr)]).toEqual([label, true]);
    return;
  }
  expect([label, own.stderr, own.aborted]).toEqual([label, answer.stderr, answer.aborted]);
  if (answer.settings === null) return;
  const settings = settingsOf(answer.conf, surroundings);
  expect([label, changedSettings(settings!, plain)]).toEqual([label, answer.settings]);
}

describe('answers of the real library, stored', () => {
  const surroundings = { ncpus: 2, systemThp: 'madvise' } as const;
  const plain = settingsOf('', surroundings)!;
  test.each(storedAnswers().map((answer) => [answer.conf.slice(0, 60), answer] as const))('%j', (_, answer) =>
    compare(answer, surroundings, plain),
  );
});

describe.skipIf(!needsTool('libjemalloc'))('answers of the real library, asked now', () => {
  test('100 random strings', () => {
    const surroundings = surroundingsHere();
    const plain = settingsOf('', surroundings)!;
    const random = mulberry(20_220_501);
    for (let i = 0; i < 100; i++) compare(askLibrary(randomConf(random)), surroundings, plain);
  });
});

/** A small seeded generator of numbers in 0..1 (mulberry32). */
function mulberry(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A string that is partly right: known and unknown keys, good and bad values of every kind, now and then broken syntax. */
function randomConf(random: () => number): string {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
  const edges = [
    '0',
    '1',
    '-1',
    '2',
    '7',
    '00',
    '010',
    '0x10',
    '0X1f',
    '08',
    '0x',
    ' 3',
    '+3',
    '-0',
    '3 ',
    '3k',
    '',
    'x',
    '64',
    '63',
    '65',
    '16',
    '17',
  ];
  const wide = [
    '1023',
    '1024',
    '4095',
    '4096',
    '8388609',
    '4294967295',
    '4294967296',
    '4294967301',
    '9223372036854775807',
    '9223372036854775808',
  ];
  const huge = [
    '18446744072000',
    '18446744072001',
    '18446744073709551615',
    '18446744073709551616',
    '30000000000000000000',
    '8070450532247928832',
  ];
  const ratios = ['0.5', '.25', '1.', '1', '4.75', '0.333333333333333333', '65535.99999', '65536', '0.00001', '1.0001', '2.5x'];
  const lists = [
    '1-8:2',
    '1-4096:3',
    '0-99999:64|9-16:5',
    '1-160:65',
    '1-8:2||9-16:2',
    '14337-20000:4',
    '8-1:3',
    '1-14336:-1',
    '16-32',
    '1-64:2|x',
  ];
  const names = [
    'true',
    'false',
    'alloc',
    'free',
    'abort',
    'default',
    'auto',
    'au',
    'a',
    'n',
    'never',
    'primary',
    'p',
    'sec',
    'disabled',
    'high',
    'Jbgx',
  ];
  const keys = [...CONF_KEYS, 'm', 'd', 'ds', 'meta', 'th', 'cache_oblivious', 'lg_chunk', 'experimental_x', '', 'Narenas', 'narenas_'];
  const separators = [',', ',', ',', ',', ',', ',', ',', ',', ',,', ', ', ';', '\n'];
  const pairs = 1 + Math.floor(random() * 8);
  let conf = random() < 0.2 ? 'confirm_conf:true,' : random() < 0.15 ? 'abort_conf:true,' : '';
  for (let i = 0; i < pairs; i++) {
    const value = pick(pick([edges, wide, huge, ratios, lists, names, names]));
    const key = pick(keys);
    // Refused by a replay, slow to print at every allocation, or a hang of jemalloc itself: compared elsewhere or not at all.
    if (['hpa', 'background_thread', 'percpu_arena', 'stats_interval', 'prof_gdump', 'lg_prof_interval'].includes(key)) continue;
    if (['stats_print', 'stats_print_opts', 'max_background_threads', 'prof_log', 'abort', 'prof_prefix'].includes(key)) continue;
    if (key.startsWith('san_guard') || key.startsWith('prof_final')) continue;
    conf += key + (random() < 0.02 ? '=' : ':') + value + (i + 1 < pairs || random() < 0.05 ? pick(separators) : '');
  }
  return conf.replaceAll('\0', '');
}

const ODD = (ncpus: number) =>
  `<jemalloc>: invalid configuration -- per physical CPU arena with odd number (${ncpus}) of CPUs (no hyper threading?).\n`;

// malloc_init_narenas and percpu_arena_choose; that they are the library's shows where stage 6 of the fuzzing draws them
test.each([
  ['percpu_arena:percpu', 4, 4, 'percpu', [0, 1, 2, 3], ''],
  ['p:', 2, 2, 'percpu', [0, 1], ''],
  ['percpu_arena:percpu', 1, 1, 'percpu', [0], ''],
  ['percpu_arena:percpu,narenas:3', 4, 4, 'percpu', [0, 1, 2, 3], ''],
  ['percpu_arena:percpu,narenas:9', 4, 9, 'percpu', [0, 1, 2, 3, 4], ''],
  ['percpu_arena:phycpu', 4, 2, 'phycpu', [0, 1, 0, 1, 2], ''],
  ['percpu_arena:phycpu', 5, 3, 'phycpu', [0, 1, 0, 1, 2], ODD(5)],
  ['percpu_arena:phycpu', 1, 1, 'phycpu', [0], ODD(1)],
  ['percpu_arena:disabled', 4, 16, 'disabled', [], ''],
])('%s on %d CPUs: %d arenas', (conf, ncpus, narenas, mode, arenas, stderr) => {
  let said = '';
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  const boot = bootConf(options, { ncpus }, (text) => (said += text));
  expect([boot.narenasAuto, boot.options.percpu_arena, said]).toEqual([narenas, mode, stderr]);
  expect(arenas.map((_, cpu) => arenaOfCpu(boot, cpu))).toEqual(arenas);
});

test('an odd number of CPUs ends a process that is to abort at warnings, after it was said', () => {
  let said = '';
  const boot = (conf: string, ncpus: number) =>
    bootConf(parseMallocConf(environmentSources(conf), () => {}).options, { ncpus }, (text) => (said += text));
  expect(() => boot('abort:true,percpu_arena:phycpu', 3)).toThrowError(expect.objectContaining({ name: 'AbortError' }));
  expect(said).toBe(ODD(3));
  expect(boot('abort:true,percpu_arena:phycpu', 4).narenasAuto).toBe(2);
  expect(boot('abort:true,narenas:5000', 3).narenasAuto).toBe(4094);
});

test.each([['hpa:true,hpa_sec_nshards:65537', 'hpa_sec_nshards']])('%s is refused by name', (conf, name) => {
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  expect(() => bootConf(options, { ncpus: 4 }, () => {})).toThrowError(
    expect.objectContaining({ name: 'UnsupportedOption', option: name }),
  );
});

test.each([
  // ncpus, conf -> automatic arenas, all arenas
  [1, '', 1, 2],
  [2, '', 8, 9],
  [3, 'narenas_ratio:0.5', 2, 3],
  [3, 'narenas_ratio:0.1', 1, 2],
  [64, '', 256, 257],
  [4, 'narenas:7,oversize_threshold:0', 7, 7],
  [4, 'narenas:1,oversize_threshold:16383', 1, 1],
  [4, 'narenas:5000', 4094, 4095],
])('%d CPUs, %j', (ncpus, conf, auto, total) => {
  const { boot } = start(conf, { ncpus });
  expect([boot!.narenasAuto, boot!.narenasTotal, boot!.hugeArenaIndex]).toEqual([auto, total, total > auto ? auto : -1]);
});

test('slots of cached classes', () => {
  const slots = (conf: string) => Array.from(start(conf, { ncpus: 1 }).boot!.ncachedMax);
  // Twice the regions of a slab between 20 and 200, 20 for large classes; index 35 is 14336 bytes, two regions a slab.
  expect(slots('').slice(0, 3)).toEqual([200, 200, 200]);
  expect(slots('').slice(33)).toEqual([20, 20, 20, 20, 20, 20, 20, 20]);
  expect(slots('lg_tcache_nslots_mul:-8,tcache_nslots_small_min:3').slice(0, 2)).toEqual([4, 4]);
  expect(slots('tcache_nslots_small_max:1,tcache_max:100').slice(0, 10)).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 0, 0]);
});

test('five sources, later ones win, an error aborts once abort_conf is known', () => {
  let stderr = '';
  const message = (text: string) => (stderr += text);
  expect(parseMallocConf(['', 'narenas:3,tcache:false', null, 'narenas:5'], message).options).toMatchObject({ narenas: 5, tcache: false });
  expect(stderr).toBe('');
  const { aborted, options } = parseMallocConf(['', 'foo:1', '', 'abort_conf:true,narenas:2', 'narenas:9'], message);
  expect({ aborted, narenas: options.narenas }).toEqual({ aborted: true, narenas: 2 });
  expect(stderr).toBe('<jemalloc>: Invalid conf pair: foo:1\n<jemalloc>: Abort (abort_conf:true) on invalid conf value (see above).\n');
});

test('a message is cut at 4095 bytes, even inside a character', () => {
  const bytes: Uint8Array[] = [];
  parseMallocConf(environmentSources(`x:${'ä'.repeat(3000)}`), (_, message) => bytes.push(message));
  expect(bytes.map((message) => message.length)).toEqual([4095]);
  expect(Buffer.from(bytes[0]).toString('latin1').startsWith('<jemalloc>: Invalid conf pair: x:\xc3\xa4')).toBe(true);
});

test.each([
  ['18446744073709551615', 18446744073709551615n, 20],
  ['18446744073709551616', null, 0],
  ['30000000000000000000', 11553255926290448384n, 20],
  ['-1', 18446744073709551615n, 2],
  ['-0x10', 18446744073709551600n, 5],
  [' \t\n\v\f\r7', 7n, 7],
  ['08', 0n, 1],
  ['0778', 63n, 3],
  ['0x', 0n, 1],
  ['- 1', null, 0],
  ['', null, 0],
])('number %j', (text, value, end) => expect(strtoumax(text)).toEqual(value === null ? null : { value, end }));

test('decimal numbers keep leading zeros and stop at x', () => {
  expect(strtoumax('0x2', 0, 10)).toEqual({ value: 0n, end: 1 });
  expect(strtoumax('012', 0, 10)).toEqual({ value: 12n, end: 3 });
});

test.each([
  ['0.25', 16384, '0.25'],
  ['1', 65536, '1.0'],
  ['0.05', 3276, '0.04998779296875'],
  ['0.0001', 6, '0.00009155273437'],
  ['65535.99999', 4294967295, '65535.99998474121093'],
])('ratio %s', (text, value, printed) => {
  expect(parseFxp(text)).toEqual({ value, end: text.length });
  expect(formatFxp(value)).toBe(printed);
});

test.each(['', '-1', '1.', '65536', '.', ' 1'])('ratio %j is none', (text) => expect(parseFxp(text)).toBeNull());

test.each(['plain', 'ä€😀', '\u{10ffff}\u{80}', ''])('UTF-8 of %j', (text) => {
  expect(toByteString(text)).toBe(Buffer.from(text, 'utf8').toString('latin1'));
  expect(textOfByteString(toByteString(text))).toBe(text);
});

test('bytes that are no UTF-8 become replacement characters', () => {
  expect(textOfByteString('a\x80b\xc3')).toBe('a\ufffdb\ufffd');
  expect(textOfByteString('\xed\xa0\x80\xf5\xc0\x80').replaceAll('\ufffd', '?')).toBe('??????');
  expect(toByteString('a\ud800b')).toBe('a\xef\xbf\xbdb');
  expect(toByteString('a\0b')).toBe('a');
});
