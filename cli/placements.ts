/**
 * Where each allocation lies, as NDJSON lines: event, region, offset in the region, usable bytes.
 * Invariant: regions of the file are 0, 1, 2 … in the order in which the model mapped them, and each was given out from.
 * A mapping that never is would leave a gap, known only at the end: then the lines are numbered anew.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { Output, STANDARD } from './output.ts';
import { TemporaryFolder } from './temporary_folder.ts';

export interface Placements {
  /** Takes one allocation; `mapping` is the number of the mapping among the model's mappings for user memory. */
  add(event: number, mapping: number, offset: number, usable: number): void;
  /** Completes the file. */
  close(): void;
  /** Leaves no temporary file, whether it was completed or not. */
  dispose(): void;
}

/** Characters of lines that are handed on at once. */
const PIECE = 1 << 16;

/** Opens a placements file; `-` is standard output, which gets its lines at the end. */
export function openPlacements(path: string): Placements {
  const folder = new TemporaryFolder();
  const spill = () => folder.file('placements');
  const output = new Output(path === STANDARD ? spill() : path);
  const used: boolean[] = [];
  let lines = '';
  return {
    add(event, mapping, offset, usable) {
      used[mapping] = true;
      lines += `{"event":${event},"region":${mapping},"offset":${offset},"usable":${usable}}\n`;
      if (lines.length < PIECE) return;
      output.write(Buffer.from(lines, 'latin1'));
      lines = '';
    },
    close() {
      output.write(Buffer.from(lines, 'latin1'));
      output.close();
      try {
        const gap = used.length !== used.filter(Boolean).length;
        if (path === STANDARD) copyLines(spill(), path, used);
        else if (gap) {
          copyLines(path, spill(), used);
          copyLines(spill(), path, []);
        }
      } finally {
        folder.remove();
      }
    },
    dispose: () => folder.remove(),
  };
}

/** Copies lines from file to file; with `used` not empty, mapping numbers become ranks among those in use. */
function copyLines(from: string, to: string, used: readonly boolean[]): void {
  const ranks: number[] = [];
  for (let mapping = 0, rank = 0; mapping < used.length; mapping++) ranks[mapping] = used[mapping] ? rank++ : -1;
  const fd = openSync(from, 'r');
  const output = new Output(to);
  const chunk = Buffer.alloc(PIECE);
  let rest = '';
  try {
    for (let length = readSync(fd, chunk); length > 0; length = readSync(fd, chunk)) {
      const text = rest + chunk.toString('latin1', 0, length);
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      const whole = text.slice(0, end);
      const numbered = used.length === 0 ? whole : whole.replace(/"region":(\d+)/g, (_, mapping) => `"region":${ranks[Number(mapping)]}`);
      output.write(Buffer.from(numbered, 'latin1'));
    }
    output.close();
  } finally {
    closeSync(fd);
  }
}
