/**
 * Which file holds the allocator that a process uses, and under which names: what there is to put probes on.
 * Found from what the process has mapped: a library of an allocator, the program itself where one is linked in, else the C library.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { InputError } from '../../core/trace/input_error.ts';
import { readElf, SHT_DYNSYM, SHT_SYMTAB, stringAt } from '../../profiles/symbols/elf.ts';
import { symbolHost } from '../symbol_host.ts';
import type { Unfit } from './recorder.ts';
import { mappedFile } from './proc.ts';

/** The files to probe, as this process reaches them. */
export interface Allocator {
  /** Holds malloc and the others. */
  readonly file: string;
  /** What stands before the functions' names there: `je_` … where the allocator is linked in under names of its own, else empty. */
  readonly prefix: string;
  /** Function -> address before relocation, of `file`. */
  readonly functions: ReadonlyMap<string, number>;
  /** Holds operator new where that is another file than the allocator's: probed too, for it hides its caller from a walk of frame pointers. */
  readonly operators: { readonly file: string; readonly functions: ReadonlyMap<string, number> } | undefined;
  /** Holds the C library's functions: where a program starts and ends. */
  readonly libc: string;
  readonly libcFunctions: ReadonlyMap<string, number>;
}

/** glibc, and musl, whose dynamic linker it is. */
const LIBC = /\/(?:libc(?:\.so|-[\d.]+\.so)[\d.]*|ld-musl-\w+\.so\.1)$/;
/** Those of GCC and of Clang. */
const LIBCXX = /\/lib(?:std)?c\+\+(?:abi)?\.so[\d.]*$/;
const MUSL = /\/ld-musl-[^/]*$/;
const LIBRARY = /\/lib(?:jemalloc|tcmalloc|mimalloc)[^/]*\.so[\d.]*$/;
/** Prefixes of mimalloc and tcmalloc; jemalloc's is chosen where it is built (redis: je_, Rust: _rjem_). */
const PREFIXES = ['mi_', 'tc_'];
/** A function that jemalloc alone has. */
const JEMALLOC_ONLY = /^(\w+)mallctl$/;
/** A line of /proc/PID/maps that names a file: the mapping's start and end without the zeros before them, the inode, the file, and that without what tells that it is no longer there. The first one is the program. */
const MAPPED = /^0*(\w+)-0*(\w+) \S+ \S+ \S+ (\d+) +((\/.*?)(?: \(deleted\))?)$/gm;
/** Bits of a file's mode (S_ISUID, S_ISGID). */
const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const SYMBOL_BYTES = 24;

/** Functions that an ELF file defines, by name; none of a file that is no such one. */
function functionsIn(path: string): Map<string, number> {
  const functions = new Map<string, number>();
  const file = symbolHost(undefined).open(path);
  const image = file === undefined ? undefined : readElf(file);
  if (image === undefined || !image.is64) return functions;
  for (const table of image.sections) {
    if (table.type !== SHT_SYMTAB && table.type !== SHT_DYNSYM) continue;
    const section = image.sections[table.link];
    const strings = section === undefined ? undefined : image.content(section);
    const symbols = image.content(table);
    if (strings === undefined || symbols === undefined) continue;
    const view = new DataView(symbols.buffer, symbols.byteOffset, symbols.byteLength);
    for (let at = 0; at + SYMBOL_BYTES <= view.byteLength; at += SYMBOL_BYTES) {
      const type = view.getUint8(at + 4) & 15;
      if ((type !== STT_FUNC && type !== STT_GNU_IFUNC) || view.getUint16(at + 6, image.little) === 0) continue;
      functions.set(stringAt(strings, view.getUint32(at, image.little)), image.word(view, at + 8));
    }
  }
  return functions;
}

/** A file that a process has mapped, or will: what it is called there, and where this process finds it. */
interface MappedFile {
  readonly path: string;
  readonly place: string;
}

