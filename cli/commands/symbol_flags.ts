/**
 * Flags of every command that names addresses; jeprof's where it has them.
 */
export const SYMBOL_FLAGS = {
  lib_prefix: { type: 'string', describe: 'Folders where mapped programs and libraries are now, by commas', requiresArg: true },
  add_lib: { type: 'string', describe: 'A program or library that is not relocated', requiresArg: true },
  'debug-dir': { type: 'string', describe: 'Folders of debug files besides /usr/lib/debug, by commas', requiresArg: true },
  tools: { type: 'string', describe: 'Where addr2line and the like are: FOLDER/ or NAME:PATH, by commas', requiresArg: true },
} as const;
