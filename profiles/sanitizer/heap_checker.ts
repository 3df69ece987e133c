/**
 * Reads reports of gperftools' heap checker (HEAPCHECK=normal; src/heap-profile-table.cc, Snapshot::ReportLeaks, and src/heap-checker.cc, DoNoLeaks, up to 2.18):
 *
 *     Leak check _main_ detected leaks of 400 bytes in 20 objects
 *     The 2 largest leaks:
 *     Using local file ./a.out.
 *     Leak of 320 bytes in 10 objects allocated from:
 *     	@ 7fb33ee69249 std::string::_Rep::_S_create
 *     	@ 400d8e main
 *
 * Invariant: the profile's totals are those of the check, as far as its leaks are listed (20 at most). Of several checks the last counts.
 * What the format cannot say: blocks that can still be reached, what was freed, and in which file a function is.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type LeakRecord, profileFromLeakRecords } from '../leak_records.ts';
import type { Profile } from '../profile.ts';

interface Leak extends LeakRecord {
  readonly frames: string[];
}

interface Check {
  /** What it says of all leaks; undefined where the report begins with the first one. */
  readonly bytes: number | undefined;
  readonly name: string;
  readonly leaks: Leak[];
}

const SOURCE = 'gperftools’ heap checker';

const CHECK = /^Leak check (.*) detected leaks of (\d{1,16}) bytes in \d{1,16} objects$/;
/** What it says of a check without leaks. */
const NONE = /^ *No leaks found for check "/m;
const LEAK = /^Leak of (\d{1,16}) bytes in (\d{1,16}) objects allocated from:$/;
/** Behind the address stands the function, if it is known. */
const FRAME = /^\s+@ (?:0x)?([\da-f]{1,16})(?: (.*))?$/;

/** True if bytes look like the beginning of a file that `readHeapChecker` takes. */
export function isHeapChecker(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  return (
    /^ *(?:Leak check .* detected leaks of \d+ bytes in \d+ objects|Leak of \d+ bytes in \d+ objects allocated from:)\s*$/m.test(text) ||
    NONE.test(text)
  );
}

/**
 * Reads a log that has a report of the heap checker; other lines are passed over.
 * @param name what errors call it
 * @throws InputError if it lists no leak
 */
export function readHeapChecker(bytes: Uint8Array, name: string): Profile {
  const text = new TextDecoder().decode(bytes);
  const checks = readChecks(text).filter(({ leaks }) => leaks.length > 0);
  const check = checks.at(-1);
  if (check === undefined && NONE.test(text)) return profileFromLeakRecords(SOURCE, [], ['the heap checker found no leaks'], false);
  if (check === undefined) throw new InputError(name, 'is a report of gperftools’ heap checker without a leak that it lists');
  const { leaks } = check;
  const listed = leaks.reduce((sum, leak) => sum + leak.bytes, 0);
  const warnings: string[] = [];
  if (checks.length > 1)
    warnings.push(`of ${checks.length} leak checks the last one is shown${check.name === '' ? '' : `, ${JSON.stringify(check.name)}`}`);
  if (check.bytes !== undefined && check.bytes > listed)
    warnings.push(
      `${check.bytes - listed} of ${check.bytes} bytes leaked are not listed: the dump that the report names at its end has all`,
    );
  if (leaks.every(({ frames }) => frames.every((frame) => frame.endsWith(NO_NAME))))
    warnings.push('the report names no function: jereplay report PROGRAM FILE does, of the dump that the report names at its end');
  return profileFromLeakRecords(SOURCE, leaks, warnings, false);
}

/** What Valgrind says in place of a function. */
const NO_NAME = ': ???';

/** A frame as Valgrind has it: callers with the address before the one returned to, which the heap checker writes. */
function frameText(address: string, isCaller: boolean, fn: string): string {
  const pc = BigInt(`0x${address}`);
  return `0x${(isCaller && pc > 0n ? pc - 1n : pc).toString(16)}: ${fn}`;
}

function readChecks(text: string): Check[] {
  const checks: Check[] = [];
  let leak: Leak | undefined;
  for (const line of text.split(/\r?\n/)) {
    const frame = leak === undefined ? null : FRAME.exec(line);
    if (frame !== null) {
      leak!.frames.push(frameText(frame[1], leak!.frames.length > 0, frame[2]?.trim() || '???'));
      continue;
    }
    leak = undefined;
    const said = line.trim();
    const check = CHECK.exec(said);
    if (check !== null) checks.push({ bytes: Number(check[2]), name: check[1], leaks: [] });
    const found = LEAK.exec(said);
    if (found === null) continue;
    if (checks.length === 0) checks.push({ bytes: undefined, name: '', leaks: [] });
    leak = { bytes: Number(found[1]), objects: Number(found[2]), frames: [] };
    checks[checks.length - 1].leaks.push(leak);
  }
  return checks;
}
