/**
 * Maps by stacks, as bpftrace prints them at the end or now and then (`@bytes[ustack] = sum(arg0)`, `@[ustack(perf), comm] = count()`), text or `-f json`:
 *
 *     @bytes[
 *         __GI___libc_malloc+0
 *         main+144
 *     ]: 65536
 *     @[
 *     	7f369a7ab930 __GI___libc_malloc+0 (/usr/lib/x86_64-linux-gnu/libc.so.6)
 *     , leaky]: 390
 *
 * Invariant: rows are of one map; further maps are named in a note. What a key has besides stacks stands at their root, as stackcollapse-bpftrace.pl puts it.
 * What the format cannot say: what is counted; values are taken for bytes allocated.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type Frame, StackTable } from '../../core/trace/stacks.ts';
import { PassedOver } from '../passed_over.ts';
import { printable } from '../printable.ts';
import { EVERY_ALLOCATION, type Profile, SampleTable } from '../profile.ts';

/** A key that goes on in further lines, which none but one with a stack does. */
const BEGINNING = /^@(\w*)\[(.*)$/s;
/** A map's row with another key, or a map without any. */
const OTHER_MAP = /^@(\w*)(?:\[.*\])?: .*$/s;
const ENDING = /^(?:,\s?)?(.*)\]: ?(.*)$/s;
/** Between two stacks of a key. */
const BETWEEN = /^,\s?(.*)$/s;
const NUMBER = /^-?\d+$/;
const STATS = /^count -?\d+, average -?\d+, total (-?\d+)$/;
/** What bpftrace says before, and the rows of histograms. */
const NOTE = /^(?:Attach(?:ing|ed) \d+ probes?\b|Lost \d+ events$|WARNING: |ERROR: |stdin:|[[(].*\|$)/;
const JSON_RECORD = /^\{"type": "(attached_probes|map|stats|hist|lhist)", "data": /;

const NAMED = /^([0-9a-f]{1,16}) (.+)\+(\d{1,15}) \((.*)\)$/s;
const BARE = /^(?:0x([0-9a-f]{1,16})|([0-9a-f]{5,16}))(?: 0x[0-9a-f]+ \(.*\))?$/s;
const SYMBOL = /^(.+)\+(\d{1,15})$/s;

/** Bytes that tell. */
const HEAD_BYTES = 65536;

/** True if bytes begin with nothing but maps that bpftrace printed, of which one has stacks for keys. */
export function isStackMaps(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, HEAD_BYTES));
  if (!/@\w*(?:\[|": \{)/.test(text.slice(0, 4096))) return false;
  const reader = new Rows();
  const lines = text.split(/\r?\n/);
  if (head.length > HEAD_BYTES) lines.pop();
  return lines.every((line) => reader.take(line)) && reader.maps.size > 0;
}

/** Values by key of one map. */
type Values = Map<string, { readonly stack: readonly Frame[]; value: number }>;

/** Rows of maps, as they come. */
class Rows {
  /** Name -> its rows. */
  readonly maps = new Map<string, Values>();
  /** Names of maps that have no stacks, or no numbers. */
  readonly others = new Set<string>();
  /** A row was printed more than once. */
  repeated = false;
  #name = '';
  #key: string[] | undefined;

  /** Takes a line; false if it is none of a map's. */
  take(line: string): boolean {
    if (this.#key === undefined) return this.#takeFirst(line);
    if (line === '' || /^\s/.test(line)) {
      if (line !== '') this.#key.push(line);
      return true;
    }
    const [, part, value = ''] = ENDING.exec(line) ?? [];
    const between = part ?? BETWEEN.exec(line)?.[1];
    if (between === undefined) return false;
    if (between.trim() !== '') this.#key.push(between.trim());
    if (part !== undefined) {
      this.#add(this.#name, this.#key, value);
      this.#key = undefined;
    }
    return true;
  }

  #takeFirst(line: string): boolean {
    const record = JSON_RECORD.exec(line);
    if (record !== null) return record[1] === 'attached_probes' || this.#takeRecord(line);
    const other = OTHER_MAP.exec(line);
    const [, name, before = ''] = BEGINNING.exec(line) ?? [];
    if (other !== null) this.others.add(other[1]);
    else if (name !== undefined) {
      this.#name = name;
      const part = before.trim().replace(/,$/, '');
      this.#key = part === '' ? [] : [part];
    } else return line.trim() === '' || NOTE.test(line);
    return true;
  }

  /** A map in one line of JSON: `{"@bytes": {"\n    main+144\n,leaky": 5}}`. */
  #takeRecord(line: string): boolean {
    let data: unknown;
    try {
      ({ data } = JSON.parse(line) as { data: unknown });
    } catch {
      return false;
    }
    for (const [name, rows] of Object.entries(data as object)) {
      for (const [key, value] of Object.entries(typeof rows === 'object' && rows !== null ? rows : {})) {
        const parts = key.split('\n').map((part) => (/^\s/.test(part) ? part : part.replace(/^,|,$/g, '')));
        const { total } = (typeof value === 'object' && value !== null ? value : {}) as { total?: unknown };
        if (key.includes('\n'))
          this.#add(
            name.slice(1),
            parts.filter((part) => part !== ''),
            String(total ?? value),
          );
        else this.others.add(name.slice(1));
      }
    }
    return true;
  }

  /** `key`: frames with their indent, and what else there is. */
  #add(name: string, key: readonly string[], text: string): void {
    const value = STATS.exec(text)?.[1] ?? text;
    if (!NUMBER.test(value)) {
      this.others.add(name);
      return;
    }
    const rows = this.maps.get(name) ?? new Map();
    this.maps.set(name, rows);
    const id = key.join('\n');
    this.repeated ||= rows.has(id);
    const frames = key.filter((part) => /^\s/.test(part)).map((part) => frameOf(part.trim()));
    const roots = key.filter((part) => !/^\s/.test(part)).map((fn) => ({ fn }));
    rows.set(id, { stack: [...frames, ...roots], value: Number(value) });
  }
}

/**
 * Reads the first map whose keys have stacks.
 * @param name what errors call the file
 * @throws InputError if there is none
 */
export function readStackMaps(text: string, name: string): Profile {
  const rows = new Rows();
  const passedOver = new PassedOver();
  for (const [index, line] of text.split(/\r?\n/).entries()) if (!rows.take(line)) passedOver.addLine(index + 1, 'no line of a map', line);
  const [first, ...further] = rows.maps;
  if (first === undefined) throw new InputError(name, 'no map of bpftrace’s has stacks for keys', 'count by them: @[ustack] = count()');
  const [map, values] = first;
  const stacks = new StackTable();
  const samples = new SampleTable();
  for (const { stack, value } of values.values()) {
    samples.add(stacks.intern(stack.map((frame) => stacks.frames.intern(frame))), 0, 0, 0, value);
  }
  const others = [...new Set([...further.map(([other]) => other), ...rows.others])].filter((other) => other !== map);
  return {
    ...EVERY_ALLOCATION,
    source: 'bpftrace',
    stacks,
    samples,
    accumulated: true,
    freedOnly: true,
    symbolized: true,
    warnings: [
      `the values are those of bpftrace’s map @${map}, whatever it counts, shown as bytes`,
      ...(others.length === 0 ? [] : [`other maps are left out: ${others.map((other) => `@${printable(other)}`).join(', ')}`]),
      ...(rows.repeated ? [`@${map} was printed more than once: of each stack the last value is shown`] : []),
      ...passedOver.warnings(name),
    ],
  };
}

function frameOf(text: string): Frame {
  const [, address, fn, offset, module] = NAMED.exec(text) ?? [];
  if (address !== undefined) return { pc: BigInt(`0x${address}`), fn, offset: Number(offset), module };
  const bare = BARE.exec(text);
  if (bare !== null) return { pc: BigInt(`0x${bare[1] ?? bare[2]}`) };
  const symbol = SYMBOL.exec(text);
  return symbol === null ? { fn: text } : { fn: symbol[1], offset: Number(symbol[2]) };
}
