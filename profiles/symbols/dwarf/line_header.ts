/**
 * What comes before the program of a line table: how its machine works, and the files that it tells of (DWARF 5, section 6.2.4; DWARF 2 to 4: two lists of texts).
 * Invariant: names are not read here, but where they are.
 */
import { DW_FORM_STRING, DW_LNCT_DIRECTORY_INDEX, DW_LNCT_PATH } from './constants.ts';
import { type Cursor, Damaged, Unsupported } from './cursor.ts';
import { type FormSizes, readValue } from './forms.ts';
import type { Attribute } from './unit.ts';

/** A file or folder: where its name is, and the number of its folder. */
export interface SourceFile {
  readonly name: Attribute | undefined;
  readonly folder: number;
}

/** What the header says of the machine. */
export interface Machine {
  /** Bytes that addresses are counted in. */
  readonly step: number;
  /** Instructions from this one on are special: each moves address and line on, and makes a row. */
  readonly firstSpecial: number;
  /** Special instruction -> bytes, and lines. */
  readonly addressSteps: Int32Array;
  readonly lineSteps: Int32Array;
  /** Instruction -> numbers behind it. */
  readonly operands: readonly number[];
}

export function readMachine(cursor: Cursor, version: number): Machine {
  const step = cursor.u8();
  // Several operations in an instruction: processors that no program here runs on.
  if (version >= 4 && cursor.u8() !== 1) throw new Unsupported();
  cursor.take(1);
  const base = (cursor.u8() << 24) >> 24;
  const range = cursor.u8();
  if (range === 0) throw new Damaged();
  const firstSpecial = cursor.u8();
  const operands = [0];
  for (let code = 1; code < firstSpecial; code++) operands.push(cursor.u8());
  return { step, firstSpecial, ...stepsOf(step, base, range, firstSpecial), operands };
}

type Steps = Pick<Machine, 'addressSteps' | 'lineSteps'>;

/** Steps of machines that were read: compilers have one or two. */
const knownSteps = new Map<string, Steps>();

/** What special instructions do: for each step of the address all changes of the line (6.2.5.1). */
function stepsOf(step: number, base: number, range: number, firstSpecial: number): Steps {
  const key = `${step} ${base} ${range} ${firstSpecial}`;
  const known = knownSteps.get(key);
  if (known !== undefined) return known;
  const addressSteps = new Int32Array(256);
  const lineSteps = new Int32Array(256);
  for (let code = firstSpecial, lines = 0, addresses = 0; code < 256; code++) {
    addressSteps[code] = addresses;
    lineSteps[code] = base + lines;
    if (++lines === range) {
      lines = 0;
      addresses += step;
    }
  }
  const steps = { addressSteps, lineSteps };
  if (knownSteps.size < MOST_MACHINES) knownSteps.set(key, steps);
  return steps;
}

/** More are only in damaged files. */
const MOST_MACHINES = 16;

/** Folders or files of DWARF 5: descriptions of their fields, then the fields (6.2.4.1). */
export function readEntries(cursor: Cursor, sizes: FormSizes): SourceFile[] {
  const kinds: number[] = [];
  const forms: number[] = [];
  for (let left = cursor.u8(); left > 0; left--) {
    kinds.push(cursor.uleb());
    forms.push(cursor.uleb());
  }
  const count = cursor.uleb();
  if (count > 0 && (kinds.length === 0 || count > cursor.end - cursor.at)) throw new Damaged();
  const entries: SourceFile[] = [];
  for (let i = 0; i < count; i++) {
    let name: Attribute | undefined;
    let folder = 0;
    for (let k = 0; k < kinds.length; k++) {
      const value = readValue(cursor, forms[k], sizes, 0);
      if (kinds[k] === DW_LNCT_PATH) name = { form: forms[k], value };
      else if (kinds[k] === DW_LNCT_DIRECTORY_INDEX) folder = value;
    }
    entries.push({ name, folder });
  }
  return entries;
}

/** Folders up to DWARF 4: texts, and an empty one at the end. */
export function readOldFolders(cursor: Cursor): SourceFile[] {
  const folders: SourceFile[] = [];
  for (let name = oldName(cursor); name !== undefined; name = oldName(cursor)) folders.push({ name, folder: 0 });
  return folders;
}

/** Files up to DWARF 4, and an empty name at the end. */
export function readOldFiles(cursor: Cursor): SourceFile[] {
  const files: SourceFile[] = [];
  for (let name = oldName(cursor); name !== undefined; name = oldName(cursor)) files.push(readOldFile(cursor, name));
  return files;
}

/** What stands behind a file's name: its folder, time and length. */
export function readOldFile(cursor: Cursor, name: Attribute | undefined): SourceFile {
  const folder = cursor.uleb();
  cursor.skipLeb();
  cursor.skipLeb();
  return { name, folder };
}

/** Where the next text is; undefined for an empty one. */
export function oldName(cursor: Cursor): Attribute | undefined {
  const { at } = cursor;
  cursor.skipText();
  return cursor.at === at + 1 ? undefined : { form: DW_FORM_STRING, value: at };
}
