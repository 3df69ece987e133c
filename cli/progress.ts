/**
 * A line on the terminal that says how far a long job is; nothing at all when stderr is not a terminal.
 */
import { formatCount, formatShare } from '../profiles/format_units.ts';

/** Milliseconds between two drawings, and before the first one: a short job draws nothing. */
const INTERVAL_MS = 150;

export interface Progress {
  /** How far the job is: bytes read of the input's size (undefined for a pipe) and events taken. Cheap enough for every chunk. */
  at(bytes: number, size: number | undefined, events: number): void;
  /** Clears the line. */
  done(): void;
}

const SILENT: Progress = { at() {}, done() {} };

/**
 * Progress under a title such as the input's name.
 * @param quiet draw nothing, as on a stderr that is not a terminal.
 */
export function showProgress(title: string, quiet: boolean): Progress {
  const { stderr } = process;
  if (quiet || !stderr.isTTY) return SILENT;
  let next = performance.now() + INTERVAL_MS;
  let drawn = false;
  return {
    at(bytes, size, events) {
      const now = performance.now();
      if (now < next) return;
      next = now + INTERVAL_MS;
      drawn = true;
      const share = size === undefined || size === 0 ? '' : ` ${formatShare(bytes / size)}`;
      stderr.write(`\r\u001b[K${title}:${share} ${formatCount(events)} events`.slice(0, stderr.columns));
    },
    done() {
      if (drawn) stderr.write('\r\u001b[K');
      drawn = false;
    },
  };
}
