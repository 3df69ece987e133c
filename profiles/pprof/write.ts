/**
 * Writes pprof profiles (github.com/google/pprof, proto/profile.proto), as `go tool pprof` reads them.
 * Invariant: ids are rows counted from 1; the values of a sample are rounded to whole objects and bytes, and none is beyond what 64 bits hold.
 * Differs: a made-up address is not written (0: unknown); frames of the allocator are in the profile and named in `drop_frames`,
 * so that pprof leaves them out as jeprof does.
 */
import { gzipSync } from 'node:zlib';
import type { Frame } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import type { Mapping } from '../heap/maps.ts';
import { findMapping, isCode, parseMaps } from '../heap/maps.ts';
import { printable } from '../printable.ts';
import type { Measure, Profile } from '../profile.ts';
import { isPprofProfile, SAMPLE_TYPES } from '../profile.ts';
import { isCppName } from '../report/names.ts';
import { SampleWriter } from './sample_writer.ts';
import type { PprofProfile } from './schema.ts';
import { encodeProfile, uint64 } from './schema.ts';

/** What a pprof file says besides the profile; every part may be missing. */
export interface PprofOptions {
  /** When the profile was taken, ns since 1970. */
  readonly timeNanos?: bigint;
  /** Length of the recording, ns. */
  readonly durationNanos?: number;
  readonly comments?: readonly string[];
}

/** The file: a gzipped message with sample types alloc_objects, alloc_space, inuse_objects and inuse_space, then the profile's own. */
export function writePprof(profile: Profile, options: PprofOptions = {}): Uint8Array {
  const { message, samples } = pprofMessage(profile, options);
  const types = encodeProfile({ ...NOTHING, sampleType: message.sampleType });
  return gzipSync(Buffer.concat([types, samples, encodeProfile({ ...message, sampleType: [] })]), { level: 6 });
}

/** Functions whose frames, and everything they called, pprof does not show: the allocator's own (RE2 syntax, matched against the whole name). */
const DROP_FRAMES =
  '_?(calloc|cfree|malloc|(void\\* )?newImpl|free|memalign|posix_memalign|aligned_alloc|pvalloc|valloc|realloc|mallocx|rallocx|xallocx|s?dallocx|sdallocx_noflags|' +
  'tc_(calloc|cfree|malloc|free|memalign|posix_memalign|pvalloc|valloc|realloc|new|delete|newarray|deletearray|new_nothrow|newarray_nothrow)|' +
  '(::)?do_malloc|::do_malloc_or_cpp_alloc|DoSampledAllocation|simple_alloc::allocate|__malloc_alloc_template::allocate|' +
  '__builtin_(vec_)?(delete|new)|operator new(\\[\\])?|malloc_zone_(malloc|calloc|valloc|realloc|memalign|free)|' +
  '__(start|stop)_(google_malloc|malloc_hook)|.*TCMalloc.*|tcmalloc::.*|\\[[^\\]]*malloc[^\\]]*\\+0x.*)';

/** What jeprof puts behind a name of a symbol section, to tell functions of one name apart: their address, which locations have here. */
const JEPROF_ADDRESS = /<[0-9a-f]{16}>$/;

/** The greatest number of a double that is less than 2^63. Estimates of a wrapped counter are beyond it. */
const MOST_VALUE = 2 ** 63 - 1024;

const NOTHING: PprofProfile = { sampleType: [], sample: [], mapping: [], location: [], function: [], stringTable: [] };

/** The message before encoding, and its samples, encoded. */
function pprofMessage(profile: Profile, options: PprofOptions): { readonly message: PprofProfile; readonly samples: Uint8Array } {
  const { samples, stacks } = profile;
  const writer = new MessageWriter(profile);
  const { message, strings } = writer;
  const isMemory = profile.kind !== 'other';
  const memory = SAMPLE_TYPES.map((type) => ({ type, unit: type.endsWith('space') ? 'bytes' : 'count', values: samples.column(type) }));
  const columns: readonly Measure[] = [...(isMemory ? memory : []), ...(profile.measures ?? [])];
  for (const { type, unit } of columns) message.sampleType.push({ type: strings.index(type), unit: strings.index(unit) });
  message.defaultSampleType = strings.index(isMemory ? 'inuse_space' : (columns[0]?.type ?? ''));
  if (isMemory) {
    message.periodType = { type: strings.index('space'), unit: strings.index('bytes') };
    message.period = profile.sampling.rate;
  }
  if (isMemory) message.dropFrames = strings.index(DROP_FRAMES);
  if (options.timeNanos !== undefined) message.timeNanos = uint64(options.timeNanos);
  if (options.durationNanos !== undefined) message.durationNanos = options.durationNanos;
  message.comment = (options.comments ?? []).map((comment) => strings.index(comment));

  const encoded = new SampleWriter();
  const locations: number[] = [];
  for (let row = 0; row < samples.length; row++) {
    const value = columns.map(({ values }) => Math.max(-MOST_VALUE, Math.min(MOST_VALUE, Math.round(values[row]))));
    if (value.every((part) => part === 0)) continue;
    const stack = samples.stack[row] as StackIndex;
    const frames = stacks.framesOf(stack);
    locations.length = frames.length;
    for (let depth = 0; depth < frames.length; depth++) locations[depth] = writer.location(frames[depth], depth === 0);
    if (stack < 0) locations.push(writer.noBacktrace());
    encoded.add(locations, value);
  }
  return { message, samples: encoded.bytes };
}

/** Strings of a message, each once; 0 is the empty one. */
class StringTable {
  readonly strings: string[] = [''];
  readonly #byText = new Map<string, number>([['', 0]]);

