/**
 * Reads what Valgrind's Massif writes (massif/ms_main.c; ms_print reads the same): the bytes in use per stack, at the peak.
 *
 *     snapshot=84
 *     …
 *     heap_tree=peak
 *     n8: 1030524 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.
 *      n1: 584050 0x109396: lru_put (leaky.c:25)
 *       n0: 584050 0x109573: handle (leaky.c:29)
 *      n0: 7215 in 7 places, all below massif's threshold (1.00%)
 *
 * The same form has what Valgrind's other tools write with --xtree-memory (coregrind/m_xtmemory.c): a snapshot for each of
 * bytes and blocks, in use (curB, curBk) and in all (totB, totBk).
 *
 * Invariant: the profile's total is the snapshot's `mem_heap_B`, as far as its tree tells: every byte of the tree is in one row.
 * What the format cannot say: how many blocks, what was freed, who is behind what is below the threshold, and mostly who had what at the end.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import { EVERY_ALLOCATION, type Profile, type SampleType, SampleTable } from '../profile.ts';
import { ValgrindStacks } from './frames.ts';

/** One snapshot; sizes in bytes. */
export interface MassifSnapshot {
  readonly number: number;
  /** In `timeUnit`. */
  readonly time: number;
  /** What the program asked for. */
  readonly heapBytes: number;
  /** What the allocator adds to that. */
  readonly extraBytes: number;
  /** Stacks of threads, if Massif followed them. */
  readonly stackBytes: number;
  /** True if the snapshot has a tree: it says who allocated. */
  readonly detailed: boolean;
}

/** A Massif file: all its snapshots, and a profile of one. */
export interface MassifFile {
  readonly snapshots: readonly MassifSnapshot[];
  /** i: instructions, ms, or B: bytes allocated. */
  readonly timeUnit: string;
  /** The snapshot that the profile is of: Massif's peak, or the largest that has a tree; of an xtree, the bytes in use at the end. */
  readonly shown: MassifSnapshot;
  readonly profile: Profile;
}

/** Who is behind the bytes that Massif puts together. */
const BELOW_THRESHOLD = "[below massif's threshold]";

/** True if bytes look like the beginning of a file that `readMassif` takes. */
export function isMassif(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  return text.startsWith('desc:') && text.includes('\ncmd:') && /\ntime_unit: ?(?:i|ms|B)\r?\n/.test(text);
}

/**
 * Reads a Massif file.
 * @param name what errors call it
 * @throws InputError if it breaks off, or no snapshot says who allocated
 */
export function readMassif(bytes: Uint8Array, name: string): MassifFile {
  const lines = new TextDecoder().decode(bytes).split('\n');
  const { snapshots, header } = readSnapshots(lines, name);
  const command = header.get('cmd');
  const timeUnit = header.get('time_unit') ?? 'i';
  const isXtree = header.get('desc') === 'xtree.produce_report';
  const { shown, ...rest } = isXtree ? readXtree(lines, snapshots, name) : readLargest(lines, snapshots, name, timeUnit);
  const profile: Profile = {
    ...EVERY_ALLOCATION,
    requested: true,
    symbolized: true,
    ...(command === undefined ? {} : { binary: command }),
    ...rest,
  };
  return { snapshots, timeUnit, shown, profile };
}

type Part = Pick<Profile, 'source' | 'stacks' | 'samples' | 'accumulated' | 'moment' | 'warnings'> & { readonly shown: Snapshot };

/** The peak, or what comes nearest to it. */
function readLargest(lines: readonly string[], snapshots: readonly Snapshot[], name: string, timeUnit: string): Part {
  let shown: Snapshot | undefined;
  for (const snapshot of snapshots) {
    if (snapshot.tree === 'empty') continue;
    if (shown === undefined || snapshot.tree === 'peak' || (shown.tree !== 'peak' && snapshot.heapBytes > shown.heapBytes))
      shown = snapshot;
  }
  if (shown === undefined)
    throw new InputError(name, `none of Massif’s ${snapshots.length} snapshots says who allocated`, 'run it with --detailed-freq=1');
  const stacks = new StackTable();
  const samples = new SampleTable();
  readTree(lines, shown.treeStart, name, new ValgrindStacks(stacks), samples, 'inuse_space');
  const moment = shown.tree === 'peak' ? 'at the peak' : `at snapshot ${shown.number}`;
  const warnings = [momentNote(shown, snapshots, timeUnit)];
  return { source: 'Massif', stacks, samples, accumulated: false, moment, warnings, shown };
}

/** What the snapshots of an xtree count, by the name at the root of their tree. */
const XTREE_COLUMNS = new Map<string, SampleType>([
  ['curB', 'inuse_space'],
  ['curBk', 'inuse_objects'],
  ['totB', 'alloc_space'],
  ['totBk', 'alloc_objects'],
]);

