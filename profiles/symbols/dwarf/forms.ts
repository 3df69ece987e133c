/**
 * Values of attributes (DWARF 5, sections 7.5.5 "Classes and Forms", 7.5.6 "Form Encodings"; dwz: DW_FORM_GNU_ref_alt, DW_FORM_GNU_strp_alt).
 * Invariant: reading a value leaves the cursor behind it. Every value is a number: a constant, an address, an offset or index that its form says the
 * meaning of, or, of text and blocks that stand in the unit itself, the place where they begin.
 */
import {
  DW_FORM_ADDR,
  DW_FORM_ADDRX,
  DW_FORM_ADDRX1,
  DW_FORM_ADDRX2,
  DW_FORM_ADDRX3,
  DW_FORM_ADDRX4,
  DW_FORM_BLOCK,
  DW_FORM_BLOCK1,
  DW_FORM_BLOCK2,
  DW_FORM_BLOCK4,
  DW_FORM_DATA1,
  DW_FORM_DATA16,
  DW_FORM_DATA2,
  DW_FORM_DATA4,
  DW_FORM_DATA8,
  DW_FORM_EXPRLOC,
  DW_FORM_FLAG,
  DW_FORM_FLAG_PRESENT,
  DW_FORM_GNU_REF_ALT,
  DW_FORM_GNU_STRP_ALT,
  DW_FORM_IMPLICIT_CONST,
  DW_FORM_LINE_STRP,
  DW_FORM_LOCLISTX,
  DW_FORM_REF1,
  DW_FORM_REF2,
  DW_FORM_REF4,
  DW_FORM_REF8,
  DW_FORM_REF_ADDR,
  DW_FORM_REF_SIG8,
  DW_FORM_REF_SUP4,
  DW_FORM_REF_SUP8,
  DW_FORM_REF_UDATA,
  DW_FORM_RNGLISTX,
  DW_FORM_SDATA,
  DW_FORM_SEC_OFFSET,
  DW_FORM_STRING,
  DW_FORM_STRP,
  DW_FORM_STRP_SUP,
  DW_FORM_STRX,
  DW_FORM_STRX1,
  DW_FORM_STRX2,
  DW_FORM_STRX3,
  DW_FORM_STRX4,
  DW_FORM_UDATA,
} from './constants.ts';
import type { Cursor } from './cursor.ts';
import { Unsupported } from './cursor.ts';

/** What lengths of forms depend on. */
export interface FormSizes {
  readonly version: number;
  /** Bytes of an address: 1, 2, 4 or 8. */
  readonly addressSize: number;
  /** Bytes of an offset in a section: 4, in 64-bit DWARF 8. */
  readonly offsetSize: number;
}

/** Bytes of a form, -1 if they differ from value to value. @throws Unsupported */
export function fixedBytes(form: number, { version, addressSize, offsetSize }: FormSizes): number {
  switch (form) {
    case DW_FORM_FLAG_PRESENT:
    case DW_FORM_IMPLICIT_CONST:
      return 0;
    case DW_FORM_DATA1:
    case DW_FORM_FLAG:
    case DW_FORM_REF1:
    case DW_FORM_STRX1:
    case DW_FORM_ADDRX1:
      return 1;
    case DW_FORM_DATA2:
    case DW_FORM_REF2:
    case DW_FORM_STRX2:
    case DW_FORM_ADDRX2:
      return 2;
    case DW_FORM_STRX3:
    case DW_FORM_ADDRX3:
      return 3;
    case DW_FORM_DATA4:
    case DW_FORM_REF4:
    case DW_FORM_STRX4:
    case DW_FORM_ADDRX4:
    case DW_FORM_REF_SUP4:
      return 4;
    case DW_FORM_DATA8:
    case DW_FORM_REF8:
    case DW_FORM_REF_SIG8:
    case DW_FORM_REF_SUP8:
      return 8;
    case DW_FORM_DATA16:
      return 16;
    case DW_FORM_ADDR:
      return addressSize;
    case DW_FORM_REF_ADDR:
      // DWARF 2 has it of the size of an address.
      return version < 3 ? addressSize : offsetSize;
    case DW_FORM_STRP:
    case DW_FORM_LINE_STRP:
    case DW_FORM_STRP_SUP:
    case DW_FORM_SEC_OFFSET:
    case DW_FORM_GNU_REF_ALT:
    case DW_FORM_GNU_STRP_ALT:
      return offsetSize;
    case DW_FORM_BLOCK:
    case DW_FORM_BLOCK1:
    case DW_FORM_BLOCK2:
    case DW_FORM_BLOCK4:
    case DW_FORM_EXPRLOC:
    case DW_FORM_STRING:
    case DW_FORM_SDATA:
    case DW_FORM_UDATA:
    case DW_FORM_REF_UDATA:
    case DW_FORM_STRX:
    case DW_FORM_ADDRX:
    case DW_FORM_LOCLISTX:
    case DW_FORM_RNGLISTX:
      return -1;
    default:
      throw new Unsupported();
  }
}

/**
 * Reads a value.
 * @param constant the value of DW_FORM_implicit_const
 * @throws Damaged, Unsupported
 */
export function readValue(cursor: Cursor, form: number, sizes: FormSizes, constant: number): number {
  switch (form) {
    case DW_FORM_IMPLICIT_CONST:
      return constant;
    case DW_FORM_FLAG_PRESENT:
      return 1;
    case DW_FORM_UDATA:
    case DW_FORM_REF_UDATA:
    case DW_FORM_STRX:
    case DW_FORM_ADDRX:
    case DW_FORM_LOCLISTX:
    case DW_FORM_RNGLISTX:
      return cursor.uleb();
    case DW_FORM_SDATA:
      return cursor.sleb();
    case DW_FORM_STRING: {
      const { at } = cursor;
      cursor.skipText();
      return at;
    }
    case DW_FORM_BLOCK1:
      return block(cursor, cursor.u8());
    case DW_FORM_BLOCK2:
      return block(cursor, cursor.u16());
    case DW_FORM_BLOCK4:
      return block(cursor, cursor.u32());
    case DW_FORM_BLOCK:
    case DW_FORM_EXPRLOC:
      return block(cursor, cursor.uleb());
    case DW_FORM_DATA16:
      return block(cursor, 16);
    case DW_FORM_STRX3:
    case DW_FORM_ADDRX3:
      return cursor.u24();
    default:
      return cursor.word(fixedBytes(form, sizes));
  }
}

function block(cursor: Cursor, length: number): number {
  const { at } = cursor;
  cursor.take(length);
  return at;
}

/** Moves on over a value. @throws Damaged, Unsupported */
export function skipValue(cursor: Cursor, form: number, sizes: FormSizes): void {
  const bytes = fixedBytes(form, sizes);
  if (bytes >= 0) cursor.take(bytes);
  else readValue(cursor, form, sizes, 0);
}
