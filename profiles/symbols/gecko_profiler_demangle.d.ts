/** What wasm-bindgen writes for bundlers, and the package does not declare. */
declare module 'gecko-profiler-demangle/index_bg.js' {
  /** Takes the exports of `index_bg.wasm`. */
  export function __wbg_set_wasm(exports: unknown): void;
  /** The name in its programmer's spelling, or itself. */
  export function demangle_any(name: string): string;
}
