/**
 * Counts for people, the same text on every machine.
 * Invariant: formatCount stands alone (no module-level names), because the flame graph page carries its source.
 */

/** A count with thousands separated: `1,234,567`. Estimates from samples are rounded to whole objects. */
export function formatCount(count: number): string {
  return Math.round(count)
    .toFixed(0)
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** So many of what a noun names: `1 object`, `1,234 objects`. */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${Math.round(count) === 1 ? '' : 's'}`;
}
