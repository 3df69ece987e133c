/**
 * Flame graph pages.
 */
import { basename } from 'node:path';
import { renderFlameGraph } from '../../profiles/flamegraph/flamegraph.ts';
import { sumProfiles } from '../../profiles/sum.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs, STANDARD, writeResult } from '../output.ts';
import { readSubject } from '../subject.ts';
import type { InputArgs } from '../trace_input.ts';

interface FlameGraphArgs extends InputArgs {
  readonly inputs: readonly string[];
  readonly output?: string | undefined;
  readonly base?: string | undefined;
  readonly title?: string | undefined;
  readonly allocators?: boolean | undefined;
}

/** Writes one page of the sum of the inputs; with `--base`, of how they differ from it. */
export async function flamegraph(args: FlameGraphArgs): Promise<void> {
  const path = args.output ?? STANDARD;
  checkOutputs([path]);
  const profiles = [];
  for (const input of args.inputs) profiles.push((await readSubject(input, args)).profile);
  const base = args.base === undefined ? undefined : (await readSubject(args.base, args)).profile;
  const profile = sumProfiles(profiles);
  printNotes(profile.warnings, args.quiet);
  const title = args.title ?? args.inputs.map((input) => (input === STANDARD ? 'standard input' : basename(input))).join(' + ');
  const page = renderFlameGraph(profile, { title, foldAllocators: args.allocators !== true, ...(base === undefined ? {} : { base }) });
  writeResult(path, page);
}
