/**
 * jeprof: its reports, its prompt, and the names of addresses that are asked for on standard input.
 */
import { STANDARD, writeResult } from '../output.ts';
import { printNotes } from '../notes.ts';
import { symbolizerOf } from '../symbols.ts';
import { standardInputText } from '../standard_input.ts';
import { asksForReport, type ReportArgs } from '../report/args.ts';
import { report } from './report.ts';

/** What `jeprof` prints for these flags. */
export async function jeprof(flags: ReportArgs): Promise<void> {
  const args = { ...flags, asJeprof: true };
  if (args.symbols === true) await printSymbols(args);
  // jeprof's default: the prompt on a terminal, and a table in a script.
  else await report(process.stdout.isTTY === true && !asksForReport(args) ? { ...args, interactive: true } : args);
}

/**
 * `--symbols`: standard input has lines of /proc/PID/maps and addresses; a line for each address is printed, its function or `??`
 * (jeprof, PrintSymbols).
 */
async function printSymbols(args: ReportArgs): Promise<void> {
  const addresses: bigint[] = [];
  let maps = '';
  for (const line of (await standardInputText()).split('\n')) {
    const match = /\b0x([0-9a-f]{1,16})\b/i.exec(line);
    if (match === null) maps += `${line}\n`;
    else addresses.push(BigInt(`0x${match[1]}`));
  }
  const symbolizer = symbolizerOf(args, args.profiles[0]);
  const names = symbolizer.names([maps], addresses);
  printNotes(symbolizer.notes(), args.quiet);
  writeResult(args.output ?? STANDARD, names.map((found) => `${found?.resolved === true ? found.names[0]?.short : '??'}\n`).join(''));
}
