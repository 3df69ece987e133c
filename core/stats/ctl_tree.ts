/**
 * Names of the control interface and how they are looked up (jemalloc 5.3.0, src/ctl.c ctl_lookup, ctl_lookupbymib).
 * Invariant: a name's numbers (its mib) are the positions of its parts among their siblings, in jemalloc's order, and the indices in it.
 * Differs: a node is one of three objects; index checks get doubles, with Infinity for what is beyond them.
 */
import { strtoumax } from '../conf/strtoumax.ts';
import { UINT64_MAX } from '../u64.ts';

/** Requested bytes and count of prof.stats.*. */
export interface CtlPair {
  requested: bigint;
  count: bigint;
}

/** What names hold: bool, the integer types (bigint where an option or a sum can pass 2^53), char *, and pairs. */
export type CtlValue = boolean | number | bigint | string | CtlPair;

/** Errors that names answer with. */
export type CtlErrno = 'ENOENT' | 'EPERM' | 'EINVAL' | 'EFAULT' | 'EAGAIN';

const MEANING: Record<CtlErrno, string> = {
  ENOENT: 'there is no such name',
  EPERM: 'it cannot be written',
  EINVAL: 'the value does not fit',
  EFAULT: 'it cannot be done',
  EAGAIN: 'out of memory',
};

/** A call that jemalloc answers with an error. */
export class MallctlError extends Error {
  readonly code: CtlErrno;

  constructor(code: CtlErrno, what: string) {
    super(`${what}: ${code}, ${MEANING[code]}`);
    this.name = 'MallctlError';
    this.code = code;
  }
}

/** Thrown by leaves and turned into a MallctlError with the name. */
export class CtlFailure {
  readonly code: CtlErrno;

  constructor(code: CtlErrno) {
    this.code = code;
  }
}

/** A name that jemalloc has and a replay has not. */
export class UnsupportedName extends Error {
  constructor(what: string, reason: string) {
    super(`${what} is not supported: ${reason}`);
    this.name = 'UnsupportedName';
  }
}

/** A name that can be read, written or called. `mib` holds its indices; `value` is undefined if nothing is written. */
export type CtlLeaf<C> = (call: C, mib: readonly number[], value: CtlValue | undefined) => CtlValue | undefined;

/** An inner node whose children have names, in jemalloc's order (ctl_named_node_t). */
export interface CtlNamed<C> {
  kind: 'named';
  children: ReadonlyMap<string, CtlNode<C>>;
}

/** An inner node whose children have numbers (ctl_indexed_node_t). */
export interface CtlIndexed<C> {
  kind: 'indexed';
  /** What stands at an index, null if nothing does. */
  at: (call: C, index: number) => CtlNode<C> | null;
}

/** A node of the tree; `C` is what a call carries to the leaves. */
export type CtlNode<C> = CtlNamed<C> | CtlIndexed<C> | { kind: 'leaf'; leaf: CtlLeaf<C> };

/** A node by the names of its children, in their order. */
export function named<C>(children: Record<string, CtlNode<C>>): CtlNode<C> {
  return { kind: 'named', children: new Map(Object.entries(children)) };
}

/** A node that is a leaf. */
export function leaf<C>(run: CtlLeaf<C>): CtlNode<C> {
  return { kind: 'leaf', leaf: run };
}

/** A node whose children `at` finds by number. */
export function indexed<C>(at: CtlIndexed<C>['at']): CtlNode<C> {
  return { kind: 'indexed', at };
}

/** ctl_lookup: the node of a name, which may be an inner one, and its numbers. @throws CtlFailure ENOENT. */
export function lookupName<C>(root: CtlNode<C>, call: C, name: string): { node: CtlNode<C>; mib: number[] } {
  let node = root;
  const mib: number[] = [];
  const parts = name.split('.');
  for (const [i, part] of parts.entries()) {
    if (node.kind === 'leaf') throw new CtlFailure('ENOENT');
    if (node.kind === 'named') {
      const child = node.children.get(part);
      if (child === undefined) throw new CtlFailure('ENOENT');
      mib.push([...node.children.keys()].indexOf(part));
      node = child;
    } else {
      // the number is read from here to the end of the name, whatever follows it
      const number = strtoumax(parts.slice(i).join('.'), 0, 10);
      if (number === null || number.value === UINT64_MAX) throw new CtlFailure('ENOENT');
      const index = number.value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(number.value);
      node = node.at(call, index) ?? fail('ENOENT');
      mib.push(index);
    }
  }
  return { node, mib };
}

/** ctl_lookupbymib: the node of a mib, which may be an inner one. @throws CtlFailure ENOENT. */
export function lookupMib<C>(root: CtlNode<C>, call: C, mib: readonly number[]): CtlNode<C> {
  let node = root;
  for (const part of mib) {
    if (node.kind === 'leaf') throw new CtlFailure('ENOENT');
    const child: CtlNode<C> | null | undefined = node.kind === 'named' ? [...node.children.values()][part] : node.at(call, part);
    node = child ?? fail('ENOENT');
  }
  return node;
}

/** Ends a call with an error. @throws CtlFailure always. */
export function fail(code: CtlErrno): never {
  throw new CtlFailure(code);
}
