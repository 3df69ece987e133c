/**
 * Numbers that the loops over calls compare with.
 * Invariant: this file imports nothing, so that the bundle has the numbers themselves where they are used; a constant of a module that runs code is
 * looked up each time.
 */
export const NEWLINE = 0x0a;
export const SPACE = 0x20;
export const PLUS = 0x2b;
export const MINUS = 0x2d;
/** No block, no stack. */
export const NONE = -1;
/** Made-up addresses of blocks: that of the first one, and the distance of the following ones. */
export const FIRST_ADDRESS = 0x10000;
export const ADDRESS_STEP = 16;
/** Digits of the largest index of an info taken. */
export const MOST_DIGITS = 7;
