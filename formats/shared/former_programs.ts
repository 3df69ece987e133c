/**
 * Programs that a process ran before it called exec: what was live of one is gone there.
 * Invariant: the first is noted where it ends, so that a reading which stops early has it; the others in one note at the end.
 */
import { formatCounted } from '../../core/trace/counted.ts';
import type { Trace } from '../../core/trace/trace.ts';

export class FormerPrograms {
  readonly #trace: Trace;
  #count = 0;
  /** Blocks of all but the first. */
  #blocks = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** One has ended, with so many blocks live. */
  left(blocks: number): void {
    this.#count++;
    if (this.#count > 1) this.#blocks += blocks;
    else this.#trace.warnings.push(`the process called exec(), which freed ${formatCounted(blocks, 'block')} of its former program`);
  }

  /** The recording is over. */
  end(): void {
    const more = this.#count - 1;
    if (more < 1) return;
    const times = more === 1 ? 'once more' : `${more} more times`;
    this.#trace.warnings.push(`it called exec() ${times}, which freed ${formatCounted(this.#blocks, 'block')}`);
  }
}
