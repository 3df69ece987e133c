/**
 * What a finished call of the allocator is as an event, and what of it ltrace does not show: the address that posix_memalign and asprintf
 * give, the whole of a string longer than its limit. Such calls are counted, and told at the end.
 */
import { formatCount } from '../../core/trace/counted.ts';
import { Op } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { UNSHOWN } from './call_text.ts';
import { Kind, LOWEST_ADDRESS } from './functions.ts';
import type { Processes } from './processes.ts';

/** A limit of strndup above this is none, bytes. */
const LONGEST_LIMIT = 65536;

/** Makes events of calls. */
export class CallEvents {
  readonly #trace: Trace;
  readonly #processes: Processes;
  #cutStrings = 0;
  /** Strings that were printed as addresses: those with a limit, and without. */
  #limitedStrings = 0;
  #unseenStrings = 0;
  #withoutAddress = 0;
  /** Of those, calls of strdup and its like. */
  #unshownStrings = 0;

  constructor(trace: Trace, processes: Processes) {
    this.#trace = trace;
    this.#processes = processes;
  }

  /**
   * A call of `tid` that counts has returned `result` (or, a free, begun).
   * @param a its arguments; of strdup and its like `c` is the string's length, as in CallText
   * @param inner what an allocation within it gave, 0 for none
   * @param line number of its line
   * @param entered true for a function's entry (-x)
   */
  append(
    kind: Kind,
    tid: number,
    time: number,
    a: number,
    b: number,
    c: number,
    result: number,
    inner: number,
    stack: StackIndex,
    line: number,
    entered: boolean,
  ): void {
    const processes = this.#processes;
    switch (kind) {
      case Kind.malloc:
      case Kind.new:
        processes.event(Op.malloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.calloc:
        processes.event(Op.calloc, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.libc_calloc:
        // A true calloc has a count before the size, realloc an address or NULL.
        if (a !== 0 && a < LOWEST_ADDRESS) processes.event(Op.calloc, tid, time, result, 0, b, a, stack, line, entered);
        else processes.event(Op.realloc, tid, time, result, a, b, 0, stack, line, entered);
        break;
      case Kind.realloc:
      case Kind.libc_realloc:
        // glibc frees the block and gives NULL.
        if (b === 0 && result === 0 && a !== 0) processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
        else processes.event(Op.realloc, tid, time, result, a, b, 0, stack, line, entered);
        break;
      case Kind.reallocarray:
        if (b * c === 0 && result === 0 && a !== 0) processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
        else processes.event(Op.reallocarray, tid, time, result, a, c, b, stack, line, entered);
        break;
      case Kind.posix_memalign: {
        const ptr = result === 0 ? inner : 0;
        if (result === 0 && ptr === 0) this.#addressUnknown();
        else processes.event(Op.posix_memalign, tid, time, ptr, 0, c, b, stack, line, entered);
        break;
      }
      case Kind.asprintf:
        // What fails has no string.
        if (inner !== 0) processes.event(Op.malloc, tid, time, inner, 0, result + 1, 0, stack, line, entered);
        else this.#addressUnknown();
        break;
      case Kind.aligned_alloc:
        processes.event(Op.aligned_alloc, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.memalign:
        processes.event(Op.memalign, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.new_aligned:
        processes.event(Op.aligned_alloc, tid, time, result, 0, a, b, stack, line, entered);
        break;
      case Kind.valloc:
        processes.event(Op.valloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.pvalloc:
        processes.event(Op.pvalloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.malloc_usable_size:
        processes.event(Op.malloc_usable_size, tid, time, a, 0, 0, 0, stack, line, entered);
        break;
      case Kind.strdup:
      case Kind.strndup: {
        if (result === UNSHOWN) {
          this.#unshownStrings++;
          this.#addressUnknown();
          break;
        }
        // Without a prototype ltrace prints an address.
        const unseen = Number.isNaN(c);
        const shown = unseen ? 0 : c < 0 ? -c - 1 : c;
        const limited = kind === Kind.strndup && b <= (unseen ? LONGEST_LIMIT : shown);
        if (unseen && b > 0 && limited) this.#limitedStrings++;
        else if (unseen && !limited) this.#unseenStrings++;
        else if (c < 0 && !limited) this.#cutStrings++;
        processes.event(Op.malloc, tid, time, result, 0, (limited ? b : shown) + 1, 0, stack, line, entered);
        break;
      }
      case Kind.free:
      case Kind.delete:
        processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
    }
  }

  /** The recording is over: tells what was not shown. */
  end(): void {
    const { warnings } = this.#trace;
    if (this.#cutStrings > 0)
      warnings.push(
        this.#cutStrings === 1
          ? '1 string of strdup was cut by ltrace: its size is a lower bound (record with -s 4096)'
          : `${formatCount(this.#cutStrings)} strings of strdup were cut by ltrace: their sizes are lower bounds (record with -s 4096)`,
      );
    if (this.#limitedStrings > 0)
      warnings.push(
        this.#limitedStrings === 1
          ? '1 string of strndup was not recorded: its size is an upper bound, from the limit that the call has'
          : `${formatCount(this.#limitedStrings)} strings of strndup were not recorded: their sizes are upper bounds, from the limits that the calls have`,
      );
    if (this.#unseenStrings > 0)
      warnings.push(
        this.#unseenStrings === 1
          ? '1 string of strdup or strndup was not recorded: its size is a lower bound of 1 byte'
          : `${formatCount(this.#unseenStrings)} strings of strdup or strndup were not recorded: their sizes are lower bounds of 1 byte`,
      );
    if (this.#withoutAddress > 0) {
      const of = this.#unshownStrings > 0 ? 'posix_memalign, asprintf or strdup' : 'posix_memalign or asprintf';
      warnings.push(
        this.#withoutAddress === 1
          ? `1 block of ${of} is missing: ltrace does not show its address`
          : `${this.#withoutAddress} blocks of ${of} are missing: ltrace does not show their addresses`,
      );
    }
  }

  #addressUnknown(): void {
    this.#trace.skip('no_address');
    this.#withoutAddress++;
  }
}
