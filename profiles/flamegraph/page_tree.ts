/**
 * Makes the page's compact tree into the nodes that d3-flame-graph draws. Runs in the page.
 * Invariant: stands alone (no module-level names, no imports but types), because the page carries this function's source.
 */
import type { FlameNode, PageData, PageTree } from './page_types.ts';

/** The root of a tree; children are in the order of the rows. `formatCount` is that of ../format_units.ts. */
export function decodeTree(data: PageData, tree: PageTree, formatCount: (count: number) => string): FlameNode {
  const { up, frame, self } = tree;
  const columns = self.length;
  const nodes: (FlameNode & { values: number[]; children?: FlameNode[] })[] = [];
  const depths: number[] = [];
  for (let row = 0; row < frame.length; row++) {
    const merged = frame[row] < -1 ? -1 - frame[row] : 0;
    const parent = row - up[row];
    depths.push(row === 0 ? 0 : depths[parent] + 1);
    let name = data.rootName;
    if (merged > 0) name = `(${formatCount(merged)} ${depths[row] > data.maxDepth ? 'deeper' : 'small'} frame${merged === 1 ? '' : 's'})`;
    else if (frame[row] >= 0) name = data.names[data.frames.name[frame[row]]];
    const own: number[] = [];
    for (let column = 0; column < columns; column++) own.push(self[column][row]);
    nodes.push({ name, frame: frame[row] < 0 ? -1 : frame[row], merged, self: own, values: [...own] });
  }
  for (let row = nodes.length - 1; row > 0; row--) {
    const parent = nodes[row - up[row]];
    for (let column = 0; column < columns; column++) parent.values[column] += nodes[row].values[column];
  }
  for (let row = 1; row < nodes.length; row++) {
    const parent = nodes[row - up[row]];
    if (parent.children === undefined) parent.children = [];
    parent.children.push(nodes[row]);
  }
  return nodes[0];
}
