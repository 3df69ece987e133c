/** What of the numbers of addresses is TypeScript and called from here: AddressNumbers of ../replay/numbers.ts. */

/** Room for so many bytes, all 0, and what gives it back (ColumnMemory). */
export declare function take(bytes: u32): usize;
export declare function give(start: usize, bytes: u32): void;
/** Brings what only reallocs need into the window. */
export declare function loadMoves(): void;
/** Throws: all numbers are live. */
export declare function exhausted(most: u32): void;
/** Takes what `visit` comes to: a live block's address and number, or a number that no block has with address 0; and that a chunk is not where it is looked for. */
export declare function seen(address: f64, number: u32): void;
export declare function lost(): void;
