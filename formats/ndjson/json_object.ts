/**
 * An object of a line as JSON.parse gives it, whose members are taken as what they must be.
 * Invariant: a member of another kind is an error that names the line and the key.
 */
import type { InputError } from '../../core/trace/input_error.ts';

/** The error that the line says so. */
export type ErrorOfLine = (fact: string, hint?: string) => InputError;

/** A 64-bit number in hex. */
export const HEX = /^0x[0-9a-f]{1,16}$/i;

/** An object, and the errors of its line. */
export class JsonObject {
  readonly error: ErrorOfLine;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(members: Readonly<Record<string, unknown>>, error: ErrorOfLine) {
    this.#members = members;
    this.error = error;
  }

  /** Keys in order. */
  get keys(): readonly string[] {
    return Object.keys(this.#members);
  }

  /** The value under a key, undefined if there is none. */
  get(key: string): unknown {
    return Object.hasOwn(this.#members, key) ? this.#members[key] : undefined;
  }

  /** Whether there is a value under that key: null is none. */
  has(key: string): boolean {
    const value = this.get(key);
    return value !== undefined && value !== null;
  }

  /** @throws InputError if there is no string under that key */
  string(key: string): string {
    const value = this.get(key);
    if (typeof value !== 'string')
      throw this.error(value === undefined ? `${String(this.get('op'))} without "${key}"` : `"${key}" is not a string`);
    return value;
  }

  /** @throws InputError if there is no integer from 0 to 2^53 - 1 under that key */
  natural(key: string): number {
    const value = this.get(key);
    if (value === undefined) throw this.error(`${String(this.get('op'))} without "${key}"`);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw this.error(`"${key}" is not an integer from 0 to 2^53 - 1`);
    return value;
  }

  /** @throws InputError if there is no hex string of a 64-bit number under that key */
  hex(key: string): bigint {
    const value = this.get(key);
    if (typeof value !== 'string' || !HEX.test(value)) throw this.error(`"${key}" is not a 64-bit number such as "0x7f001000"`);
    return BigInt(value);
  }

  /** @throws InputError if there is neither true nor false under that key */
  boolean(key: string): boolean {
    const value = this.get(key);
    if (typeof value !== 'boolean') throw this.error(`"${key}" is neither true nor false`);
    return value;
  }
}

/** What JSON.parse gave, if it is an object: neither a list nor null. */
export function asObject(value: unknown, error: ErrorOfLine): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new JsonObject(value as Readonly<Record<string, unknown>>, error)
    : undefined;
}
