/**
 * The flame graph page as HTML: its words, and the policy that what a browser runs of it keeps to.
 * Invariant: nothing from the profile is ever markup or code in the page, and the page's policy runs only the two scripts
 * and the style sheet that were written here; it can reach no network.
 */
import { createHash } from 'node:crypto';
import { formatBytes, formatCount, formatShare } from '../format_units.ts';
import { printable } from '../printable.ts';
import { isSampled, type Profile } from '../profile.ts';
import { MAX_DEPTH } from './flame_tree.ts';
import { pageLibraries } from './libraries.ts';
import { startPage } from './page.ts';
import { pageColours } from './page_colours.ts';
import { topFunctions } from './page_functions.ts';
import { PAGE_STYLE } from './page_style.ts';
import { decodeTree } from './page_tree.ts';
import type { PageMetric } from './page_types.ts';

/** What a page says and shows besides the profile. */
export interface FlameGraphOptions {
  /** Heading and title of the page, plain text. */
  readonly title: string;
  /** A line under it: what was recorded, when. Plain text. */
  readonly subtitle?: string;
  /** A profile to compare with: frames are coloured by what grew and what shrank since. */
  readonly base?: Profile;
  /** Leave allocation functions out of the stacks, so that the leaf is who called them. Default true. */
  readonly foldAllocators?: boolean;
}

