/**
 * Several profiles as one: the values of equal stacks stand beside each other in one table.
 * Invariant: every column's total is the sum of the totals.
 * Differs from its parts: threads are not told apart, since two profiles may number different threads alike.
 */
import { StackTable } from '../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../core/units.ts';
import { type Measure, type Profile, SampleTable } from './profile.ts';

/** The sum of at least one profile; a single one is returned as it is. */
export function sumProfiles(profiles: readonly Profile[]): Profile {
  const [first] = profiles;
  if (profiles.length === 1) return first;
  const stacks = new StackTable();
  const samples = new SampleTable();
  for (const profile of profiles) addProfile(profile, stacks, samples);
  const shared = sharedMeasures(profiles);
  const rates = new Set(profiles.map(({ sampling }) => `${sampling.method} ${sampling.rate}`));
  const { binary, maps, freedOnly: _, measures: __, damaged: ___, partial: ____, requested, moment, ...rest } = first;
  const wholeNames = profiles.flatMap((profile) => [...(profile.wholeNames ?? [])]);
  const same = profiles.every((profile) => profile.binary === binary);
  return {
    ...rest,
    stacks,
    samples,
    ...(shared.length === 0 ? {} : { measures: shared }),
    threads: [],
    sampling: rates.size === 1 ? first.sampling : (profiles.find(({ sampling }) => sampling.method !== 'none') ?? first).sampling,
    accumulated: profiles.every((profile) => profile.accumulated),
    ...(profiles.every((profile) => profile.freedOnly === true) ? { freedOnly: true } : {}),
    ...(moment !== undefined && profiles.every((profile) => profile.moment === moment) ? { moment } : {}),
    ...(requested !== undefined && profiles.every((profile) => profile.requested === requested) ? { requested } : {}),
    symbolized: profiles.every((profile) => profile.symbolized),
    ...(wholeNames.length === 0 ? {} : { wholeNames: new Set(wholeNames) }),
    ...(same && binary !== undefined ? { binary } : {}),
    ...(same && maps !== undefined ? { maps } : {}),
    warnings: profiles.flatMap((profile) => profile.warnings),
    ...(profiles.some((profile) => profile.partial === true) ? { partial: true } : {}),
    ...(profiles.some((profile) => profile.damaged === true) ? { damaged: true } : {}),
  };
}

/** The measures that all profiles have, the values of one profile behind those of the other, as their samples are. */
function sharedMeasures([first, ...more]: readonly Profile[]): Measure[] {
  return (first.measures ?? []).flatMap(({ type, unit, values }) => {
    const others = more.map(({ measures }) => measures?.find((measure) => measure.type === type && measure.unit === unit)?.values);
    if (others.includes(undefined)) return [];
    return [{ type, unit, values: Float64Array.from([values, ...(others as Float64Array[])].flatMap((part) => [...part])) }];
  });
}

function addProfile({ stacks: from, samples }: Profile, stacks: StackTable, into: SampleTable): void {
  // FrameIndex and StackIndex of the part -> those of the sum.
  const frames: FrameIndex[] = from.frames.frames.map((frame) => stacks.frames.intern(frame));
  const known = new Int32Array(from.length).fill(-1);
  for (let row = 0; row < samples.length; row++) {
    const stack = samples.stack[row];
    if (stack >= 0 && known[stack] < 0)
      known[stack] = stacks.intern(Array.from(from.framesOf(stack as StackIndex), (frame) => frames[frame]));
    const { inuseObjects, inuseBytes, allocObjects, allocBytes, temporaryObjects } = samples;
    const index = (stack < 0 ? -1 : known[stack]) as StackIndex;
    into.add(index, inuseObjects[row], inuseBytes[row], allocObjects[row], allocBytes[row], temporaryObjects[row]);
  }
}
