/** Resident bytes of a run over its time, from looks at it now and then. */

/** Mean over time and most of what was resident at each look. */
export class ResidentBytes {
  most = 0;
  #sum = 0;
  #time = -1;
  #first = 0;
  #last = 0;

  /** Takes what is resident at a time, ns: it counts until the next look. */
  at(time: number, bytes: number): void {
    if (this.#time < 0) this.#first = time;
    else this.#sum += this.#last * (time - this.#time);
    this.#time = time;
    this.#last = bytes;
    this.most = Math.max(this.most, bytes);
  }

  /** Mean over time; where no time passes, what was resident last. */
  get mean(): number {
    const passed = this.#time - this.#first;
    return passed > 0 ? Math.round(this.#sum / passed) : this.#last;
  }
}
