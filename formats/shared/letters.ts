/**
 * Bytes that readers compare text with; OPEN and CLOSE are the round ones.
 * Invariant: this file imports nothing, so that the bundle has the numbers themselves where they are used; a constant of a module that runs
 * code is looked up each time.
 */
export const TAB = 0x09;
export const NEWLINE = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const HASH = 0x23;
export const APOSTROPHE = 0x27;
export const OPEN = 0x28;
export const CLOSE = 0x29;
export const STAR = 0x2a;
export const PLUS = 0x2b;
export const COMMA = 0x2c;
export const MINUS = 0x2d;
export const DOT = 0x2e;
export const SLASH = 0x2f;
export const ZERO = 0x30;
export const NINE = 0x39;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const LESS = 0x3c;
export const EQUALS = 0x3d;
export const GREATER = 0x3e;
export const AT = 0x40;
export const UPPER_A = 0x41;
export const UPPER_F = 0x46;
export const UPPER_R = 0x52;
export const OPEN_BRACKET = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_BRACKET = 0x5d;
export const UNDERSCORE = 0x5f;
export const LOWER_A = 0x61;
export const LOWER_B = 0x62;
export const LOWER_C = 0x63;
export const LOWER_L = 0x6c;
export const LOWER_N = 0x6e;
export const LOWER_O = 0x6f;
export const LOWER_P = 0x70;
export const LOWER_S = 0x73;
export const LOWER_U = 0x75;
export const LOWER_X = 0x78;
export const LOWER_Z = 0x7a;
export const OPEN_BRACE = 0x7b;
export const BAR = 0x7c;
export const CLOSE_BRACE = 0x7d;
