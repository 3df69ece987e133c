/**
 * Numbers as people read them. Only for text on a terminal: files and JSON hold plain numbers in base units.
 */

/** `1234567` as `1,234,567`. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** Bytes in the largest binary unit that leaves at least 1: `978.4 KiB`. */
export function bytes(value: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  if (Math.abs(value) < 1024) return `${value} B`;
  let scaled = value;
  let unit = -1;
  do {
    scaled /= 1024;
    unit++;
  } while (Math.abs(scaled) >= 1023.95 && unit < units.length - 1);
  return `${scaled.toFixed(1)} ${units[unit]}`;
}

/** A share of one as `12.3%`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** Nanoseconds in the unit that fits: `1.53 s`. */
export function duration(ns: number): string {
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(2)} µs`;
  if (ns < 1e9) return `${(ns / 1e6).toFixed(2)} ms`;
  if (ns < 120e9) return `${(ns / 1e9).toFixed(2)} s`;
  const seconds = Math.round(ns / 1e9);
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours} h ` : ''}${minutes} min ${seconds % 60} s`;
}