function readXtree(lines: readonly string[], snapshots: readonly Snapshot[], name: string): Part {
  const stacks = new StackTable();
  const samples = new SampleTable();
  const interned = new ValgrindStacks(stacks);
  let shown: Snapshot | undefined;
  let accumulated = false;
  for (const snapshot of snapshots) {
    const counted = /^n\d+: \d+ (\w+) :/.exec(lines[snapshot.treeStart] ?? '')?.[1] ?? '';
    const type = snapshot.detailed ? XTREE_COLUMNS.get(counted) : undefined;
    if (type === undefined) continue;
    readTree(lines, snapshot.treeStart, name, interned, samples, type);
    if (type === 'inuse_space') shown ??= snapshot;
    if (type === 'alloc_space') accumulated = true;
  }
  if (shown === undefined) throw new InputError(name, 'is an xtree of Valgrind’s that does not say what is in use', 'see it with ms_print');
  return { source: 'xtree', stacks, samples, accumulated, warnings: [], shown };
}

interface Snapshot extends MassifSnapshot {
  readonly tree: string;
  /** Index of the first line of the tree. */
  readonly treeStart: number;
}

/** What the user sees, and what was in use at the end. */
function momentNote(shown: Snapshot, snapshots: readonly Snapshot[], timeUnit: string): string {
  const what = shown.tree === 'peak' ? 'Massif’s peak' : 'the largest that says who allocated';
  const last = snapshots[snapshots.length - 1] as Snapshot;
  const extra = shown.extraBytes > 0 ? `, and ${shown.extraBytes} that the allocator added` : '';
  const end = last === shown ? '' : `; the last of ${snapshots.length} snapshots has ${last.heapBytes}`;
  return `in use here is what was at snapshot ${shown.number}, ${what}, time ${shown.time} ${timeUnit}: ${shown.heapBytes} bytes${extra}${end}`;
}

const COUNT = /^\d{1,16}$/;

/** The snapshots, and the fields before the first of them. */
function readSnapshots(lines: readonly string[], name: string): { snapshots: Snapshot[]; header: Map<string, string> } {
  const snapshots: Snapshot[] = [];
  const header = new Map<string, string>();
  let fields: Map<string, string> | undefined;
  for (const [index, line] of lines.entries()) {
    if (fields === undefined && !line.startsWith('snapshot=')) {
      const colon = line.indexOf(':');
      if (snapshots.length === 0 && colon > 0) header.set(line.slice(0, colon), line.slice(colon + 1).trim());
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 0 || line.startsWith('#')) continue;
    fields ??= new Map();
    const key = line.slice(0, equals);
    const value = line.slice(equals + 1).trim();
    fields.set(key, value);
    if (key !== 'heap_tree') continue;
    const known = fields;
    const count = (field: string) => {
      const text = known.get(field) ?? '';
      if (!COUNT.test(text)) throw new InputError(`${name}:${index + 1}`, `a snapshot whose ${field} is no number`);
      return Number(text);
    };
    snapshots.push({
      number: count('snapshot'),
      time: count('time'),
      heapBytes: count('mem_heap_B'),
      extraBytes: count('mem_heap_extra_B'),
      stackBytes: count('mem_stacks_B'),
      detailed: value !== 'empty',
      tree: value,
      treeStart: index + 1,
    });
    fields = undefined;
  }
  if (fields !== undefined || snapshots.length === 0) throw new InputError(`${name}:${lines.length}`, 'Massif’s output breaks off');
  return { snapshots, header };
}

const NODE = /^ *n(\d{1,9}): (\d{1,16}) (.*)$/s;
const PLACES = /^in \d+ places?, (?:all )?below massif's threshold/;

/** Frames of all stacks of a tree, far more than Valgrind writes, which follows 500 callers at most: each node of a deep chain has a stack as long as it is deep. */
const MOST_FRAMES = 2 ** 26;

/** Reads a tree into one column, children after their parent: its count of children, not its indent, says where a node belongs. */
function readTree(
  lines: readonly string[],
  start: number,
  name: string,
  stacks: ValgrindStacks,
  samples: SampleTable,
  type: SampleType,
): void {
  // From the root down: the value that no child has, children to come. The frames are `stacks`' path; the root has none.
  const own: number[] = [];
  const missing: number[] = [];
  let at = start;
  let frames = 0;
  do {
    const match = NODE.exec((lines[at++] ?? '').replace(/\r$/, ''));
    if (match === null) throw new InputError(`${name}:${at}`, 'no node of Massif’s tree where one must be');
    const [, children, size, text] = match;
    const depth = own.length;
    if (depth > 0) {
      stacks.push(PLACES.test(text) ? BELOW_THRESHOLD : text);
      own[depth - 1] -= Number(size);
      missing[depth - 1]--;
    }
    own.push(Number(size));
    missing.push(Number(children));
    while (missing[missing.length - 1] === 0) {
      const value = own.pop() as number;
      missing.pop();
      if (value < 0) throw new InputError(`${name}:${at}`, 'the children of a node of Massif’s tree have more than it has');
      if (value > 0) {
        frames += own.length;
        if (frames > MOST_FRAMES)
          throw new InputError(`${name}:${at}`, `the stacks of Massif’s tree have more than ${MOST_FRAMES} frames in all`);
        samples.add(stacks.internPath(), 0, 0, 0, 0);
        samples.column(type)[samples.length - 1] = value;
      }
      if (own.length > 0) stacks.pop();
    }
  } while (own.length > 0);
}
