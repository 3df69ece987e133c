/**
 * A unit: its entries, and what values in them refer to (DWARF 5, sections 3.1 "Unit Entries", 7.5.1; 7.26 and 7.27 for tables of strings and addresses).
 * Invariant: an entry is named by its offset in .debug_info; references lead to entries of this file or of its alternate, or are `Damaged`.
 */
import type { Abbreviation, Abbreviations } from './abbreviations.ts';
import {
  DW_AT_ADDR_BASE,
  DW_AT_DWO_NAME,
  DW_AT_GNU_DWO_NAME,
  DW_AT_HIGH_PC,
  DW_AT_LANGUAGE,
  DW_AT_LOW_PC,
  DW_AT_RANGES,
  DW_AT_RNGLISTS_BASE,
  DW_AT_STR_OFFSETS_BASE,
  DW_FORM_ADDR,
  DW_FORM_ADDRX,
  DW_FORM_ADDRX1,
  DW_FORM_ADDRX2,
  DW_FORM_ADDRX3,
  DW_FORM_ADDRX4,
  DW_FORM_GNU_REF_ALT,
  DW_FORM_GNU_STRP_ALT,
  DW_FORM_LINE_STRP,
  DW_FORM_REF1,
  DW_FORM_REF2,
  DW_FORM_REF4,
  DW_FORM_REF8,
  DW_FORM_REF_ADDR,
  DW_FORM_REF_SUP4,
  DW_FORM_REF_SUP8,
  DW_FORM_REF_UDATA,
  DW_FORM_STRING,
  DW_FORM_STRP,
  DW_FORM_STRP_SUP,
  DW_FORM_STRX,
  DW_FORM_STRX1,
  DW_FORM_STRX2,
  DW_FORM_STRX3,
  DW_FORM_STRX4,
  DW_UT_SKELETON,
} from './constants.ts';
import type { Cursor } from './cursor.ts';
import { Damaged, Unsupported } from './cursor.ts';
import type { DebugFile, UnitHeader } from './file.ts';
import { type FormSizes, readValue, skipValue } from './forms.ts';
import type { Ranges } from './ranges.ts';
import { rangeList } from './ranges.ts';

/** An attribute as it is written: what the value means, its form says. */
export interface Attribute {
  readonly form: number;
  readonly value: number;
}

/** An entry, whose attributes are read when they are asked for. */
export class Entry {
  readonly #shape: Abbreviation;
  readonly #cursor: Cursor;
  readonly #sizes: FormSizes;
  /** Where its attributes begin. */
  readonly #first: number;

  /** @param cursor stands before the attributes */
  constructor(shape: Abbreviation, cursor: Cursor, sizes: FormSizes) {
    this.#shape = shape;
    this.#cursor = cursor;
    this.#sizes = sizes;
    this.#first = cursor.at;
  }

