/**
 * Finds no file. Stands for the package `escalade` in the bundle (fixtures/bundle.mjs): from the working folder upwards, yargs looks for a package.json
 * whose version it might show, before it is told that there is one to show.
 */
export default (): undefined => undefined;
