/**
 * Sizes, counts, shares and times for people: three significant digits, binary units, the same text on every machine.
 * Invariant: formatBytes, formatCount and formatShare stand alone (no module-level names), because the flame graph page carries their source.
 * Differs from jeprof, whose "MB" are 2^20 bytes: here they are named MiB.
 */

export { formatCount, formatCounted } from '../core/trace/counted.ts';

/** Bytes as `312 B`, `1.50 KiB`, `12.3 MiB`. Estimates from samples are rounded to whole bytes. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let amount = Math.abs(bytes);
  let unit = 0;
  // 1023.5 would print as "1024 KiB" after rounding: the next unit starts there.
  while (unit < units.length - 1 && amount >= 1023.5) {
    amount /= 1024;
    unit++;
  }
  const digits = unit === 0 ? 0 : amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? '-' : ''}${amount.toFixed(digits)} ${units[unit]}`;
}

/** A share of a whole, 0..1, as `53.1%`. What is not nothing and not all never reads as `0.0%` or `100.0%`. */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return '-';
  if (share > 0 && share < 0.0005) return '<0.1%';
  if (share < 1 && share >= 0.9995) return '>99.9%';
  return `${(share * 100).toFixed(1)}%`;
}

/** A duration or a point in time, from nanoseconds: `850 ns`, `12.3 ms`, `1.53 s`, `2 min 05 s`, `3 h 07 min`. */
export function formatNanoseconds(ns: number): string {
  const sign = ns < 0 ? '-' : '';
  const amount = Math.abs(ns);
  const seconds = Math.round(amount / 1e9);
  if (seconds >= 3600) {
    const minutes = Math.round(amount / 60e9);
    return `${sign}${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
  }
  if (seconds >= 100) return `${sign}${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  if (amount < 999.5) return `${sign}${amount.toFixed(0)} ns`;
  const [unit, scaled] = amount < 999.5e3 ? ['µs', amount / 1e3] : amount < 999.5e6 ? ['ms', amount / 1e6] : ['s', amount / 1e9];
  return `${sign}${scaled.toFixed(scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2)} ${unit}`;
}