  /** An attribute; undefined if the entry does not have it. @throws Damaged */
  get(name: number): Attribute | undefined {
    const { names, forms, constants, offsets } = this.#shape;
    const i = names.indexOf(name);
    if (i < 0) return undefined;
    const cursor = this.#cursor;
    // As far as it is known how long the attributes before are.
    const known = Math.min(i, offsets.length - 1);
    cursor.at = this.#first + offsets[known];
    for (let k = known; k < i; k++) skipValue(cursor, forms[k], this.#sizes);
    return { form: forms[i], value: readValue(cursor, forms[i], this.#sizes, constants[i]) };
  }

  /** An attribute's value; undefined if the entry does not have it. @throws Damaged */
  value(name: number): number | undefined {
    return this.get(name)?.value;
  }
}

/** Where an entry is. */
export interface EntryPlace {
  readonly unit: Unit;
  /** In .debug_info of the unit's file. */
  readonly offset: number;
}

export class Unit {
  readonly file: DebugFile;
  readonly header: UnitHeader;
  readonly abbreviations: Abbreviations;
  /** The entry of the unit itself. */
  readonly root: Entry;
  /** DW_LANG_C and the like, 0 if it is not known. */
  readonly language: number;
  /** What addresses in its lists of ranges are relative to. */
  readonly baseAddress: number;
  /** The unit's other entries are in another file. */
  readonly isSplit: boolean;
  #cursor: Cursor | undefined;

  /** Use `DebugFile.unit`. @throws Damaged, Unsupported */
  constructor(file: DebugFile, header: UnitHeader) {
    this.file = file;
    this.header = header;
    this.abbreviations = file.abbreviations(header);
    // The first entry is short, and the unit is not: it is read when it is found to be of use.
    this.root = file.section('info').from(header.first, (cursor) => {
      const shape = this.abbreviation(cursor.uleb());
      const root = new Entry(shape, cursor, header);
      for (let i = 0; i < shape.forms.length; i++) skipValue(cursor, shape.forms[i], header);
      return root;
    });
    this.language = this.root.value(DW_AT_LANGUAGE) ?? 0;
    this.isSplit =
      header.type === DW_UT_SKELETON || this.root.get(DW_AT_DWO_NAME) !== undefined || this.root.get(DW_AT_GNU_DWO_NAME) !== undefined;
    const low = this.root.get(DW_AT_LOW_PC);
    this.baseAddress = low === undefined ? 0 : this.addressOf(low);
  }

  /** All of the unit's bytes. */
  get cursor(): Cursor {
    const { offset, end } = this.header;
    if (this.#cursor === undefined) {
      this.file.spend(end - offset);
      this.#cursor = this.file.section('info').cursor(offset, end);
    }
    return this.#cursor;
  }

  /** The entry at an offset. @throws Damaged, Unsupported */
  entry(offset: number): Entry {
    const { cursor } = this;
    cursor.at = offset;
    return new Entry(this.abbreviation(cursor.uleb()), cursor, this.header);
  }

  /** @throws Damaged */
  abbreviation(code: number): Abbreviation {
    const abbreviation = this.abbreviations[code];
    if (abbreviation === undefined) throw new Damaged();
    return abbreviation;
  }

  /** The address ranges that the unit, a function or a block says it has: `DW_AT_ranges`, or `DW_AT_low_pc` with `DW_AT_high_pc` (2.17). */
  rangesOf(entry: Entry): Ranges {
    const ranges = entry.get(DW_AT_RANGES);
    if (ranges !== undefined) return rangeList(this, ranges);
    const low = entry.get(DW_AT_LOW_PC);
    const last = entry.get(DW_AT_HIGH_PC);
    if (low === undefined || last === undefined) return [];
    const start = this.addressOf(low);
    const end = isAddress(last.form) ? this.addressOf(last) : start + last.value;
    return end > start ? [start, end] : [];
  }

  /** An address, which may be an index in .debug_addr. @throws Damaged for another form */
  addressOf({ form, value }: Attribute): number {
    if (form === DW_FORM_ADDR) return value;
    if (!isAddress(form)) throw new Damaged();
    return this.indexedAddress(value);
  }

  /** Address of an index in .debug_addr. */
  indexedAddress(index: number): number {
    const { addressSize, offsetSize } = this.header;
    return this.#tableWord('addr', DW_AT_ADDR_BASE, 2 * offsetSize, index, addressSize);
  }

  /** Offset in .debug_rnglists of an index (7.28). */
  indexedRanges(index: number): number {
    const { offsetSize } = this.header;
    const head = offsetSize === 8 ? 20 : 12;
    const base = this.root.value(DW_AT_RNGLISTS_BASE) ?? head;
    return base + this.#tableWord('rnglists', DW_AT_RNGLISTS_BASE, head, index, offsetSize);
  }

  /** An element of a table that the unit says where it begins; without saying, behind a header at the start of the section. */
  #tableWord(name: 'addr' | 'rnglists' | 'str_offsets', baseName: number, head: number, index: number, bytes: number): number {
    const at = (this.root.value(baseName) ?? head) + index * bytes;
    return this.file
      .section(name)
      .cursor(at, at + bytes)
      .word(bytes);
  }

  /** A text, undefined for a form that is none. */
  textOf(attribute: Attribute | undefined): string | undefined {
    if (attribute === undefined) return undefined;
    const { form, value } = attribute;
    switch (form) {
      case DW_FORM_STRING: {
        const { cursor } = this;
        cursor.at = value;
        return cursor.text();
      }
      case DW_FORM_STRP:
        return this.file.section('str').text(value);
      case DW_FORM_LINE_STRP:
        return this.file.section('line_str').text(value);
      case DW_FORM_STRX:
      case DW_FORM_STRX1:
      case DW_FORM_STRX2:
      case DW_FORM_STRX3:
      case DW_FORM_STRX4: {
        const { offsetSize } = this.header;
        const offset = this.#tableWord('str_offsets', DW_AT_STR_OFFSETS_BASE, 2 * offsetSize, value, offsetSize);
        return this.file.section('str').text(offset);
      }
      case DW_FORM_GNU_STRP_ALT:
      case DW_FORM_STRP_SUP:
        return this.file.alternate.section('str').text(value);
      default:
        return undefined;
    }
  }

  /** The entry that an attribute refers to. @throws Damaged, Unsupported */
  refersTo({ form, value }: Attribute): EntryPlace {
    switch (form) {
      case DW_FORM_REF1:
      case DW_FORM_REF2:
      case DW_FORM_REF4:
      case DW_FORM_REF8:
      case DW_FORM_REF_UDATA:
        return { unit: this, offset: this.header.offset + value };
      case DW_FORM_REF_ADDR:
        return { unit: this.file.unitHolding(value), offset: value };
      case DW_FORM_GNU_REF_ALT:
      case DW_FORM_REF_SUP4:
      case DW_FORM_REF_SUP8:
        return { unit: this.file.alternate.unitHolding(value), offset: value };
      default:
        throw new Unsupported();
    }
  }
}

/** True for forms of addresses. */
export function isAddress(form: number): boolean {
  switch (form) {
    case DW_FORM_ADDR:
    case DW_FORM_ADDRX:
    case DW_FORM_ADDRX1:
    case DW_FORM_ADDRX2:
    case DW_FORM_ADDRX3:
    case DW_FORM_ADDRX4:
      return true;
    default:
      return false;
  }
}
