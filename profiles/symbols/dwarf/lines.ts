/**
 * Which line of which file machine instructions come from (DWARF 5, section 6.2 "Line Number Information"; DWARF 2 to 4 for the older headers).
 * Invariant: where sequences overlap, as binutils' addr2line has it: the one that begins first keeps its addresses, and one inside another does not count.
 * Differs: rows are not kept, but looked at for the addresses that are asked for. A sequence whose addresses descend, which none may, is left to the tools.
 */
import {
  DW_FORM_STRING,
  DW_LNE_DEFINE_FILE,
  DW_LNE_END_SEQUENCE,
  DW_LNE_SET_ADDRESS,
  DW_LNE_SET_DISCRIMINATOR,
  DW_LNS_ADVANCE_LINE,
  DW_LNS_ADVANCE_PC,
  DW_LNS_CONST_ADD_PC,
  DW_LNS_COPY,
  DW_LNS_FIXED_ADVANCE_PC,
  DW_LNS_NEGATE_STMT,
  DW_LNS_SET_BASIC_BLOCK,
  DW_LNS_SET_COLUMN,
  DW_LNS_SET_FILE,
} from './constants.ts';
import type { Cursor } from './cursor.ts';
import { Damaged, Unsupported } from './cursor.ts';
import {
  type Machine,
  oldName,
  readEntries,
  readMachine,
  readOldFile,
  readOldFiles,
  readOldFolders,
  type SourceFile,
} from './line_header.ts';
import { type Line, Rows } from './rows.ts';
import type { Attribute, Unit } from './unit.ts';

/** The line table of a unit. */
export class LineTable {
  readonly #unit: Unit;
  readonly #folder: string | undefined;
  readonly #version: number;
  readonly #folders: readonly SourceFile[];
  readonly #files: SourceFile[];
  readonly #rows: Rows;
  readonly #paths = new Map<number, string>();

  /**
   * Reads a table.
   * @param offset in .debug_line
   * @param folder where the compiler ran (DW_AT_comp_dir)
   * @param addresses ascending: those that lines can be asked for
   * @throws Damaged, Unsupported
   */
  constructor(unit: Unit, offset: number, folder: string | undefined, addresses: readonly number[]) {
    this.#unit = unit;
    this.#folder = folder;
    const section = unit.file.section('line');
    const lengths = section.cursor(offset, Math.min(section.size, offset + 12));
    const { length, offsetSize } = lengths.unitLength();
    unit.file.spend(length);
    const cursor = section.cursor(lengths.at, lengths.at + length);
    const version = cursor.u16();
    if (version < 2 || version > 5) throw new Unsupported();
    this.#version = version;
    let { addressSize } = unit.header;
    if (version >= 5) {
      addressSize = cursor.u8();
      if (cursor.u8() !== 0) throw new Unsupported();
    }
    const program = cursor.word(offsetSize) + cursor.at;
    const machine = readMachine(cursor, version);
    const sizes = { version, addressSize, offsetSize };
    if (version >= 5) {
      this.#folders = readEntries(cursor, sizes);
      this.#files = readEntries(cursor, sizes);
    } else {
      this.#folders = readOldFolders(cursor);
      this.#files = readOldFiles(cursor);
    }
    if (!(program >= cursor.at && program <= cursor.end)) throw new Damaged();
    cursor.at = program;
    this.#rows = new Rows(addresses);
    this.#run(cursor, machine);
  }

  /** The line of an address that was named at the start; undefined if the table has none. */
  at(address: number): Line | undefined {
    return this.#rows.at(address);
  }

  /** Path of a file by its number. */
  path(number: number): string {
    let path = this.#paths.get(number);
    if (path === undefined) this.#paths.set(number, (path = this.#makePath(number)));
    return path;
  }

  /** Path made of the folder where the compiler ran, the file's folder and its name, as far as these are not absolute; with slashes, also where the compiler has others. */
  #makePath(number: number): string {
    const isNew = this.#version >= 5;
    const file = this.#files[isNew ? number : number - 1];
    const name = this.#text(file?.name);
    if (file === undefined || name === undefined) return '<unknown>';
    if (name.startsWith('/')) return name.replaceAll('\\', '/');
    // Before DWARF 5 folder 0 is the one where the compiler ran; since then it is in the table.
    const within = this.#text(this.#folders[isNew ? file.folder : file.folder - 1]?.name);
    const parts = within?.startsWith('/') === true ? [within, name] : [this.#folder, within, name];
    return parts
      .filter((part) => part !== undefined)
      .join('/')
      .replaceAll('\\', '/');
  }

