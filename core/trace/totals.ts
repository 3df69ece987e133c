/**
 * What a program did in all: as a replay counts it, and as it is known of a program that was made up.
 */
export interface ProgramTotals {
  /** Event lines taken. */
  readonly events: number;
  /** Calls that gave a block, realloc included. */
  readonly allocations: number;
  /** Frees of live blocks. */
  readonly frees: number;
  readonly threads: number;
  /** As the program asked, before size classes. */
  readonly requested_bytes_total: number;
  readonly requested_bytes_peak: number;
  readonly requested_bytes_live: number;
  readonly objects_live: number;
  /** Time of the last event. */
  readonly duration_ns: number;
}
