/**
 * The library's results: profiles, the files they are read from and written to, and the reports made of them.
 */
export { readCollapsed, writeCollapsed } from './collapsed/collapsed.ts';
export { profileFromContextSums } from './context_sums.ts';
export type { FlameGraphOptions } from './flamegraph/flamegraph.ts';
export { renderFlameGraph } from './flamegraph/flamegraph.ts';
export type { HeapDump } from './heap/read.ts';
export { isHeap, readHeap } from './heap/read.ts';
export type { HeapFileSource } from './heap/write.ts';
export { heapFileParts, writeHeapFile } from './heap/write.ts';
export type { LeakContext, LeakOptions, LeakReport } from './leaks/leaks.ts';
export { leaksFromLedger, leaksFromProfile } from './leaks/leaks.ts';
export { leaksToJson } from './leaks/leaks_json.ts';
export type { LeakTextOptions } from './leaks/leaks_text.ts';
export { formatLeaks } from './leaks/leaks_text.ts';
export { isPprof, readPprof } from './pprof/read.ts';
export type { PprofOptions } from './pprof/write.ts';
export { writePprof } from './pprof/write.ts';
export type { Profile, SampleType, Sampling, ThreadSamples } from './profile.ts';
export { profileFromLedger, SAMPLE_TYPES, SampleTable, TEMPORARY } from './profile.ts';
export type { ReportFormat, ReportOptions } from './report/report.ts';
export { renderReport } from './report/report.ts';
export { ProfileSum, sumProfiles } from './sum.ts';
export type { DhatFile } from './valgrind/dhat.ts';
export { isDhat, readDhat } from './valgrind/dhat.ts';
export type { MassifFile, MassifSnapshot } from './valgrind/massif.ts';
export { isMassif, readMassif } from './valgrind/massif.ts';
export { isHeapChecker, readHeapChecker } from './sanitizer/heap_checker.ts';
export { isLeakSanitizer, readLeakSanitizer } from './sanitizer/leak_sanitizer.ts';
export { isMemcheck, readMemcheck } from './valgrind/memcheck.ts';
export { svgOfDot } from './svg/svg.ts';
export type { SymbolFile, SymbolHost, SymbolTool } from './symbols/host.ts';
export { nameFrames } from './symbols/name_frames.ts';
export type { SymbolizerOptions } from './symbols/mapped_files.ts';
export type { AddressNames } from './symbols/symbolizer.ts';
export { Symbolizer } from './symbols/symbolizer.ts';
