/** The lanes: loops over many lines of text, or over events, compiled to WebAssembly. Their parameters are in `Lanes` of ../shared/lane_memory.ts. */
export { runBlockLane, runCallLane } from './block_lane';
export { runEventLane } from './event_lane';
export { runStackLane } from './stack_lane';
export { runTakeLane } from './take_lane';
export { runUprobeLane } from './uprobe_lane';
