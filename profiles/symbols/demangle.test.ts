import { expect, test } from 'vitest';
import { demangle, demangleBy, filteredName, isRust } from './demangle.ts';

test.each([
  ['_ZN4shop4leakEi', 'shop::leak(int)'],
  ['_Znwm', 'operator new(unsigned long)'],
  [
    '_ZNKSt3mapIiSsSt4lessIiESaISt4pairIKiSsEEE4sizeEv',
    'std::map<int, std::string, std::less<int>, std::allocator<std::pair<int const, std::string> > >::size() const',
  ],
  ['_ZN3std2io4Read11read_to_end17hb85a0f6802e14499E', 'std::io::Read::read_to_end'],
  [
    '_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE',
    "<Test + 'static as foo::Bar<Test>>::bar",
  ],
  // Lengths are of bytes.
  ['_ZN6名前7größeC2ERKS_', '名前::größe::größe(名前 const&)'],
  ['_ZN6名前7größe3🐘_C2ES_', '_ZN6名前7größe3🐘_C2ES_'],
  ['_RNvCs1234_7mycrate3foo', 'mycrate::foo'],
  ['_RNvMs0_NtCs1234_7mycrate5pointNtB5_5Point3new', '<mycrate::point::Point>::new'],
  ['main', 'main'],
  ['__cxa_throw', '__cxa_throw'],
  ['__proto__', '__proto__'],
  ['_Znot a name', '_Znot a name'],
  ['_R', '_R'],
  ['_Z', '_Z'],
])('%s', (mangled, readable) => {
  expect(demangle(mangled)).toBe(readable);
});

test('deeply nested names end nothing', () => {
  for (const name of [`_Z1f${'P'.repeat(100000)}i`, `_ZN${'1a'.repeat(50000)}Ev`, `_R${'N'.repeat(50000)}`])
    expect(demangle(name).length).toBeGreaterThan(0);
  expect(demangle('_ZN4shop4leakEi')).toBe('shop::leak(int)');
});

test('a tool is asked once, for C++ names and for what is left', () => {
  const asked: string[] = [];
  const ask = (_: readonly string[], names: string) => {
    asked.push(names);
    return 'readable\nint shop::leak<int>(int)\n';
  };
  demangleBy(ask, ['_Zwrong1', 'main', '_ZN4shop4leakEi', '_Zwith\nline']);
  demangleBy(ask, ['_Zwrong1']);
  expect(asked).toEqual(['_Zwrong1\n_ZN4shop4leakEi\n']);
  expect(demangle('_Zwrong1')).toBe('readable');
  expect(demangle('_ZN4shop4leakEi')).toBe('shop::leak(int)');
  expect(filteredName('_ZN4shop4leakEi')).toBe('int shop::leak<int>(int)');
  expect(filteredName('main')).toBe('main');
});

test('Rust is told from C++', () => {
  expect(['_ZN3std2io4Read11read_to_end17hb85a0f6802e14499E', '_RNvCs1234_7mycrate3foo', '_ZN4shop4leakEi', 'main'].map(isRust)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
