import { expect, test } from 'vitest';
import { refusedAttach } from './ltrace.ts';

test('whom the system lets attach', () => {
  const own = process.getuid?.() as number;
  const user = own === 0 ? 1 : own;
  // Of root nothing is asked.
  expect([refusedAttach(process.pid, 0, '1\n'), refusedAttach(process.pid, own, '0\n')]).toEqual([undefined, undefined]);
  expect(refusedAttach(process.pid, user + 1, '0\n')).toMatchObject({ fact: 'attaches to processes of your own alone' });
  if (own !== 0)
    expect(refusedAttach(process.pid, own, '1\n')).toMatchObject({ fact: expect.stringContaining('kernel.yama.ptrace_scope') });
});
