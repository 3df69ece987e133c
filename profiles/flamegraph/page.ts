/**
 * The script of the flame graph page: draws the tree with d3-flame-graph and answers its controls.
 * Invariant: startPage stands alone (no module-level names, no imports but types), because the page carries its source.
 * Names from the trace only ever become text nodes, attributes that are not code, and array entries.
 * Differs from d3-flame-graph's own handling of clicks and heights: a zoom first decides how many frames are worth drawing.
 */
import type { FlameNode, GraphNode, PageData, PageElement, PageMetric, PageTools, PageWindow } from './page_types.ts';

/** Draws the page's graph and wires its controls. */
export function startPage(window: PageWindow, tools: PageTools): void {
  const { document } = window;
  const { formatBytes, formatCount, formatShare, decodeTree, pageColours, topFunctions } = tools;
  const element = (id: string): PageElement => document.getElementById(id)!;
  const data = JSON.parse(element('data').textContent!) as PageData;
  const [holder, tip, details, search, searchResult] = ['graph', 'tip', 'details', 'search', 'search-result'].map(element);

  const ROW_PX = 20;
  /** Frames narrower than this are left out until a zoom makes them wide enough. */
  const LEAST_PX = 2;
  /** Frames drawn at once: what a slow machine draws in well under a second. */
  const MOST_FRAMES = 1200;

  let metric: PageMetric = data.metrics.find(({ total, baseTotal }) => total > 0 || baseTotal > 0) ?? data.metrics[0];
  let view: 'flame' | 'icicle' | 'callers' = 'flame';
  let colourBy: 'module' | 'function' = data.modules.length > 0 ? 'module' : 'function';
  /** Widths show the profile that this one is compared with. */
  let showBase = false;
  let normalise = false;
  let searching = false;
  let zoomed: GraphNode | undefined;
  let focused: GraphNode | undefined;
  let root: FlameNode = decodeTree(data, data.trees.callees, formatCount);
  let width = 0;
  let height = 0;

  const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  const animation = calm ? 0 : 240;

  const column = () => (showBase ? metric.base : metric.column);
  const total = () => (showBase ? metric.baseTotal : metric.total);
  const widthOf = (node: FlameNode) => node.values[column()];
  const figure = (value: number, unit: string) => (unit === 'bytes' ? formatBytes(value) : formatCount(value));
  const amount = (value: number, unit: string) =>
    unit === 'bytes' ? formatBytes(value) : `${formatCount(value)} ${Math.round(value) === 1 ? 'object' : 'objects'}`;

  const colours = pageColours(data, root, metric.column);

  /** What values of the base count for: normalised, its total is that of the profile. */
  const baseScale = () => (normalise && metric.baseTotal > 0 ? metric.total / metric.baseTotal : 1);

  function colourOf({ data: node, highlight }: GraphNode): string {
    if (searching) return highlight ? 'var(--hit)' : 'var(--miss)';
    if (metric.base >= 0) return colours.ofChange(node.values[metric.column], node.values[metric.base] * baseScale());
    return colours.ofFrame(node, colourBy);
  }

  /* The graph. */

  function showTip({ clientX, clientY }: { clientX: number; clientY: number }, node: GraphNode): void {
    fillTip(node);
    tip.hidden = false;
    const left = clientX + 14 + tip.offsetWidth > window.innerWidth - 8 ? clientX - tip.offsetWidth - 14 : clientX + 14;
    const top = clientY + 18 + tip.offsetHeight > window.innerHeight - 8 ? clientY - tip.offsetHeight - 12 : clientY + 18;
    tip.style['left'] = `${Math.max(8, left)}px`;
    tip.style['top'] = `${Math.max(8, top)}px`;
  }

  function hideTip(): void {
    tip.hidden = true;
  }

  // d3-flame-graph calls the tooltip itself once, and show and hide as the pointer moves.
  const tooltip = Object.assign(() => {}, { show: showTip, hide: hideTip });

  const chart = window.flamegraph
    .default()
    .cellHeight(ROW_PX)
    .transitionDuration(0)
    .tooltip(tooltip)
    .getName((node) => node.data.name)
    .getValue((node) => widthOf('data' in node ? node.data : node))
    .setLabelHandler(() => '')
    .setColorMapper(colourOf)
    .setSearchMatch((node, wanted) => node.data.merged === 0 && wanted(node.data.name))
    .setSearchHandler(showFound);

  function textElement(tag: string, kind: string, text: string): PageElement {
    const made = document.createElement(tag);
    if (kind !== '') made.setAttribute('class', kind);
    made.textContent = text;
    return made;
  }

  function fillTip({ data: node }: GraphNode): void {
    const lines = [textElement('strong', '', node.name)];
    const place = node.frame < 0 ? [] : [data.modules[data.frames.module[node.frame]], data.files[data.frames.file[node.frame]]];
    const where = place.filter((part) => part !== undefined).join(' · ');
    if (where !== '') lines.push(textElement('span', 'where', where));
    const table = document.createElement('table');
    for (const each of data.metrics) {
      const row = document.createElement('tr');
      if (each === metric) row.setAttribute('class', 'current');
      const value = node.values[each.column];
      row.append(
        textElement('th', '', `${each.group} ${each.unit}`),
        textElement('td', '', figure(value, each.unit)),
        textElement('td', '', formatShare(each.total > 0 ? value / each.total : 0)),
      );
      if (each.base >= 0) {
        const change = value - node.values[each.base];
        row.append(textElement('td', '', `${change > 0 ? '+' : ''}${figure(change, each.unit)}`));
      }
      table.append(row);
    }
    lines.push(table);
    const own = node.self[column()];
    if (node.merged === 0 && node.children && own > 0)
      lines.push(textElement('span', 'where', `of it ${amount(own, metric.unit)} in this frame itself`));
    tip.replaceChildren(...lines);
  }

  const svg = () => holder.querySelector('svg')!;
  const rootNode = (): GraphNode => holder.__data__!;
  const elementOf = (node: GraphNode): PageElement | undefined => {
    for (const group of svg().querySelectorAll('g')) if (group.__data__ === node) return group;
    return undefined;
  };

  /** Decides what of the graph under `top` is drawn: least width and height. */
  function plan(top: FlameNode, above: number): void {
    const widths: number[] = [];
    const depths: number[] = [];
    const scale = width / widthOf(top);
    const stack: [FlameNode, number][] = [[top, above]];
    for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
      const [node, depth] = entry;
      const px = widthOf(node) * scale;
      if (!(px > LEAST_PX)) continue;
      widths.push(px);
      depths.push(depth);
      for (const child of node.children ?? []) stack.push([child, depth + 1]);
    }
    const least = widths.length > MOST_FRAMES ? [...widths].sort((a, b) => b - a)[MOST_FRAMES] : LEAST_PX;
    let deepest = above;
    for (const [index, px] of widths.entries()) if (px > least) deepest = Math.max(deepest, depths[index]);
    height = (deepest + 1) * ROW_PX;
    chart.minFrameSize(least).height(height);
    const drawing = holder.querySelector('svg');
    drawing?.setAttribute('height', String(height));
    // Scales with the paper when printed; on screen it is one to one.
    drawing?.setAttribute('viewBox', `0 0 ${width} ${height}`);
  }

  function draw(ms: number): void {
    hideTip();
    chart.transitionDuration(ms);
    if (zoomed !== undefined && !(widthOf(zoomed.data) > 0)) zoomed = undefined;
    const top = zoomed ?? rootNode();
    plan(top.data, top.depth);
    chart.zoomTo(top);
    if (ms === 0) settle();
    mark(focused);
    sayState();
    showEdges();
  }

  /** Ends the transitions that d3-flame-graph starts even where they should take no time, with what they would lead to. */
  function settle(): void {
    window.d3.select(svg()).selectAll('g, rect, div').interrupt();
    for (const group of svg().querySelectorAll('g')) {
      const { x0, x1, depth, data: node } = group.__data__!;
      const top = view === 'flame' ? height - (depth + 1) * ROW_PX : depth * ROW_PX;
      group.setAttribute('transform', `translate(${x0 * width},${top})`);
      group.querySelector('rect')!.setAttribute('width', String((x1 - x0) * width));
      group.querySelector('div')!.textContent = node.name;
    }
  }

  /** Fades an edge beyond which the graph goes on. */
  function showEdges(): void {
    const { scrollTop, scrollHeight, clientHeight } = holder;
    holder.toggleAttribute('data-above', scrollTop > 1);
    holder.toggleAttribute('data-below', scrollTop + clientHeight < scrollHeight - 1);
  }

  /** The order of frames beside each other: those that are merged come last. */
  function widestFirst({ data: a }: GraphNode, { data: b }: GraphNode): number {
    return Number(a.merged > 0) - Number(b.merged > 0) || widthOf(b) - widthOf(a) || (a.name < b.name ? -1 : 1);
  }

  function order(): void {
    chart.sort(widestFirst);
    draw(animation);
    chart.sort(false);
  }

  function zoom(node: GraphNode | undefined): void {
    zoomed = node === undefined || node.parent === null ? undefined : node;
    draw(animation);
  }

  function sayState(): void {
    const node = zoomed?.data ?? root;
    const empty = !(total() > 0);
    element('empty').hidden = !empty;
    holder.hidden = empty;
    element('reset').disabled = zoomed === undefined;
    const value = widthOf(node);
    details.replaceChildren(
      textElement('strong', '', zoomed === undefined ? root.name : node.name),
      `  ${amount(value, metric.unit)}${zoomed === undefined ? '' : `, ${formatShare(value / total())} of all`}`,
    );
  }

  /* Search. */

  const hasMerged = (node: FlameNode): boolean => node.merged > 0 || (node.children ?? []).some(hasMerged);

  function showFound(found: GraphNode[], sum: number): void {
    searchResult.textContent =
      found.length === 0
        ? `no frame matches${hasMerged(root) ? ', of those not merged' : ''}`
        : `${formatCount(found.length)} ${found.length === 1 ? 'frame' : 'frames'}, ${amount(sum, metric.unit)}, ${formatShare(total() > 0 ? sum / total() : 0)} of all${hasMerged(root) ? '; merged frames are not searched' : ''}`;
  }

  function runSearch(): void {
    const text = search.value.trim();
    searching = text !== '';
    chart.transitionDuration(0);
    search.removeAttribute('aria-invalid');
    if (!searching) {
      searchResult.textContent = '';
      chart.clear();
      return;
    }
    let wanted = (name: string) => name.toLowerCase().includes(text.toLowerCase());
    const pattern = /^\/(.+)\/$/.exec(text);
    if (pattern !== null) {
      try {
        const regexp = new RegExp(pattern[1], 'i');
        wanted = (name) => regexp.test(name);
      } catch {
        search.setAttribute('aria-invalid', 'true');
        wanted = () => false;
      }
    }
    chart.search(wanted);
    if (search.matches('[aria-invalid]')) searchResult.textContent = 'not a regular expression';
  }

  /* Legend and table. */

  function sayLegend(): void {
    const items: PageElement[] = [];
    const item = (colour: string, text: string) => {
      const made = document.createElement('li');
      const swatch = document.createElement('i');
      swatch.style.setProperty('background', colour);
      made.append(swatch, text);
      items.push(made);
    };
    if (metric.base >= 0) {
      item('var(--grown)', 'grown');
      item('var(--grey)', 'unchanged');
      item('var(--shrunk)', 'shrunk');
    } else if (colourBy === 'module') {
      for (const { colour, text } of colours.modules()) item(colour, text);
    }
    element('legend').replaceChildren(...items);
    element('legend-text').textContent =
      metric.base >= 0
        ? 'Colour: change since the base'
        : colourBy === 'module'
          ? 'Colour: module; tints tell functions apart'
          : 'Colour: one of eight by function name, the same everywhere';
  }

  function sayTable(): void {
    const { isChange, heading, rows } = topFunctions(data, metric, column(), baseScale());
    // Without backtraces there is no function to name.
    element('top-heading').hidden = !isChange && rows.length === 0;
    element('top-heading').textContent = heading;
    element('top').replaceChildren(
      ...rows.map(({ name, value, before }) => {
        const row = document.createElement('tr');
        const bar = document.createElement('i');
        bar.style.setProperty('width', `${((100 * Math.abs(value)) / Math.abs(rows[0].value)).toFixed(2)}%`);
        if (isChange) bar.style.setProperty('background', value > 0 ? 'var(--grown)' : 'var(--shrunk)');
        const sign = !isChange ? '' : value > 0 ? '+' : '\u2212';
        const other = isChange
          ? textElement('td', 'before', `from ${amount(before, metric.unit)}`)
          : textElement('td', 'share', formatShare(value / total()));
        const barCell = textElement('td', 'bar', '');
        barCell.append(bar);
        row.append(
          textElement('td', 'number', sign + amount(Math.abs(value), metric.unit)),
          other,
          barCell,
          textElement('td', 'name', name),
        );
        return row;
      }),
    );
  }

  /* Keyboard: one frame has the focus, arrows move it. */

  function mark(node: GraphNode | undefined): void {
    for (const old of svg().querySelectorAll('[data-focus]')) old.removeAttribute('data-focus');
    if (node === undefined) return;
    elementOf(node)?.setAttribute('data-focus', '');
  }

  function focusOn(node: GraphNode): void {
    focused = node;
    mark(node);
    const group = elementOf(node);
    const box = group?.getBoundingClientRect();
    const frame = holder.getBoundingClientRect();
    if (box === undefined) return;
    if (box.top < frame.top) holder.scrollTop -= frame.top - box.top + ROW_PX;
    else if (box.bottom > frame.bottom) holder.scrollTop += box.bottom - frame.bottom + ROW_PX;
    const shown = group!.getBoundingClientRect();
    showTip({ clientX: Math.max(shown.left, frame.left), clientY: shown.bottom - 12 }, node);
    const value = widthOf(node.data);
    element('spoken').textContent = `${node.data.name}, ${amount(value, metric.unit)}, ${formatShare(value / total())} of all`;
  }

  function move(key: string): boolean {
    const nodes = new Set<GraphNode | null | undefined>();
    for (const group of svg().querySelectorAll('g')) nodes.add(group.__data__);
    const drawn = (candidate: GraphNode | null | undefined): candidate is GraphNode => candidate != null && nodes.has(candidate);
    const node = drawn(focused) ? focused : (zoomed ?? rootNode());
    const outward = view === 'flame' ? 'ArrowUp' : 'ArrowDown';
    const inward = view === 'flame' ? 'ArrowDown' : 'ArrowUp';
    if (!drawn(focused) && key.startsWith('Arrow')) {
      focusOn(node);
      return true;
    }
    // Frames of the same depth, whoever called them.
    const beside = [...nodes]
      .filter(drawn)
      .filter(({ depth }) => depth === node.depth)
      .sort((a, b) => a.x0 - b.x0);
    let next: GraphNode | null | undefined;
    if (key === outward) next = node.children?.filter(drawn)[0];
    else if (key === inward) next = node.parent;
    else if (key === 'ArrowLeft') next = beside[beside.indexOf(node) - 1];
    else if (key === 'ArrowRight') next = beside[beside.indexOf(node) + 1];
    else if (key === 'Home') next = rootNode();
    else if (key === 'Enter' || key === ' ') {
      zoom(node);
      focusOn(node);
      return true;
    } else return false;
    if (drawn(next)) focusOn(next);
    return true;
  }

  holder.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move(event.key)) event.preventDefault();
  });
  holder.addEventListener('blur', () => {
    hideTip();
    focused = undefined;
    mark(undefined);
  });
  holder.addEventListener('scroll', () => {
    hideTip();
    showEdges();
  });
  document.addEventListener('keydown', (event) => {
    const typing = document.activeElement?.matches('input[type=search]') ?? false;
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === 'Escape') {
      if (search.value !== '') {
        search.value = '';
        runSearch();
      } else if (zoomed !== undefined) zoom(undefined);
      hideTip();
    }
  });

  /* Controls. */

  // Taken before d3-flame-graph's own handler, which would zoom without a plan.
  holder.addEventListener(
    'click',
    (event) => {
      const group = event.target.closest('g');
      if (group?.__data__ === undefined) return;
      event.stopPropagation();
      zoom(group.__data__);
    },
    true,
  );
  element('reset').addEventListener('click', () => zoom(undefined));
  let typing = 0;
  search.addEventListener('input', () => {
    window.clearTimeout(typing);
    typing = window.setTimeout(runSearch, 120);
  });

  function onChoice(name: string, choose: (value: string) => void): void {
    for (const input of document.body.querySelectorAll(`input[name="${name}"]`)) {
      input.addEventListener('change', () => choose(input.value));
    }
  }

  function remeasured(): void {
    order();
    if (searching) runSearch();
    sayTable();
    sayLegend();
  }

  onChoice('metric', (value) => {
    metric = data.metrics.find(({ key }) => key === value)!;
    remeasured();
  });
  onChoice('view', (value) => {
    const before = view;
    view = value as typeof view;
    chart.inverted(view !== 'flame');
    focused = undefined;
    if ((before === 'callers') !== (view === 'callers')) {
      root = decodeTree(data, view === 'callers' ? data.trees.callers : data.trees.callees, formatCount);
      zoomed = undefined;
      chart.transitionDuration(0);
      // Another tree: what was drawn of the last one is no start for its frames.
      plan(root, 0);
      chart.update(root);
    }
    remeasured();
    holder.scrollTop = view === 'flame' ? holder.scrollHeight : 0;
  });
  onChoice('colours', (value) => {
    colourBy = value as typeof colourBy;
    draw(0);
    sayLegend();
  });
  onChoice('side', (value) => {
    showBase = value === 'base';
    remeasured();
  });
  element('normalise')?.addEventListener('change', (event) => {
    normalise = event.target.checked;
    draw(0);
    sayTable();
  });

  /* First drawing. */

  for (const input of document.body.querySelectorAll('input')) if (input.value === metric.key) input.checked = true;
  width = holder.clientWidth;
  chart.width(width).inverted(false);
  root.children?.sort((a, b) => widthOf(b) - widthOf(a));
  plan(root, 0);
  chart.sort(widestFirst);
  window.d3.select(holder).datum(root).call(chart);
  chart.sort(false);
  plan(root, 0);
  settle();
  holder.scrollTop = holder.scrollHeight;
  showEdges();
  sayState();
  sayLegend();
  sayTable();
  // After the frame that shows it.
  window.requestAnimationFrame(() => window.setTimeout(() => window.performance.mark('drawn'), 0));

  new window.ResizeObserver(() => {
    // Print layouts pass through widths in which nothing fits.
    if (holder.hidden || holder.clientWidth === width || holder.clientWidth < 100) return;
    width = holder.clientWidth;
    chart.width(width);
    draw(0);
  }).observe(holder);
}
