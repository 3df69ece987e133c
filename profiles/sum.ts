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
  const sum = new ProfileSum();
  for (const profile of profiles) sum.add(profile);
  return sum.profile();
}

/** What is kept of each part. Its values are in the sum, and of many dumps those are most of what they take. */
type Facts = Omit<Profile, 'stacks' | 'samples' | 'threads' | 'maps'>;

/** A sum that profiles are added to as they are read: none need stay for the others. */
export class ProfileSum {
  readonly #stacks = new StackTable();
  readonly #samples = new SampleTable();
  readonly #facts: Facts[] = [];
  /** The first one, while it is the only one. */
  #only: Profile | undefined;
  /** Mappings of the first one. */
  #maps: string | undefined;

  add(profile: Profile): void {
    const { stacks: _, samples: __, threads: ___, maps, ...facts } = profile;
    if (this.#facts.push(facts) === 1) {
      this.#only = profile;
      this.#maps = maps;
      return;
    }
    if (this.#only !== undefined) addProfile(this.#only, this.#stacks, this.#samples);
    this.#only = undefined;
    addProfile(profile, this.#stacks, this.#samples);
  }

  /** The sum of what was added, at least one profile; a single one is returned as it is. */
  profile(): Profile {
    if (this.#only !== undefined) return this.#only;
    const parts = this.#facts;
    const [first] = parts;
    const maps = this.#maps;
    const shared = sharedMeasures(parts);
    const rates = new Set(parts.map(({ sampling }) => `${sampling.method} ${sampling.rate}`));
    const { binary, freedOnly: _, measures: __, damaged: ___, partial: ____, requested, moment, ...rest } = first;
    const wholeNames = parts.flatMap((part) => [...(part.wholeNames ?? [])]);
    const same = parts.every((part) => part.binary === binary);
    return {
      ...rest,
      stacks: this.#stacks,
      samples: this.#samples,
      ...(shared.length === 0 ? {} : { measures: shared }),
      threads: [],
      sampling: rates.size === 1 ? first.sampling : (parts.find(({ sampling }) => sampling.method !== 'none') ?? first).sampling,
      accumulated: parts.every((part) => part.accumulated),
      ...(parts.every((part) => part.freedOnly === true) ? { freedOnly: true } : {}),
      ...(moment !== undefined && parts.every((part) => part.moment === moment) ? { moment } : {}),
      ...(requested !== undefined && parts.every((part) => part.requested === requested) ? { requested } : {}),
      symbolized: parts.every((part) => part.symbolized),
      ...(wholeNames.length === 0 ? {} : { wholeNames: new Set(wholeNames) }),
      ...(same && binary !== undefined ? { binary } : {}),
      ...(same && maps !== undefined ? { maps } : {}),
      warnings: parts.flatMap((part) => part.warnings),
      ...(parts.some((part) => part.partial === true) ? { partial: true } : {}),
      ...(parts.some((part) => part.damaged === true) ? { damaged: true } : {}),
    };
  }
}

/** The measures that all profiles have, the values of one profile behind those of the other, as their samples are. */
function sharedMeasures([first, ...more]: readonly Facts[]): Measure[] {
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
