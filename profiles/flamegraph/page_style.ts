/**
 * The flame graph page's style sheet.
 * Invariant: text stands out from its ground by 4.5 to 1 or more, in both colour schemes; paper is always light.
 * Hues: Paul Tol's "light" scheme, made for black labels and told apart by the colour-blind; on dark ground their deeper relatives.
 * Growth and shrinkage are orange and blue, which red-green blindness does not touch.
 */

const LIGHT = `
  color-scheme: light;
  --paper: #ffffff; --raised: #f6f7f9; --ink: #16191d; --soft: #5b6470; --line: #dfe3e8; --accent: #1f5fbf; --accent-soft: #e8f0fc;
  --hue0: #8fbbe6; --hue1: #f2a488; --hue2: #e9dc86; --hue3: #8fd3bd; --hue4: #f5b5c0; --hue5: #a9dcf5; --hue6: #c6d068; --hue7: #cbb7e3;
  --grey: #dcdfe4; --hit: #ffb62e; --miss: #e6e8ec; --grown: #f0923c; --shrunk: #6ea6e6; --label: #16191d; --edge: #ffffff;`;

const DARK = `
  color-scheme: dark;
  --paper: #14171b; --raised: #1c2026; --ink: #e8eaed; --soft: #9aa4b0; --line: #2e343c; --accent: #7db0f7; --accent-soft: #1d2c42;
  --hue0: #2f5c8c; --hue1: #93503a; --hue2: #6f6526; --hue3: #24705b; --hue4: #8a4659; --hue5: #246c86; --hue6: #5a6a1e; --hue7: #64508c;
  --grey: #3a4048; --hit: #985900; --miss: #272c33; --grown: #a05615; --shrunk: #2f6bb5; --label: #f3f4f6; --edge: #14171b;`;

