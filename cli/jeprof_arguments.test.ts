import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { needsTool } from '../fixtures/tools.ts';
import { InputError } from '../core/trace/input_error.ts';
import { jeprofArguments } from './jeprof_arguments.ts';

test.each([
  ['--text --show_bytes prog a.heap', '--text --show_bytes prog a.heap'],
  ['prog a.heap --text', '--text prog a.heap'],
  ['-text -cum prog a.heap', '--text --cum prog a.heap'],
  ['--show --inuse_o --nodecount 5 prog a', '--show_bytes --inuse_objects --nodecount=5 prog a'],
  ['--base=x.heap --focus leak|main prog a', '--base=x.heap --focus=leak|main prog a'],
  ['--TEXT prog a', '--text prog a'],
  ['--text --nocum --no-lines --cum prog a', '--text --cum prog a'],
  ['--lines --nolines prog a', 'prog a'],
  ['--debug-syms-by-id --debug --seconds=5 --noweb prog a', 'prog a'],
  ['--gv --scale 2 prog a', '--gv --scale=2 prog a'],
  ['--pdf --noevince prog a', '--pdf prog a'],
  ['--interactive prog a', '--interactive prog a'],
  ['--retain= prog a', 'prog a'],
  ['--ignore -x --text prog a', '--ignore=-x --text prog a'],
  ['prog -- --text -', 'prog ./--text -'],
  ['--symbols prog', '--symbols prog'],
  ['--base a --base b prog c', '--base=b prog c'],
  ['-o x --quiet prog a', '--output=x --quiet prog a'],
])('%s', (args, expected) => {
  expect(jeprofArguments(args.split(' '), undefined)).toEqual(expected.split(' '));
});

test.each([
  ['--unknown prog a', 'unknown flag --unknown', undefined],
  ['-x prog a', 'unknown flag -x', undefined],
  ['--nobase prog a', 'unknown flag --nobase', undefined],
  ['--in prog a', '--in may be --interactive or --inuse_space or --inuse_objects', undefined],
  ['--stacks prog a', 'jeprof has no --stacks', '--traces'],
  ['--contentions prog a', '--contentions is not made here', 'heap'],
  ['prog a --base', '--base needs a value', undefined],
  ['--text=3 prog a', '--text takes no value', undefined],
  ['http://host:80/pprof/growth', 'profiles are not fetched', "curl -fsS -o remote.heap 'http://host:80/pprof/growth'"],
  ['https://host', 'profiles are not fetched', "'https://host/pprof/heap'"],
  ['host:8080', 'profiles are not fetched', "'http://host:8080/pprof/heap'"],
  ['host:8080/', 'profiles are not fetched', "'http://host:8080/pprof/heap'"],
  ['[::1]:8080', 'profiles are not fetched', "'http://[::1]:8080/pprof/heap'"],
  ['prog a --base host:8080', 'profiles are not fetched', 'curl'],
])('%s is refused', (args, fact, hint) => {
  try {
    jeprofArguments(args.split(' '), undefined);
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).fact).toContain(fact);
    if (hint !== undefined) expect((error as InputError).hint).toContain(hint);
    return;
  }
  throw new Error('it was taken');
});

test.skipIf(!needsTool('jeprof'))('every flag that jeprof has is known', () => {
  const source = readFileSync(execFileSync('which', ['jeprof'], { encoding: 'utf8' }).trim(), 'utf8');
  const [options = ''] = /GetOptions\(.*?\) \|\|/s.exec(source) ?? [];
  const flags = [...options.matchAll(/"([\w-]+)(!|=[sif])?" /g)];
  expect(flags.length).toBeGreaterThan(50);
  for (const [, name, kind = ''] of flags) {
    const arg = `--${name}${kind.startsWith('=') ? '=1' : ''}`;
    try {
      jeprofArguments([arg, 'prog', 'a'], undefined);
    } catch (error) {
      // Refused for a reason, with what to do instead.
      expect((error as InputError).fact, arg).toBe(`${arg} is not made here`);
      expect((error as InputError).hint, arg).toBeTruthy();
    }
  }
});

test('JEPROF_TOOLS stands for --tools', () => {
  expect(jeprofArguments(['a'], '/opt/tools/')).toEqual(['--tools=/opt/tools/', 'a']);
  expect(jeprofArguments(['a', '--tools', 'x/'], '/opt/tools/')).toEqual(['--tools=x/', 'a']);
});
