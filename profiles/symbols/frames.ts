/** What debug information says of an address. */

/** A function at an address. */
export interface SourceFrame {
  /** As the compiler calls it, mangled; undefined if it does not say. */
  readonly name: string | undefined;
  /** `file:line`, with what addr2line puts after it. */
  readonly location: string;
}
