/**
 * Units and indices as types. They cost nothing at run time: each is a plain number that the compiler keeps apart from the others.
 */

declare const unit: unique symbol;

/** A size in bytes. Exact below 2^53; larger sizes are rounded up to the next double, which never crosses a size class downwards. */
export type Bytes = number & { readonly [unit]: 'bytes' };
/** A size class, small or large: 0 for 8 bytes (szind_t). */
export type SizeClass = number & { readonly [unit]: 'size class' };
/** A virtual address, exact below 2^53. */
export type Address = number & { readonly [unit]: 'address' };
/** Nanoseconds since the trace's `start_ts`. */
export type Nanoseconds = number & { readonly [unit]: 'ns' };
/** Row of a FrameTable. */
export type FrameIndex = number & { readonly [unit]: 'frame' };
/** Row of a StackTable; -1 is the empty backtrace. */
export type StackIndex = number & { readonly [unit]: 'stack' };
/** Row of a ThreadTable, in order of first appearance; 0 is the main thread. */
export type ThreadIndex = number & { readonly [unit]: 'thread' };

/** The main thread. */
export const MAIN_THREAD = 0 as ThreadIndex;
/** The empty backtrace: an event that has no stack. */
export const NO_STACK = -1 as StackIndex;
