/**
 * A profile as one HTML page that needs nothing else: flame graph, icicle and callers, drawn by d3-flame-graph (Apache-2.0).
 * Invariant: every total of the page counts all of the profile, whatever frames are merged so that the page stays small.
 */
import { grown } from '../../core/columns.ts';
import type { StackTable } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import { CallPaths } from '../leaks/call_paths.ts';
import type { PathFrame } from '../leaks/shown_frames.ts';
import { printable } from '../printable.ts';
import type { Profile, SampleTable, SampleType } from '../profile.ts';
import { FlameTreeBuilder, MAX_DEPTH, type FlameTree } from './flame_tree.ts';
import { OWN_ROWS, OwnValues } from './own_values.ts';
import { type FlameGraphOptions, pageHtml, scriptJson } from './page_html.ts';
import type { PageData, PageMetric, PageTree } from './page_types.ts';

export type { FlameGraphOptions } from './page_html.ts';

/** Rows of each tree at first; fewer if the page would come near MOST_JSON. */
const MOST_ROWS = 15_000;
/** Characters of the page's data: with libraries and style the page stays below 5 MB, whatever its names are. */
const MOST_JSON = 3_500_000;
/** Characters kept of a name: symbols of templates can have thousands, and no frame is wide enough for them. */
const MOST_NAME = 400;

interface Metric {
  readonly key: SampleType;
  readonly group: string;
  readonly unit: PageMetric['unit'];
}

const METRICS: readonly Metric[] = [
  { key: 'inuse_space', group: 'In use', unit: 'bytes' },
  { key: 'inuse_objects', group: 'In use', unit: 'objects' },
  { key: 'alloc_space', group: 'Allocated', unit: 'bytes' },
  { key: 'alloc_objects', group: 'Allocated', unit: 'objects' },
];

/**
 * The page, as HTML. The same profile and options give the same text.
 * @throws Error if the installed d3 packages have no builds for browsers.
 */
export function renderFlameGraph(profile: Profile, options: FlameGraphOptions): string {
  const { base, foldAllocators = true } = options;
  const trees = new Trees(foldAllocators, METRICS.length * (base === undefined ? 1 : 2));
  trees.add(profile.stacks, profile.samples, 0);
  if (base !== undefined) trees.add(base.stacks, base.samples, METRICS.length);
  const all = METRICS.map(({ key, group, unit }, column): PageMetric => {
    // Whole, as the values of frames: the root is all of it.
    const total = Math.round(trees.totals[column]);
    const baseTotal = base === undefined ? 0 : Math.round(trees.totals[METRICS.length + column]);
    return { key, unit, group, column, base: base === undefined ? -1 : METRICS.length + column, total, baseTotal };
  });
  const compared = base === undefined ? [profile] : [profile, base];
  const counted = ({ column }: PageMetric) => compared.map((each) => counts(each, METRICS[column]));
  // What only one of two has cannot be compared: it would seem to have grown from nothing.
  const shared = all.filter((metric) => !counted(metric).includes(false));
  const metrics = (shared.length > 0 ? shared : all.filter((metric) => counted(metric).includes(true))).filter(
    ({ unit, total, baseTotal }) => unit === 'bytes' || total > 0 || baseTotal > 0,
  );
  let budget = MOST_ROWS;
  let { data, small } = trees.pageData(budget, metrics);
  let json = scriptJson(JSON.stringify(data));
  while (json.length > MOST_JSON && budget > 500) {
    const rows = Math.max(data.trees.callees.frame.length, data.trees.callers.frame.length);
    budget = Math.floor(Math.min(budget, rows) * Math.min(0.8, (0.9 * MOST_JSON) / json.length));
    ({ data, small } = trees.pageData(budget, metrics));
    json = scriptJson(JSON.stringify(data));
  }
  return pageHtml(profile, options, { metrics, json, hasModules: data.modules.length > 0, small, deeper: trees.deeper });
}

/** True if a profile counts what a metric shows. Of bytes without objects the source has not counted them. */
function counts({ freedOnly, accumulated, samples }: Profile, { key, group, unit }: Metric): boolean {
  if (group === 'In use' ? freedOnly === true : !accumulated) return false;
  return unit === 'bytes' || samples.total(key) > 0 || samples.total(key === 'inuse_objects' ? 'inuse_space' : 'alloc_space') === 0;
}

/** Both trees of a profile, and those of its base beside them in columns of their own. */
class Trees {
  readonly totals: number[];
  /** True if stacks were deeper than MAX_DEPTH. */
  deeper = false;
  readonly #fold: boolean;
  readonly #columns: number;
  /** Frames of all profiles, as they are told apart here: by what is shown. */
  readonly #frames: PathFrame[] = [];
  /** Rows of `#frames`, once there are two profiles: those of one differ from each other. */
  readonly #byKey = new Map<string, number>();
  readonly #callees: FlameTreeBuilder;
  readonly #callers: FlameTreeBuilder;
  readonly #own: OwnValues;

  constructor(fold: boolean, columns: number) {
    this.#fold = fold;
    this.#columns = columns;
    this.totals = Array<number>(columns).fill(0);
    this.#callees = new FlameTreeBuilder(columns);
    this.#callers = new FlameTreeBuilder(columns);
    this.#own = new OwnValues(columns);
  }

