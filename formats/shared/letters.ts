/**
 * Bytes that loops over text compare with.
 * Invariant: this file imports nothing, so that the bundle has the numbers themselves where they are used; a constant of a module that runs
 * code is looked up each time.
 */
export const NEWLINE = 0x0a;
export const SPACE = 0x20;
export const CLOSE = 0x29;
export const DOT = 0x2e;
export const ZERO = 0x30;
export const COLON = 0x3a;
export const LESS = 0x3c;
export const EQUALS = 0x3d;
export const GREATER = 0x3e;
export const CLOSE_BRACKET = 0x5d;
export const LOWER_X = 0x78;
