/**
 * Names of bare addresses from the binaries of this machine, for what is read without names.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { InputError } from '../core/trace/input_error.ts';
import type { Trace } from '../core/trace/trace.ts';
import type { Profile } from '../profiles/profile.ts';
import { elfSymbolSource, lastAddress, type Surroundings } from '../profiles/report/elf_symbols.ts';
import type { SymbolSource } from '../profiles/report/symbols.ts';
import { nameFrames, reportedAddresses } from '../profiles/symbols/name_frames.ts';
import { Symbolizer } from '../profiles/symbols/symbolizer.ts';
import { STANDARD } from './output.ts';
import { checkTools, symbolHost } from './symbol_host.ts';

/** The flags of SYMBOL_FLAGS. */
export interface SymbolArgs {
  readonly lib_prefix?: string | undefined;
  readonly add_lib?: string | undefined;
  readonly 'debug-dir'?: string | undefined;
  readonly tools?: string | undefined;
}

/**
 * Splits off the program, which jeprof's command line names before the profiles; the profiles' maps tell it as well.
 */
export function splitProgram(inputs: readonly string[]): { readonly program: string | undefined; readonly inputs: readonly string[] } {
  const [first, ...rest] = inputs;
  const named = rest.length > 0 && first !== undefined && first !== STANDARD && isElf(first);
  return named ? { program: first, inputs: rest } : { program: undefined, inputs };
}

/** @throws InputError for `--tools` and `--add_lib` that are not there. */
export function symbolizerOf(args: SymbolArgs, program: string | undefined): Symbolizer {
  checkTools(args.tools);
  const { add_lib = '' } = args;
  if (add_lib !== '' && !isElf(add_lib))
    throw new InputError('--add_lib', `no program or library at ${add_lib}`, 'an ELF file whose addresses are not relocated');
  return new Symbolizer(symbolHost(args.tools), {
    program,
    prefixes: listOf(args.lib_prefix),
    extraLibrary: args.add_lib,
    debugFolders: listOf(args['debug-dir']),
  });
}

const listOf = (text: string | undefined) => (text ?? '').split(',').filter((part) => part !== '');

/** Names the frames of a profile that are bare addresses, if its maps tell the files, or places in files. */
export function nameProfile({ stacks, maps, symbolized, source }: Profile, symbolizer: Symbolizer): void {
  if (!symbolized || source === 'replay') nameFrames(stacks, maps, symbolizer);
}

/** Names the frames of a trace that are bare addresses, if it has maps, or places in files. */
export function nameTrace({ stacks, header }: Trace, symbolizer: Symbolizer): void {
  nameFrames(stacks, header.maps, symbolizer);
}

/** Where a report takes the names of dumps from. Frames of traces are named where they stand. */
export function reportNames(profiles: readonly Profile[], symbolizer: Symbolizer): SymbolSource | undefined {
  for (const profile of profiles) if (profile.symbolized) nameProfile(profile, symbolizer);
  const bare = profiles.filter(({ symbolized }) => !symbolized);
  if (bare.length === 0) return undefined;
  return symbolizer.source(bare.flatMap(({ maps }) => (maps === undefined ? [] : [maps])));
}

/** Has the tools learn at once what `reportNames` will be asked for: addresses of calls, and of the heads of backtraces. */
export async function prepareNames(profiles: readonly Profile[], symbolizer: Symbolizer): Promise<void> {
  const maps: string[] = [];
  const addresses = new Set<bigint>();
  for (const profile of profiles) {
    if (profile.symbolized || profile.maps === undefined) continue;
    maps.push(profile.maps);
    for (const address of reportedAddresses(profile.stacks)) addresses.add(address);
  }
  if (addresses.size === 0) return;
  await symbolizer.prepare(maps, [...addresses]);
}

/** The names that jeprof finds: the nearest symbol, however far. */
export function nearestNames([first]: readonly Profile[], args: SymbolArgs, program: string | undefined): SymbolSource | undefined {
  if (first === undefined || first.symbolized || (first.maps === undefined && program === undefined)) return undefined;
  const host = symbolHost(args.tools);
  const local = (path: string) => (program !== undefined && path.startsWith('/') && basename(path) === basename(program) ? program : path);
  const surroundings: Surroundings = {
    open: (path) => host.open(local(path)),
    run: (tool, toolArgs, input) => {
      const output = host.run(tool, toolArgs.map(local), input);
      return output === undefined ? undefined : Buffer.from(output).toString();
    },
    prefixes: listOf(args.lib_prefix),
    extraLibrary: args.add_lib,
  };
  return elfSymbolSource(first.maps ?? '', surroundings, program === undefined ? undefined : resolve(program), lastAddress(first));
}

/** True for a program or library. */
function isElf(path: string): boolean {
  try {
    const fd = openSync(path, 'r');
    try {
      const magic = Buffer.alloc(4);
      return readSync(fd, magic) === 4 && magic.toString('latin1') === '\x7fELF';
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}
