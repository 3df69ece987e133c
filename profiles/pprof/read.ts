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
import type { Measure, Profile, SampleType } from '../profile.ts';
import { PassedOver } from '../passed_over.ts';
import { isMemoryType, SAMPLE_TYPES, SampleTable } from '../profile.ts';
import { demangle } from '../symbols/demangle.ts';
import { type Id, PprofSamples } from './samples.ts';
import type { Int64, PprofProfile } from './schema.ts';
import { decodeProfile, toBigInt, toNumber } from './schema.ts';

/** Wire types of the fields 1 to 15 of a Profile (index 0 is none): 0 a number, 2 what has a length. */
const WIRE_TYPES = [-1, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0];
/** `comment`, of which writers may put all numbers into one field. */
const COMMENT = 13;
/** What is stepped over of a field by its wire type: a number, or so many bytes. */
const NUMBER = 0;
const LENGTH = 2;
const FIXED_BYTES = new Map([
  [1, 8],
  [5, 4],
]);

/** Bytes in a unit of memory, as pprof's measurement.go knows units; in lower case, without the plural's s. */
const BYTES_IN_UNIT = new Map(
  [
    ['b', 'byte'],
    ['kb', 'kbyte', 'kilobyte'],
    ['mb', 'mbyte', 'megabyte'],
    ['gb', 'gbyte', 'gigabyte'],
    ['tb', 'tbyte', 'terabyte'],
  ].flatMap((names, power) => names.map((name) => [name, 1024 ** power] as const)),
);

/**
 * What writers call blocks and bytes in use and in all: pprof of dumps without freed objects, JAX of memory of devices (`allocations`), Perfetto of
 * Android's native heaps (src/profiling/… pprof_builder.cc), Datadog's profilers.
 */
const MEMORY_NAMES = new Map<string, SampleType>([
  ...SAMPLE_TYPES.flatMap((type) => [[type, type] as const, [type.replace('_', '-'), type] as const]),
  ['objects', 'inuse_objects'],
  ['space', 'inuse_space'],
  ['allocations', 'inuse_objects'],
  ...['Unreleased malloc', 'Unreleased'].flatMap((name) => [
    [`${name} count`, 'inuse_objects'] as const,
    [`${name} size`, 'inuse_space'] as const,
  ]),
  ...['Total malloc', 'Total'].flatMap((name) => [[`${name} count`, 'alloc_objects'] as const, [`${name} size`, 'alloc_space'] as const]),
  ['heap-live-samples', 'inuse_objects'],
  ['heap-live-size', 'inuse_space'],
  ['heap-space', 'inuse_space'],
  ['alloc-samples', 'alloc_objects'],
]);

/**
 * True if bytes look like a pprof file: gzipped, or a message with a profile's fields as far as they go, in whatever order, and perhaps some that
 * a later version of the format has.
 * Any gzipped file passes.
 */
export function isPprof(head: Uint8Array): boolean {
  if (head.length > 2 && head[0] === 0x1f && head[1] === 0x8b) return true;
  let hasType = false;
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; shift < 70 && at < head.length; shift += 7) {
      const byte = head[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < head.length) {
    const tag = varint();
    if (tag < 0) return hasType && at >= head.length;
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (field < WIRE_TYPES.length ? WIRE_TYPES[field] !== wire && !(field === COMMENT && wire === LENGTH) : !hasType) return false;
    const fixed = FIXED_BYTES.get(wire);
    if (fixed !== undefined) {
      at += fixed;
      continue;
    }
    if (wire !== NUMBER && wire !== LENGTH) return false;
    const value = varint();
    // The head may end within a field.
    if (value < 0) return hasType && at >= head.length;
    if (wire === NUMBER) continue;
    // Sample types and the period's type: up to two numbers.
    if (field === 1 || field === 11) {
      if (value > 24 || (value > 0 && head[at] !== 0x08 && head[at] !== 0x10)) return false;
      hasType = true;
    }
    at += value;
  }
  return hasType;
}

/**
 * Reads a profile, of memory or of anything else.
 * @param name what errors call it
 * @throws InputError if it is no pprof profile
 */
