/**
 * The call graph of `--dot` (jeprof, PrintDot; format: Graphviz, "The DOT Language").
 * Invariant: a node is kept before its edges are looked at, and every node that is called has at least one incoming edge.
 * Differs: edges of equal value come in the order of their names (jeprof's is that of a hash table, and decides there which are kept);
 * a `"` in a name is escaped.
 */
import { printable } from '../printable.ts';
import type { AddressProfile } from './address_profile.ts';
import type { EntryTable, Reduced } from './entries.ts';
import { compareNames } from './names.ts';
import type { Unit } from './numbers.ts';
import { fixed, integer, percent } from './numbers.ts';

/** What of the graph is shown. */
export interface DotLimits {
  /** Most nodes. */
  readonly nodeCount: number;
  /** Nodes and edges of at most this part of the total are left out. */
  readonly nodeFraction: number;
  readonly edgeFraction: number;
  /** Most edges into and out of a node. */
  readonly maxDegree: number;
  /** Fills nodes that allocate themselves. */
  readonly heapcheck: boolean;
}

/** The graph, or undefined if no node is large enough. `note` takes what was left out. */
export function dotGraph(
  program: string,
  profile: AddressProfile,
  entries: EntryTable,
  { flat, cumulative, present, total }: Reduced,
  overallTotal: number,
  unit: Unit,
  limits: DotLimits,
  note: (text: string) => void,
): string | undefined {
  // Perl's int has no negative zero
  const nodeLimit = Math.trunc(limits.nodeFraction * total) + 0;
  const edgeLimit = Math.trunc(limits.edgeFraction * total) + 0;
  const order: number[] = [];
  for (let i = 0; i < entries.names.length; i++) if (present[i] === 1) order.push(i);
  order.sort((a, b) => Math.abs(cumulative[b]) - Math.abs(cumulative[a]) || compareNames(entries.names[a], entries.names[b]));
  let count = Math.min(limits.nodeCount, order.length);
  while (count > 0 && Math.abs(cumulative[order[count - 1]]) <= nodeLimit) count--;
  if (count === 0) {
    note('No nodes to print');
    return undefined;
  }
  if (nodeLimit > 0 || edgeLimit > 0) {
    note(`Dropping nodes with <= ${unit.print(nodeLimit)} ${unit.name}; edges with <= ${unit.print(edgeLimit)} abs(${unit.name})`);
  }

  const name = quoted(printable(program));
  let text =
    `digraph "${name}; ${unit.print(overallTotal)} ${unit.name}" {\n` +
    'node [width=0.375,height=0.25];\n' +
    `Legend [shape=box,fontsize=24,shape=plaintext,label="${name}\\lTotal ${unit.name}: ${unit.print(overallTotal)}\\lFocusing on: ${unit.print(total)}\\l` +
    `Dropped nodes with <= ${unit.print(nodeLimit)} abs(${unit.name})\\lDropped edges with <= ${unit.print(edgeLimit)} ${unit.name}\\l"];\n`;
  // Entry -> node number, from 1.
  const nodes = new Map<number, number>();
  for (const entry of order.slice(0, count)) {
    nodes.set(entry, nodes.size + 1);
    text += nodeLine(nodes.size, entries.names[entry], flat[entry], cumulative[entry], total, unit, limits.heapcheck);
  }

  const inDegree = new Map<number, number>();
  const outDegree = new Map<number, number>();
  for (const { caller, callee, value } of edgesOf(profile, entries, nodes)) {
    const out = outDegree.get(caller) ?? 0;
    const into = inDegree.get(callee) ?? 0;
    // The first edge into a node is what it is reached by.
    if (into > 0 && (Math.abs(value) <= edgeLimit || out >= limits.maxDegree || into >= limits.maxDegree)) continue;
    outDegree.set(caller, out + 1);
    inDegree.set(callee, into + 1);
    const width = 2 * Math.min(1, total === 0 ? 0 : Math.abs(3 * (value / total)));
    const weight = Math.trunc(Math.min(100000, Math.abs(value) ** 0.7));
    const style = `setlinewidth(${fixed(width, 6)})${entries.names[callee].includes('(inline)') ? ',dashed' : ''}`;
    text += `N${nodes.get(caller)} -> N${nodes.get(callee)} [label=${unit.print(value)}, weight=${integer(weight)}, style="${style}"];\n`;
  }
  return `${text}}\n`;
}

function nodeLine(number: number, name: string, flat: number, cumulative: number, total: number, unit: Unit, heapcheck: boolean): string {
  const label = quoted(name)
    .replace(/[ \t\n\v\f\r]+/g, '\\n')
    .replaceAll('::', '\\n');
  const extra = flat === cumulative ? '' : `\\rof ${unit.print(cumulative)} (${percent(cumulative, total)})`;
  const fontSize = total > 0 ? 8 + 50 * Math.sqrt(Math.abs(flat / total)) : 8;
  const style = !heapcheck || flat === 0 ? '' : flat > 0 ? ',style=filled,fillcolor=gray' : ',peripheries=3';
  return `N${number} [label="${label}\\n${unit.print(flat)} (${percent(flat, total)})${extra}\\r",shape=box,fontsize=${fixed(fontSize, 1)}${style}];\n`;
}

interface Edge {
  readonly caller: number;
  readonly callee: number;
  value: number;
}

/** Calls between nodes, largest first. A backtrace that repeats a call counts it every time. */
function edgesOf(profile: AddressProfile, entries: EntryTable, nodes: ReadonlyMap<number, number>): Edge[] {
  const edges = new Map<number, Edge>();
  const path: number[] = [];
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const length = entries.translate(profile.path(row), path);
    for (let i = 1; i < length; i++) {
      const caller = nodes.get(path[i]);
      const callee = nodes.get(path[i - 1]);
      if (caller === undefined || callee === undefined) continue;
      const key = caller * (nodes.size + 1) + callee;
      const edge = edges.get(key);
      if (edge === undefined) edges.set(key, { caller: path[i], callee: path[i - 1], value: profile.values[row] });
      else edge.value += profile.values[row];
    }
  }
  return [...edges.values()].sort(
    (a, b) =>
      b.value - a.value ||
      compareNames(entries.names[a.caller], entries.names[b.caller]) ||
      compareNames(entries.names[a.callee], entries.names[b.callee]),
  );
}

/** Text that stays between its quotes. */
function quoted(text: string): string {
  return text.replace(/[\\"]/g, '\\$&');
}
