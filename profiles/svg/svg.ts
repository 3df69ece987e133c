/**
 * Drawings of call graphs (Graphviz, compiled to WebAssembly by viz-js: the layout of `dot` without a Graphviz on the machine).
 * Invariant: the drawing has no script and loads nothing.
 * Differs from jeprof: no script for dragging; a browser scrolls and zooms. Letters are of one width, and thin lines are not as thin.
 */
import { InputError } from '../../core/trace/input_error.ts';

/** Of one width on every machine: letters of another font than the one that boxes were measured for ran over their edges. */
const FONT = 'Courier';
/** Lines below this width, in points, are hardly seen. */
const LEAST_LINE = 0.5;

/**
 * The graph as an SVG document, or as PostScript for `ps2pdf` (Graphviz's `ps2`, with the letters of ISO 8859-1).
 * @param dot a graph in the DOT language
 * @throws InputError if Graphviz cannot draw it
 */
export async function drawDot(dot: string, format: 'svg' | 'ps2'): Promise<string> {
  // A megabyte of WebAssembly: loaded only for a drawing.
  const { instance } = await import('@viz-js/viz');
  const viz = await instance();
  const font = { fontname: FONT };
  const drawn = withoutEmptyLines(withVisibleLines(dot));
  const result = viz.render(drawn, { format, engine: 'dot', nodeAttributes: font, edgeAttributes: font });
  if (result.status === 'success') return result.output;
  throw new InputError('the call graph', result.errors[0]?.message ?? 'Graphviz gave no drawing', '--dot prints the graph itself');
}

/** The graph with the lines that are thin for their small share still to be seen. */
function withVisibleLines(dot: string): string {
  return dot.replace(/(?<=style="setlinewidth\()[\d.]+/g, (width) => String(Math.max(LEAST_LINE, Number(width))));
}

/** The graph with a blank in every empty line of its labels: of one label in six that has such a line, this Graphviz (16.1.0) frees memory that is none, and traps. */
function withoutEmptyLines(dot: string): string {
  return dot.replace(/(?<=label="|\\[nlr])(?=\\[nlr]|")/g, ' ');
}

/** The graph as an SVG document. @throws InputError if Graphviz cannot draw it */
export function svgOfDot(dot: string): Promise<string> {
  return drawDot(dot, 'svg');
}
