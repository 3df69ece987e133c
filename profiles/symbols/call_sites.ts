/**
 * Whether an address in a file is one that a call returns to, as instructions before it tell (Intel 64 manual volume 2, CALL; Arm ARM, BL and BLR).
 * It tells a file that recorded places lie in from another of the same name: of a program's instructions one in fifteen or so follows a call.
 */
import type { ElfImage } from './elf.ts';
import { guarded } from './elf.ts';

const EM_386 = 3;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
/** Bytes of the longest call on x86-64 that a compiler writes: `call *disp32(%r12)`. */
const LONGEST_CALL = 8;

/** True if a call stands right before the address, which is one before relocation. Of other machines' code, any address in it will do. */
export function followsCall(image: ElfImage, address: number): boolean {
  if (!image.isCode(address - 1)) return false;
  const { machine } = image;
  const isX86 = machine === EM_386 || machine === EM_X86_64;
  if (!isX86 && machine !== EM_AARCH64) return true;
  const part = image.segments.find(
    (segment) => segment.executable && address > segment.address && address <= segment.address + segment.size,
  );
  if (part === undefined) return false;
  const length = Math.min(LONGEST_CALL, address - part.address);
  const view = guarded(() => image.view(address - length - part.address + part.offset, length));
  if (view === undefined) return false;
  if (!isX86) return length >= 4 && isBranchWithLink(view.getUint32(length - 4, true));
  const before = Array.from({ length }, (_, i) => view.getUint8(length - 1 - i));
  return endsInCall(before);
}

/** True if bytes end in a call; `before` has them from the last one back. */
function endsInCall(before: readonly number[]): boolean {
  // call rel32; call r/m: 0xff with 2 in the middle of the byte behind it, whose other bits say how long the rest is.
  if (before[4] === 0xe8) return true;
  for (let at = 1; at < before.length; at++) if (before[at] === 0xff && isCallOperand(before[at - 1], before[at - 2], at)) return true;
  return false;
}

/** True if an operand of `length` bytes, ModRM, SIB and displacement, is one of `call r/m`. */
function isCallOperand(modrm: number, sib: number, length: number): boolean {
  if (((modrm >> 3) & 7) !== 2) return false;
  const mode = modrm >> 6;
  const base = modrm & 7;
  if (mode === 3) return length === 1;
  const withSib = base === 4 ? 1 : 0;
  if (mode === 1) return length === 2 + withSib;
  if (mode === 2) return length === 5 + withSib;
  const isAbsolute = base === 5 || (base === 4 && (sib & 7) === 5);
  return length === 1 + withSib + (isAbsolute ? 4 : 0);
}

function isBranchWithLink(instruction: number): boolean {
  return (instruction & 0xfc000000) >>> 0 === 0x94000000 || (instruction & 0xfffffc1f) >>> 0 === 0xd63f0000;
}