  index(text: string): number {
    const clean = printable(text);
    let index = this.#byText.get(clean);
    if (index === undefined) {
      index = this.strings.length;
      this.strings.push(clean);
      this.#byText.set(clean, index);
    }
    return index;
  }
}

class MessageWriter {
  readonly strings = new StringTable();
  readonly message: PprofProfile = {
    sampleType: [],
    sample: [],
    mapping: [],
    location: [],
    function: [],
    stringTable: this.strings.strings,
  };
  readonly #frames: readonly Frame[];
  readonly #maps: readonly Mapping[];
  readonly #binary: string | undefined;
  /** FrameIndex -> location id of callers, 0 for none yet; of heads, too, unless those have addresses of instructions, as pprof's own profiles do. */
  readonly #locations: Int32Array;
  readonly #heads: Int32Array | undefined;
  readonly #wholeNames: ReadonlySet<string>;
  readonly #functions = new Map<string, number>();
  /** Mapping id by row of `#maps`, and by path for frames that lie in none. */
  readonly #mapped = new Map<number, number>();
  readonly #modules = new Map<string, number>();
  #noBacktrace = 0;

  constructor(profile: Profile) {
    this.#frames = profile.stacks.frames.frames;
    this.#maps = parseMaps(profile.maps ?? '').filter(isCode);
    // Where nothing names the program: the first file with frames that is no library.
    this.#binary = profile.binary ?? this.#frames.find(({ module }) => module?.startsWith('/') && !/\.so(\.|$)/.test(module))?.module;
    this.#locations = new Int32Array(this.#frames.length);
    this.#heads = isPprofProfile(profile) ? new Int32Array(this.#frames.length) : undefined;
    this.#wholeNames = profile.wholeNames ?? new Set();
    // pprof takes the first mapping for the program's.
    const program = this.#maps.findIndex(({ path }) => path === profile.binary);
    if (program >= 0) this.#mapped.set(program, this.#addMapping(this.#maps[program]));
    else if (this.#maps.length === 0 && this.#binary !== undefined) {
      this.#modules.set(this.#binary, this.#addMapping({ path: this.#binary }));
    }
  }

  location(frame: number, isHead: boolean): number {
    const heads = isHead && this.#frames[frame].pc !== undefined ? this.#heads : undefined;
    const known = heads ?? this.#locations;
    let id = known[frame];
    if (id === 0) id = known[frame] = this.#addLocation(this.#frames[frame], heads === undefined ? 1n : 0n);
    return id;
  }

  /** The location that stands for an empty backtrace. */
  noBacktrace(): number {
    if (this.#noBacktrace === 0) this.#noBacktrace = this.#addLocation({ fn: '[no backtrace]' }, 0n);
    return this.#noBacktrace;
  }

  /** @param behind 1 where the address is the one that a call returns to: what is written is the call's */
  #addLocation(frame: Frame, behind: bigint): number {
    const { pc, fn, file, line, inlined } = frame;
    const lines: PprofProfile['location'][number]['line'] = [];
    // Innermost first: the last line is the function that has the frame.
    for (const inner of inlined ?? []) lines.push({ functionId: this.#functionId(inner.fn, inner.file), line: inner.line ?? 0 });
    if (fn !== undefined) lines.push({ functionId: this.#functionId(fn, file), line: line ?? 0 });
    const address = pc === undefined || pc === 0n ? 0n : BigInt.asUintN(64, pc - behind);
    const mappingId = this.#mappingId(frame, address);
    if (mappingId !== 0 && lines.length > 0) {
      const mapping = this.message.mapping[mappingId - 1];
      mapping.hasFunctions = true;
      if (file !== undefined) mapping.hasFilenames = true;
      if (line !== undefined) mapping.hasLineNumbers = true;
      if (inlined !== undefined) mapping.hasInlineFrames = true;
    }
    const id = this.message.location.length + 1;
    this.message.location.push({ id, mappingId, address: uint64(address), line: lines });
    return id;
  }

  #functionId(name: string, file: string | undefined): number {
    const key = `${name}\0${file ?? ''}`;
    let id = this.#functions.get(key);
    if (id === undefined) {
      id = this.message.function.length + 1;
      this.#functions.set(key, id);
      const index = this.strings.index(name.replace(JEPROF_ADDRESS, ''));
      // Of a name that is the system's as well, pprof cuts what C++ has in brackets: `<module>` would be unknown, `<T as Clone>::clone` one with all others.
      const systemName = isCppName(name) && !this.#wholeNames.has(name) ? index : 0;
      this.message.function.push({ id, name: index, systemName, filename: file === undefined ? 0 : this.strings.index(file) });
    }
    return id;
  }

  #mappingId(frame: Frame, address: bigint): number {
    const row = address === 0n ? -1 : findMapping(this.#maps, address);
    if (row >= 0) {
      let id = this.#mapped.get(row);
      if (id === undefined) this.#mapped.set(row, (id = this.#addMapping(this.#maps[row])));
      return id;
    }
    // Where mappings are known, an address in none is of no file: of a library that was unloaded, or made as the program ran.
    const isNowhere = address !== 0n && this.#maps.length > 0;
    const module = frame.module ?? (isNowhere ? undefined : this.#binary) ?? '';
    if (module === '') return 0;
    let id = this.#modules.get(module);
    if (id === undefined) this.#modules.set(module, (id = this.#addMapping({ path: module })));
    return id;
  }

  #addMapping({ start = 0n, end = 0n, offset = 0n, path }: { start?: bigint; end?: bigint; offset?: bigint; path: string }): number {
    const id = this.message.mapping.length + 1;
    this.message.mapping.push({
      id,
      memoryStart: uint64(start),
      memoryLimit: uint64(end),
      fileOffset: uint64(offset),
      filename: this.strings.index(path),
    });
    return id;
  }
}
