/**
 * A leak report for people: a line of totals, then each context with its numbers and its stack, leaf first.
 * Invariant: no line is wider than asked, and none is cut where nothing is asked, and no name's control characters reach the terminal.
 */
import { formatBytes, formatCount, formatCounted, formatNanoseconds, formatShare } from '../format_units.ts';
import { printable } from '../printable.ts';
import type { PathFrame } from './shown_frames.ts';
import type { LeakContext, LeakReport } from './leaks.ts';
import { columnsOf, truncate } from './terminal_text.ts';

export interface LeakTextOptions {
  /** Columns of the terminal, at least 40. Default: lines are as long as they are. */
  readonly width?: number;
  /** Use ANSI colours. Default false. */
  readonly colour?: boolean;
  /** Contexts shown, the rest summed up in a line. Default 20. */
  readonly contexts?: number;
  /** Frames shown of a stack. Default 12. */
  readonly frames?: number;
}

/** Of a trace that breaks off, or whose reading did. */
const PARTIAL = 'partial: the trace was not taken to its end';

const PLAIN = { bold: '', dim: '', warn: '', off: '' };
const ANSI = { bold: '\x1b[1m', dim: '\x1b[2m', warn: '\x1b[33m', off: '\x1b[0m' };
type Style = typeof PLAIN;

/** The report as lines of text, the last one ended. */
export function formatLeaks(report: LeakReport, options: LeakTextOptions = {}): string {
  const width = Math.max(40, options.width ?? Infinity);
  const style = options.colour ? ANSI : PLAIN;
  const { ranked } = report;
  const { first: shown, bytes, objects } = ranked.split(options.contexts ?? 20);
  const lines = headline(report, width, style);
  const ranks = String(shown.length).length;
  for (const [index, context] of shown.entries()) {
    lines.push('', ...contextLines(context, report, index + 1, ranks, width, style, options.frames ?? 12));
  }
  const others = ranked.length - shown.length;
  if (others > 0) {
    const counted = countsObjects(report);
    lines.push(
      '',
      truncate(
        `and ${formatCounted(others, 'smaller context')}: ${formatBytes(bytes)}${counted ? ` in ${formatCounted(objects, 'object')}` : ''}`,
        width,
      ),
    );
  }
  return lines.join('\n') + '\n';
}

function headline(report: LeakReport, width: number, style: Style): string[] {
  const { ranked, totalBytes, totalObjects, allocatedBytes, sampleRate } = report;
  const partial = report.partial === true ? [style.warn + truncate(PARTIAL, width) + style.off] : [];
  if (ranked.length === 0)
    return [report.allocatedObjects > 0 ? 'Everything that was allocated was freed.' : 'Nothing is in use.', ...partial];
  const about = report.sampled ? 'about ' : '';
  const objects = countsObjects(report) ? ` in ${formatCounted(totalObjects, 'object')}` : '';
  const fate = report.moment === undefined ? (report.snapshot === true ? 'in use' : 'never freed') : `in use ${report.moment}`;
  const lines = [
    style.bold +
      truncate(`${about}${formatBytes(totalBytes)}${objects} ${fate}, from ${formatCounted(ranked.length, 'context')}`, width) +
      style.off,
  ];
  const notes = [];
  if (allocatedBytes > 0) notes.push(`${formatShare(totalBytes / allocatedBytes)} of the ${formatBytes(allocatedBytes)} allocated`);
  if (report.requested !== undefined) notes.push(report.requested ? 'sizes as requested' : 'sizes rounded up to size classes');
  if (report.sampled) notes.push(`estimated from samples${sampleRate === undefined ? '' : `, one in about ${formatBytes(sampleRate)}`}`);
  for (const line of joined(notes, width)) lines.push(style.dim + truncate(line, width) + style.off);
  return [...lines, ...partial];
}

/** Notes beside each other, as many as a line holds. */
function joined(notes: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const note of notes) {
    const longer = lines.length === 0 ? note : `${lines[lines.length - 1]}; ${note}`;
    if (lines.length > 0 && columnsOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(note);
  }
  return lines;
}

/** False for sources that know bytes alone. */
function countsObjects({ totalObjects, totalBytes }: LeakReport): boolean {
  return totalObjects > 0 || totalBytes === 0;
}

function contextLines(
  context: LeakContext,
  report: LeakReport,
  rank: number,
  ranks: number,
  width: number,
  style: Style,
  frames: number,
): string[] {
  const { bytes, objects, share, stack, times } = context;
  const size = `${String(rank).padStart(ranks)}. ${formatBytes(bytes)}`;
  const numbers = `  ${formatShare(share)}${countsObjects(report) ? `  ${formatCounted(objects, 'object')}` : ''}`;
  let line = style.bold + size + style.off + numbers;
  let left = width - size.length - numbers.length;
  if (times !== undefined) {
    if (times.growing && left >= 15) {
      line += `  ${style.warn}still growing${style.off}`;
      left -= 15;
    }
    line += style.dim + truncate(`  ${when(times.first, times.last, report)}`, left) + style.off;
  }
  const indent = ' '.repeat(ranks + 4);
  const lines = [line];
  for (const frame of stack.slice(0, frames)) lines.push(indent + frameText(frame, width - indent.length, style));
  if (stack.length > frames) lines.push(indent + style.dim + `… ${formatCounted(stack.length - frames, 'caller')} more` + style.off);
  if (stack.length === 0) lines.push(indent + style.dim + '(no backtrace)' + style.off);
  return lines;
}

function when(first: number, last: number, { timed, endTime }: LeakReport): string {
  if (timed)
    return first === last
      ? `at ${formatNanoseconds(first)}`
      : `${formatNanoseconds(first)} to ${formatNanoseconds(last)} of ${formatNanoseconds(endTime ?? last)}`;
  return first === last
    ? `event ${formatCount(first)}`
    : `events ${formatCount(first)} to ${formatCount(last)} of ${formatCount(endTime ?? last)}`;
}

function frameText({ name, file, line, module, offset }: PathFrame, width: number, style: Style): string {
  const place = file === undefined ? module : line === undefined ? file : `${file}:${line}`;
  // A frame's name comes first; where it is from takes what is left of the line.
  const known = printable(name) || '(no name)';
  const shown = truncate(offset === undefined ? known : `${known}+0x${offset.toString(16)}`, width);
  const left = width - columnsOf(shown) - 2;
  // ltrace knows the library alone that called.
  if (place === undefined || place === name || left < 8) return shown;
  return `${shown}  ${style.dim}${truncate(printable(tail(place)), left)}${style.off}`;
}

/** The last two parts of a path. */
function tail(path: string): string {
  const parts = path.split('/');
  return parts.length > 3 ? `…/${parts.slice(-2).join('/')}` : path;
}
