/**
 * Reads Java heap profiles (`--- heapz 1 ---`, github.com/google/pprof, profile/legacy_java_profile.go): samples, then a table that names their locations.
 * What the format cannot say: what was freed, threads, and its sampling rate, which is always 512 KiB.
 * Invariant: each sample has pprof's estimate of it, which is cut to whole objects and bytes.
 * Differs: pprof names a location that the table lacks `<unknown>`; here it keeps its number.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex } from '../../core/units.ts';
import { PassedOver } from '../passed_over.ts';
import type { Profile, Sampling } from '../profile.ts';
import { SampleTable } from '../profile.ts';
import { unsampled } from './unsample.ts';

/** Bytes between samples, on average. */
const SAMPLING: Sampling = { method: 'poisson', rate: 524288 };

const HEADER = /^--- heapz 1 ---\s*$/;
const ATTRIBUTE = /^([\w ]+)=([\w ]+)$/;
/** Bytes come before objects: the other way round than in any other profile. */
const SAMPLE = /^(\d+) +(\d+) +@ *((?:0x[0-9a-f]+ *)*)$/;
const LOCATION = /^0x([0-9a-f]+)\s+(.*)$/is;

/** True if bytes look like the beginning of a file that `readJavaHeap` takes. */
export function isJavaHeap(head: Uint8Array): boolean {
  return HEADER.test(new TextDecoder('latin1').decode(head.subarray(0, 64)).split('\n', 1)[0]);
}

/**
 * Reads a profile.
 * @param name what errors call it
 * @throws InputError if its values are no bytes, or a sample has bytes of no object
 */
export function readJavaHeap(bytes: Uint8Array, name: string): Profile {
  const lines = new TextDecoder().decode(bytes).split('\n');
  // The table comes last, and frames are to be made with their names.
  const locations = new Map<string, Frame>();
  for (const line of lines) {
    const [, id, text] = LOCATION.exec(line.trim()) ?? [];
    if (id !== undefined) locations.set(withoutZeros(id), locationFrame(text));
  }
  const stacks = new StackTable();
  const samples = new SampleTable();
  const frames = new Map<string, FrameIndex>();
  const frameOf = (id: string) => {
    let frame = frames.get(id);
    if (frame === undefined) frames.set(id, (frame = stacks.frames.intern(locations.get(id) ?? { fn: `[location 0x${id}]` })));
    return frame;
  };
  const passedOver = new PassedOver();
  lines.forEach((raw, i) => {
    const line = raw.trim();
    const place = `${name}:${i + 1}`;
    const sample = SAMPLE.exec(line);
    if (sample !== null) addSample(sample, place);
    else if (i > 0 && line !== '' && !LOCATION.test(line) && !isAttribute(line, place))
      passedOver.addLine(i + 1, 'neither a sample, "1024 1 @ 0x1 0x2", nor the name of a location', line);
  });

  function addSample([, size, count, ids]: RegExpExecArray, place: string): void {
    const [sampledBytes, sampledObjects] = [Number(size), Number(count)];
    if (sampledObjects === 0) throw new InputError(place, `${size} bytes of no objects`);
    const whole = (value: number) => Math.trunc(unsampled(value, SAMPLING, sampledObjects, sampledBytes));
    const path = ids.split(' ').flatMap((id) => (id === '' ? [] : [frameOf(withoutZeros(id.slice(2)))]));
    samples.add(stacks.intern(Int32Array.from(path), path.length), whole(sampledObjects), whole(sampledBytes), 0, 0);
  }

  return {
    kind: 'heap',
    source: 'java heapz',
    stacks,
    samples,
    threads: [],
    sampling: SAMPLING,
    accumulated: false,
    requested: true,
    symbolized: true,
    warnings: passedOver.warnings(name),
    ...(passedOver.any ? { damaged: true } : {}),
  };
}

const withoutZeros = (hex: string) => hex.toLowerCase().replace(/^0+(?=.)/, '');

/** A line of the table: `function (file:line)`, `function (library)`, or a state of the virtual machine. */
function locationFrame(text: string): Frame {
  const [, fn, place] = /^(.*)\s+\((.*)\)$/s.exec(text) ?? [];
  if (place === undefined) return { fn: text.includes('generated stub/JIT') ? 'STUB' : text };
  const [, file, line] = /^(.+):(-?\d+)$/s.exec(place) ?? [];
  if (file === undefined) return { fn, file: place.slice(place.lastIndexOf('/') + 1) };
  return { fn, file, ...(Number(line) > 0 ? { line: Number(line) } : {}) };
}

/** Takes a line that says how the profile was made. @throws InputError for what cannot be read here */
function isAttribute(line: string, place: string): boolean {
  const match = ATTRIBUTE.exec(line);
  if (match === null) return false;
  const [attribute, value] = [match[1].trim(), match[2].trim()];
  if (attribute === 'format' && value !== 'java') throw new InputError(place, `a heap profile of format ${value}, which is not Java's`);
  if (attribute === 'resolution' && value !== 'bytes') throw new InputError(place, `a heap profile that counts ${value}, not bytes`);
  return attribute === 'format' || attribute === 'resolution';
}
