/**
 * What the leaves of the mallctl tree are made of (jemalloc 5.3.0, src/ctl.c: the macros READ, WRITE, READONLY, NEITHER_READ_NOR_WRITE, CTL_RO_GEN,
 * CTL_RO_NL_GEN and their kin).
 * Invariant: a leaf takes the ctl mutex before it looks at the value written, as jemalloc's does, so that a refused write counts as a lock.
 * Differs: values are JavaScript's; one of the wrong type is EINVAL, as one of the wrong length is there.
 */
import type { Heap } from '../../heap.ts';
import type { Tsd } from '../../thread/tsd.ts';
import type { Ctl } from '../ctl.ts';
import { type CtlLeaf, type CtlNode, type CtlValue, fail, indexed, leaf, UnsupportedName } from '../ctl_tree.ts';

/** One call under way. */
export interface Call {
  readonly ctl: Ctl;
  readonly heap: Heap;
  readonly tsd: Tsd;
  /** Background threads that may be asked for (max_background_threads); read and written, and without effect while they are off. */
  readonly limits: { maxBackgroundThreads: number };
}

export type Node = CtlNode<Call>;
export type Leaf = CtlLeaf<Call>;

/** READONLY. @throws CtlFailure EPERM if a value is written. */
export function readOnly(value: CtlValue | undefined): void {
  if (value !== undefined) fail('EPERM');
}

/** WRITE of a bool. @throws CtlFailure EINVAL for any other value. */
export function boolOf(value: CtlValue): boolean {
  return typeof value === 'boolean' ? value : fail('EINVAL');
}

/** WRITE of a const char *. @throws CtlFailure EINVAL for any other value. */
export function stringOf(value: CtlValue): string {
  return typeof value === 'string' ? value : fail('EINVAL');
}

/** WRITE of any integer type. @throws CtlFailure EINVAL for what is no whole number. */
export function integerOf(value: CtlValue): number {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isInteger(value) ? value : fail('EINVAL');
}

/** WRITE of a size_t: what is below 0 is as much below 2^64. @throws CtlFailure EINVAL for what is no whole number. */
export function sizeOf(value: CtlValue): number {
  const size = integerOf(value);
  return size < 0 ? size + 2 ** 64 : size;
}

/** READ of a uint64_t: a bigint only where a number would round it. */
export function asNumber(value: bigint): CtlValue {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Read-only, without the ctl mutex (CTL_RO_NL_GEN). */
export function get(read: (call: Call, mib: readonly number[]) => CtlValue): Node {
  return leaf((call, mib, value) => {
    readOnly(value);
    return read(call, mib);
  });
}

/** Read-only, under the ctl mutex (CTL_RO_GEN). */
export function getLocked(read: (call: Call, mib: readonly number[]) => CtlValue): Node {
  return leaf((call, mib, value) => {
    call.ctl.lock();
    readOnly(value);
    return read(call, mib);
  });
}

/** Neither read nor written: an action (NEITHER_READ_NOR_WRITE). */
export function action(run: (call: Call, mib: readonly number[]) => void): Node {
  return leaf((call, mib, value) => {
    readOnly(value);
    run(call, mib);
    return undefined;
  });
}

/** Why names that give or take a pointer are refused. */
export const POINTER = 'a replay has no pointers to hand out';

/** A name that jemalloc has and a replay has not, whole (`thread.allocatedp`), and why. Its call throws UnsupportedName. */
export function unsupported(name: string, reason: string): Node {
  return leaf(() => {
    throw new UnsupportedName(name, reason);
  });
}

/** A name of the tree that this build was made without: ENOENT whatever is asked. */
export const missing: Node = leaf(() => fail('ENOENT'));

/** The node below each indexed one. */
const BELOW = new Map<Node, Node>();

/** An index whose check is `valid`; `below` is what stands at every valid one. */
export function index(valid: (call: Call, index: number) => boolean, below: Node): Node {
  const node: Node = indexed((call, i) => (Number.isInteger(i) && i >= 0 && valid(call, i) ? below : null));
  BELOW.set(node, below);
  return node;
}

/** The names of all leaves below a node, in jemalloc's order, with `<i>` and `<j>` for the first and the second index. */
export function leafNames(root: Node): string[] {
  const names: string[] = [];
  const walk = (node: Node, prefix: string, indices: number) => {
    if (node.kind === 'leaf') {
      names.push(prefix);
    } else if (node.kind === 'named') {
      for (const [name, child] of node.children) walk(child, prefix === '' ? name : `${prefix}.${name}`, indices);
    } else {
      const below = BELOW.get(node);
      if (below !== undefined) walk(below, `${prefix}.<${'ij'[indices]}>`, indices + 1);
    }
  };
  walk(root, '', 0);
  return names;
}
