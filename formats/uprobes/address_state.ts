/**
 * States of addresses (address_states.ts).
 * Constants alone: both languages of the lanes read this file.
 */
export const UNSEEN = 0;
export const LIVE = 1;
export const FREED = 2;
