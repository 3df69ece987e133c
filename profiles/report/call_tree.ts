/**
 * Calls from the outside in: `--tree`, a line a call path, and `--peek`, who calls a function and whom it calls.
 * Invariant: a path's value is the sum of its callees' and its own; recursion is not folded, so the levels are those of the backtraces.
 * Differs from jeprof, which has neither (Go's pprof has both, in another form).
 */
import type { Granularity } from './entries.ts';
import { EntryTable, translated } from './entries.ts';
import { pattern } from './filters.ts';
import { compareNames } from './names.ts';
import { percent } from './numbers.ts';
import type { ReportPart } from './report.ts';

/** A call path. */
interface Node {
  readonly entry: number;
  value: number;
  own: number;
  /** Backtraces that go on: what they call is looked at where it is shown, for of a large profile most paths are not. */
  readonly rows: number[];
}

/**
 * The tree of calls, line by line: value, share, own value, and the function, indented by its depth.
 * @param fraction paths of at most this part of the total are left out, and counted where they would stand
 */
export function* callTree(part: ReportPart, granularity: Granularity, fraction: number): Generator<string> {
  const { profile, addresses, title, total, unit } = part;
  const entries = new EntryTable(addresses, granularity);
  const merged = translated(profile, entries);
  const calleesOf = (rows: readonly number[], depth: number): Node[] => {
    const nodes = new Map<number, Node>();
    for (const row of rows) {
      const path = merged.path(row);
      const at = path.length - 1 - depth;
      const entry = path[at];
      let node = nodes.get(entry);
      if (node === undefined) nodes.set(entry, (node = { entry, value: 0, own: 0, rows: [] }));
      node.value += merged.values[row];
      if (at === 0) node.own += merged.values[row];
      else node.rows.push(row);
    }
    return [...nodes.values()];
  };
  const limit = Math.abs(fraction * total);
  yield `Total${title}: ${unit.print(total)} ${unit.name}\n`;
  // Nodes that are yet to be printed, the next one last: a backtrace may be deeper than the stack of calls allows.
  const open: { node: Node | undefined; hidden: number; hiddenValue: number; depth: number }[] = [];
  const push = (rows: readonly number[], depth: number) => {
    const callees = calleesOf(rows, depth).sort(
      (a, b) => Math.abs(b.value) - Math.abs(a.value) || compareNames(entries.names[a.entry], entries.names[b.entry]),
    );
    const shown = callees.filter(({ value }) => Math.abs(value) > limit);
    const hidden = callees.filter(({ value }) => value !== 0 && Math.abs(value) <= limit);
    if (hidden.length > 0) {
      open.push({ node: undefined, hidden: hidden.length, hiddenValue: hidden.reduce((sum, { value }) => sum + value, 0), depth });
    }
    for (const node of shown.reverse()) open.push({ node, hidden: 0, hiddenValue: 0, depth });
  };
  push(
    Array.from({ length: merged.length - 1 }, (_, i) => i + 1),
    0,
  );
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, hidden, hiddenValue, depth } = next;
    // Beyond this the indentation only takes space.
    const indent = '  '.repeat(Math.min(depth, 40));
    const value = node?.value ?? hiddenValue;
    const columns = `${unit.print(value).padStart(8)} ${percent(value, total).padStart(6)} ${(node === undefined || node.own === 0 ? '.' : unit.print(node.own)).padStart(8)} `;
    yield `${columns}${indent}${node === undefined ? `… ${hidden} smaller` : entries.names[node.entry]}\n`;
    if (node !== undefined) push(node.rows, depth + 1);
  }
}

/**
 * For each function that matches: its callers, itself, its callees, with the values that pass between them.
 * A function that is in a backtrace several times counts once; so does a call.
 * @throws InputError if the pattern is no regular expression
 */
export function peek(part: ReportPart, granularity: Granularity, wanted: string): string {
  const { profile, addresses, total, unit, title } = part;
  const matches = pattern(wanted, '--peek');
  const entries = new EntryTable(addresses, granularity);
  const found = new Map<number, { flat: number; cumulative: number; callers: Map<number, number>; callees: Map<number, number> }>();
  const path: number[] = [];
  const isWanted: (boolean | undefined)[] = [];
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const length = entries.translate(profile.path(row), path);
    const value = profile.values[row];
    const seen = new Set<string>();
    const once = (key: string) => !seen.has(key) && seen.add(key) !== undefined;
    for (let i = 0; i < length; i++) {
      const entry = path[i];
      isWanted[entry] ??= matches.test(entries.names[entry]);
      if (!isWanted[entry]) continue;
      let sums = found.get(entry);
      if (sums === undefined) found.set(entry, (sums = { flat: 0, cumulative: 0, callers: new Map(), callees: new Map() }));
      if (i === 0) sums.flat += value;
      if (once(`${entry}`)) sums.cumulative += value;
      const add = (to: Map<number, number>, other: number) => to.set(other, (to.get(other) ?? 0) + value);
      if (i + 1 < length && once(`from ${path[i + 1]} ${entry}`)) add(sums.callers, path[i + 1]);
      if (i > 0 && once(`to ${entry} ${path[i - 1]}`)) add(sums.callees, path[i - 1]);
    }
  }
  const line = (value: number, flat: string, mark: string, entry: number) =>
    `${unit.print(value).padStart(8)} ${percent(value, total).padStart(6)} ${flat.padStart(8)} ${mark}${entries.names[entry]}\n`;
  const ordered = (sums: Map<number, number>) =>
    [...sums].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]) || compareNames(entries.names[a[0]], entries.names[b[0]]));
  const functions = [...found].sort(
    (a, b) => Math.abs(b[1].cumulative) - Math.abs(a[1].cumulative) || compareNames(entries.names[a[0]], entries.names[b[0]]),
  );
  let text = `Total${title}: ${unit.print(total)} ${unit.name}\n`;
  for (const [entry, { flat, cumulative, callers, callees }] of functions) {
    text += '\n';
    for (const [caller, value] of ordered(callers)) text += line(value, '', '  ', caller);
    text += line(cumulative, unit.print(flat), '', entry);
    for (const [callee, value] of ordered(callees)) text += line(value, '', '    ', callee);
  }
  return text;
}
