/** jemalloc's version, as it prints it: tag 5.3.0. */
export const VERSION = '5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c';
