/**
 * A line on the terminal that says how far a long job is; nothing at all when stderr is not a terminal, or one that cannot write over a line.
 */
import { basename } from 'node:path';
import { formatCount, formatNanoseconds, formatShare } from '../profiles/format_units.ts';
import { columnsOf, truncate } from '../profiles/leaks/terminal_text.ts';
import { printable } from '../profiles/printable.ts';
import { knowsEscapes, widthOf } from './terminal.ts';

/** Milliseconds between two drawings, and before the first one: a short job draws nothing. */
const INTERVAL_MS = 150;
/** Milliseconds before a guess at the time left: what is read first says little of the rest. */
const GUESS_MS = 1000;

/** How far a job is after `ms` milliseconds: share of the input (if its size is known), events, their rate, and the time left at that rate, as far as there is any. */
export function progressText(bytes: number, size: number | undefined, events: number, ms: number): string {
  const share = size === undefined || size === 0 ? undefined : Math.min(1, bytes / size);
  const parts = [`${share === undefined ? '' : `${formatShare(share)}, `}${formatCount(events)} events`];
  if (ms > 0 && events > 0) parts.push(`${formatCount(Math.round((events * 1000) / ms))} a second`);
  if (share !== undefined && share > 0 && share < 1 && ms >= GUESS_MS)
    parts.push(`${formatNanoseconds(((1 - share) / share) * ms * 1e6)} left`);
  return parts.join(', ');
}

/** One line of at most `width` columns: of a title too long for it, a path say, the end, so that what it is about can be read. */
export function progressLine(title: string, text: string, width: number): string {
  const whole = `${printable(title)}: ${text}`;
  if (columnsOf(whole) <= width) return whole;
  const name = printable(basename(title));
  const room = width - columnsOf(text) - 2;
  return room < Math.min(8, columnsOf(name)) ? truncate(text, width) : `${truncate(name, room)}: ${text}`;
}

export interface Progress {
  /** How far the job is: bytes read of the input's size (undefined for a pipe) and events taken. Cheap enough for every chunk. */
  at(bytes: number, size: number | undefined, events: number): void;
  /** How far it is, in words of its own. */
  say(text: string): void;
  /** Clears the line. */
  done(): void;
}

const SILENT: Progress = { at() {}, say() {}, done() {} };

/**
 * Progress under a title such as the input's name.
 * @param quiet draw nothing, as on a stderr that is no such terminal.
 */
export function showProgress(title: string, quiet: boolean): Progress {
  const { stderr } = process;
  if (quiet || !knowsEscapes(stderr)) return SILENT;
  const start = performance.now();
  let next = start + INTERVAL_MS;
  let drawn = false;
  /** Draws what `text` gives, if it is time to. */
  const draw = (text: (now: number) => string) => {
    const now = performance.now();
    if (now < next) return;
    next = now + INTERVAL_MS;
    drawn = true;
    stderr.write(`\r\u001b[K${progressLine(title, text(now), widthOf(stderr))}`);
  };
  return {
    at: (bytes, size, events) => draw((now) => progressText(bytes, size, events, now - start)),
    say: (text) => draw(() => text),
    done() {
      if (drawn) stderr.write('\r\u001b[K');
      drawn = false;
    },
  };
}