/** JSON that cannot end the script element it stands in. */
export function scriptJson(json: string): string {
  let text = json;
  for (const character of ['<', '>', '&', '\u2028', '\u2029']) {
    text = text.replaceAll(character, `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }
  return text;
}

/** Text as HTML, in elements and in quoted attributes. */
function html(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}

/** A flame, for the tab. */
const ICON = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='%238fbbe6' d='M1 12h14v3H1z'/><path fill='%23f2a488' d='M1 8h9v3H1z'/><path fill='%23e9dc86' d='M1 4h5v3H1z'/><path fill='%238fd3bd' d='M1 0h2v3H1z'/></svg>`;

/** What is known of a profile's sizes; empty if nothing is. */
function sizesOf({ requested, sampling }: Profile): string {
  const facts: string[] = [];
  if (requested !== undefined) facts.push(requested ? 'sizes as the program asked for them' : 'sizes as the allocator rounded them up');
  if (isSampled(sampling)) facts.push('estimated from samples');
  return facts.join(', ');
}

/** What is known of the sizes that widths show, with a blank behind it, and of the base's if it is something else. */
function widthsNote(profile: Profile, base: Profile | undefined): string {
  const now = sizesOf(profile);
  const before = base === undefined ? now : sizesOf(base);
  const known = now === '' ? '' : `Widths are ${now}. `;
  return before === now || before === '' ? known : `${known}The base’s are ${before}: some of what changed is that. `;
}

/** What a page shows besides its words. */
interface PageContent {
  readonly metrics: readonly PageMetric[];
  /** PageData, as `scriptJson` gives it. */
  readonly json: string;
  /** Whether frames can be told apart by module. */
  readonly hasModules: boolean;
  /** Frames that are merged for being small, in each tree. */
  readonly small: { readonly callees: number; readonly callers: number };
  /** Whether stacks end at MAX_DEPTH. */
  readonly deeper: boolean;
}

/** What is said of frames that are merged for being small; undefined if none is. */
function smallNote({ callees, callers }: PageContent['small']): string | undefined {
  if (callees === 0 && callers === 0) return undefined;
  const inFlame = `${formatCount(callees)} frames too small to be seen`;
  const inCallers = `${formatCount(callers)} in the view of callers`;
  const which =
    callees === 0
      ? `In the view of callers ${formatCount(callers)} frames too small to be seen`
      : callers === 0
        ? inFlame
        : `${inFlame} (${inCallers})`;
  return `${which} are merged under their callers as “(N small frames)”: every total includes them, and no search finds them.`;
}

/** The page, as HTML. @throws Error if the installed d3 packages have no builds for browsers */
export function pageHtml(profile: Profile, options: FlameGraphOptions, { metrics, json, hasModules, small, deeper }: PageContent): string {
  const { title, subtitle, base, foldAllocators = true } = options;
  const libraries = pageLibraries().replaceAll('</script', '<\\/script');
  const tools = { formatBytes, formatCount, formatShare, decodeTree, pageColours, topFunctions };
  const sources = Object.entries(tools).map(([name, source]) => `${name}: ${source}`);
  const script = `(${startPage})(window, { ${sources.join(', ')} });`;
  const policy = `default-src 'none'; script-src ${hashOf(libraries)} ${hashOf(script)}; style-src ${hashOf(PAGE_STYLE)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const notes = [`${widthsNote(profile, base)}Siblings are sorted by size.`];
  if (foldAllocators) notes.push('Allocation functions (malloc, operator new and the like) are left out: a stack ends at their caller.');
  const ofSmall = smallNote(small);
  if (ofSmall !== undefined) notes.push(ofSmall);
  if (deeper) notes.push(`Frames more than ${MAX_DEPTH} calls deep are merged as “(N deeper frames)”.`);
  if (base !== undefined)
    notes.push('Each frame’s colour tells how it changed since the base: orange grew, blue shrank, and the paler the less.');
  const radio = (name: string, value: string, label: string, checked: boolean) =>
    `<label><input type="radio" name="${name}" value="${value}"${checked ? ' checked' : ''}>${label}</label>`;
  const metricCards = metrics.map(({ key, group, unit, total, baseTotal }) => {
    const format = unit === 'bytes' ? formatBytes : formatCount;
    const before = base === undefined ? '' : ` <small>from ${format(baseTotal)}</small>`;
    return `<label><input type="radio" name="metric" value="${key}" data-total="${total}"><span>${group}, ${unit}</span><b>${format(total)}${before}</b></label>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${html(title)}</title>
<link rel="icon" href="data:image/svg+xml,${ICON.replaceAll('<', '%3C').replaceAll('>', '%3E')}">
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${html(title)}</h1>
${subtitle === undefined ? '' : `<p class="subtitle">${html(subtitle)}</p>`}
${profile.moment === undefined ? '' : `<p class="subtitle">The heap ${html(profile.moment)}.</p>`}
${profile.partial === true || base?.partial === true ? '<p class="subtitle">Partial: the trace was not taken to its end.</p>' : ''}
</header>
<fieldset class="metrics"><legend class="unseen">What widths show</legend>${metricCards.join('')}</fieldset>
<div class="tools">
<fieldset class="choice"><legend class="unseen">View</legend>${radio('view', 'flame', 'Flame', true)}${radio('view', 'icicle', 'Icicle', false)}${radio('view', 'callers', 'Callers', false)}</fieldset>
${base === undefined ? '' : `<fieldset class="choice"><legend class="unseen">Widths of</legend>${radio('side', 'now', 'Now', true)}${radio('side', 'base', 'Base', false)}</fieldset><label class="check"><input type="checkbox" id="normalise">Normalise</label>`}
<input type="search" id="search" placeholder="Search functions, or /pattern/" aria-label="Search functions" autocomplete="off" spellcheck="false">
<output id="search-result" for="search"></output>
<button type="button" id="reset" disabled>Reset zoom</button>
</div>
<noscript><p class="unrun">The graph is drawn by a script in this page, and scripts do not run here. It needs no network: saved to a disk and opened from there, the page shows it.</p></noscript>
<p id="details"></p>
<div id="graph" tabindex="0" role="application" aria-label="Flame graph. Arrow keys move between frames, Enter zooms, Escape zooms out." aria-describedby="spoken"></div>
<p id="empty" hidden>Nothing to show: this total is zero.</p>
<p id="spoken" class="unseen" aria-live="polite"></p>
<div id="tip" hidden></div>
<div class="legend"><span id="legend-text"></span><ul id="legend"></ul>${base === undefined && hasModules ? `<fieldset class="choice"><legend class="unseen">Colour by</legend>${radio('colours', 'module', 'Module', true)}${radio('colours', 'function', 'Function', false)}</fieldset>` : ''}</div>
<section>
<h2 id="top-heading"></h2>
<table class="top" aria-labelledby="top-heading"><tbody id="top"></tbody></table>
</section>
<div class="notes">
${notes.map((note) => `<p>${html(note)}</p>`).join('\n')}
<p class="keys">Click a frame to zoom. Keys: <kbd>/</kbd> search, <kbd>Tab</kbd> into the graph, <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> move, <kbd>Enter</kbd> zoom, <kbd>Esc</kbd> back.</p>
</div>
</main>
<script type="application/json" id="data">${json}</script>
<script>${libraries}</script>
<script>${script}</script>
</body>
</html>
`;
}
