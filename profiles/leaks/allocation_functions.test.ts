import { expect, test } from 'vitest';
import { isAllocationFunction } from './allocation_functions.ts';

test.each([
  'malloc',
  'malloc+0',
  'realloc+0x0',
  'calloc@plt',
  'malloc@@GLIBC_2.2.5',
  'malloc (inlined)',
  'malloc<0000000000001615>',
  '__GI___libc_malloc',
  '__GI___libc_malloc+0x0',
  '__libc_calloc',
  '_int_malloc',
  '_mid_memalign',
  'posix_memalign',
  '__strdup',
  '__GI___strndup',
  'je_malloc',
  '_rjem_mallocx',
  'je_prof_backtrace',
  'tc_new',
  'g_malloc0',
  '__rust_alloc',
  'operator new',
  'operator new[]',
  'operator new+0x1c',
  'operator new(unsigned long)',
  'operator new[](unsigned long, std::align_val_t)',
  '_Znwm',
  '_ZnamRKSt9nothrow_t',
  'void* newImpl<false>(std::size_t)',
  'std::__new_allocator<int>::allocate(unsigned long, void const*)[inline]',
  'std::allocator_traits<std::allocator<char> >::allocate+0xd3',
  'std::__allocate_guarded<std::allocator<Node> >',
  '__gnu_cxx::new_allocator<char>::allocate(unsigned long, void const*)',
])('%s allocates', (name) => {
  expect(isAllocationFunction(name)).toBe(true);
});

test.each([
  'main',
  '',
  '@plt',
  '+0x10',
  'xmalloc',
  'do_alloc',
  'new',
  'delete',
  'mallocator',
  'malloc_stats_print',
  '__proto__',
  'constructor',
  'Pool::operator new(unsigned long)',
  'std::vector<int, std::allocator<int> >::push_back(int const&)',
  'std::allocator<int>::construct(int*)',
  '_Znop',
  `${'_'.repeat(100_000)}x`,
  `std::allocator<${'>::'.repeat(100_000)}`,
])('%.40s does not', (name) => {
  expect(isAllocationFunction(name)).toBe(false);
});
