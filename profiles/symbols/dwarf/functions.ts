/**
 * Functions of a unit that hold addresses, with those that they are inlined into (DWARF 5, sections 3.3 "Subroutine and Entry Point Entries",
 * 3.3.8 "Inlined Subroutines"; the choice among several as binutils' addr2line: the shortest range, of equal ones the later entry).
 * Invariant: `caller` is the function entry that the inlined one stands in. Entries are passed in the order of the file, one after the other.
 * Differs from a whole reading: what stands inside types, and inside functions that hold none of the addresses, is passed over where a reference
 * to the next sibling allows it. If an address that has a line is found in no function then, all entries are looked at.
 */
import type { Abbreviation } from './abbreviations.ts';
import {
  DW_FORM_ADDR,
  DW_TAG_ARRAY_TYPE,
  DW_TAG_CALL_SITE,
  DW_TAG_CLASS_TYPE,
  DW_TAG_ENUMERATION_TYPE,
  DW_TAG_GNU_CALL_SITE,
  DW_TAG_INLINED_SUBROUTINE,
  DW_TAG_INTERFACE_TYPE,
  DW_TAG_STRUCTURE_TYPE,
  DW_TAG_SUBROUTINE_TYPE,
  DW_TAG_UNION_TYPE,
} from './constants.ts';
import { type Cursor, Damaged } from './cursor.ts';

import { readValue, skipValue } from './forms.ts';
import { firstFrom } from '../../../core/trace/search.ts';
import { type Ranges, rangeList } from './ranges.ts';
import { isAddress, type Unit } from './unit.ts';

/** A function, or one inlined into another. */
export interface FunctionEntry {
  /** Offset of its entry in .debug_info. */
  readonly offset: number;
  /** The function that it was inlined into. */
  readonly caller: FunctionEntry | undefined;
}

/**
 * The innermost function that holds each address, undefined where none does.
 * @param addresses ascending
 * @param inSource whether an address has a line: where it has none, as between functions and in those of other languages, not all entries are looked at
 * @throws Damaged, Unsupported
 */
export function functionsHolding(
  unit: Unit,
  addresses: readonly number[],
  inSource: (address: number) => boolean,
): (FunctionEntry | undefined)[] {
  const found = search(unit, addresses, true);
  const left = addresses.filter((address, i) => found[i] === undefined && inSource(address));
  if (left.length === 0) return found;
  const all = new Map(search(unit, left, false).map((entry, i) => [left[i], entry]));
  return found.map((entry, i) => entry ?? all.get(addresses[i]));
}

function search(unit: Unit, addresses: readonly number[], quick: boolean): (FunctionEntry | undefined)[] {
  const { cursor, header, abbreviations } = unit;
  const { bytes, start } = cursor;
  const found: (FunctionEntry | undefined)[] = addresses.map(() => undefined);
  const lengths = new Float64Array(addresses.length).fill(Number.POSITIVE_INFINITY);
  const values = new Values(unit);
  /** The function around the entries at each depth. */
  const around: (FunctionEntry | undefined)[] = [undefined];
  for (let i = header.first - start; around.length > 0 && i < bytes.length; ) {
    const offset = start + i;
    let code = bytes[i++];
    if (code >= 0x80) {
      cursor.at = offset;
      code = cursor.uleb();
      i = cursor.at - start;
    }
    if (code === 0) {
      around.pop();
      continue;
    }
    const shape = abbreviations[code];
    if (shape === undefined) throw new Damaged();
    const { tag, hasChildren, isFunction } = shape;
    if (!isFunction && !hasChildren && shape.length >= 0) {
      i += shape.length;
      continue;
    }
    i = values.pass(shape, i);
    if (!isFunction) {
      if (!hasChildren) continue;
      const sibling = quick && isAside(tag) ? values.sibling(i) : 0;
      if (sibling > 0) i = sibling;
      else around.push(around[around.length - 1]);
      continue;
    }
    const ranges = values.ranges();
    const holds = holdsAny(ranges, addresses);
    const sibling = hasChildren && quick && !holds ? values.sibling(i) : 0;
    if (sibling > 0) {
      i = sibling;
    } else if (holds || hasChildren) {
      const entry: FunctionEntry = { offset, caller: tag === DW_TAG_INLINED_SUBROUTINE ? around[around.length - 1] : undefined };
      if (holds) keep(entry, ranges, addresses, found, lengths);
      if (hasChildren) around.push(entry);
    }
  }
  return found;
}

