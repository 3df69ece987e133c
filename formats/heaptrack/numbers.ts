/**
 * Numbers that the loops over calls compare with.
 * Invariant: this file imports nothing, so that the bundle has the numbers themselves where they are used; a constant of a module that runs code is
 * looked up each time.
 */
/** Made-up addresses of blocks, which are numbered from 1: where the one before the first would be, and their distance. */
export const BEFORE_FIRST_ADDRESS = 0xfff0;
export const ADDRESS_STEP = 16;
/** Digits of the largest index of an info taken. */
export const MOST_DIGITS = 7;
/** First letters of lines. */
export const INFO = 0x61;
export const TRACE = 0x74;
