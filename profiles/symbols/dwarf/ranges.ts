/**
 * Lists of address ranges (DWARF 5, sections 2.17.3 "Non-Contiguous Address Ranges", 7.25; DWARF 4, section 2.17.3 for .debug_ranges).
 * Invariant: no range is empty, and one that begins where another ends is one with it.
 */
import {
  DW_FORM_RNGLISTX,
  DW_RLE_BASE_ADDRESS,
  DW_RLE_BASE_ADDRESSX,
  DW_RLE_END_OF_LIST,
  DW_RLE_OFFSET_PAIR,
  DW_RLE_START_END,
  DW_RLE_START_LENGTH,
  DW_RLE_STARTX_ENDX,
  DW_RLE_STARTX_LENGTH,
} from './constants.ts';
import { firstFrom } from '../../../core/trace/search.ts';
import type { Cursor } from './cursor.ts';
import { Damaged } from './cursor.ts';
import type { Attribute, Unit } from './unit.ts';

/** First address and the one behind the last, of one range after the other. */
export type Ranges = readonly number[];

/** The list that a `DW_AT_ranges` refers to. @throws Damaged, Unsupported */
export function rangeList(unit: Unit, { form, value }: Attribute): Ranges {
  const { file, header } = unit;
  const isOld = header.version < 5;
  const offset = form === DW_FORM_RNGLISTX ? unit.indexedRanges(value) : value;
  return file.section(isOld ? 'ranges' : 'rnglists').from(offset, (cursor) => {
    const ranges = isOld ? pairs(unit, cursor) : entries(unit, cursor);
    file.spend(cursor.at - cursor.start);
    return ranges;
  });
}

/** A list of .debug_ranges: two addresses each, two zeros at its end, and a highest address before a new base. */
function pairs({ header: { addressSize }, baseAddress }: Unit, cursor: Cursor): Ranges {
  const highest = addressSize === 8 ? 2 ** 64 : 2 ** (8 * addressSize) - 1;
  const ranges: number[] = [];
  let base = baseAddress;
  for (;;) {
    const low = cursor.word(addressSize);
    const high = cursor.word(addressSize);
    if (low === 0 && high === 0) return ranges;
    if (low === highest) base = high;
    else add(ranges, base + low, base + high);
  }
}

/** A list of .debug_rnglists: entries of several kinds. */
function entries(unit: Unit, cursor: Cursor): Ranges {
  const { addressSize } = unit.header;
  const ranges: number[] = [];
  let base = unit.baseAddress;
  for (;;) {
    const kind = cursor.u8();
    switch (kind) {
      case DW_RLE_END_OF_LIST:
        return ranges;
      case DW_RLE_BASE_ADDRESSX:
        base = unit.indexedAddress(cursor.uleb());
        break;
      case DW_RLE_BASE_ADDRESS:
        base = cursor.word(addressSize);
        break;
      case DW_RLE_OFFSET_PAIR: {
        const low = base + cursor.uleb();
        add(ranges, low, base + cursor.uleb());
        break;
      }
      case DW_RLE_STARTX_ENDX: {
        const low = unit.indexedAddress(cursor.uleb());
        add(ranges, low, unit.indexedAddress(cursor.uleb()));
        break;
      }
      case DW_RLE_STARTX_LENGTH: {
        const low = unit.indexedAddress(cursor.uleb());
        add(ranges, low, low + cursor.uleb());
        break;
      }
      case DW_RLE_START_END: {
        const low = cursor.word(addressSize);
        add(ranges, low, cursor.word(addressSize));
        break;
      }
      case DW_RLE_START_LENGTH: {
        const low = cursor.word(addressSize);
        add(ranges, low, low + cursor.uleb());
        break;
      }
      default:
        throw new Damaged();
    }
  }
}

/** Adds a range, to the one before if they touch. */
function add(ranges: number[], low: number, high: number): void {
  if (!(high > low)) return;
  const last = ranges.length - 1;
  if (last > 0 && ranges[last] === low) ranges[last] = high;
  else ranges.push(low, high);
}

/** Those of some addresses (ascending) that lie in the ranges. */
export function within(ranges: Ranges, addresses: readonly number[]): number[] {
  const found: number[] = [];
  for (let k = 0; k < ranges.length; k += 2) {
    for (let i = firstFrom(addresses, ranges[k]); addresses[i] < ranges[k + 1]; i++) found.push(addresses[i]);
  }
  // Ranges may be in any order, and overlap where they are damaged.
  return ranges.length === 2 ? found : [...new Set(found)].sort((a, b) => a - b);
}
