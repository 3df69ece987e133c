/**
 * Frames of a `stack` line: an address, a name, or an object of both and more.
 * Invariant: a field that is not known is kept as it is spelt, or counted: a function inlined in a frame has no place for it.
 */
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import { otherMembers } from '../shared/json_parts.ts';
import { asObject, type ErrorOfLine, HEX } from './json_object.ts';

/** Keys that frames may have, besides others that are kept. */
const PLAIN_FRAME_KEYS: ReadonlySet<string> = new Set(['pc', 'fn', 'file', 'line', 'module', 'offset']);
const FRAME_KEYS: ReadonlySet<string> = new Set([...PLAIN_FRAME_KEYS, 'inlined']);
const INLINED_KEYS: ReadonlySet<string> = new Set(['fn', 'file', 'line']);

/** Reads the frames of a file. */
export class FrameReader {
  readonly #error: ErrorOfLine;
  readonly #keepFields: boolean;
  /** Fields of inlined functions that are not known: how often they came. */
  readonly #lost = new Map<string, number>();

  /** @param keepFields whether fields that are not known are wanted */
  constructor(error: ErrorOfLine, keepFields: boolean) {
    this.#error = error;
    this.#keepFields = keepFields;
  }

  /** What to say of fields that could not be kept; undefined if there were none. */
  get lossNote(): string | undefined {
    if (this.#lost.size === 0) return undefined;
    const names = [...this.#lost].map(([key, count]) => `${JSON.stringify(key)} (${count})`);
    return `fields of inlined functions that are not known are not kept: ${names.join(', ')}`;
  }

  /**
   * The frame that JSON.parse gave as `value`.
   * @param text how it is spelt, where its other fields may be wanted
   * @throws InputError if it is none
   */
  read(value: unknown, text?: string): Frame {
    if (typeof value === 'string') return HEX.test(value) ? { pc: BigInt(value) } : { fn: value };
    const object = asObject(value, this.#error);
    if (object === undefined) throw this.#error('a frame is neither a string nor an object');
    const frame: { -readonly [K in keyof Frame]: Frame[K] } = {};
    if (object.has('pc')) frame.pc = object.hex('pc');
    if (object.has('fn')) frame.fn = object.string('fn');
    if (object.has('file')) frame.file = object.string('file');
    if (object.has('line')) frame.line = object.natural('line');
    if (object.has('module')) frame.module = object.string('module');
    if (object.has('offset')) frame.offset = object.natural('offset');
    const inlined = object.get('inlined');
    if (Array.isArray(inlined)) frame.inlined = inlined.map((inner: unknown) => this.#inlined(inner));
    if (text === undefined || !this.#keepFields) return frame;
    const others = otherMembers(text, Array.isArray(inlined) || inlined === null ? FRAME_KEYS : PLAIN_FRAME_KEYS);
    if (others !== undefined) frame.fields = others;
    return frame;
  }

  /** A function that was inlined in a frame. */
  #inlined(value: unknown): InlinedFrame {
    const object = asObject(value, this.#error);
    if (Array.isArray(object?.get('inlined')))
      throw this.#error('"inlined" within "inlined": the functions stand in one list, the innermost first');
    const { fn = '', file, line } = this.read(value);
    for (const key of this.#keepFields ? (object?.keys ?? []) : [])
      if (!INLINED_KEYS.has(key)) this.#lost.set(key, (this.#lost.get(key) ?? 0) + 1);
    return { fn, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
  }
}