export const PAGE_STYLE = `
:root {${LIGHT}
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
@media (prefers-color-scheme: dark) { :root {${DARK}
} }
@media print { :root {${LIGHT}
} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); }
main { max-width: 1800px; margin: 0 auto; padding: 20px clamp(12px, 2.5vw, 36px) 40px; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
h1 { margin: 0; font-size: 21px; font-weight: 650; letter-spacing: -0.01em; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 28px 0 8px; font-size: 14px; font-weight: 650; }
.subtitle { margin: 3px 0 0; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.metrics { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 8px; margin: 16px 0 14px; }
.metrics label { position: relative; display: block; padding: 8px 12px 9px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); cursor: pointer; }
.metrics label:hover { border-color: var(--soft); }
.metrics label:only-of-type { max-width: 320px; }
.metrics input { position: absolute; opacity: 0; inset: 0; margin: 0; cursor: pointer; }
.metrics span { display: block; color: var(--soft); font-size: 12px; }
.metrics b { display: block; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }
.metrics small { color: var(--soft); font-size: 12px; font-weight: 400; letter-spacing: 0; white-space: nowrap; display: inline-block; }
.metrics label:has(:checked) { border-color: var(--accent); background: var(--accent-soft); box-shadow: inset 0 0 0 1px var(--accent); }
.metrics label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: 2px; }

.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; padding: 8px 0; }
.choice { display: inline-flex; flex-wrap: wrap; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); padding: 2px; }
.choice label { position: relative; padding: 3px 11px; border-radius: 6px; color: var(--soft); cursor: pointer; font-size: 13px; }
.choice label:hover { color: var(--ink); }
.choice input { position: absolute; opacity: 0; inset: 0; margin: 0; cursor: pointer; }
.choice label:has(:checked) { background: var(--paper); color: var(--ink); box-shadow: 0 0 0 1px var(--line), 0 1px 2px rgb(0 0 0 / 0.08); }
.choice label:has(:focus-visible) { outline: 2px solid var(--accent); }
.check { font-size: 13px; color: var(--soft); display: inline-flex; gap: 6px; align-items: center; cursor: pointer; }
button, input[type=search] { font: inherit; font-size: 13px; height: 32px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); color: var(--ink); padding: 0 12px; }
button { cursor: pointer; }
button:hover:enabled { border-color: var(--soft); }
button:disabled { color: var(--soft); opacity: 0.6; cursor: default; }
input[type=search] { width: min(300px, 100%); flex: 0 1 300px; }
input[type=search]::placeholder { color: var(--soft); opacity: 1; }
input[aria-invalid] { border-color: var(--grown); }
#search-result { font-size: 13px; font-variant-numeric: tabular-nums; font-weight: 550; }
/* It stays, for readers of screens to say what comes into it, but takes no gap. */
#search-result:empty { margin-right: -12px; }
#details { margin: 4px 0 8px; font-size: 13px; color: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; min-height: 1.45em; }
#details strong { color: var(--ink); font-weight: 600; }

#graph { overflow: hidden auto; max-height: max(340px, calc(100vh - 250px)); border-radius: 4px; scrollbar-width: thin; }
#graph[data-above] { --above: 28px; }
#graph[data-below] { --below: 28px; }
@media screen { #graph:is([data-above], [data-below]) { mask-image: linear-gradient(transparent, black var(--above, 0px), black calc(100% - var(--below, 0px)), transparent); } }
#graph svg { display: block; }
#graph g { cursor: pointer; }
#graph rect { stroke: var(--edge); stroke-width: 1; rx: 2px; }
#graph g:hover rect { stroke: var(--ink); }
#graph .fade { opacity: 0.55; }
#graph [data-focus] rect { stroke: var(--ink); stroke-width: 2.5; }
.d3-flame-graph-label { color: var(--label); font-size: 12px; line-height: 20px; padding: 0 5px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; user-select: none; }
.unrun { padding: 24px 0; max-width: 72ch; }
#empty { padding: 40px 0; color: var(--soft); text-align: center; }

#tip { position: fixed; z-index: 10; pointer-events: none; max-width: min(560px, calc(100vw - 16px)); padding: 9px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); color: var(--ink); box-shadow: 0 6px 24px rgb(0 0 0 / 0.18); font-size: 12.5px; }
#tip strong { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 6; overflow: hidden; overflow-wrap: anywhere; font-weight: 600; font-size: 13px; }
#tip .where { display: block; color: var(--soft); overflow-wrap: anywhere; }
#tip table { margin-top: 5px; border-spacing: 0; font-variant-numeric: tabular-nums; }
#tip th { font-weight: 400; text-align: left; color: var(--soft); padding: 0 18px 0 0; }
#tip td { text-align: right; padding: 0 0 0 14px; }
#tip .current th, #tip .current td { color: var(--ink); font-weight: 600; }

.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; margin: 12px 0 0; font-size: 12.5px; color: var(--soft); }
.legend ul { display: contents; list-style: none; }
.legend li { display: inline-flex; align-items: center; gap: 6px; color: var(--ink); list-style: none; }
.legend i { width: 12px; height: 12px; border-radius: 3px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.notes { margin: 12px 0 0; color: var(--soft); font-size: 12.5px; max-width: 90ch; }
.notes p { margin: 3px 0; }
kbd { font: inherit; font-size: 11.5px; padding: 0 5px; border: 1px solid var(--line); border-radius: 4px; background: var(--raised); color: var(--ink); }

.top { border-spacing: 0; width: 100%; font-size: 13px; table-layout: fixed; }
.top td { padding: 3px 12px 3px 0; border-top: 1px solid var(--line); vertical-align: middle; }
.top .number { width: 120px; text-align: right; font-variant-numeric: tabular-nums; }
.top .share { width: 72px; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.top .before { width: 140px; text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
.top .bar { width: 110px; }
.top .bar i { display: block; height: 8px; min-width: 1px; border-radius: 2px; background: var(--accent); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.top .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
@media (max-width: 640px) { .top .bar { display: none; } .top .number { width: 96px; } .top .before { width: 120px; } }

/* Where the system's colours replace the page's, shades show no more what is chosen, and backgrounds no bars. */
@media (forced-colors: active) {
  .metrics label:has(:checked), .choice label:has(:checked) { outline: 2px solid Highlight; }
  .legend i, .top .bar i { forced-color-adjust: none; }
}

@page { size: landscape; margin: 12mm; }
@media (scripting: none) { .tools, .legend, .keys, section, #details, #graph { display: none; } .metrics label { cursor: default; } }
@media print {
  main { padding: 0; max-width: none; }
  .tools, .legend .choice, #tip, .keys { display: none; }
  .metrics { margin: 10px 0; }
  #graph { max-height: none; overflow: visible; }
  #graph svg { width: 100%; height: auto; }
  #graph rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .top tr, .legend { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`;
