/**
 * What the page's script uses of a browser and of d3-flame-graph, and the data it is given.
 * Invariant: types alone. The DOM library's own types would let every other file see a browser's globals.
 */

/** An element, with what is used of any kind of it. */
export interface PageElement {
  textContent: string | null;
  hidden: boolean;
  value: string;
  checked: boolean;
  disabled: boolean;
  readonly clientWidth: number;
  readonly clientHeight: number;
  readonly offsetWidth: number;
  readonly offsetHeight: number;
  readonly scrollHeight: number;
  scrollTop: number;
  readonly dataset: Record<string, string | undefined>;
  readonly style: Record<string, string> & { setProperty(name: string, value: string): void };
  readonly firstChild: PageElement | null;
  /** Put there by d3. */
  readonly __data__?: GraphNode;
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  closest(selector: string): PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  contains(other: PageElement | null): boolean;
  setAttribute(name: string, value: string): void;
  toggleAttribute(name: string, force: boolean): void;
  removeAttribute(name: string): void;
  getBoundingClientRect(): { left: number; top: number; right: number; bottom: number; width: number; height: number };
  addEventListener(type: string, listener: (event: PageEvent) => void, capture?: boolean): void;
  focus(): void;
  select(): void;
  matches(selector: string): boolean;
}

export interface PageEvent {
  readonly target: PageElement;
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly clientX: number;
  readonly clientY: number;
  preventDefault(): void;
  stopPropagation(): void;
}

export interface PageWindow {
  readonly document: {
    readonly activeElement: PageElement | null;
    readonly body: PageElement;
    getElementById(id: string): PageElement | null;
    createElement(tag: string): PageElement;
    addEventListener(type: string, listener: (event: PageEvent) => void): void;
  };
  readonly innerWidth: number;
  readonly innerHeight: number;
  readonly performance: { mark(name: string): void };
  readonly ResizeObserver: new (callback: () => void) => { observe(element: PageElement): void };
  readonly d3: {
    select(element: PageElement): {
      datum(data: FlameNode): { call(chart: FlameChart): void };
      selectAll(selector: string): { interrupt(): void };
    };
  };
  readonly flamegraph: { default(): FlameChart };
  matchMedia(query: string): { readonly matches: boolean };
  requestAnimationFrame(callback: () => void): void;
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(timer: number): void;
}

/** A frame of the tree as d3-flame-graph takes it. */
export interface FlameNode {
  readonly name: string;
  /** Row of PageData's frames; -1 for the root and for merged frames. */
  readonly frame: number;
  /** Frames that this one stands for; 0 for a frame of its own. */
  readonly merged: number;
  /** By value column, what it called included. */
  readonly values: readonly number[];
  /** By value column, without what it called. */
  readonly self: readonly number[];
  readonly children?: FlameNode[];
  /** Set by d3-flame-graph: left out of a zoomed graph. */
  hide?: boolean;
  /** Set by d3-flame-graph: above a zoomed frame. */
  fade?: boolean;
}

/** A FlameNode as d3-hierarchy wraps it. */
export interface GraphNode {
  readonly data: FlameNode;
  readonly parent: GraphNode | null;
  readonly children?: GraphNode[];
  readonly depth: number;
  readonly x0: number;
  readonly x1: number;
  readonly highlight?: boolean;
}

/** What of d3-flame-graph's chart is used. */
export interface FlameChart {
  width(px: number): FlameChart;
  height(px: number): FlameChart;
  cellHeight(px: number): FlameChart;
  minFrameSize(px: number): FlameChart;
  transitionDuration(ms: number): FlameChart;
  inverted(rootOnTop: boolean): FlameChart;
  sort(order: boolean | ((a: GraphNode, b: GraphNode) => number)): FlameChart;
  tooltip(tip: unknown): FlameChart;
  getName(name: (node: GraphNode) => string): FlameChart;
  getValue(value: (node: FlameNode | GraphNode) => number): FlameChart;
  setLabelHandler(label: () => string): FlameChart;
  setColorMapper(colour: (node: GraphNode) => string): FlameChart;
  setSearchMatch(match: (node: GraphNode, wanted: (name: string) => boolean) => boolean): FlameChart;
  setSearchHandler(handler: (found: GraphNode[], sum: number) => void): FlameChart;
  search(wanted: (name: string) => boolean): void;
  clear(): void;
  zoomTo(node: GraphNode): void;
  update(data?: FlameNode): FlameChart;
}

/** A tree as compact JSON: see FlameTree; `up` holds each row's distance to its parent. */
export interface PageTree {
  readonly up: readonly number[];
  readonly frame: readonly number[];
  readonly self: readonly (readonly number[])[];
}

/** One way to measure frames. */
export interface PageMetric {
  /** pprof's name: "inuse_space" … */
  readonly key: string;
  readonly unit: 'bytes' | 'objects';
  /** "In use", "Allocated". */
  readonly group: string;
  /** Value column. */
  readonly column: number;
  /** Value column of the profile that this one is compared with; -1 if there is none. */
  readonly base: number;
  readonly total: number;
  readonly baseTotal: number;
}

/** Everything the page shows, as the JSON in it. */
export interface PageData {
  readonly metrics: readonly PageMetric[];
  /** Frames as rows of `names`, `modules` (-1: not known) and `files` (-1: not known). */
  readonly frames: { readonly name: readonly number[]; readonly module: readonly number[]; readonly file: readonly number[] };
  readonly names: readonly string[];
  readonly modules: readonly string[];
  readonly files: readonly string[];
  /** From the root to the leaf; and from the allocating function to its callers. */
  readonly trees: { readonly callees: PageTree; readonly callers: PageTree };
  /** What functions allocate themselves: rows of `names`, and values by column; of them the table shows so many rows. */
  readonly own: { readonly name: readonly number[]; readonly values: readonly (readonly number[])[]; readonly rows: number };
  readonly rootName: string;
  readonly maxDepth: number;
}

/** Colours of frames, as CSS. */
export interface PageColours {
  /** By the frame's module or function. */
  ofFrame(node: FlameNode, by: 'module' | 'function'): string;
  /** By how much a frame grew since the base, from all gone to all new. */
  ofChange(now: number, before: number): string;
  /** The legend of colours by module, the widest first. */
  modules(): readonly { readonly colour: string; readonly text: string }[];
}

/** The table of functions. */
export interface TopFunctions {
  /** Whether values are changes since the base. */
  readonly isChange: boolean;
  readonly heading: string;
  readonly rows: readonly { readonly name: string; readonly value: number; readonly before: number }[];
}

/** What the script is given besides the browser: functions whose source the page carries. */
export interface PageTools {
  readonly formatBytes: (bytes: number) => string;
  readonly formatCount: (count: number) => string;
  readonly formatShare: (share: number) => string;
  readonly decodeTree: (data: PageData, tree: PageTree, formatCount: (count: number) => string) => FlameNode;
  readonly pageColours: (data: PageData, root: FlameNode, column: number) => PageColours;
  readonly topFunctions: (data: PageData, metric: PageMetric, column: number, baseScale: number) => TopFunctions;
}
