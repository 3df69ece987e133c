/**
 * Reads pprof profiles (github.com/google/pprof, proto/profile.proto), gzipped or not.
 * What the format cannot say: whether bytes are requested or usable ones.
 * Invariant: values are taken as they are; pprof files hold estimates, sampling already undone.
 * Differs: labels are not read, so samples that only labels tell apart are separate rows of one stack.
 */
import { gunzipSync } from 'node:zlib';
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex } from '../../core/units.ts';
import type { Profile, SampleType } from '../profile.ts';
import { SampleTable } from '../profile.ts';
import type { Int64, PprofProfile } from './schema.ts';
import { decodeProfile, toBigInt, toNumber } from './schema.ts';

/**
 * True if bytes look like a pprof file: gzipped, or a message that opens with a sample type, as every writer's does.
 * Any gzipped file passes.
 */
export function isPprof(head: Uint8Array): boolean {
  if (head.length > 2 && head[0] === 0x1f && head[1] === 0x8b) return true;
  // Field 1, length-delimited, holding a ValueType: two varint fields 1 and 2 in up to 24 bytes.
  return head.length > 3 && head[0] === 0x0a && head[1] > 0 && head[1] <= 24 && (head[2] === 0x08 || head[2] === 0x10);
}

/**
 * Reads a profile of allocated or used memory.
 * @param name what errors call it
 * @throws InputError if it is no pprof profile, or one of something else than memory
 */
export function readPprof(bytes: Uint8Array, name: string): Profile {
  const message = decode(bytes, name);
  const text = (index: Int64 | undefined) => message.stringTable[toNumber(index)] ?? '';
  const columns = sampleColumns(message, text);
  if (columns.size === 0) {
    const types = message.sampleType.map(({ type }) => text(type)).join(', ');
    throw new InputError(
      name,
      `no memory profile: its sample types are ${types || 'none'}`,
      'one of alloc_objects, alloc_space, inuse_objects, inuse_space is needed',
    );
  }

  const stacks = new StackTable();
  const frameOf = frameReader(message, stacks, text);
  const samples = new SampleTable(message.sample.length);
  const value = (sample: PprofProfile['sample'][number], type: SampleType) => {
    const column = columns.get(type);
    return column === undefined ? 0 : toNumber(sample.value[column]);
  };
  let path = new Int32Array(256);
  let unknown = 0;
  for (const sample of message.sample) {
    if (sample.locationId.length > path.length) path = new Int32Array(sample.locationId.length * 2);
    let depth = 0;
    for (const id of sample.locationId) {
      const frame = frameOf(id);
      if (frame < 0) unknown++;
      else path[depth++] = frame;
    }
    // The row that stands for samples without a backtrace.
    if (depth === 1 && stacks.frames.frames[path[0]].fn === '[no backtrace]') depth = 0;
    samples.add(
      stacks.intern(path, depth),
      value(sample, 'inuse_objects'),
      value(sample, 'inuse_space'),
      value(sample, 'alloc_objects'),
      value(sample, 'alloc_space'),
    );
  }

  const period = toNumber(message.period);
  const binary = message.mapping.length > 0 ? text(message.mapping[0].filename) : '';
  return {
    kind: 'heap',
    source: 'pprof',
    stacks,
    samples,
    threads: [],
    sampling: period > 1 ? { method: 'poisson', rate: period } : { method: 'none', rate: 1 },
    accumulated: columns.has('alloc_objects') || columns.has('alloc_space'),
    requested: false,
    symbolized: message.function.length > 0,
    ...(binary === '' ? {} : { binary }),
    ...mapsOf(message, text),
    warnings: unknown > 0 ? [`${name}: ${unknown} frames are locations that the file does not have; left out`] : [],
  };
}

function decode(bytes: Uint8Array, name: string): PprofProfile {
  const isGzip = bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
  let plain = bytes;
  if (isGzip) {
    try {
      plain = gunzipSync(bytes);
    } catch (error) {
      throw new InputError(name, `cannot be decompressed: ${(error as Error).message}`);
    }
  }
  try {
    return decodeProfile(plain);
  } catch (error) {
    throw new InputError(name, `no pprof profile: ${(error as Error).message}`);
  }
}

/** Index of each sample type that the model has. `objects` and `space` are what pprof makes of dumps without freed objects. */
function sampleColumns(message: PprofProfile, text: (index: Int64 | undefined) => string): Map<SampleType, number> {
  const columns = new Map<SampleType, number>();
  message.sampleType.forEach(({ type }, column) => {
    const name = text(type);
    if (name === 'alloc_objects' || name === 'alloc_space' || name === 'inuse_objects' || name === 'inuse_space') columns.set(name, column);
    else if (name === 'objects' && !columns.has('inuse_objects')) columns.set('inuse_objects', column);
    else if (name === 'space' && !columns.has('inuse_space')) columns.set('inuse_space', column);
  });
  return columns;
}

/** Gives the frame of a location id, -1 if the file has no such location. */
function frameReader(message: PprofProfile, stacks: StackTable, text: (index: Int64 | undefined) => string): (id: Int64) => number {
  const functions = new Map<number | bigint, PprofProfile['function'][number]>();
  for (const fn of message.function) functions.set(idKey(fn.id), fn);
  const modules = new Map<number | bigint, string>();
  for (const mapping of message.mapping) modules.set(idKey(mapping.id), text(mapping.filename));
  const frames = new Map<number | bigint, FrameIndex>();
  for (const location of message.location) {
    const lines: InlinedFrame[] = location.line.map(({ functionId, line }) => {
      const fn = functions.get(idKey(functionId));
      const file = text(fn?.filename);
      const number = toNumber(line);
      return { fn: text(fn?.name) || text(fn?.systemName), ...(file === '' ? {} : { file }), ...(number > 0 ? { line: number } : {}) };
    });
    const address = toBigInt(location.address);
    const outermost = lines.pop();
    const module = location.mappingId === undefined ? undefined : modules.get(idKey(location.mappingId));
    const frame: Frame = {
      ...(address === 0n ? {} : { pc: address + 1n }),
      ...(outermost === undefined || outermost.fn === '' ? {} : outermost),
      ...(module === undefined || module === '' ? {} : { module }),
      ...(lines.length === 0 ? {} : { inlined: lines }),
    };
    frames.set(idKey(location.id), stacks.frames.intern(frame));
  }
  return (id) => frames.get(idKey(id)) ?? -1;
}

/** An id as a key: ids are any 64-bit numbers, mostly small ones. */
function idKey(id: Int64): number | bigint {
  if (typeof id === 'number') return id;
  return id.high === 0 ? id.low >>> 0 : toBigInt(id);
}

/** The mappings as /proc/PID/maps would print them: those that have addresses are all taken as executable. */
function mapsOf(message: PprofProfile, text: (index: Int64 | undefined) => string): { maps?: string } {
  let maps = '';
  for (const { memoryStart, memoryLimit, fileOffset, filename } of message.mapping) {
    const end = toBigInt(memoryLimit);
    if (end === 0n) continue;
    const hex = (value: bigint, width: number) => value.toString(16).padStart(width, '0');
    maps += `${hex(toBigInt(memoryStart), 8)}-${hex(end, 8)} r-xp ${hex(toBigInt(fileOffset), 8)} 00:00 0 ${text(filename)}\n`;
  }
  return maps === '' ? {} : { maps };
}
