/**
 * The libraries that the page carries: d3-flame-graph and the d3 modules it is built on, as the packages publish them for browsers.
 * Invariant: a module comes after those it depends on.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** What this needs of a package.json. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name: string };
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly unpkg?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

let source: string | undefined;

/** One script that defines `d3` and `flamegraph`, licences named. Read once a process. */
export function pageLibraries(): string {
  source ??= readLibraries();
  return source;
}

function readLibraries(): string {
  const parts: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string, from: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const entry = createRequire(from).resolve(name);
    const { folder, manifest } = packageOf(name, entry);
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      // What else d3 modules depend on is inside their browser builds.
      if (dependency.startsWith('d3-')) visit(dependency, entry);
    }
    const author = typeof manifest.author === 'object' ? manifest.author.name : (manifest.author ?? '').replace(/ *<.*/, '');
    const text = readFileSync(join(folder, browserBuild(manifest)), 'utf8');
    parts.push(
      `/*! ${manifest.name} ${manifest.version}, ${author}, ${manifest.license} */\n${name === 'd3-flame-graph' ? withoutStyles(text) : text}`,
    );
  };
  visit('d3-flame-graph', import.meta.url);
  return parts.join('\n');
}

function packageOf(name: string, entry: string): { folder: string; manifest: Manifest } {
  for (let folder = dirname(entry); ; folder = dirname(folder)) {
    let manifest: Manifest | undefined;
    try {
      manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    } catch {
      if (dirname(folder) === folder) throw new Error(`package.json of ${name} is not where its files are`);
    }
    if (manifest?.name === name) return { folder, manifest };
  }
}

/** Path of the minified build that defines a global. */
function browserBuild(manifest: Manifest): string {
  if (manifest.name === 'd3-flame-graph') return 'dist/d3-flamegraph.umd.min.js';
  const root = manifest.exports?.['.'] as Readonly<Record<string, unknown>> | undefined;
  const file = manifest.exports?.['umd'] ?? root?.['umd'] ?? manifest.unpkg;
  if (typeof file !== 'string') throw new Error(`${manifest.name} ${manifest.version} has no build for browsers`);
  return file;
}

/**
 * d3-flame-graph adds a style sheet to the document as it loads. The page has its own, and its security policy lets no other in,
 * so the library gets a document that takes the style sheet and does nothing. It uses `document` for nothing else.
 */
function withoutStyles(text: string): string {
  return `(function (document) {\n${text}\n}).call(globalThis, { createElement: function () { return {}; }, head: { appendChild: function () {} } });`;
}
