/**
 * Flame graph pages.
 */
import { basename } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { renderFlameGraph } from '../../profiles/flamegraph/flamegraph.ts';
import { ProfileSum } from '../../profiles/sum.ts';
import { printNotes } from '../notes.ts';
import { STANDARD, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { readSubject, type SubjectArgs } from '../subject.ts';
import { nameProfile, type SymbolArgs, splitProgram, symbolizerOf } from '../symbols.ts';

interface FlameGraphArgs extends SubjectArgs, SymbolArgs {
  readonly inputs: readonly string[];
  readonly output?: string | undefined;
  readonly base?: string | undefined;
  readonly title?: string | undefined;
  readonly allocators?: boolean | undefined;
}

/** Writes one page of the sum of the inputs; with `--base`, of how they differ from it. */
export async function flamegraph(args: FlameGraphArgs): Promise<void> {
  const path = args.output ?? STANDARD;
  checkOutputs([path], [...args.inputs, args.base]);
  const { program, inputs } = splitProgram(args.inputs);
  const symbolizer = symbolizerOf(args, program);
  const sum = new ProfileSum();
  for (const input of inputs) {
    const { profile } = await readSubject(input, args);
    if (profile.kind === 'other')
      throw new InputError(
        input,
        'is a profile that does not say what memory is in use',
        'jereplay report --speedscope -o FILE.json shows it in speedscope',
      );
    nameProfile(profile, symbolizer);
    sum.add(profile);
  }
  const base = args.base === undefined ? undefined : (await readSubject(args.base, args)).profile;
  if (base !== undefined) nameProfile(base, symbolizer);
  const profile = sum.profile();
  printNotes([...profile.warnings, ...(base?.warnings ?? []), ...symbolizer.notes()], args.quiet);
  const nameOf = (input: string) => (input === STANDARD ? 'standard input' : basename(input));
  const title = args.title ?? inputs.map(nameOf).join(' + ');
  const compared = base === undefined || args.base === undefined ? {} : { base, subtitle: `compared with ${nameOf(args.base)}` };
  const page = renderFlameGraph(profile, { title, foldAllocators: args.allocators !== true, ...compared });
  writeResult(path, page);
}
