/**
 * What the lines of a second begin with: id and whole seconds, up to the point (-f -ttt).
 * Invariant: `words` are the bytes of a line that was read as `tid` and a time, four at once; a line that begins with them says the same.
 */

/** Bytes of a beginning that is kept. */
const SHORTEST = 8;
const LONGEST_PREFIX = 32;

/** The beginning of the line before. */
export class LinePrefix {
  /** Words of the bytes before the last four, and of those, which may overlap. */
  readonly words = new Int32Array(LONGEST_PREFIX / 4);
  /** Words of `words` that are in use; 0 while there is no beginning. */
  count = 0;
  /** Bytes, at least SHORTEST while there is one. */
  length = 0;
  tid = 0;

  /** Keeps the bytes start..end of a line of `tid`, if they are neither too few nor too many. */
  keep(view: DataView, start: number, end: number, tid: number): void {
    const length = end - start;
    this.count = 0;
    this.length = 0;
    if (length < SHORTEST || length > LONGEST_PREFIX) return;
    for (let at = start; at < end - 4; at += 4) this.words[this.count++] = view.getInt32(at);
    this.words[this.count++] = view.getInt32(end - 4);
    this.length = length;
    this.tid = tid;
  }

  /** True if the line at `start`, in which LONGEST_PREFIX bytes may be read, begins so. */
  begins(view: DataView, start: number): boolean {
    const { words, length } = this;
    const last = this.count - 1;
    if (last < 0 || view.getInt32(start + length - 4) !== words[last]) return false;
    for (let word = 0, at = start; word < last; word++, at += 4) if (view.getInt32(at) !== words[word]) return false;
    return true;
  }
}
