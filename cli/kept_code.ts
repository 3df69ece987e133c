/**
 * Code that V8 has compiled (vm.Script, createCachedData), kept between runs in the user's cache folder: Node keeps that of modules from 22.8 on only.
 * Invariant: a file is used only if it is the user's own and whole; it appears under its name in one step, all together hold at most MOST_BYTES, and only their
 * user may read them. A folder that cannot be used is as if nothing was kept. JEREPLAY_CODE_CACHE names another folder, or is `off`.
 */
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { cacheFolder, makeRoom, readKept } from './cache_folder.ts';

/** Of all files; the oldest go first. */
const MOST_BYTES = 64 << 20;
/** Names of files, with a dot before those that are being written: the build comes first. */
const OURS = /^\.?[0-9a-f]{16}-/;
/** Before the list of parts: its bytes, and the checksum of all that follows. */
const HEAD_BYTES = 8;

/** The folder of compiled code; undefined if none is to be kept. */
export function codeFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (environment['NODE_DISABLE_COMPILE_CACHE'] === '1') return undefined;
  return cacheFolder('code', environment['JEREPLAY_CODE_CACHE'], environment);
}

/** Part -> what V8 made of it. */
export type CompiledCode = ReadonlyMap<string, Uint8Array>;

/** Reads what was kept under a name; nothing if it is damaged or another user's: it will be run. */
export function readCode(folder: string, name: string): CompiledCode {
  try {
    const bytes = readKept(folder, name);
    return bytes === undefined ? new Map() : parse(bytes);
  } catch {
    return new Map();
  }
}

function parse(bytes: Buffer): CompiledCode {
  const start = HEAD_BYTES + bytes.readUInt32LE(0);
  if (crc32(bytes.subarray(HEAD_BYTES)) !== bytes.readUInt32LE(4)) return new Map();
  const list = JSON.parse(bytes.toString('latin1', HEAD_BYTES, start)) as [part: string, bytes: number][];
  let at = start;
  return new Map(list.map(([part, length]) => [part, bytes.subarray(at, (at += length))]));
}

/**
 * Keeps code under a name. What cannot be kept is not, and nothing fails.
 * @param take gives the code, which takes time: it is asked only where there is a place for it
 */
export function writeCode(folder: string, name: string, take: () => CompiledCode, mostBytes = MOST_BYTES): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const next = join(folder, `.${name}.${process.pid}`);
    const fd = openSync(next, 'w', 0o600);
    try {
      writeFileSync(fd, fileOf(take()));
    } finally {
      closeSync(fd);
    }
    renameSync(next, join(folder, name));
    makeRoom(folder, OURS, mostBytes);
  } catch {
    // Later runs compile it again.
  }
}

function fileOf(code: CompiledCode): Uint8Array {
  const list = Buffer.from(JSON.stringify([...code].map(([part, { length }]) => [part, length])));
  const content = Buffer.concat([list, ...code.values()]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(list.length, 0);
  head.writeUInt32LE(crc32(content), 4);
  return Buffer.concat([head, content]);
}
