import { expect, test } from 'vitest';
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
  ['--debug-syms-by-id --debug --seconds=5 --scale 2 --noweb prog a', 'prog a'],
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
  ['--in prog a', '--in may be --inuse_space or --inuse_objects or --interactive', undefined],
  ['--pdf prog a', '--pdf is not made here', '--svg'],
  ['--interactive prog a', '--interactive is not made here', '--text'],
  ['--contentions prog a', '--contentions is not made here', 'heap'],
  ['prog a --base', '--base needs a value', undefined],
  ['--text=3 prog a', '--text takes no value', undefined],
  ['http://host:80/pprof/heap', 'profiles are not fetched', 'curl'],
  ['host:8080', 'profiles are not fetched', 'curl'],
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

test('JEPROF_TOOLS stands for --tools', () => {
  expect(jeprofArguments(['a'], '/opt/tools/')).toEqual(['--tools=/opt/tools/', 'a']);
  expect(jeprofArguments(['a', '--tools', 'x/'], '/opt/tools/')).toEqual(['--tools=x/', 'a']);
});