/** The file that defines operator new as C++'s library does, by malloc: linked in, or a library. One that a program has written itself may give blocks of its own. */
function operatorsAmong(files: readonly MappedFile[], program: MappedFile, own: ReadonlyMap<string, number>): Allocator['operators'] {
  if (own.has('_Znwm')) return own.has('_ZSt15get_new_handlerv') ? { file: program.place, functions: own } : undefined;
  for (const { place: file } of files.filter(({ path }) => LIBCXX.test(path))) {
    const functions = functionsIn(file);
    if (functions.has('_Znwm')) return { file, functions };
  }
  return undefined;
}

/** What stands before the names of an allocator's functions that a program was built with; undefined if there is none. */
function prefixIn(own: ReadonlyMap<string, number>): string | undefined {
  const prefixes = [...own.keys()].map((name) => JEMALLOC_ONLY.exec(name)?.[1] ?? '').filter((prefix) => prefix !== '');
  return [...prefixes, ...PREFIXES].find((known) => own.has(`${known}malloc`) && own.has(`${known}free`));
}

/** The allocator among the files that are mapped, `program` first. */
function allocatorAmong(files: readonly MappedFile[], program: MappedFile, name: string): Allocator {
  const placeOf = (known: RegExp) => files.find(({ path }) => known.test(path))?.place;
  const libc = placeOf(LIBC);
  const own = functionsIn(program.place);
  const libcFunctions = libc === undefined ? own : functionsIn(libc);
  const operators = operatorsAmong(files, program, own);
  const base = { operators, libc: libc ?? program.place, libcFunctions };
  const library = placeOf(LIBRARY);
  // A program that defines malloc itself is asked first by all others, too.
  if (own.has('malloc')) return { ...base, file: program.place, prefix: '', functions: own };
  const prefix = prefixIn(own);
  if (prefix !== undefined) return { ...base, file: program.place, prefix, functions: own };
  if (library !== undefined) return { ...base, file: library, prefix: '', functions: functionsIn(library) };
  if (libc !== undefined) return { ...base, file: libc, prefix: '', functions: libcFunctions };
  if (own.has('runtime.mallocgc'))
    throw new InputError(
      name,
      'is a Go program, whose runtime allocates by itself',
      'let it write a heap profile (runtime/pprof), which jereplay report reads',
    );
  if (interpreterOf(program.place)[1] !== undefined)
    throw new InputError(
      name,
      'loads no C library that is found here',
      'ldd names the libraries that it loads, and those that are missing',
    );
  throw new InputError(
    name,
    own.size > 0 ? 'is linked statically and has no malloc' : 'is linked statically and has no symbols: its malloc cannot be found',
    'record a build that is not stripped, or with heaptrack one that uses the shared C library',
  );
}

/** @throws InputError for a process that is not there or may not be looked at. */
export function allocatorOfProcess(pid: number): Allocator {
  const maps = mapsOf(pid);
  if (maps === undefined || maps === '')
    throw new InputError(`process ${pid}`, 'does not run, or is not yours to look at', 'see ps -e; run as root');
  const files = new Map<string, MappedFile>();
  for (const [, start, end, inode, shown, path] of maps.matchAll(MAPPED) as Iterable<readonly string[]>) {
    if (files.has(shown)) continue;
    files.set(shown, { path, place: mappedFile(pid, `${start}-${end}`, Number(inode), shown, path) });
  }
  const [program = { path: '', place: '' }] = files.values();
  return allocatorAmong([...files.values()], program, `process ${pid}`);
}

