/**
 * The flame graph page's table: the functions that allocate most themselves, or whose own allocations changed most, which is the graph in words. Runs in the page.
 * Invariant: stands alone (no module-level names, no imports but types), because the page carries this function's source.
 */
import type { PageData, PageMetric, TopFunctions } from './page_types.ts';

/**
 * The rows and what stands above them.
 * @param column value column of what is shown; that of the base if widths show it
 * @param baseScale what a value of the base counts for
 */
export function topFunctions(data: PageData, metric: PageMetric, column: number, baseScale: number): TopFunctions {
  const isChange = metric.base >= 0 && column !== metric.base;
  const { name: names, values } = data.own;
  const rows = names
    .map((name, row) => {
      const now = values[column][row];
      const before = metric.base >= 0 ? values[metric.base][row] * baseScale : 0;
      return { name: data.names[name], before, value: isChange ? now - before : now };
    })
    .filter(({ value, before }) => (isChange ? Math.abs(value) >= 0.5 && Math.abs(value) > 1e-6 * before : value > 0))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, data.own.rows);
  const verb = metric.group === 'In use' ? 'hold' : 'allocate';
  const most = `Functions that ${verb} most`;
  const changed =
    rows.length === 0 ? `No function ${verb}s more or less than in the base` : `Functions that ${verb} more or less than in the base`;
  return { isChange, heading: isChange ? changed : most, rows };
}
