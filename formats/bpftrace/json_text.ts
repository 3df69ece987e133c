/**
 * bpftrace's JSON output (`-f json`): one object a line, and the text that printf would have written in the field `data`.
 * Differs from a JSON parser: only the two fields that matter are read, where they lie, as millions of these lines make a trace.
 */
import { ascii, hasWord } from '../shared/cursor.ts';
import { TAB, NEWLINE, CARRIAGE_RETURN, QUOTE, BACKSLASH, CLOSE_BRACE } from '../shared/letters.ts';

const TYPE = ascii('{"type": "');
const DATA = ascii('", "data": ');

/** A line of JSON output: its type's place, its data's. Filled by `read`. */
export class JsonLine {
  typeStart = 0;
  typeEnd = 0;
  dataStart = 0;
  dataEnd = 0;
  /** Text of the last `unescape`. */
  text = new Uint8Array(4096);

  /** Finds type and data of a line; false if it has another shape, as a cut one has. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (!hasWord(bytes, start, end, TYPE) || bytes[end - 1] !== CLOSE_BRACE) return false;
    let at = (this.typeStart = start + TYPE.length);
    while (at < end && bytes[at] !== QUOTE) at++;
    this.typeEnd = at;
    if (!hasWord(bytes, at, end, DATA)) return false;
    this.dataStart = at + DATA.length;
    this.dataEnd = end - 1;
    return true;
  }

  isType(bytes: Uint8Array, type: Uint8Array): boolean {
    return this.typeEnd - this.typeStart === type.length && hasWord(bytes, this.typeStart, this.typeEnd, type);
  }

  /** Writes the string that the data is into `text`: its length in bytes, or -1 if the data is no whole string. */
  unescape(bytes: Uint8Array): number {
    const { dataStart, dataEnd } = this;
    if (dataEnd - dataStart < 2 || bytes[dataStart] !== QUOTE || bytes[dataEnd - 1] !== QUOTE) return -1;
    // An escape never takes fewer bytes than what it stands for.
    if (dataEnd - dataStart > this.text.length) this.text = new Uint8Array(2 * (dataEnd - dataStart));
    const { text } = this;
    let length = 0;
    for (let at = dataStart + 1; at < dataEnd - 1; at++) {
      const byte = bytes[at];
      if (byte !== BACKSLASH) {
        text[length++] = byte;
        continue;
      }
      if (++at >= dataEnd - 1) return -1;
      switch (bytes[at]) {
        case 0x6e: // n
          text[length++] = NEWLINE;
          break;
        case 0x74: // t
          text[length++] = TAB;
          break;
        case 0x72: // r
          text[length++] = CARRIAGE_RETURN;
          break;
        case 0x62: // b
          text[length++] = 0x08;
          break;
        case 0x66: // f
          text[length++] = 0x0c;
          break;
        case 0x75: {
          // u: bpftrace writes control characters this way, all below 128.
          const code = Number.parseInt(String.fromCharCode(...bytes.subarray(at + 1, at + 5)), 16);
          text[length++] = code < 0x80 ? code : 0x3f;
          at += 4;
          break;
        }
        default:
          text[length++] = bytes[at];
      }
    }
    return length;
  }
}