/** What programs are started with: as from here, or by a process that sees other files or has another environment. */
export interface Surroundings {
  /** Where its root is here, empty for the same one. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
}

const HERE: Surroundings = { root: '', env: process.env };

/**
 * The allocator of a program yet to start, as the dynamic linker will load it.
 * @param program its path, as its process will see it
 */
export function allocatorOfProgram(program: string, surroundings = HERE): Allocator {
  const [file] = interpreterOf(program, surroundings);
  const place = (path: string): MappedFile => ({ path, place: surroundings.root + path });
  return allocatorAmong(librariesOf(file, surroundings).map(place), place(file), program);
}

/** What the dynamic linker would load for an ELF file, LD_PRELOAD included; nothing for one that it does not load. */
export function librariesOf(file: string, surroundings = HERE): string[] {
  const [, loader] = interpreterOf(file, surroundings);
  if (loader === undefined) return [];
  const { root, env } = surroundings;
  // The program itself would list them, too, but not one that is set-uid. Where it looks may be told from its own place ($ORIGIN), behind symbolic links.
  const listing = [loader, '--list', root === '' ? realpathSync(file) : file];
  const [command, ...args] = root === '' ? listing : ['chroot', root, ...listing];
  const { stdout } = spawnSync(command as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env });
  return [...(stdout ?? '').matchAll(/(?:=> |^\s*)(\/.+) \(0x\w+\)$/gm)].map((match) => match[1] as string);
}

/**
 * Why those that look at calls of shared libraries, glibc's, see none of a program's, which some of them wait for without end; undefined where nothing is known
 * to be in their way.
 */
export function unseenAllocator(program: string): Unfit | undefined {
  const remedy = 'record it with bpftrace, as root';
  try {
    const { file, libc } = allocatorOfProgram(program);
    if (MUSL.test(libc)) return { fact: 'does not work with programs that use musl', remedy };
    if (file === libc || LIBRARY.test(file)) return undefined;
    return {
      fact: 'sees nothing of an allocator that is linked into a program',
      remedy: `${remedy}, or a build that uses a shared library`,
    };
  } catch {
    // One that may be executed and not read, as a rule.
    return undefined;
  }
}

/** What a program is to those that start it: a script, a file of which the dynamic linker loads libraries or not. What cannot be told is 'dynamic'. */
export function kindOf(program: string): 'script' | 'static' | 'dynamic' {
  const head = Buffer.alloc(5);
  try {
    const fd = openSync(program, 'r');
    readSync(fd, head, 0, head.length, 0);
    closeSync(fd);
  } catch {
    return 'dynamic';
  }
  if (head.toString('latin1', 0, 2) === '#!') return 'script';
  return head.toString('latin1') === '\x7fELF\x02' && interpreterOf(program)[1] === undefined ? 'static' : 'dynamic';
}

/** Whether the system gives a program other rights than those of who starts it: the dynamic linker then preloads nothing. */
export function changesUser(program: string): boolean {
  const { mode, uid, gid } = statSync(program);
  return ((mode & SET_UID) !== 0 && uid !== process.getuid?.()) || ((mode & SET_GID) !== 0 && gid !== process.getgid?.());
}

/** The ELF file that runs when a program is started (of a script its interpreter), and the dynamic linker that loads it, if one does. */
function interpreterOf(program: string, surroundings = HERE, depth = 0): [file: string, loader: string | undefined] {
  const head = Buffer.alloc(4096);
  const fd = openSync(surroundings.root + program, 'r');
  const length = readSync(fd, head, 0, head.length, 0);
  closeSync(fd);
  const script = /^#!\s*(\S+)/.exec(head.toString('latin1', 0, length));
  if (script !== null && depth < 4) return interpreterOf(script[1] as string, surroundings, depth + 1);
  // Program headers lie right behind the header; type 3 names the dynamic linker, which stands there as a string of so many bytes.
  const count = head.readUInt16LE(56);
  const start = Number(head.readBigUInt64LE(32));
  for (let at = start; at < start + count * 56 && at + 56 <= length; at += 56) {
    if (head.readUInt32LE(at) !== 3) continue;
    const place = Number(head.readBigUInt64LE(at + 8));
    return [program, head.toString('utf8', place, place + Number(head.readBigUInt64LE(at + 32)) - 1)];
  }
  return [program, undefined];
}

/** Text of /proc/PID/maps; undefined if there is none. */
export function mapsOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8');
  } catch {
    return undefined;
  }
}
