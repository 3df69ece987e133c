/**
 * Columns that a text of the help takes: as many as it has characters. Stands for the package `string-width` in the bundle (fixtures/bundle.mjs),
 * which compiles the table of all emoji when it is loaded.
 * Invariant: the help is ASCII; what the package is made for, emoji and wide letters, it does not have.
 */
export default (text: string): number => [...text].length;
