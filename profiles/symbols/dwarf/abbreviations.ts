/**
 * What entries of a unit look like: their tag, and names and forms of their attributes (DWARF 5, section 7.5.3 "Abbreviations Tables").
 * Invariant: `offsets` ends before the first attribute whose place differs from entry to entry.
 */
import {
  DW_AT_HIGH_PC,
  DW_AT_LOW_PC,
  DW_AT_RANGES,
  DW_AT_SIBLING,
  DW_FORM_IMPLICIT_CONST,
  DW_TAG_ENTRY_POINT,
  DW_TAG_INLINED_SUBROUTINE,
  DW_TAG_SUBPROGRAM,
} from './constants.ts';
import { type Cursor, Unsupported } from './cursor.ts';
import { fixedBytes, type FormSizes } from './forms.ts';

/** The shape of entries with one code. */
export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** A function, a further entry of one, or one inlined into another. */
  readonly isFunction: boolean;
  /** By the order of attributes: their names, forms, and the value of those that the table has the value of (DW_FORM_implicit_const). */
  readonly names: readonly number[];
  readonly forms: readonly number[];
  readonly constants: readonly number[];
  /** Bytes before each of the first attributes, as far as these have lengths of their own, and before the first one behind them. */
  readonly offsets: readonly number[];
  /** Bytes of all attributes, -1 if that differs from entry to entry. */
  readonly length: number;
  /** Places of attributes in these lists, -1 for those that entries do not have. */
  readonly sibling: number;
  readonly low: number;
  readonly high: number;
  readonly ranges: number;
}

/** Abbreviations by their code. */
export type Abbreviations = readonly (Abbreviation | undefined)[];

/** Compilers number them from 1 on. */
const MOST_CODES = 1 << 16;

/** Reads a table from its first byte to the zero that ends it. */
export function readAbbreviations(cursor: Cursor, sizes: FormSizes): Abbreviations {
  const table: (Abbreviation | undefined)[] = [];
  for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
    const abbreviation = readAbbreviation(cursor, sizes);
    // The first of equal codes counts, and what comes after may be no table any more.
    if (table[code] !== undefined) break;
    if (code > MOST_CODES) throw new Unsupported();
    table[code] = abbreviation;
    // Some tables are ended by the section's end.
    if (cursor.at === cursor.end) break;
  }
  return table;
}

/** Room for the attributes of an abbreviation that is being read. */
const NAMES: number[] = [];
const FORMS: number[] = [];
const CONSTANTS: number[] = [];
const OFFSETS: number[] = [0];

function readAbbreviation(cursor: Cursor, sizes: FormSizes): Abbreviation {
  const tag = cursor.uleb();
  const hasChildren = cursor.u8() !== 0;
  // Lists are made once their lengths are known: there are hundreds of abbreviations.
  let fixed = 0;
  let length = 0;
  let sibling = -1;
  let low = -1;
  let high = -1;
  let ranges = -1;
  const { bytes } = cursor;
  let count = 0;
  for (; ; count++) {
    // Nearly all of them take one byte.
    const i = cursor.at - cursor.start;
    let name = bytes[i];
    let form = bytes[i + 1];
    if (name < 0x80 && form < 0x80) {
      cursor.at += 2;
    } else {
      name = cursor.uleb();
      form = cursor.uleb();
    }
    const constant = form === DW_FORM_IMPLICIT_CONST ? cursor.sleb() : 0;
    if (name === 0 && form === 0) break;
    NAMES[count] = name;
    FORMS[count] = form;
    CONSTANTS[count] = constant;
    const more = fixedBytes(form, sizes);
    length = length < 0 || more < 0 ? -1 : length + more;
    if (length >= 0) OFFSETS[++fixed] = length;
    if (name === DW_AT_SIBLING) sibling = count;
    else if (name === DW_AT_LOW_PC) low = count;
    else if (name === DW_AT_HIGH_PC) high = count;
    else if (name === DW_AT_RANGES) ranges = count;
  }
  return {
    tag,
    hasChildren,
    isFunction: tag === DW_TAG_SUBPROGRAM || tag === DW_TAG_INLINED_SUBROUTINE || tag === DW_TAG_ENTRY_POINT,
    names: NAMES.slice(0, count),
    forms: FORMS.slice(0, count),
    constants: CONSTANTS.slice(0, count),
    offsets: OFFSETS.slice(0, fixed + 1),
    length,
    sibling,
    low,
    high,
    ranges,
  };
}
