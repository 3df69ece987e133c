/**
 * Reads what Valgrind's DHAT and Rust's dhat write, JSON (dhat/dh_main.c): blocks and bytes per stack, in all, at the peak and at the end.
 *
 *     {"dhatFileVersion":2,"mode":"heap",…,"pps":[{"tb":65536,"tbk":1,…,"eb":65536,"ebk":1,…,"fs":[1,2]}],"ftbl":["[root]","0x…: malloc (in …)"]}
 *
 * That is version 2, since Valgrind 3.17. Version 1, of 3.15 and 3.16, has other names (`aps`, `fb`, `fbk`) and one mode, heap.
 *
 * Invariant: the profile's totals are the sums over the file's program points; what is in use is what was at the end.
 * What the format cannot say: threads, and the order of calls.
 * Differs: reads and writes of blocks, and lifetimes, have no column here and are left out.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import { EVERY_ALLOCATION, type Profile, SampleTable } from '../profile.ts';
import { ValgrindStacks } from './frames.ts';

/** Characters of a text that an error shows. */
const MOST_SHOWN = 80;

/** What a version calls the list of program points, and a point's bytes and blocks at the end. */
const KEYS = new Map<unknown, { readonly points: string; readonly endBytes: string; readonly endBlocks: string }>([
  [1, { points: 'aps', endBytes: 'fb', endBlocks: 'fbk' }],
  [2, { points: 'pps', endBytes: 'eb', endBlocks: 'ebk' }],
]);

/** A DHAT file: a profile of what was allocated in all and in use at the end, and the sums at the peak. */
export interface DhatFile {
  readonly profile: Profile;
  /** What was in use when that was most (DHAT's t-gmax). */
  readonly peak: { readonly objects: number; readonly bytes: number };
}

/** True if bytes look like the beginning of a file that `readDhat` takes. */
export function isDhat(head: Uint8Array): boolean {
  return /^\s*\{\s*"dhatFileVersion"\s*:/.test(new TextDecoder('latin1').decode(head.subarray(0, 1024)));
}

/**
 * Reads a DHAT file.
 * @param name what errors call it
 * @throws InputError if it is not whole, of another version, or of a mode that does not follow blocks to their end
 */
export function readDhat(bytes: Uint8Array, name: string): DhatFile {
  let file: unknown;
  try {
    file = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new InputError(name, 'the JSON of DHAT’s output breaks off or is damaged');
  }
  if (!isObject(file) || file['dhatFileVersion'] === undefined) throw new InputError(name, 'is no output of DHAT');
  const version = file['dhatFileVersion'];
  const keys = KEYS.get(version);
  if (keys === undefined)
    throw new InputError(name, `is DHAT’s output of version ${shown(version)}`, 'versions 1 and 2 can be read: of Valgrind 3.15 and later');
  const mode = file['mode'];
  if (version !== 1 && file['bklt'] !== true)
    throw new InputError(
      name,
      `is DHAT’s output of mode ${shown(mode)}, which does not say what is in use`,
      mode === 'rust-ad-hoc' ? 'record it with dhat::Profiler::new_heap()' : 'run it with --mode=heap',
    );
  const points = listOf(file, keys.points, name);
  const frames = listOf(file, 'ftbl', name);
  const stacks = new StackTable();
  const samples = new SampleTable(points.length);
  const interned = new ValgrindStacks(stacks);
  const peak = { objects: 0, bytes: 0 };
  for (const [index, point] of points.entries()) {
    const place = `"${keys.points}"[${index}]`;
    if (!isObject(point)) throw new InputError(name, `${place} is no object`);
    const count = (key: string) => {
      const value = point[key];
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
        throw new InputError(name, `${place}.${key} is no number`);
      return value;
    };
    const texts = listOf(point, 'fs', name, `${place}.`).map((frame) => {
      const text = typeof frame === 'number' ? frames[frame] : undefined;
      if (typeof text !== 'string') throw new InputError(name, `${place}.fs names no frame of "ftbl"`);
      return text;
    });
    samples.add(interned.intern(texts), count(keys.endBlocks), count(keys.endBytes), count('tbk'), count('tb'));
    peak.objects += count('gbk');
    peak.bytes += count('gb');
  }
  const command = file['cmd'];
  const profile: Profile = {
    ...EVERY_ALLOCATION,
    source: 'DHAT',
    stacks,
    samples,
    accumulated: true,
    requested: true,
    symbolized: true,
    ...(typeof command === 'string' ? { binary: command } : {}),
    warnings: [`in use here is what was at the end; at the peak it was ${peak.bytes} bytes in ${peak.objects} blocks`],
  };
  return { profile, peak };
}

/** A value as an error shows it; of one that holds others only what it is, for it may hold them deeper than can be written. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = String(value);
  return typeof value === 'string' ? JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text) : text;
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(object: Json, key: string, name: string, place = ''): readonly unknown[] {
  const value = object[key];
  if (!Array.isArray(value)) throw new InputError(name, `no list ${place}"${key}"`);
  return value;
}
