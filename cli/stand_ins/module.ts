/**
 * `createRequire` that loads `node:module`, and with it Node's loader of ES modules, at the first use. Stands for it in the bundle (fixtures/bundle.mjs):
 * yargs makes a `require` at each start, for files of settings.
 */

/** @param from file or URL that names are looked for from */
export function createRequire(from: string | URL): ((name: string) => unknown) & { readonly resolve: (name: string) => string } {
  const made = () => process.getBuiltinModule('node:module').createRequire(from);
  return Object.assign((name: string): unknown => made()(name), { resolve: (name: string) => made().resolve(name) });
}
