/**
 * C++ and Rust names as their programmers wrote them (Itanium C++ ABI, "External Names"; Rust: legacy and v0 mangling),
 * by the demangler of the Firefox profiler, which is cpp_demangle and rustc-demangle compiled to WebAssembly.
 * Invariant: a name that is not mangled, or wrongly, comes back as it is; each name is worked on once.
 * Differs from c++filt: no return types of function templates, `std::string` also for the type that it abbreviates. (`c++filt` alone spells out
 * `std::string` and keeps hashes in Rust paths; nm and addr2line print what `c++filt -i` does.)
 * `filteredName` has c++filt's forms, where it runs: jeprof's full names are these.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as glue from 'gecko-profiler-demangle/index_bg.js';
import { asciiForm } from './ascii_form.ts';

/** `_Z…` is C++ or legacy Rust, `_R…` Rust; with one more underscore where the system's C compiler adds one. */
const MANGLED = /^_?_[ZR]/;
const RUST = /^_?_R|17h[0-9a-f]{16}E/;

/** Arguments of c++filt, each for one that does not know those before: GNU's has the forms of nm and addr2line with `-i`, LLVM's always. */
const FILTER_ARGUMENTS: readonly (readonly string[])[] = [['-i'], []];

/** Gives what c++filt makes of its standard input with these arguments; undefined if it fails. */
type Filter = (args: readonly string[], input: string) => string | undefined;

/** The engine's WebAssembly, which the types of Node leave out. */
interface WebAssemblyEngine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly __wbindgen_start: () => void } };
}

let ready = false;
const known = new Map<string, string>();
/** C++ names as c++filt has them, for the names that it has been asked for; the mangled one if it does not know. */
const filtered = new Map<string, string>();

/** The readable form of a mangled name; any other name is itself. */
export function demangle(name: string): string {
  if (!MANGLED.test(name)) return name;
  let text = known.get(name);
  if (text === undefined) {
    if (!ready) start();
    try {
      const { text: ascii, restore } = asciiForm(name);
      const readable = glue.demangle_any(ascii);
      // What it does not understand comes back without its first underscore.
      text = readable === ascii.slice(1) ? name : restore(readable);
    } catch {
      // A name that no compiler made has led the demangler astray: it starts anew.
      ready = false;
      text = name;
    }
    // And what it does not know may be known to c++filt.
    if (text === name) text = filtered.get(name) ?? name;
    known.set(name, text);
  }
  return text;
}

/** How legacy Rust names end, as demanglers for C++ show them: `alloc::boxed::Box$LT$T$GT$::new::h1bacec8d74f3d7e2`. */
const RUST_HASH = /::h[0-9a-f]{16}$/;

/** The readable form of a name that a recorder has written down: mangled, or of Rust and demangled as if of C++. */
export function demangleRecorded(name: string): string {
  if (!RUST_HASH.test(name)) return demangle(name);
  const mangled = `_ZN${name
    .split('::')
    .map((part) => `${Buffer.byteLength(part)}${part}`)
    .join('')}E`;
  const readable = demangle(mangled);
  return readable === mangled ? name : readable;
}

/** Asks c++filt for its forms of C++ names, once for each, and of what is left mangled. */
export function demangleBy(run: Filter, names: Iterable<string>): void {
  const left = unfiltered(names);
  keepAll(left, filteredBy(run, left));
}

/** `demangleBy` of a tool that need not be waited for. */
export async function beginDemangleBy(
  run: (...asked: Parameters<Filter>) => Promise<string | undefined>,
  names: Iterable<string>,
): Promise<void> {
  const left = unfiltered(names);
  let answer: string | undefined;
  if (left.length > 0) for (const args of FILTER_ARGUMENTS) answer ??= await run(args, asLines(left));
  keepAll(left, answeredForms(left, answer));
}

/** The names that c++filt is to be asked for. */
function unfiltered(names: Iterable<string>): string[] {
  return [...new Set(names)].filter(
    (name) =>
      /^[!-~]+$/.test(asciiForm(name).text) && MANGLED.test(name) && !filtered.has(name) && (!isRust(name) || demangle(name) === name),
  );
}

/** Names for c++filt's standard input. */
function asLines(names: readonly string[]): string {
  return names.map((name) => `${asciiForm(name).text}\n`).join('');
}

function keepAll(names: readonly string[], forms: readonly string[]): void {
  names.forEach((name, i) => keepFiltered(name, forms[i]));
}

/** The names in c++filt's forms, each itself where it gave none. @param answer what it made of `asLines` */
function answeredForms(names: readonly string[], answer: string | undefined): string[] {
  const lines = answer?.split('\n');
  return names.map((name, i) => asciiForm(name).restore(lines?.[i] ?? '') || name);
}

function keepFiltered(name: string, form: string): void {
  filtered.set(name, form);
  if (known.get(name) === name) known.delete(name);
}

/** Names in c++filt's forms, each itself where it gives none. */
export function filteredBy(run: Filter, names: readonly string[]): string[] {
  let answer: string | undefined;
  if (names.length > 0) for (const args of FILTER_ARGUMENTS) answer ??= run(args, asLines(names));
  return answeredForms(names, answer);
}

/** What c++filt said of those names that it was asked for. */
export function filteredForms(names: Iterable<string>): (readonly [mangled: string, form: string])[] {
  return [...names].flatMap((name) => {
    const form = filtered.get(name);
    return form === undefined ? [] : [[name, form] as const];
  });
}

/** Answers that c++filt gave earlier. */
export function restoreFiltered(forms: readonly (readonly [mangled: string, form: string])[]): void {
  for (const [name, form] of forms) keepFiltered(name, form);
}

/** A C++ name as c++filt has it, in full: with return types, and types by their own names. Where it has not been asked, and of Rust, `demangle`'s. */
export function filteredName(name: string): string {
  const text = isRust(name) ? name : (filtered.get(name) ?? name);
  return text === name ? demangle(name) : text;
}

/** True if a mangled name is that of a Rust function. */
export function isRust(name: string): boolean {
  return MANGLED.test(name) && RUST.test(name);
}

/** Loads the demangler, at the first mangled name. */
function start(): void {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyEngine }).WebAssembly;
  const path = createRequire(import.meta.url).resolve('gecko-profiler-demangle/index_bg.wasm');
  const { exports } = new Instance(new Module(readFileSync(path)), { './index_bg.js': glue });
  glue.__wbg_set_wasm(exports);
  exports.__wbindgen_start();
  ready = true;
}