export function readPprof(bytes: Uint8Array, name: string): Profile {
  const { message, samples: taken } = decode(bytes, name);
  const text = (index: Int64 | undefined) => {
    const at = toNumber(index);
    const found = at === 0 ? '' : message.stringTable[at];
    if (found === undefined) throw new Error(`it names text ${at} of a table of ${message.stringTable.length}`);
    return found;
  };
  const types = message.sampleType.length;
  const checkCount = (values: readonly number[]) => {
    if (values.length !== types) throw new Error(`a sample of ${values.length} values where there are ${types} sample types`);
  };
  // A small file may claim more values than there is memory for. One of its samples then has fewer than it should: it is found before there are columns.
  if (types * taken.count > taken.bytes) orRefuse(name, () => taken.forEach((_, values) => checkCount(values)));
  const { memory, typeNames, others, scales } = orRefuse(name, () => sampleColumns(message, taken.count, text));
  if (memory.size + others.length === 0) throw new InputError(name, 'no pprof profile: it has no sample types');

  const stacks = new StackTable();
  const missing = new PassedOver();
  const { frameAt, wholeNames } = orRefuse(name, () => locationsOf(message, stacks, text, missing));
  const samples = new SampleTable(taken.count);
  const columns = (['inuse_objects', 'inuse_space', 'alloc_objects', 'alloc_space'] as const).map((type) => memory.get(type) ?? -1);
  let path = new Int32Array(256);
  const take = (locations: readonly Id[], values: readonly number[]) => {
    checkCount(values);
    if (locations.length > path.length) path = new Int32Array(locations.length * 2);
    let depth = 0;
    for (const id of locations) {
      const frame = frameAt(id, depth === 0);
      if (frame < 0) missing.addReference('sample', samples.length + 1, 'location', id);
      else path[depth++] = frame;
    }
    // The row that stands for samples without a backtrace.
    if (depth === 1 && stacks.frames.frames[path[0]].fn === '[no backtrace]') depth = 0;
    const [inuseObjects, inuseBytes, allocObjects, allocBytes] = columns;
    const value = (column: number) => (column < 0 ? 0 : values[column] * scales[column]);
    samples.add(stacks.intern(path, depth), value(inuseObjects), value(inuseBytes), value(allocObjects), value(allocBytes));
    for (const { column, values: own } of others) own[samples.length - 1] = value(column);
  };
  orRefuse(name, () => taken.forEach(take));

  // That of a profile with other types, too, may be one of time.
  const period = /^$|byte/.test(text(message.periodType?.unit)) ? toNumber(message.period) : 0;
  const binary = message.mapping.length > 0 ? text(message.mapping[0].filename) : '';
  return {
    kind: memory.size > 0 ? 'heap' : 'other',
    source: 'pprof',
    stacks,
    samples,
    ...(others.length === 0 ? {} : { measures: others.map(({ type, unit, values }) => ({ type, unit, values })) }),
    threads: [],
    sampling: memory.size > 0 && period > 1 ? { method: 'poisson', rate: period } : { method: 'none', rate: 1 },
    accumulated: memory.has('alloc_objects') || memory.has('alloc_space'),
    symbolized: message.function.length > 0,
    ...(wholeNames.size === 0 ? {} : { wholeNames }),
    ...(typeNames.size === 0 ? {} : { typeNames }),
    ...(binary === '' ? {} : { binary }),
    ...mapsOf(message, text),
    warnings: missing.warnings(name),
    ...(missing.any ? { damaged: true } : {}),
  };
}

/** The samples, and the rest as a message without any. */
function decode(bytes: Uint8Array, name: string): { readonly message: PprofProfile; readonly samples: PprofSamples } {
  const isGzip = bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
  let plain = bytes;
  if (isGzip) {
    try {
      plain = gunzipSync(bytes);
    } catch (error) {
      throw new InputError(name, `cannot be decompressed: ${(error as Error).message}`);
    }
  }
  return orRefuse(name, () => {
    const samples = new PprofSamples(plain);
    return { samples, message: decodeProfile(samples.rest) };
  });
}

/** Does a piece of reading. @throws InputError for what it throws */
function orRefuse<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new InputError(name, `no pprof profile: ${(error as Error).message}`);
  }
}

/** A sample type that is none of memory, and where its values are. */
interface OtherColumn extends Measure {
  readonly column: number;
}

/**
 * The column of each sample type, and for each column how many bytes its unit has (1 for what is no memory).
 * Of other types the one that is shown where none is asked for comes first: the file's own choice, else its last (pprof, SampleIndexByName).
 */
