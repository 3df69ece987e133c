/**
 * The library's core: traces as tables and batches, and their replay through jemalloc 5.3.0.
 */
export { UnsupportedOption } from './conf/boot.ts';
export { Ledger } from './replay/ledger.ts';
export type { ReplayOptions } from './replay/replay.ts';
export { Replay } from './replay/replay.ts';
export type { ModelBytes, ReplaySummary } from './replay/summary.ts';
export type { CtlErrno, CtlPair, CtlValue } from './stats/ctl_tree.ts';
export { MallctlError, UnsupportedName } from './stats/ctl_tree.ts';
export { mallctlNames } from './stats/mallctl.ts';
export { EventBatch, Op, OP_NAMES } from './trace/events.ts';
export { InputError } from './trace/input_error.ts';
export type { Frame, InlinedFrame } from './trace/stacks.ts';
export { FrameTable, StackTable } from './trace/stacks.ts';
export type { Skipped, SkipReason, TraceHeader } from './trace/trace.ts';
export { ThreadTable, Trace } from './trace/trace.ts';
export * from './units.ts';