/** True for entries that no code stands in, as a rule. */
function isAside(tag: number): boolean {
  switch (tag) {
    case DW_TAG_ARRAY_TYPE:
    case DW_TAG_CALL_SITE:
    case DW_TAG_CLASS_TYPE:
    case DW_TAG_ENUMERATION_TYPE:
    case DW_TAG_GNU_CALL_SITE:
    case DW_TAG_INTERFACE_TYPE:
    case DW_TAG_STRUCTURE_TYPE:
    case DW_TAG_SUBROUTINE_TYPE:
    case DW_TAG_UNION_TYPE:
      return true;
    default:
      return false;
  }
}

/** True if one of some addresses (ascending) is in the ranges. */
function holdsAny(ranges: Ranges, addresses: readonly number[]): boolean {
  for (let k = 0; k < ranges.length; k += 2) if (addresses[firstFrom(addresses, ranges[k])] < ranges[k + 1]) return true;
  return false;
}

/** Notes a function at the addresses that it holds, where it is the best so far. */
function keep(
  entry: FunctionEntry,
  ranges: Ranges,
  addresses: readonly number[],
  found: (FunctionEntry | undefined)[],
  lengths: Float64Array,
): void {
  for (let k = 0; k < ranges.length; k += 2) {
    const length = ranges[k + 1] - ranges[k];
    for (let i = firstFrom(addresses, ranges[k]); addresses[i] < ranges[k + 1]; i++) {
      if (length > lengths[i]) continue;
      found[i] = entry;
      lengths[i] = length;
    }
  }
}

/** The attributes of one entry after the other that say where it is, and where its next sibling. Places are indices in the unit's bytes. */
class Values {
  readonly #unit: Unit;
  readonly #cursor: Cursor;
  readonly #view: DataView;
  /** The present entry: its abbreviation, where its attributes begin, and where those of them are that do not lie at a fixed distance. */
  #shape: Abbreviation | undefined;
  #first = 0;
  readonly #places: number[] = [];
  /** The range of a function that has one: no list is made for each. */
  readonly #range = [0, 0];

  constructor(unit: Unit) {
    this.#unit = unit;
    this.#cursor = unit.cursor;
    const { buffer, byteOffset, byteLength } = this.#cursor.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** Takes the next entry. @param first place of its attributes. @returns the place behind them */
  pass(shape: Abbreviation, first: number): number {
    this.#shape = shape;
    this.#first = first;
    if (shape.length >= 0) return first + shape.length;
    const { forms, offsets } = shape;
    const cursor = this.#cursor;
    const fixed = offsets.length - 1;
    cursor.at = cursor.start + first + offsets[fixed];
    for (let i = fixed; i < forms.length; i++) {
      this.#places[i] = cursor.at;
      skipValue(cursor, forms[i], this.#unit.header);
    }
    return cursor.at - cursor.start;
  }

  /** Place of the entry's next sibling; 0 if it does not say it. @param end of the entry: siblings come behind, otherwise the search would not end */
  sibling(end: number): number {
    const i = this.#shape?.sibling ?? -1;
    if (i < 0) return 0;
    const place = this.#value(i) - (this.#cursor.start - this.#unit.header.offset);
    return place > end ? place : 0;
  }

  /** The ranges of a function, until the next one's are asked for; none for one that is only declared, or inlined everywhere. */
  ranges(): Ranges {
    const { low, high, ranges, forms } = this.#shape as Abbreviation;
    if (ranges >= 0) return rangeList(this.#unit, { form: forms[ranges], value: this.#value(ranges) });
    if (low < 0 || high < 0) return NOWHERE;
    const start = forms[low] === DW_FORM_ADDR ? this.#value(low) : this.#unit.addressOf({ form: forms[low], value: this.#value(low) });
    const end = isAddress(forms[high]) ? this.#unit.addressOf({ form: forms[high], value: this.#value(high) }) : start + this.#value(high);
    this.#range[0] = start;
    this.#range[1] = end;
    return end > start ? this.#range : NOWHERE;
  }

  /** Value of an attribute by its number. */
  #value(i: number): number {
    const { forms, constants, offsets } = this.#shape as Abbreviation;
    const cursor = this.#cursor;
    if (i + 1 < offsets.length) {
      const place = this.#first + offsets[i];
      if (offsets[i + 1] - offsets[i] === 4) return this.#view.getUint32(place, cursor.little);
      cursor.at = cursor.start + place;
    } else cursor.at = this.#places[i];
    return readValue(cursor, forms[i], this.#unit.header, constants[i]);
  }
}

const NOWHERE: Ranges = [];
