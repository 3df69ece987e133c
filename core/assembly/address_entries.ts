/**
 * What a live address is in the tree of them (numbers.ts): a chunk, a page in it, a grain in that, and in the grain's entry the block's number and where it begins.
 * Invariant: of a grain where nothing lives the entry is 0; else it is the block's number times 2^NUMBER, plus which of 2^PLACES places in the grain it
 * begins at. If several blocks begin there, or one between two places, the entry is 2^NUMBER times the first of a chain of nodes: a crowd.
 */
import { take } from './number_calls';
import { moved } from './room';

/** A chunk is 2^LG_LEAF pages, a page 2^LG_LEAF grains, and a grain so many bytes that hardly two blocks begin in one. */
export const LG_LEAF: u32 = 4;
/** log2 of the bytes of a grain at first: where blocks are small, more of them crowd in one, and grains are halved. */
const COARSE: u32 = 8;
/** log2 of the places of a grain, and which of them an entry's block begins at; of a grain with fewer bytes than places, they lie parts of a byte apart. */
export const LG_PLACES: u32 = 5;
export const PLACE: u32 = 31;
/** The block is the only one; else the entry is that of a crowd. */
export const ALONE: u32 = 32;
export const NUMBER: u32 = 6;

/** A block among others of its grain. */
@unmanaged
class Node {
  number: u32;
  /** Bytes from the grain's beginning. */
  byte: u32;
  /** 0: the last one; of a node that is not used, the next such. */
  next: u32;
}
const FIRST_NODES: u32 = 128;

/** log2 of the bytes of a grain. */
export let grainBits = COARSE;
/** Blocks that have crowded since the grains are what they are. */
export let crowdings: u64 = 0;
/** Node 0 is none. */
let nodes: usize = 0;
let nodeRoom: u32 = 0;
let nodeCount: u32 = 1;
let spareNode: u32 = 0;

/** Before the first address. */
export function beginEntries(): void {
  nodeRoom = FIRST_NODES;
  nodes = take(nodeRoom * offsetof<Node>());
}

/** Makes grains of half as many bytes: all that has been entered is to be entered anew. */
export function halveGrains(): void {
  grainBits--;
  crowdings = 0;
}

export function chunkOf(address: u64): u64 {
  return address >>> <u64>(grainBits + 2 * LG_LEAF);
}

export function pageInChunk(address: u64): u32 {
  return <u32>(address >>> <u64>(grainBits + LG_LEAF)) & ((1 << LG_LEAF) - 1);
}

function byteInGrain(address: u64): u32 {
  return <u32>address & ((1 << grainBits) - 1);
}

/** What the entry of a block that is alone has beside its number; 0 if the block begins between two places. */
function beginsOf(address: u64): u32 {
  const place = rotr(address, <u64>grainBits - LG_PLACES);
  return place >>> (LG_PLACES + 2 * LG_LEAF) === chunkOf(address) ? (<u32>place & PLACE) | ALONE : 0;
}

/** The byte in a grain of 2^lgGrain at which the block of such an entry begins. */
export function byteOf(entry: u32, lgGrain: u32): u32 {
  return rotl(entry & PLACE, lgGrain - LG_PLACES);
}

/** The number of an address whose entry this would be, 0 if nothing lives there. */
export function find(entry: u32, address: u64): u32 {
  if ((entry & ALONE) !== 0) return (entry & (ALONE | PLACE)) === beginsOf(address) ? entry >>> NUMBER : 0;
  const byte = byteInGrain(address);
  for (let index = entry >>> NUMBER; index !== 0; index = nodeAt(index).next) {
    if (nodeAt(index).byte === byte) return nodeAt(index).number;
  }
  return 0;
}

/** Gives an address its entry, or puts it among the crowd there. */
export function enter(cell: usize, address: u64, number: u32): void {
  const entry = load<u32>(cell);
  const begins = beginsOf(address);
  if (entry === 0 && begins !== 0) {
    store<u32>(cell, (number << NUMBER) | begins);
    return;
  }
  const first = entry >>> NUMBER;
  const others = (entry & ALONE) !== 0 ? newNode(first, byteOf(entry, grainBits), 0) : first;
  store<u32>(cell, newNode(number, byteInGrain(address), others) << NUMBER);
  crowdings++;
}

export function nodeAt(index: u32): Node {
  return changetype<Node>(nodes + index * offsetof<Node>());
}

function newNode(number: u32, byte: u32, next: u32): u32 {
  let index = spareNode;
  if (index !== 0) {
    spareNode = nodeAt(index).next;
  } else {
    if (nodeCount === nodeRoom) {
      nodes = moved(nodes, nodeRoom * offsetof<Node>(), nodeRoom * 2 * offsetof<Node>());
      nodeRoom *= 2;
    }
    index = nodeCount++;
  }
  const node = nodeAt(index);
  node.number = number;
  node.byte = byte;
  node.next = next;
  return index;
}

export function dropNode(index: u32): void {
  nodeAt(index).next = spareNode;
  spareNode = index;
}

/** The entry of a crowd that a block leaves. */
export function withoutNode(entry: u32, number: u32): u32 {
  let first = entry >>> NUMBER;
  let before: u32 = 0;
  let index = first;
  while (nodeAt(index).number !== number) {
    before = index;
    index = nodeAt(index).next;
  }
  const next = nodeAt(index).next;
  if (before === 0) first = next;
  else nodeAt(before).next = next;
  dropNode(index);
  return first << NUMBER;
}
