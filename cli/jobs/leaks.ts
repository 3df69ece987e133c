/**
 * Who allocated what was never freed.
 */
import { lacksCallers, leaksFromLedger, leaksFromProfile, type LeakReport } from '../../profiles/leaks/leaks.ts';
import { leaksJson } from '../../profiles/leaks/leaks_json.ts';
import { formatLeaks } from '../../profiles/leaks/leaks_text.ts';
import type { Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { AccountReplay } from '../../core/replay/accounts.ts';
import { EXIT_FINDING } from '../failure.ts';
import { overLimit, printNotes } from '../notes.ts';
import { isStandardOutput, STANDARD, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { parseBytes, parseCount } from '../settings.ts';
import { readSubject, type Subject, type SubjectArgs } from '../subject.ts';
import { nameProfile, nameTrace, type SymbolArgs, splitProgram, symbolizerOf } from '../symbols.ts';
import { wantsColour, widthOf } from '../terminal.ts';

/** What helps where stacks end at the direct caller. */
const NO_CALLERS =
  'most stacks end at the direct caller, as of code without frame pointers: build it with -fno-omit-frame-pointer, or record it with heaptrack, which needs none';

interface LeaksArgs extends SubjectArgs, SymbolArgs {
  readonly inputs: readonly string[];
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
  readonly top?: string | undefined;
  readonly allocators?: boolean | undefined;
  readonly 'fail-on-leak'?: string | undefined;
}

/** Prints the report; exit code 1 if more is live than `--fail-on-leak` allows. */
export async function leaks(args: LeaksArgs): Promise<void> {
  const path = args.output ?? STANDARD;
  const limit = args['fail-on-leak'] === undefined ? undefined : parseBytes('--fail-on-leak', args['fail-on-leak']);
  const contexts = args.top === undefined ? undefined : parseCount('--top', args.top, 0);
  checkOutputs([path], args.inputs);
  const { program, inputs } = splitProgram(args.inputs);
  const [input, ...more] = inputs;
  if (input === undefined || more.length > 0)
    throw new InputError(
      'jereplay leaks',
      'more than one trace or profile',
      'one at a time, after its program if at all; report and flamegraph sum up several',
    );
  const symbolizer = symbolizerOf(args, program);
  const subject = await readSubject(input, args);
  const foldAllocators = args.allocators !== true;
  const report = leaksOf(input, subject, symbolizer, foldAllocators);
  const source = subject.replay?.trace.header.source;
  const notes = [...report.warnings, ...symbolizer.notes(), ...(lacksCallers(report, source) ? [NO_CALLERS] : [])];
  // Before the report is written: its reader may leave early.
  if (limit !== undefined && report.totalBytes > limit) {
    process.exitCode = EXIT_FINDING;
    notes.push(overLimit('--fail-on-leak', report.totalBytes, limit, 'bytes in use'));
  }
  printNotes(notes, args.quiet);
  if (args.json === true) writeResult(path, leaksJson(report));
  else {
    const terminal = isStandardOutput(path) ? { width: widthOf(process.stdout), colour: wantsColour(process.stdout) } : {};
    writeResult(path, formatLeaks(report, { ...terminal, ...(contexts === undefined ? {} : { contexts }) }));
  }
}

function leaksOf(input: string, subject: Subject, symbolizer: Symbolizer, foldAllocators: boolean): LeakReport {
  const { replay, moment } = subject;
  if (replay !== undefined) {
    nameTrace(replay.trace, symbolizer);
    return leaksOfReplay(replay, foldAllocators, moment);
  }
  const { profile } = subject;
  if (profile.kind === 'other')
    throw new InputError(input, 'is a profile that does not say what memory is in use', 'see it with jereplay report FILE');
  if (profile.freedOnly) throw new InputError(input, `${profile.source} does not say what is live`, 'see it with jereplay report FILE');
  nameProfile(profile, symbolizer);
  return leaksFromProfile(profile, { foldAllocators });
}

/** The report of what is live at the end of a replay, which was stopped at `moment` if that is given. */
export function leaksOfReplay(replay: AccountReplay, foldAllocators = true, moment?: string): LeakReport {
  const { trace, ledger, endTime } = replay;
  return leaksFromLedger(trace, ledger, { endTime, foldAllocators, ...(moment === undefined ? {} : { moment }) });
}
