/**
 * Random numbers for synthetic traces: sfc32 (Chris Doty-Humphrey, PractRand), seeded through 15 discarded draws.
 * Invariant: whole-number arithmetic only, so that a seed gives the same trace on every machine; no logarithms, whose last bits differ.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed Any number from 0 to 2^53; two streams of one seed give independent numbers. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = stream | 0;
    for (let i = 0; i < 15; i++) this.next();
  }

  /** 32 random bits, as a signed number. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }

  /** A whole number from 0 to `limit` - 1, limit at most 2^31. */
  below(limit: number): number {
    return Math.floor(((this.next() >>> 0) / 4294967296) * limit);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True once in `times` on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** A whole number from `least` up whose chance halves each time it doubles, at most `least` times 2^`doublings`. */
  tailed(least: number, doublings: number): number {
    const scale = Math.min(doublings, Math.clz32(this.next()));
    return Math.floor(least * 2 ** scale * (1 + (this.next() >>> 0) / 4294967296));
  }
}
