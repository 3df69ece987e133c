/**
 * Rows of profiling's tables as types, each of which jemalloc has as a pointer.
 * Invariant: -1 is no row (NULL).
 * Differs from a plain number at compile time alone: a row of one table is none of another.
 */

declare const table: unique symbol;

/** Row of a BacktraceTable (prof_bt_t *). */
export type BacktraceRow = number & { readonly [table]: 'backtrace' };
/** Row of a TdataTable: a thread's record (prof_tdata_t *). */
export type TdataRow = number & { readonly [table]: 'tdata' };
/** Row of a GctxTable: a context of the process (prof_gctx_t *). */
export type GctxRow = number & { readonly [table]: 'gctx' };
/** Row of a TctxTable: a context of a thread (prof_tctx_t *). */
export type TctxRow = number & { readonly [table]: 'tctx' };
/** Row of an InfoTable: a live sampled object (prof_info_t). */
export type InfoRow = number & { readonly [table]: 'info' };
/** Node of a RecentList (prof_recent_t *). */
export type RecentRow = number & { readonly [table]: 'recent' };

/** Rows that a table has room for at first. */
export const FIRST_ROWS = 64;

/** No row. */
export const NO_BACKTRACE = -1 as BacktraceRow;
export const NO_TDATA = -1 as TdataRow;
export const NO_GCTX = -1 as GctxRow;
export const NO_TCTX = -1 as TctxRow;
export const NO_INFO = -1 as InfoRow;
export const NO_RECENT = -1 as RecentRow;