function sampleColumns(
  message: PprofProfile,
  count: number,
  text: (index: Int64 | undefined) => string,
): {
  readonly memory: Map<SampleType, number>;
  /** Those of `memory` that the file calls something else. */
  readonly typeNames: Map<string, SampleType>;
  readonly others: OtherColumn[];
  readonly scales: readonly number[];
} {
  const scales: number[] = [];
  const memory = new Map<SampleType, number>();
  const typeNames = new Map<string, SampleType>();
  const others: OtherColumn[] = [];
  const names = message.sampleType.map(({ type }) => text(type));
  // Names of others' own are those of a heap's profile where bytes in use are among them.
  const known = names.some((name) => MEMORY_NAMES.get(name) === 'inuse_space')
    ? MEMORY_NAMES
    : new Map([...MEMORY_NAMES].filter(([name]) => isMemoryType(name) || name === 'objects'));
  message.sampleType.forEach(({ unit }, column) => {
    const name = names[column];
    const type = known.get(name);
    scales.push(type?.endsWith('space') === true ? bytesIn(text(unit)) : 1);
    if (type !== undefined && (type === name || !names.includes(type)) && !memory.has(type)) {
      memory.set(type, column);
      if (type !== name) typeNames.set(name, type);
    } else
      others.push({
        type: name,
        unit: text(unit).replace(/[^\w%/.-]/g, '_') || 'count',
        column,
        values: new Float64Array(count),
      });
  });
  const wanted = text(message.defaultSampleType);
  const first = others.findIndex(({ type }) => wanted !== '' && type === wanted);
  others.unshift(...others.splice(first, 1));
  return { memory, typeNames, others, scales };
}

/** Bytes in a unit by its name; 1 for one that is no unit of memory. */
function bytesIn(unit: string): number {
  return BYTES_IN_UNIT.get(unit.toLowerCase().replace(/(?<=..)s$/, '')) ?? 1;
}

/**
 * The frames of locations: one for the head of a backtrace, whose address is that of an instruction, and one for callers, of which frames have the
 * address behind the call. A line may be of no function (0); one that the file lacks is `missing`.
 * Names that differ from the system's are whole: pprof demangles and shortens those that do not (internal/symbolizer, Demangle).
 */
function locationsOf(
  message: PprofProfile,
  stacks: StackTable,
  text: (index: Int64 | undefined) => string,
  missing: PassedOver,
): { readonly frameAt: (id: Id, isHead: boolean) => FrameIndex | -1; readonly wholeNames: ReadonlySet<string> } {
  const functions = new Map<Id, PprofProfile['function'][number]>();
  const wholeNames = new Set<string>();
  for (const fn of message.function) {
    functions.set(idKey(fn.id), fn);
    const name = text(fn.name);
    if (name !== '' && name !== text(fn.systemName)) wholeNames.add(name);
  }
  const modules = new Map<Id, string>();
  for (const mapping of message.mapping) modules.set(idKey(mapping.id), text(mapping.filename));
  const locations = new Map<Id, Location>();
  for (const location of message.location) {
    const lines: InlinedFrame[] = location.line.map(({ functionId, line }) => {
      const id = idKey(functionId);
      const fn = functions.get(id);
      if (fn === undefined && id !== 0) missing.addReference('location', idKey(location.id), 'function', id);
      const file = text(fn?.filename);
      const number = toNumber(line);
      return {
        fn: demangle(text(fn?.name) || text(fn?.systemName)),
        ...(file === '' ? {} : { file }),
        ...(number > 0 ? { line: number } : {}),
      };
    });
    const outermost = lines.pop();
    const module = location.mappingId === undefined ? undefined : modules.get(idKey(location.mappingId));
    const address = toBigInt(location.address);
    const isNameless = outermost === undefined || outermost.fn === '';
    const frame: Frame = {
      ...(!isNameless ? outermost : address === 0n ? { fn: unknownIn(module) } : {}),
      ...(module === undefined || module === '' ? {} : { module }),
      ...(lines.length === 0 ? {} : { inlined: lines }),
    };
    locations.set(idKey(location.id), { frame, address, head: -1, caller: -1 });
  }
  const intern = ({ frame, address }: Location, behind: bigint) =>
    stacks.frames.intern(address === 0n ? frame : { pc: address + behind, ...frame });
  const frameAt = (id: Id, isHead: boolean) => {
    const location = locations.get(id);
    if (location === undefined) return -1;
    if (isHead) return location.head < 0 ? (location.head = intern(location, 0n)) : location.head;
    return location.caller < 0 ? (location.caller = intern(location, 1n)) : location.caller;
  };
  return { frameAt, wholeNames };
}

/** What go tool pprof calls a location without function and address. */
function unknownIn(module = ''): string {
  return module === '' ? '<unknown>' : `[${module.slice(module.lastIndexOf('/') + 1)}]`;
}

/** What a location says but for its address, and the frames made of it. */
interface Location {
  readonly frame: Frame;
  readonly address: bigint;
  head: FrameIndex | -1;
  caller: FrameIndex | -1;
}

/** An id as a key: ids are any 64-bit numbers, mostly small ones. */
function idKey(id: Int64): Id {
  const key = toBigInt(id);
  return key <= Number.MAX_SAFE_INTEGER ? Number(key) : key;
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
