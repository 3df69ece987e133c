/**
 * Colours of the flame graph page: by module, by function, or by change since a base. Runs in the page.
 * Each module has a hue, the widest first; a function's name picks one of three tints of it.
 * Invariant: stands alone (no module-level names, no imports but types), because the page carries this function's source. A function's colour is the same on every page.
 */
import type { FlameNode, PageColours, PageData } from './page_types.ts';

/** The colours for a page's frames, as CSS; `column` is the value column by which modules are ranked. */
export function pageColours(data: PageData, root: FlameNode, column: number): PageColours {
  const HUES = 8;

  function hash(text: string): number {
    let value = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
    value ^= value >>> 15;
    return value >>> 0;
  }

  const weights = data.modules.map(() => 0);
  (function weigh(node: FlameNode) {
    const module = node.frame < 0 ? -1 : data.frames.module[node.frame];
    if (module >= 0) weights[module] += node.values[column];
    for (const child of node.children ?? []) weigh(child);
  })(root);
  const ranks = data.modules.map((_, index) => index).sort((a, b) => weights[b] - weights[a] || a - b);
  /** Module -> hue; those beyond the last hue share the grey of "other". */
  const hues = data.modules.map(() => -1);
  for (const [rank, module] of ranks.entries()) hues[module] = rank < HUES ? rank : -1;

  const cssOf = (hue: number) => `var(${hue < 0 ? '--grey' : `--hue${hue}`})`;

  return {
    ofFrame(node, by) {
      if (node.frame < 0) return 'var(--grey)';
      const code = hash(node.name);
      const module = data.frames.module[node.frame];
      const hue = by === 'module' ? (module < 0 ? -1 : hues[module]) : code % HUES;
      return `color-mix(in oklab, ${cssOf(hue)} ${[100, 84, 68][(code >>> 8) % 3]}%, var(--paper))`;
    },
    ofChange(now, before) {
      const most = Math.max(now, before);
      const change = most > 0 ? (now - before) / most : 0;
      const strength = Math.round(Math.min(1, Math.abs(change)) * 5) * 20;
      return strength === 0 ? 'var(--grey)' : `color-mix(in oklab, var(${change > 0 ? '--grown' : '--shrunk'}) ${strength}%, var(--grey))`;
    },
    modules() {
      const items = ranks.slice(0, HUES).map((module) => ({ colour: cssOf(hues[module]), text: data.modules[module].split('/').pop()! }));
      const unknown = data.frames.module.some((module) => module < 0);
      if (data.modules.length > HUES) items.push({ colour: cssOf(-1), text: unknown ? 'others and not known' : 'others' });
      else if (unknown) items.push({ colour: cssOf(-1), text: 'not known' });
      return items;
    },
  };
}
