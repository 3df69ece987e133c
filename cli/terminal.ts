/**
 * What the terminal at the other end can show.
 */

/** True if the stream is a terminal that knows escape sequences: one that can write over a line. */
export function knowsEscapes(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb';
}

/** True if text for people on this stream may carry colours: a terminal, and the user has not set NO_COLOR (no-color.org). */
export function wantsColour(stream: NodeJS.WriteStream): boolean {
  return knowsEscapes(stream) && (process.env['NO_COLOR'] ?? '') === '';
}

/** Columns for text: the terminal's; in pipes and files there are as many as it takes. */
export function widthOf(stream: NodeJS.WriteStream): number {
  return stream.isTTY === true && stream.columns > 0 ? stream.columns : Infinity;
}