  /** A name, which may stand in the table itself. */
  #text(name: Attribute | undefined): string | undefined {
    return name?.form === DW_FORM_STRING ? this.#unit.file.section('line').text(name.value) : this.#unit.textOf(name);
  }

  /** Runs the program: a machine with registers, whose instructions make rows (6.2.2, 6.2.5). */
  #run(cursor: Cursor, { step, firstSpecial, addressSteps, lineSteps, operands }: Machine): void {
    const rows = this.#rows;
    const { bytes, start } = cursor;
    // The standard has 1 in all versions; addr2line, which reports are compared with, begins with the unit's own file, which is 0 since DWARF 5.
    const firstFile = this.#version >= 5 ? 0 : 1;
    let address = 0;
    let file = firstFile;
    let line = 1;
    let discriminator = 0;
    // The row before, if there is one in this sequence, and the next address that is asked for.
    let rowAddress = NONE;
    let rowFile = 0;
    let rowLine = 0;
    let rowDiscriminator = 0;
    let wanted = 0;
    for (let i = cursor.at - start; i < bytes.length; ) {
      const code = bytes[i++];
      if (code >= firstSpecial) {
        address += addressSteps[code];
        line += lineSteps[code];
      } else if (code !== DW_LNS_COPY) {
        // Nearly all others have no number behind them, or one of a byte.
        const byte = bytes[i];
        if (byte < 0x80) {
          if (code === DW_LNS_SET_COLUMN) {
            i++;
            continue;
          }
          if (code === DW_LNS_ADVANCE_LINE) {
            line += (byte << 25) >> 25;
            i++;
            continue;
          }
          if (code === DW_LNS_SET_FILE) {
            file = byte;
            i++;
            continue;
          }
        }
        if (code === DW_LNS_NEGATE_STMT) continue;
        cursor.at = start + i;
        switch (code) {
          case 0: {
            const length = cursor.uleb();
            const end = cursor.at + length;
            if (!(length > 0 && end <= cursor.end)) throw new Damaged();
            switch (cursor.u8()) {
              case DW_LNE_END_SEQUENCE:
                if (rowAddress !== NONE) {
                  rows.hold(address, rowFile, rowLine, rowDiscriminator);
                  rows.end(address);
                }
                rowAddress = NONE;
                address = 0;
                file = firstFile;
                line = 1;
                discriminator = 0;
                break;
              case DW_LNE_SET_ADDRESS:
                address = cursor.word(length - 1);
                break;
              case DW_LNE_DEFINE_FILE:
                this.#files.push(readOldFile(cursor, oldName(cursor)));
                break;
              case DW_LNE_SET_DISCRIMINATOR:
                discriminator = cursor.uleb();
                break;
            }
            cursor.at = end;
            break;
          }
          case DW_LNS_ADVANCE_PC:
            address += cursor.uleb() * step;
            break;
          case DW_LNS_ADVANCE_LINE:
            line += cursor.sleb();
            break;
          case DW_LNS_SET_FILE:
            file = cursor.uleb();
            break;
          case DW_LNS_SET_COLUMN:
            cursor.skipLeb();
            break;
          case DW_LNS_SET_BASIC_BLOCK:
            break;
          case DW_LNS_CONST_ADD_PC:
            address += addressSteps[255];
            break;
          case DW_LNS_FIXED_ADVANCE_PC:
            address += cursor.u16();
            break;
          default:
            for (let left = operands[code]; left > 0; left--) cursor.skipLeb();
        }
        i = cursor.at - start;
        continue;
      }
      // A row.
      if (rowAddress === NONE) wanted = rows.begin(address);
      else if (!(address >= rowAddress)) throw new Unsupported();
      else if (address > wanted) wanted = rows.hold(address, rowFile, rowLine, rowDiscriminator);
      rowAddress = address;
      rowFile = file;
      rowLine = line;
      rowDiscriminator = discriminator;
      discriminator = 0;
    }
    // Rows that no instruction has ended hold up to the last of them.
    if (rowAddress !== NONE) rows.end(rowAddress);
    rows.finish();
  }
}

/** No address. */
const NONE = -1;
