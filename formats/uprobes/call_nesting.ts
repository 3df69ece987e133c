/**
 * Calls that an allocator makes of itself: a probe on each function sees several where the program made one (glibc's realloc(NULL, n) jumps to
 * malloc, its posix_memalign of small alignments calls it).
 * Invariant: a call is taken for a part of another only if the other can have made it, for the bytes that it was asked for.
 * Differs from what any one C library does: what decides is what went in and came out, for recordings do not say whose functions they are.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import { ENTRY, NESTED, UNSEEN_ADDRESS } from './record_kinds.ts';

/**
 * Bytes beyond size and alignment that an aligning function may ask for: two pages. valloc and pvalloc align to one without being told, and pvalloc
 * gives whole ones.
 */
const ALIGNING_SLACK = 8192;

/** Bytes that a call asks for. */
function bytesOf(rows: EventBatch, row: number, kind: number): number {
  return kind === Op.calloc || kind === Op.reallocarray ? rows.size[row] * rows.extra[row] : rows.size[row];
}

/** Whether a call `kind` at `row` can be one that the call `outerKind` at `outer` made. */
export function canContain(rows: EventBatch, outer: number, outerKind: number, row: number, kind: number): boolean {
  const { ptr, old, extra } = rows;
  if (kind === Op.free) return (outerKind === Op.realloc || outerKind === Op.reallocarray) && old[outer] !== 0 && ptr[row] === old[outer];
  if (kind === Op.thread_exit || kind === Op.malloc_usable_size) return false;
  const asked = bytesOf(rows, outer, outerKind);
  const given = bytesOf(rows, row, kind);
  switch (outerKind) {
    case Op.calloc:
    case Op.realloc:
      return kind === Op.malloc && given === asked;
    case Op.reallocarray:
      return given === asked && (kind === Op.malloc || (kind === Op.realloc && old[row] === old[outer]));
    case Op.posix_memalign:
    case Op.aligned_alloc:
    case Op.memalign:
    case Op.valloc:
    case Op.pvalloc:
      // Some allocators ask malloc for the alignment on top; aligned_alloc and memalign may be names of one function.
      return (
        kind !== outerKind &&
        kind !== Op.calloc &&
        kind !== Op.realloc &&
        kind !== Op.reallocarray &&
        given >= asked &&
        given <= asked + extra[outer] + ALIGNING_SLACK
      );
    default:
      return false;
  }
}

/** Folds the whole call at `inner`, the same thread's last, into the whole one at `row` if that one made it. */
export function foldInto(rows: EventBatch, row: number, inner: number): void {
  const { op, ptr, old, size } = rows;
  const kind = op[row];
  const innerKind = op[inner];
  if (innerKind >= ENTRY || kind === Op.free) return;
  if (innerKind === Op.free) {
    if (kind !== Op.realloc || size[row] !== 0 || ptr[row] !== 0) return;
  } else if (ptr[row] === 0 || (ptr[inner] !== ptr[row] && ptr[row] !== UNSEEN_ADDRESS) || old[row] === ptr[row]) return;
  if (canContain(rows, row, kind, inner, innerKind)) nest(rows, row, inner);
}

/** Marks `inner` as a part of the call at `row`, which takes from it what it lacks. */
export function nest(rows: EventBatch, row: number, inner: number): void {
  const { op, ptr, stack } = rows;
  if (stack[row] < 0) stack[row] = stack[inner];
  if (ptr[row] === UNSEEN_ADDRESS) ptr[row] = ptr[inner];
  op[inner] = NESTED;
}
