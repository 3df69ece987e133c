/**
 * The debug information of a file: its sections, and its units by their place (DWARF 5, section 7.5.1 "Unit Headers").
 * Invariant: a unit and a table of abbreviations are read once; a header says where the next one is, and damaged ones end the search.
 * What is read is counted: a damaged file whose parts all refer to the same large one does not take longer than its size accounts for.
 */
import type { ElfImage } from '../elf.ts';
import { type Abbreviations, readAbbreviations } from './abbreviations.ts';
import { DW_UT_COMPILE, DW_UT_PARTIAL, DW_UT_SKELETON, DW_UT_TYPE } from './constants.ts';
import { Damaged, Unsupported } from './cursor.ts';
import type { FormSizes } from './forms.ts';
import { firstFrom } from '../../../core/trace/search.ts';
import { DebugSection } from './sections.ts';
import { Unit } from './unit.ts';

type SectionName = 'abbrev' | 'addr' | 'aranges' | 'info' | 'line' | 'line_str' | 'ranges' | 'rnglists' | 'str' | 'str_offsets';

/** What comes before the entries of a unit. */
export interface UnitHeader extends FormSizes {
  /** Offsets in .debug_info: of the header, of the first entry, and behind the unit. */
  readonly offset: number;
  readonly first: number;
  readonly end: number;
  /** DW_UT_compile and the like. */
  readonly type: number;
  /** Offset in .debug_abbrev. */
  readonly abbreviations: number;
}

/** Sections whose reading is counted. */
const COUNTED: readonly SectionName[] = ['abbrev', 'aranges', 'info', 'line', 'ranges', 'rnglists'];
/** Longest header: 64-bit DWARF 5, of a type unit. */
const HEADER_BYTES = 40;
/** Bytes of a unit's length, at most. */
const LENGTH_BYTES = 12;
/** Bytes that may be read: each of a file's several times, as of tables that units share. */
const READINGS = 8;
const LEAST_READ = 1 << 24;
const MOST_READ = 1 << 30;

/** A file with debug information. */
export class DebugFile {
  readonly #image: ElfImage;
  readonly #openAlternate: () => DebugFile | undefined;
  readonly #sections = new Map<SectionName, DebugSection>();
  readonly #units = new Map<number, Unit>();
  readonly #abbreviations = new Map<string, Abbreviations>();
  /** Offsets of the units passed so far on the way to references, ascending, and where the next one is. */
  readonly #passed: number[] = [];
  #next = 0;
  /** Bytes that may still be read. */
  #left: number | undefined;

  /** @param openAlternate finds the file that parts of this one have been moved to, for others to share (.gnu_debugaltlink, .debug_sup) */
  constructor(image: ElfImage, openAlternate: () => DebugFile | undefined) {
    this.#image = image;
    this.#openAlternate = openAlternate;
  }

  /** A section, empty if the file has none of the name. @throws Damaged, Unsupported */
  section(name: SectionName): DebugSection {
    let section = this.#sections.get(name);
    if (section === undefined) this.#sections.set(name, (section = DebugSection.of(this.#image, name)));
    return section;
  }

  /** The file with shared parts. @throws Unsupported if it is not here */
  get alternate(): DebugFile {
    const file = this.#openAlternate();
    if (file === undefined) throw new Unsupported();
    return file;
  }

  /** Counts bytes that are read. @throws Unsupported for more than a file takes that is whole */
  spend(bytes: number): void {
    this.#left ??= Math.min(MOST_READ, LEAST_READ + READINGS * COUNTED.reduce((sum, name) => sum + this.section(name).size, 0));
    this.#left -= bytes;
    if (this.#left < 0) throw new Unsupported();
  }

  /** Offsets of all units, in their order. @throws Damaged, Unsupported at a header that leads nowhere */
  *offsets(): Generator<number> {
    const { size } = this.section('info');
    for (let offset = 0; offset < size; offset = this.#end(offset)) yield offset;
  }

  /** Where a unit ends, and the next one begins. */
  #end(offset: number): number {
    const info = this.section('info');
    const cursor = info.cursor(offset, Math.min(info.size, offset + LENGTH_BYTES));
    const { length } = cursor.unitLength();
    return cursor.at + length;
  }

  /** The header at an offset of .debug_info. @throws Damaged, Unsupported */
  header(offset: number): UnitHeader {
    const info = this.section('info');
    const cursor = info.cursor(offset, Math.min(info.size, offset + HEADER_BYTES));
    const { length, offsetSize } = cursor.unitLength();
    const end = cursor.at + length;
    const version = cursor.u16();
    if (!(end <= info.size)) throw new Damaged();
    if (version < 2 || version > 5) throw new Unsupported();
    if (version < 5) {
      const abbreviations = cursor.word(offsetSize);
      const addressSize = cursor.u8();
      return { offset, first: cursor.at, end, version, type: DW_UT_COMPILE, offsetSize, addressSize, abbreviations };
    }
    const type = cursor.u8();
    const addressSize = cursor.u8();
    const abbreviations = cursor.word(offsetSize);
    // A type's signature and place, or the number of a split unit.
    const more = type === DW_UT_TYPE ? 8 + offsetSize : type === DW_UT_COMPILE || type === DW_UT_PARTIAL ? 0 : 8;
    if (type > DW_UT_SKELETON) throw new Unsupported();
    return { offset, first: cursor.at + more, end, version, type, offsetSize, addressSize, abbreviations };
  }

  /** The unit whose header is at an offset of .debug_info. @throws Damaged, Unsupported */
  unit(offset: number): Unit {
    let unit = this.#units.get(offset);
    if (unit === undefined) this.#units.set(offset, (unit = new Unit(this, this.header(offset))));
    return unit;
  }

  /** The unit that an offset of .debug_info lies in. @throws Damaged, Unsupported */
  unitHolding(offset: number): Unit {
    const passed = this.#passed;
    while (this.#next <= offset) {
      passed.push(this.#next);
      this.#next = this.#end(this.#next);
    }
    return this.unit(passed[firstFrom(passed, offset + 1) - 1]);
  }

  /** The table of abbreviations of a unit. @throws Damaged, Unsupported */
  abbreviations({ abbreviations: offset, version, addressSize, offsetSize }: UnitHeader): Abbreviations {
    const key = `${offset} ${version} ${addressSize} ${offsetSize}`;
    let table = this.#abbreviations.get(key);
    if (table === undefined) {
      table = this.section('abbrev').from(offset, (cursor) => {
        const read = readAbbreviations(cursor, { version, addressSize, offsetSize });
        this.spend(cursor.at - cursor.start);
        return read;
      });
      this.#abbreviations.set(key, table);
    }
    return table;
  }
}