  /** Adds a profile's samples; their values go into the columns from `column` on. */
  add(stacks: StackTable, samples: SampleTable, column: number): void {
    const paths = new CallPaths(stacks, { foldAllocators: this.#fold, lines: false });
    const columns = METRICS.map(({ key }) => samples.column(key));
    const values = Array<number>(this.#columns).fill(0);
    const isFirst = this.#frames.length === 0;
    for (const [row, frame] of this.#frames.entries()) this.#byKey.set(frameKey(frame), row);
    /** Frames of `paths` -> frames here. */
    const rows: number[] = [];
    let room = new Int32Array(256);
    for (let row = 0; row < samples.length; row++) {
      const shown = paths.framesOfStack(samples.stack[row] as StackIndex);
      while (rows.length < paths.frames.length) {
        const frame = paths.frames[rows.length];
        rows.push(isFirst ? this.#frames.push(frame) - 1 : this.#intern(frame));
      }
      if (shown.length > room.length) room = grown(room, shown.length);
      const frames = room.subarray(0, shown.length);
      for (let i = 0; i < frames.length; i++) frames[i] = rows[shown[i]];
      if (frames.length > MAX_DEPTH) this.deeper = true;
      for (let index = 0; index < columns.length; index++) {
        // Widths cannot be negative: a context that freed more than it allocated has nothing in use.
        const value = Math.max(0, columns[index][row]);
        values[column + index] = value;
        this.totals[column + index] += value;
      }
      if (frames.length > 0) this.#own.add(frames[0], values);
      this.#callers.add(frames, values);
      this.#callees.add(frames.reverse(), values);
    }
  }

  /** The number here of a frame of a profile that is not the first. */
  #intern(frame: PathFrame): number {
    const key = frameKey(frame);
    let row = this.#byKey.get(key);
    if (row === undefined) {
      row = this.#frames.push(frame) - 1;
      this.#byKey.set(key, row);
    }
    return row;
  }

  /** What the page is given, with `budget` rows of each tree, and how many frames of each are merged for that. */
  pageData(budget: number, metrics: readonly PageMetric[]): { data: PageData; small: { callees: number; callers: number } } {
    const tables = new PageTables();
    const small = { callees: 0, callers: 0 };
    const pageTree = (tree: FlameTree, which: keyof typeof small): PageTree => {
      const up: number[] = [];
      const frame: number[] = [];
      const depths: number[] = [];
      for (const [row, parent] of tree.parent.entries()) {
        const of = tree.frame[row];
        up.push(row === 0 ? 0 : row - parent);
        depths.push(row === 0 ? 0 : depths[parent] + 1);
        frame.push(of < 0 ? of : tables.frame(of, this.#frames[of]));
        if (of < -1 && depths[row] <= MAX_DEPTH) small[which] += -1 - of;
      }
      return { up, frame, self: tree.self.map(wholeNumbers) };
    };
    const callees = pageTree(this.#callees.build(budget), 'callees');
    const callers = pageTree(this.#callers.build(budget), 'callers');
    const own = [...this.#own.shown(metrics, (frame) => shownName(this.#frames[frame].name))];
    const { frames, names, modules, files } = tables;
    return {
      data: {
        metrics,
        frames,
        names: names.values,
        modules: modules.values,
        files: files.values,
        trees: { callees, callers },
        own: {
          name: own.map(([name]) => names.intern(name)),
          values: Array.from({ length: this.#columns }, (_, column) => own.map(([, values]) => Math.round(values[column]))),
          rows: OWN_ROWS,
        },
        rootName: 'all allocations',
        maxDepth: MAX_DEPTH,
      },
      small,
    };
  }
}

/** What tells frames apart here. */
function frameKey({ name, module, file }: PathFrame): string {
  return JSON.stringify([name, module, file]);
}

/** Strings, each once. */
class Strings {
  readonly values: string[] = [];
  readonly #rows = new Map<string, number>();

  /** Row of a text, -1 for none. */
  intern(text: string | undefined): number {
    if (text === undefined || text === '') return -1;
    let row = this.#rows.get(text);
    if (row === undefined) {
      row = this.values.push(text) - 1;
      this.#rows.set(text, row);
    }
    return row;
  }
}

/** The frames that a page names. */
class PageTables {
  readonly names = new Strings();
  readonly modules = new Strings();
  readonly files = new Strings();
  readonly frames = { name: [] as number[], module: [] as number[], file: [] as number[] };
  readonly #rows = new Map<number, number>();

  frame(index: number, frame: PathFrame): number {
    let row = this.#rows.get(index);
    if (row === undefined) {
      row = this.frames.name.push(this.names.intern(shownName(frame.name))) - 1;
      this.frames.module.push(this.modules.intern(frame.module && shortened(frame.module)));
      this.frames.file.push(this.files.intern(frame.file && shortened(frame.file)));
      this.#rows.set(index, row);
    }
    return row;
  }
}

/** A function's name as the page has it. */
const shownName = (name: string) => shortened(name) || '(no name)';

/** A name as it is shown: control characters as escapes, the middle of a huge one left out. */
function shortened(name: string): string {
  return shorter(printable(shorter(name)));
}

function shorter(text: string): string {
  const half = MOST_NAME / 2;
  return text.length > MOST_NAME ? `${text.slice(0, half)}…${text.slice(-half)}` : text;
}

/** Estimates as whole numbers whose sum stays the rounded sum. */
function wholeNumbers(values: Float64Array): number[] {
  let sum = 0;
  let given = 0;
  return Array.from(values, (value) => {
    sum += value;
    const whole = Math.round(sum) - given;
    given += whole;
    return whole;
  });
}
