/**
 * Writes one document as compact JSON or as text (jemalloc 5.3.0, include/jemalloc/internal/emitter.h and buf_writer.h).
 * Invariant: what reaches `write` are chunks of exactly 65535 bytes and a last one, never empty unless the document is.
 * Differs: whoever uses it says each thing once, for JSON, for text or for both; keys may repeat, so no object is ever built.
 */
import { fromByteString } from '../conf/byte_string.ts';
import type { Bytes } from '../units.ts';

/** Takes a piece of the document. */
export type StatsWrite = (chunk: Uint8Array) => void;

/** A value of the document. Strings are byte strings and are quoted. */
export type EmitValue = number | bigint | boolean | string;

/** A column of a table: its width in characters (0: as wide as its text) and its side. A longer text pushes the row. */
export interface Column {
  width: number;
  left?: boolean;
}

/** Bytes of the buffer that a print allocates (STATS_PRINT_BUFSIZE, jemalloc.c), and how many of them it fills before it hands them over. */
export const BUFFER_BYTES = 65536 as Bytes;
const CHUNK_BYTES = BUFFER_BYTES - 1;
/** Characters of a quoted string that are printed (BUF_SIZE of emitter_print_value, less the NUL); the closing quote may be among those that are not. */
const STRING_MAX = 255;

/** The decimal digits of a counter, also above 2^53. */
export function decimal(value: number | bigint): string {
  return typeof value === 'number' && value > Number.MAX_SAFE_INTEGER ? BigInt(value).toString() : value.toString();
}

function format(value: EmitValue): string {
  return typeof value === 'string' ? `"${value}"`.slice(0, STRING_MAX) : typeof value === 'boolean' ? String(value) : decimal(value);
}

/** The writer of one document. */
export class Emitter {
  /** Whether it writes JSON; else text. */
  readonly json: boolean;
  readonly #write: StatsWrite;
  #buffer = '';
  /** Whether an item stands before the next one in the same JSON object or array. */
  #itemBefore = false;
  #keyGiven = false;
  #depth = 0;

  constructor(json: boolean, write: StatsWrite) {
    this.json = json;
    this.#write = write;
    if (json) this.#open('{');
  }

  /** Ends the document and hands over the last chunk. */
  end(): void {
    if (this.json) this.#close('}');
    this.#write(fromByteString(this.#buffer));
    this.#buffer = '';
  }

  /** A key with its value: `"key":value` in JSON, `tableKey: value (noteKey: note)` in text. */
  kv(jsonKey: string, tableKey: string, value: EmitValue, noteKey?: string, note?: EmitValue): void {
    if (this.json) {
      this.jsonKv(jsonKey, value);
      return;
    }
    const suffix = noteKey === undefined || note === undefined ? '' : ` (${noteKey}: ${format(note)})`;
    this.#put(`${'  '.repeat(this.#depth)}${tableKey}: ${format(value)}${suffix}\n`);
  }

  /** An object in JSON, an indented paragraph in text. */
  dictBegin(jsonKey: string, header: string): void {
    if (this.json) {
      this.jsonObjectBegin(jsonKey);
    } else {
      this.#put(`${'  '.repeat(this.#depth)}${header}\n`);
      this.#depth++;
    }
  }

  /** Ends what dictBegin began. */
  dictEnd(): void {
    if (this.json) this.jsonObjectEnd();
    else this.#depth--;
  }

  /** A key with its value, in JSON only. */
  jsonKv(key: string, value: EmitValue): void {
    if (!this.json) return;
    this.#key(key);
    this.#prefix();
    this.#put(format(value));
    this.#itemBefore = true;
  }

  /** Opens an object, in JSON only; without a key inside an array. */
  jsonObjectBegin(key?: string): void {
    if (!this.json) return;
    if (key !== undefined) this.#key(key);
    this.#prefix();
    this.#open('{');
  }

  /** Ends what jsonObjectBegin began. */
  jsonObjectEnd(): void {
    if (this.json) this.#close('}');
  }

  /** Opens an array, in JSON only. */
  jsonArrayBegin(key: string): void {
    if (!this.json) return;
    this.#key(key);
    this.#prefix();
    this.#open('[');
  }

  /** Ends what jsonArrayBegin began. */
  jsonArrayEnd(): void {
    if (this.json) this.#close(']');
  }

  /** A piece of text, in text only. */
  table(text: string): void {
    if (!this.json) this.#put(text);
  }

  /** A row of a table, in text only: cell i in column i. Strings stand as they are. */
  row(columns: readonly Column[], cells: readonly EmitValue[]): void {
    if (this.json) return;
    let line = '';
    for (let i = 0; i < columns.length; i++) {
      const cell = cells[i];
      const text = typeof cell === 'string' ? cell : format(cell);
      line += columns[i].left ? text.padEnd(columns[i].width) : text.padStart(columns[i].width);
    }
    this.#put(line + '\n');
  }

  #key(key: string): void {
    this.#prefix();
    this.#put(`"${key}":`);
    this.#keyGiven = true;
  }

  #prefix(): void {
    if (this.#keyGiven) this.#keyGiven = false;
    else if (this.#itemBefore) this.#put(',');
  }

  #open(bracket: string): void {
    this.#put(bracket);
    this.#itemBefore = false;
  }

  #close(bracket: string): void {
    this.#put(bracket);
    this.#itemBefore = true;
  }

  #put(text: string): void {
    this.#buffer += text;
    while (this.#buffer.length > CHUNK_BYTES) {
      this.#write(fromByteString(this.#buffer.slice(0, CHUNK_BYTES)));
      this.#buffer = this.#buffer.slice(CHUNK_BYTES);
    }
  }
}
