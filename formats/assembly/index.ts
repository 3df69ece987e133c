/** The lanes: loops over many lines of text, compiled to WebAssembly. Their parameters are in `Lanes` of ../shared/lane_memory.ts. */
export { runEventLane } from './event_lane';
export { runTakeLane } from './take_lane';
export { runUprobeLane } from './uprobe_lane';
