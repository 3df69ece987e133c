/**
 * Options of profiling that decide over each other (jemalloc 5.3.0, src/prof.c, prof_boot1).
 * Invariant: afterwards prof_leak means prof, and prof_leak_error means prof_leak.
 * Differs: the interval is given, not kept.
 */
import type { ProfOptions } from '../prof/host.ts';

/**
 * What the options mean together (prof_boot1); changes `prof`, `prof_gdump` and `prof_leak` as the library changes its variables.
 * @returns Bytes between automatic dumps, 0 for none.
 */
export function profBoot1(options: ProfOptions & { prof: boolean }): number {
  if (options.prof_leak_error) options.prof_leak = true;
  if (options.prof_leak && !options.prof) {
    options.prof = true;
    options.prof_gdump = false;
    return 0;
  }
  return options.prof && options.lg_prof_interval >= 0 ? 2 ** options.lg_prof_interval : 0;
}
