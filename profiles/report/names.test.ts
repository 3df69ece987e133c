import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressProfile, AddressTable } from './address_profile.ts';
import { EntryTable, reduce } from './entries.ts';
import { shortFunctionName, shortName } from './names.ts';
import { fixed, integer, percent, unitOf } from './numbers.ts';
import { symbolName } from './symbols.ts';

describe('short function names', () => {
  /** jeprof's own substitutions, one after the other. */
  function twin(name: string): string {
    let short = name;
    for (let last = ''; last !== short; ) short = (last = short).replace(/\([^()]*\)([ \t\n\v\f\r]*const)?/g, '');
    for (let last = ''; last !== short; ) short = (last = short).replace(/<[^<>]*>/g, '');
    return short.replace(/^.*[ \t\n\v\f\r]+(\w+::)/, '$1');
  }

  test.each([
    ['main', 'main'],
    ['ns::f(int, char const*)', 'ns::f'],
    ['void ns::g<std::vector<int> >(int) const', 'ns::g'],
    ['operator new(unsigned long)', 'operator new'],
    ['std::function<void (int)>::operator()(int) const', 'std::function::operator'],
    ['(anonymous namespace)::f', '::f'],
    ['leak<00000000000012ab>', 'leak'],
    ['A::operator<(A const&)', 'A::operator<'],
  ])('%s is %s', (name, short) => expect(shortFunctionName(name)).toBe(short));

  test.each([
    '<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop',
    '<alloc::string::String>::with_capacity',
    'alloc::vec::Vec::<u8>::push',
    'main.(*Tree[...]).Insert',
    'github.com/a/b.New[go.shape.interface { At() c.Ref; Seek(c.Ref) bool }]',
    'alloc.rs:241 - <alloc::alloc::Global as core::alloc::Allocator>::allocate',
    'lib/server.py:-1 - <module>',
    'core::cmp::impls::_<impl core::cmp::PartialOrd for usize>::lt',
    '_<T as Clone>::clone',
    '[unknown <7f258c0008f0>]',
    'com.foo.Bar.<init>',
    '<module>',
    '<lambda> (main.py:12)',
    'run (main.py:10)',
    'block in Pool#take (pool.rb:7)',
    '(anonymous)',
    '(garbage collector)',
    '()',
  ])('%s is no C++ and stays', (name) => expect(shortName(name)).toBe(name));

  test.each([
    'std::function<void (int)>::operator()(int) const',
    '(anonymous namespace)::f(int)',
    'ns::(anonymous namespace)::f(int)',
    'apply<main(int, char**)::<lambda(int)> >',
    '<lambda(int)>::operator()(int) const',
    '<unnamed>::f',
    'void (*ns::f<int>(int))(char)',
    'decltype (a+b) ns::add<int>(int)',
    'f(int) (.cold)',
    'f(void (*)(int))',
    'operator-(A const&)',
    'A<(N - 1)>::f',
    'leak<00000000000012ab>',
  ])('%s is C++', (name) => expect(shortName(name)).toBe(shortFunctionName(name)));

  test('the same as by repeated substitution', () => {
    const piece = fc.constantFrom('(', ')', '<', '>', ' ', 'const', ' const', 'a', 'ns::', '::', '-', '\t', 'operator');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        const name = pieces.join('');
        expect(shortFunctionName(name)).toBe(twin(name));
      }),
      { numRuns: 2000 },
    );
  });

  test('in linear time', () => {
    const depth = 200000;
    expect(shortFunctionName(`f${'('.repeat(depth)}${')'.repeat(depth)}${'<'.repeat(depth)}`)).toBe(`f${'<'.repeat(depth)}`);
  });
});

test.each([
  [0.25, 1, '0.2'],
  [0.75, 1, '0.8'],
  [0.35, 1, '0.3'],
  [-0.25, 1, '-0.2'],
  [-0, 1, '-0.0'],
  [99.95, 1, '100.0'],
  [2.5, 0, '2'],
  [3.5, 0, '4'],
  [1234567.25, 1, '1234567.2'],
  [0.015625, 5, '0.01562'],
  [5e-7, 6, '0.000000'],
  [1.839668, 6, '1.839668'],
])('%d with %d digits is %s', (value, digits, text) => expect(fixed(value, digits)).toBe(text));

test('whole numbers and percentages', () => {
  expect([12.99, -0.5, 2 ** 60, -(2 ** 60)].map(integer)).toEqual(['12', '0', '1152921504606846976', '-1152921504606846976']);
  expect([percent(1, 3), percent(0, 0), percent(1, 0), percent(-1, 0), percent(0, -5)]).toEqual(['33.3%', 'nan', '+inf', '-inf', '-0.0%']);
  expect(unitOf('inuse_space', false).print(262144)).toBe('0.2');
  expect(unitOf('inuse_space', true).print(262144)).toBe('262144');
});

test('every Callback::Run is its own entry per function it runs', () => {
  const addresses = new AddressTable();
  const row = (address: bigint, name: string) => addresses.intern(address, () => [symbolName(name)]);
  const [a, b, run, main] = [row(1n, 'a'), row(2n, 'b'), row(3n, 'ns::Callback1<int>::Run()'), row(4n, 'main')];
  const profile = new AddressProfile();
  profile.add([a, run, main], 3, 10);
  profile.add([b, run, main], 3, 5);
  profile.add([a, run, run, main], 4, 1);
  const entries = new EntryTable(addresses, 'functions');
  const { cumulative } = reduce(profile, entries);
  const rows = entries.names.map((name, i) => `${name} ${cumulative[i]}`);
  expect(rows).toEqual(['a 11', 'Run#1 11', 'main 16', 'b 5', 'Run#2 5', 'Run#3 1']);
});

test('addresses beyond user space and names without text have no entry', () => {
  const addresses = new AddressTable();
  const kernel = addresses.intern(0xffffffff81000000n, () => [symbolName('kernel')]);
  const bare = addresses.intern(0x10n);
  const empty = addresses.intern(0x20n, () => [symbolName('<script>', undefined, undefined, shortFunctionName)]);
  const profile = new AddressProfile();
  profile.add([kernel, empty, bare], 3, 7);
  const entries = new EntryTable(addresses, 'functions');
  expect(reduce(profile, entries).flat[0]).toBe(7);
  expect(entries.names).toEqual(['0000000000000010']);
});
