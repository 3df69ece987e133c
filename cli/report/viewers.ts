/**
 * Drawings in a window: written to a temporary folder and shown by a program of the machine (jeprof: RunWeb, RunGV, RunEvince, RunKcachegrind).
 * Invariant: what was written is removed again, after the viewer has had time to read it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { type Content, writeResult } from '../output.ts';
import type { Form } from './args.ts';

/** A way to show a report. */
interface Viewer {
  /** The form that it shows, and the end of the file's name. */
  readonly form: Form;
  readonly file: string;
  /** Programs with their arguments; the first that starts and does not fail at once. */
  readonly programs: (scale: string) => readonly (readonly string[])[];
  readonly remedy: string;
}

const BROWSERS = [
  'xdg-open',
  '/etc/alternatives/gnome-www-browser',
  '/etc/alternatives/x-www-browser',
  'google-chrome',
  'chromium',
  'firefox',
];

const VIEWERS = {
  web: {
    form: 'svg',
    file: 'graph.svg',
    programs: () => {
      const asked = (process.env['BROWSER'] ?? '').split(':').filter((name) => name !== '' && !name.includes('%'));
      return [...asked, ...(process.platform === 'darwin' ? ['open'] : BROWSERS)].map((name) => [name]);
    },
    remedy: 'BROWSER names one; or write the drawing to a file with svg, and open that',
  },
  gv: {
    form: 'ps',
    file: 'graph.ps',
    programs: (scale) => [['gv', `--scale=${scale}`, '--noantialias']],
    remedy: 'install gv, or use web, svg or ps',
  },
  evince: { form: 'pdf', file: 'graph.pdf', programs: () => [['evince']], remedy: 'install evince, or use web, svg or pdf' },
  kcachegrind: {
    form: 'callgrind',
    file: 'callgrind.out',
    programs: () => [['kcachegrind'], ['qcachegrind']],
    remedy: 'name a file, callgrind FILE, and open that in kcachegrind',
  },
} as const satisfies Record<string, Viewer>;

export type ViewerName = keyof typeof VIEWERS;

/** The form of report that a viewer shows. */
export function viewedForm(name: ViewerName): Form {
  return VIEWERS[name].form;
}

/** Windows that were opened and the files that they show. */
export class Windows {
  readonly #folders: string[] = [];
  readonly #open = new Map<ChildProcess, Promise<unknown>>();

  /** Shows a report. @throws InputError if no viewer can be started */
  async show(name: ViewerName, content: Content, scale = '0'): Promise<void> {
    const { programs, file, remedy }: Viewer = VIEWERS[name];
    const folder = mkdtempSync(join(tmpdir(), 'jereplay-'));
    this.#folders.push(folder);
    const path = join(folder, file);
    writeResult(path, content);
    for (const [program = '', ...args] of programs(scale)) {
      const child = await started(program, [...args, path]);
      if (child === undefined) continue;
      process.stderr.write(`${program}: file://${path}\n`);
      // A browser may have handed the file to one that was running, and has ended then.
      if (name !== 'web' && child.exitCode === null) this.#open.set(child, new Promise((resolve) => child.once('exit', resolve)));
      child.unref();
      return;
    }
    throw new InputError(name, 'no program on this machine could show the drawing', remedy);
  }

  /** Waits until the windows are closed, those of browsers excepted. */
  async closed(): Promise<void> {
    for (const child of this.#open.keys()) child.ref();
    await Promise.all(this.#open.values());
  }

  /** Removes the files, once what shows them has had time to read them. */
  dispose(): void {
    if (this.#folders.length === 0) return;
    const remove = `setTimeout(() => process.argv.slice(1).forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })), ${READING_MS})`;
    try {
      spawn(process.execPath, ['-e', remove, ...this.#folders], { detached: true, stdio: 'ignore' }).unref();
    } catch {
      for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** In which a viewer has read its file. */
const READING_MS = 10_000;
/** In which a viewer without a display has given up. */
const FAILING_MS = 1500;

/** A program that runs, or that has ended well; undefined if it is not there or fails at once. */
function started(program: string, args: readonly string[]): Promise<ChildProcess | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, stdio: 'ignore' });
    const timer = setTimeout(() => resolve(child), FAILING_MS);
    const end = (result: ChildProcess | undefined) => {
      clearTimeout(timer);
      resolve(result);
    };
    child.once('error', () => end(undefined));
    child.once('exit', (code) => end(code === 0 ? child : undefined));
  });
}
