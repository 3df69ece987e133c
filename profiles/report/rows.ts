/**
 * A report's rows as data: `--json` and `--csv` (RFC 8259, RFC 4180).
 * Invariant: the rows, their order and their names are those of the table of `--text`; numbers are whole bytes or objects, never megabytes.
 */
import type { Granularity } from './entries.ts';
import { EntryTable, reduce } from './entries.ts';
import type { RowErrors } from './errors.ts';
import { compareNames } from './names.ts';
import type { ReportPart } from './report.ts';

/** One line of a report. */
export interface ReportRow {
  readonly name: string;
  /** Bytes or objects of the backtraces that it heads. */
  readonly flat: number;
  /** Of those that it is in. */
  readonly cumulative: number;
}

/** How rows are made. */
export interface RowOptions {
  readonly granularity?: Granularity;
  /** Sorts by cumulative value. */
  readonly cumulative?: boolean;
  /** Most rows; all if it is left out. */
  readonly top?: number;
}

/** The rows of a part, largest first. */
export function reportRows({ profile, addresses }: ReportPart, { granularity, cumulative = false, top }: RowOptions = {}): ReportRow[] {
  const entries = new EntryTable(addresses, granularity ?? 'functions');
  const reduced = reduce(profile, entries);
  const rows: ReportRow[] = [];
  entries.names.forEach((name, i) => {
    if (reduced.present[i] !== 1 || (reduced.flat[i] === 0 && reduced.cumulative[i] === 0)) return;
    rows.push({ name, flat: reduced.flat[i], cumulative: reduced.cumulative[i] });
  });
  const key = cumulative ? 'cumulative' : 'flat';
  rows.sort((a, b) => b[key] - a[key] || compareNames(a.name, b.name));
  return top === undefined ? rows : rows.slice(0, top);
}

const whole = (value: number) => Math.round(value) + 0;

/**
 * An object with the total and the rows; with `--thread '*'`, an array of them.
 * @param errors standard errors, one a part: each value then has one beside it, `flat_bytes_error`
 */
export function rowsJson(parts: readonly ReportPart[], options: RowOptions = {}, errors?: readonly RowErrors[]): string {
  const objects = parts.map((part, i) => {
    const unit = part.unit.base;
    const error = errors?.[i];
    const errorsOf = (name: string) => {
      const { flat = 0, cumulative = 0 } = error?.rows.get(name) ?? {};
      return error === undefined ? {} : { [`flat_${unit}_error`]: whole(flat), [`cumulative_${unit}_error`]: whole(cumulative) };
    };
    return {
      program: part.program,
      ...(part.title === '' ? {} : { thread: part.title.replace(/^ \(t|\)$/g, '') }),
      [`total_${unit}`]: whole(part.total),
      ...(error === undefined ? {} : { [`total_${unit}_error`]: whole(error.total) }),
      rows: reportRows(part, options).map(({ name, flat, cumulative }) => ({
        name,
        [`flat_${unit}`]: whole(flat),
        [`cumulative_${unit}`]: whole(cumulative),
        ...errorsOf(name),
      })),
    };
  });
  return `${JSON.stringify(objects.length === 1 ? objects[0] : objects, null, 2)}\n`;
}

/** A line of headings and one per row; with threads, their number comes first. */
export function rowsCsv(parts: readonly ReportPart[], options: RowOptions = {}): string {
  const unit = parts[0]?.unit.base ?? 'bytes';
  const hasThreads = parts.some(({ title }) => title !== '');
  let text = `${hasThreads ? 'thread,' : ''}name,flat_${unit},cumulative_${unit}\r\n`;
  for (const part of parts) {
    const thread = hasThreads ? `${part.title.replace(/^ \(t|\)$/g, '')},` : '';
    for (const { name, flat, cumulative } of reportRows(part, options))
      text += `${thread}${quoted(name)},${whole(flat)},${whole(cumulative)}\r\n`;
  }
  return text;
}

function quoted(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
