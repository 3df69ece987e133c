/**
 * The reports that jeprof makes of heap profiles (jemalloc 5.3.0, bin/jeprof.in: Main, FilterAndPrint).
 * Invariant: the same rows, numbers and order as jeprof, wherever jeprof's own are not those of a hash table.
 * Differs: a dump's rows without backtrace are left out with a note (jeprof says nothing); profiles that are no dump show them as a row.
 */
import { hasPprofRows, isHeapDump, isMemoryType, type Profile, type SampleTable, valuesOf } from '../profile.ts';
import { AddressProfile, AddressTable, addSamples, subtract } from './address_profile.ts';
import { callgrind } from './callgrind.ts';
import { collapsedStacks } from './collapsed.ts';
import { dotGraph } from './dot.ts';
import type { Granularity } from './entries.ts';
import { EntryTable, reduce } from './entries.ts';
import type { RowErrors } from './errors.ts';
import { cutAllocator, filterFrames, pattern, selectBacktraces } from './filters.ts';
import type { Unit } from './numbers.ts';
import { integer, perlNumber, unitOf } from './numbers.ts';
import { profileText, symbolSection } from './raw.ts';
import type { SymbolSource } from './symbols.ts';
import { textTable } from './text.ts';

/** Forms of a report, by jeprof's flags. */
export const REPORT_FORMATS = ['text', 'dot', 'collapsed', 'callgrind', 'raw'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** jeprof's flags; every one may be left out. */
export interface ReportOptions {
  /** `--inuse_space` (default), `--inuse_objects`, `--alloc_space`, `--alloc_objects`, or one of the profile's own measures */
  readonly sampleType?: string;
  /** `--functions` (default), `--lines`, `--files`, `--addresses` */
  readonly granularity?: Granularity;
  /** `--cum`: sort by cumulative value */
  readonly cumulative?: boolean;
  /** `--show_bytes`: bytes, not megabytes */
  readonly showBytes?: boolean;
  /** `--base`: subtract this profile */
  readonly base?: Profile;
  /** `--drop_negative`: less than nothing after --base is nothing */
  readonly dropNegative?: boolean;
  /** `--focus`, `--ignore`: backtraces with, without a match; `--retain`, `--exclude`: frames with, without. Regular expressions. */
  readonly focus?: string;
  readonly ignore?: string;
  readonly retain?: string;
  readonly exclude?: string;
  /** `--thread`: a thread's number, or `*` for each of them in turn */
  readonly thread?: string;
  /** `--nodecount` 80, `--nodefraction` 0.005, `--edgefraction` 0.001, `--maxdegree` 8, `--heapcheck`: of --dot */
  readonly nodeCount?: number;
  readonly nodeFraction?: number;
  readonly edgeFraction?: number;
  readonly maxDegree?: number;
  readonly heapcheck?: boolean;
  /** What the program is called, if the profile does not say. */
  readonly program?: string;
  /** Names the addresses that have no name. */
  readonly symbolSource?: SymbolSource;
  /** The first profile's own text, for --raw. Without it a text is made of the estimates. */
  readonly dumpText?: Uint8Array;
  /** Standard errors to be shown in the table of --text, of the part that is printed. */
  readonly errors?: RowErrors;
  /** Takes messages for the user, one sentence each. */
  readonly note?: (text: string) => void;
}

/** The table of --text. See renderReport. */
export function renderText(profiles: Profile | readonly Profile[], options: ReportOptions = {}): string {
  return renderReport('text', profiles, options);
}

/**
 * Makes a report of one profile, or of the sum of several. Threads are those of the first.
 * @throws InputError if a pattern is no regular expression
 */
export function renderReport(format: ReportFormat, profiles: Profile | readonly Profile[], options: ReportOptions = {}): string {
  const list: readonly Profile[] = 'samples' in profiles ? [profiles] : profiles;
  if (list.length === 0) return '';
  const parts = prepareReport(list, options);
  if (format === 'raw') {
    const decoder = new TextDecoder();
    return Array.from(rawProfile(list, parts, options), (piece) => (typeof piece === 'string' ? piece : decoder.decode(piece))).join('');
  }
  return parts.map((part) => printPart(format, part, options)).join('');
}

/** The first profile with the names of all addresses, before any filter, in pieces. */
export function* rawProfile(
  [first]: readonly Profile[],
  [part]: readonly ReportPart[],
  options: ReportOptions,
): Generator<string | Uint8Array> {
  if (part === undefined) return;
  const { dumpText } = options;
  yield symbolSection(programName(first, options), part.addresses, first.kind);
  if (dumpText === undefined) yield* profileText(first);
  else yield dumpText;
}

/** The sample type of a report: that of the options, else memory in use, else the first that the profile has. */
export function sampleTypeOf({ kind, measures, typeNames }: Profile, { sampleType }: ReportOptions): string {
  if (sampleType !== undefined) return typeNames?.get(sampleType) ?? sampleType;
  return (kind === 'other' ? measures?.[0]?.type : undefined) ?? 'inuse_space';
}

/** What a report is made of: values per backtrace, filtered, of the whole or of one thread. */
export interface ReportPart {
  readonly profile: AddressProfile;
  readonly addresses: AddressTable;
  /** ` (t3)` for a thread, else empty. */
  readonly title: string;
  readonly program: string;
  /** Sum before the filters. */
  readonly total: number;
  readonly unit: Unit;
}

/**
 * Sums the profiles up, names their addresses and applies the filters. One part, or with `thread` one for each.
 * @throws InputError if a pattern is no regular expression
 */
export function prepareReport(profiles: readonly Profile[], options: ReportOptions = {}): ReportPart[] {
  const [first] = profiles;
  const { whole, threads, addresses } = gathered(profiles, options);
  const program = programName(first, options);
  const type = sampleTypeOf(first, options);
  const unit = unitOf(type, options.showBytes ?? false, first.measures?.find((measure) => measure.type === type)?.unit);
  const isDump = profiles.every(isHeapDump);
  const parts = options.thread === undefined ? [{ profile: whole, title: '' }] : threads;
  return parts.map(({ profile, title }) => ({
    profile: filtered(isMemoryType(type) ? cutAllocator(profile, addresses, isDump) : profile, addresses, options),
    addresses,
    title,
    program,
    total: profile.total(),
    unit,
  }));
}

/** The profiles' values per backtrace, before any filter. */
function gathered(list: readonly Profile[], options: ReportOptions) {
  const [first] = list;
  const { base } = options;
  const type = sampleTypeOf(first, options);
  const addresses = new AddressTable(list.every(hasPprofRows));
  const gather = new Gatherer(addresses, type, options.note ?? (() => {}));

  let whole = new AddressProfile();
  // jeprof's order: the first, then the others from the last on. It decides which names an address of several profiles has.
  for (const profile of [first, ...list.slice(1).reverse()]) gather.add(whole, profile, profile.samples);
  if (base !== undefined) {
    const less = new AddressProfile();
    gather.add(less, base, base.samples);
    whole = subtract(whole, less, options.dropNegative ?? false);
  }
  const threads =
    options.thread === undefined
      ? []
      : chosenThreads(first, options.thread, options.note ?? (() => {})).map((thread) => {
          const profile = new AddressProfile();
          gather.add(profile, first, thread.samples);
          return { profile, title: ` (t${thread.id})` };
        });
  if (options.symbolSource !== undefined) addresses.lookup(options.symbolSource);
  return { whole, threads, addresses };
}

/** The program as the profile's own symbol section says, else as the command line does, else as the mappings do. */
function programName({ symbolized, binary }: Profile, { program }: ReportOptions): string {
  return (symbolized ? binary : (program ?? binary)) ?? UNKNOWN_PROGRAM;
}

const UNKNOWN_PROGRAM = '(unknown)';

/** Puts samples into address profiles and counts those that are left out. */
class Gatherer {
  readonly #addresses: AddressTable;
  readonly #type: string;
  readonly #note: (text: string) => void;
  #emptyBacktrace = -1;

  constructor(addresses: AddressTable, type: string, note: (text: string) => void) {
    this.#addresses = addresses;
    this.#type = type;
    this.#note = note;
  }

  add(into: AddressProfile, profile: Profile, samples: SampleTable): void {
    const isDump = isHeapDump(profile);
    const omitted = isDump ? emptyTotal(samples, valuesOf(profile, this.#type, samples)) : 0;
    if (omitted !== 0) {
      const unit = this.#type.endsWith('objects') ? 'objects' : 'bytes';
      this.#note(`${integer(omitted)} ${unit} have no backtrace in the dump and are in no row`);
    }
    if (!isDump && this.#emptyBacktrace < 0 && samples.stack.subarray(0, samples.length).includes(-1)) {
      this.#emptyBacktrace = this.#addresses.addName('[no backtrace]');
    }
    addSamples(into, this.#addresses, profile, samples, this.#type, isDump ? -1 : this.#emptyBacktrace);
  }
}

function emptyTotal(samples: SampleTable, values: Float64Array): number {
  let sum = 0;
  for (let row = 0; row < samples.length; row++) if (samples.stack[row] < 0) sum += values[row];
  return sum;
}

function chosenThreads(profile: Profile, thread: string, note: (text: string) => void): Profile['threads'] {
  // jeprof compares numbers; those with a fraction or an exponent are the thread's only if they are whole.
  const wanted = /^\+?\d+$/.test(thread) ? thread.replace(/^\+?0*(?=\d)/, '') : String(perlNumber(thread));
  // A thread that is only in the dump's header has no report of its own.
  const chosen = profile.threads.filter(({ id, samples }) => samples.length > 0 && (thread === '*' || String(id) === wanted));
  if (chosen.length === 0) {
    const numbers = profile.threads.map(({ id }) => id);
    const known =
      numbers.length > 8
        ? `${numbers.slice(0, 8).join(', ')} and ${numbers.length - 8} more`
        : numbers.join(', ').replace(/, (\d+)$/, ' and $1');
    note(known === '' ? 'the profile does not tell threads apart' : `the profile has no thread ${thread}, but ${known}`);
  }
  return [...chosen].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** What `--retain`, `--exclude`, `--focus` and `--ignore` leave. */
function filtered(whole: AddressProfile, addresses: AddressTable, options: ReportOptions): AddressProfile {
  const optional = (text: string | undefined, flag: string) => (text === undefined || text === '' ? undefined : pattern(text, flag));
  let profile = filterFrames(whole, addresses, optional(options.retain, '--retain'), optional(options.exclude, '--exclude'));
  const focus = optional(options.focus, '--focus');
  if (focus !== undefined) profile = selectBacktraces(profile, addresses, focus, true);
  const ignore = optional(options.ignore, '--ignore');
  if (ignore !== undefined) profile = selectBacktraces(profile, addresses, ignore, false);
  return profile;
}

/** One part of a report in one of jeprof's forms. */
export function printPart(format: Exclude<ReportFormat, 'raw'>, part: ReportPart, options: ReportOptions): string {
  const { profile, addresses, title, program, total, unit } = part;
  if (format === 'collapsed') return [...collapsedStacks(profile, addresses)].join('');
  if (format === 'callgrind') return [...callgrind(profile, addresses)].join('');
  const entries = new EntryTable(addresses, options.granularity ?? 'functions');
  const reduced = reduce(profile, entries);
  if (format === 'text') {
    const { errors } = options;
    const error = errors === undefined ? '' : ` ±${unit.print(errors.total)}`;
    const head = total === 0 ? '' : `Total${title}: ${unit.print(total)}${error} ${unit.name}\n`;
    return head + textTable(addresses, entries, reduced, unit, options.cumulative ?? false, errors);
  }
  const limits = {
    nodeCount: options.nodeCount ?? 80,
    nodeFraction: options.nodeFraction ?? 0.005,
    edgeFraction: options.edgeFraction ?? 0.001,
    maxDegree: options.maxDegree ?? 8,
    heapcheck: options.heapcheck ?? false,
  };
  return dotGraph(program, profile, entries, reduced, total, unit, limits, options.note ?? (() => {})) ?? '';
}
