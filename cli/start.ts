/**
 * Starts the program from its parts, with the code that V8 made of them in an earlier run.
 */
import { crc32 } from 'node:zlib';
import { codeFolder } from './kept_code.ts';
import { openParts } from './parts.ts';

/** A word for all that is bundled, by the bundler. */
declare const BUILD: string;

/** @param args the command line without node and script */
export async function start(args: readonly string[], version: string): Promise<void> {
  // What is compiled differs from command to command.
  const command = /^[a-z]+$/.test(args[0] ?? '') ? args[0] : 'none';
  // Compiled code names the files that it was made of: that of another installation would put those into stack traces.
  const place = crc32(__dirname).toString(16).padStart(8, '0');
  const loadPart = openParts(__dirname, codeFolder(), `${BUILD}-${place}-${process.version}-${process.arch}-${command}`);
  await (loadPart('program.js') as unknown as typeof import('./program.ts')).run(args, version);
  // All is written, where the system takes it at once: Node need not take itself apart, which is a twentieth of a small report.
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
}
