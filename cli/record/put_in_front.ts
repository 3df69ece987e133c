/**
 * Lines put into a recording that is whole, in front of its first call: who reads it knows them from the first call on.
 * Invariant: what is there moves towards the end, and from the end on, so that nothing is written over that has not moved; nothing moves before there is room.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { SCRIPT_HEADER } from '../../formats/shared/recording_facts.ts';

/** Bytes that are moved in one go. */
const PART = 1 << 20;

/**
 * Puts `lines`, each with its newline, behind the header of a recording by bpftrace; of a file without one, at its beginning.
 * @throws system's error; the file is as it was if there is no room for them
 */
export function putInFront(file: string, lines: string): void {
  if (lines === '') return;
  const text = Buffer.from(lines);
  const fd = openSync(file, 'r+');
  try {
    const { size } = fstatSync(fd);
    const head = Buffer.alloc(Math.min(size, PART));
    readSync(fd, head, 0, head.length, 0);
    // bpftrace's own line is before it.
    const header = head.indexOf(SCRIPT_HEADER);
    const at = header < 0 ? 0 : head.indexOf('\n', header) + 1;
    makeRoom(fd, size, text.length);
    const part = Buffer.alloc(PART);
    for (let end = size; end > at; ) {
      const start = Math.max(at, end - part.length);
      readSync(fd, part, 0, end - start, start);
      writeSync(fd, part, 0, end - start, start + text.length);
      end = start;
    }
    writeSync(fd, text, 0, text.length, at);
  } finally {
    closeSync(fd);
  }
}

/** Lengthens a file; it is as it was where the system has no room. */
function makeRoom(fd: number, size: number, bytes: number): void {
  const zeros = Buffer.alloc(PART);
  try {
    for (let at = size; at < size + bytes; at += PART) writeSync(fd, zeros, 0, Math.min(PART, size + bytes - at), at);
  } catch (error) {
    ftruncateSync(fd, size);
    throw error;
  }
}
