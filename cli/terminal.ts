/**
 * What the terminal at the other end can show.
 */

/** True if text for people on this stream may carry colours: a terminal, and the user has not set NO_COLOR (no-color.org). */
export function wantsColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
}

/** Columns for text: the terminal's; in pipes and files there are as many as it takes. */
export function widthOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY === true && stream.columns > 0 ? stream.columns : Infinity;
}
