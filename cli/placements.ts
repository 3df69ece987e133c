/**
 * Where each allocation lies, as NDJSON lines: event, region, offset in the region, usable bytes.
 * Invariant: regions of the file are 0, 1, 2 … in the order in which the model mapped them, and each was given out from.
 * A mapping that never is would leave a gap, known only at the end: then the lines are numbered anew. What is not a file cannot be read again for that, and gets its lines at the end.
 */
import { statSync } from 'node:fs';
import { fileBlocks } from '../formats/input.ts';
import { isStandardOutput, Output, writeResult } from './output.ts';
import { Spill } from './spill.ts';

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

/** Opens a placements file; `-` is standard output. */
export function openPlacements(path: string): Placements {
  const spill = new Spill('placements are kept there until all are known');
  const output = isFile(path) ? new Output(path) : undefined;
  const used: boolean[] = [];
  let lines = '';
  const flush = () => {
    (output ?? spill).write(Buffer.from(lines, 'latin1'));
    lines = '';
  };
  return {
    add(event, mapping, offset, usable) {
      used[mapping] = true;
      lines += `{"event":${event},"region":${mapping},"offset":${offset},"usable":${usable}}\n`;
      if (lines.length >= PIECE) flush();
    },
    close() {
      flush();
      output?.close();
      if (output === undefined) writeResult(path, numberedAnew(spill.pieces(), used));
      else if (used.length !== used.filter(Boolean).length) {
        for (const piece of numberedAnew(fileBlocks(path), used)) spill.write(Buffer.from(piece, 'latin1'));
        writeResult(path, spill.pieces());
      }
    },
    dispose: () => spill.close(),
  };
}

/** False for standard output, devices and pipes. */
function isFile(path: string): boolean {
  return !isStandardOutput(path) && statSync(path, { throwIfNoEntry: false })?.isFile() !== false;
}

/** The lines with ranks among the mappings in use for the numbers of mappings. */
function* numberedAnew(pieces: Iterable<Uint8Array>, used: readonly boolean[]): Generator<string> {
  const ranks: number[] = [];
  for (let mapping = 0, rank = 0; mapping < used.length; mapping++) ranks[mapping] = used[mapping] ? rank++ : -1;
  let rest = '';
  for (const piece of pieces) {
    const text = rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    rest = text.slice(end);
    yield text.slice(0, end).replace(/"region":(\d+)/g, (_, mapping) => `"region":${ranks[Number(mapping)]}`);
  }
}
