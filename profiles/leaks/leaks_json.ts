/**
 * A leak report as JSON (`jereplay leaks --json`): base units in names, names from the trace only ever as values.
 * Invariant: the same report gives the same text, key by key.
 */
import type { PathFrame } from './shown_frames.ts';
import type { LeakContext, LeakReport } from './leaks.ts';

/** A frame with everything that is known of it. */
interface JsonFrame {
  readonly fn: string;
  readonly file?: string;
  readonly line?: number;
  readonly module?: string;
  /** Bytes from the function's start to the call, where no line is known. */
  readonly offset?: number;
}

/**
 * The report as plain data for JSON.stringify. `stack` holds names, leaf first; `frames`, beside it, holds file, line and
 * module where any frame has them. Estimates are rounded to whole bytes and objects.
 */
export function leaksToJson(report: LeakReport): Record<string, unknown> {
  return { contexts: report.contexts.map((context) => contextToJson(context, report.timed)), ...totalsToJson(report) };
}

/** The report as a file of JSON, in pieces: of some hundred thousand contexts it is longer than a string can be. */
export function* leaksJson(report: LeakReport): Generator<string> {
  let before = '{\n  "contexts": [';
  for (const context of report.ranked) {
    yield `${before}\n    ${JSON.stringify(contextToJson(context, report.timed), null, 2).replaceAll('\n', '\n    ')}`;
    before = ',';
  }
  const totals = JSON.stringify(totalsToJson(report), null, 2).slice('{'.length);
  yield `${report.ranked.length === 0 ? before : '\n  '}],${totals}\n`;
}

function totalsToJson(report: LeakReport): Record<string, unknown> {
  return {
    total_bytes: Math.round(report.totalBytes),
    total_objects: Math.round(report.totalObjects),
    allocated_bytes: Math.round(report.allocatedBytes),
    allocated_objects: Math.round(report.allocatedObjects),
    ...(report.moment === undefined ? {} : { moment: report.moment }),
    ...(report.partial === true ? { partial: true } : {}),
    ...(report.requested === undefined ? {} : { requested: report.requested }),
    sampled: report.sampled,
    ...(report.sampleRate === undefined ? {} : { sample_rate_bytes: report.sampleRate }),
    ...(report.endTime === undefined ? {} : { [report.timed ? 'end_time_ns' : 'end_event']: report.endTime }),
    warnings: report.warnings,
  };
}

function contextToJson(context: LeakContext, timed: boolean | undefined): Record<string, unknown> {
  const { bytes, objects, share, allocatedBytes, allocatedObjects, stack, times } = context;
  return {
    bytes: Math.round(bytes),
    objects: Math.round(objects),
    share,
    allocated_bytes: Math.round(allocatedBytes),
    allocated_objects: Math.round(allocatedObjects),
    ...(times === undefined
      ? {}
      : {
          [timed ? 'first_time_ns' : 'first_event']: times.first,
          [timed ? 'last_time_ns' : 'last_event']: times.last,
          growing: times.growing,
        }),
    stack: stack.map((frame) => frame.name),
    ...(stack.some((frame) => frame.file ?? frame.module) ? { frames: stack.map(frameToJson) } : {}),
  };
}

function frameToJson({ name, file, line, module, offset }: PathFrame): JsonFrame {
  return {
    fn: name,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...(module === undefined ? {} : { module }),
    ...(offset === undefined ? {} : { offset }),
  };
}
