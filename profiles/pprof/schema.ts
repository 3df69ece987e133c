/**
 * The pprof profile (github.com/google/pprof, proto/profile.proto) as protobufjs takes it.
 * Invariant: names and numbers are those of the published schema; every field of it is here, also those that are not used.
 * Differs: texts are bytes, for some writers' names are no UTF-8, as pprof takes them.
 */
import { createRequire } from 'node:module';
import type protobuf from 'protobufjs/light.js';

const field = (id: number, type: string) => ({ id, type });
const list = (id: number, type: string) => ({ id, type, rule: 'repeated' });

const PROFILE_PROTO = {
  options: { syntax: 'proto3' },
  nested: {
    perftools: {
      nested: {
        profiles: {
          nested: {
            Profile: {
              fields: {
                sampleType: list(1, 'ValueType'),
                sample: list(2, 'Sample'),
                mapping: list(3, 'Mapping'),
                location: list(4, 'Location'),
                function: list(5, 'Function'),
                stringTable: list(6, 'bytes'),
                dropFrames: field(7, 'int64'),
                keepFrames: field(8, 'int64'),
                timeNanos: field(9, 'int64'),
                durationNanos: field(10, 'int64'),
                periodType: field(11, 'ValueType'),
                period: field(12, 'int64'),
                comment: list(13, 'int64'),
                defaultSampleType: field(14, 'int64'),
                docUrl: field(15, 'int64'),
              },
            },
            ValueType: { fields: { type: field(1, 'int64'), unit: field(2, 'int64') } },
            Sample: { fields: { locationId: list(1, 'uint64'), value: list(2, 'int64'), label: list(3, 'Label') } },
            Label: { fields: { key: field(1, 'int64'), str: field(2, 'int64'), num: field(3, 'int64'), numUnit: field(4, 'int64') } },
            Mapping: {
              fields: {
                id: field(1, 'uint64'),
                memoryStart: field(2, 'uint64'),
                memoryLimit: field(3, 'uint64'),
                fileOffset: field(4, 'uint64'),
                filename: field(5, 'int64'),
                buildId: field(6, 'int64'),
                hasFunctions: field(7, 'bool'),
                hasFilenames: field(8, 'bool'),
                hasLineNumbers: field(9, 'bool'),
                hasInlineFrames: field(10, 'bool'),
              },
            },
            Location: {
              fields: {
                id: field(1, 'uint64'),
                mappingId: field(2, 'uint64'),
                address: field(3, 'uint64'),
                line: list(4, 'Line'),
                isFolded: field(5, 'bool'),
              },
            },
            Line: { fields: { functionId: field(1, 'uint64'), line: field(2, 'int64'), column: field(3, 'int64') } },
            Function: {
              fields: {
                id: field(1, 'uint64'),
                name: field(2, 'int64'),
                systemName: field(3, 'int64'),
                filename: field(4, 'int64'),
                startLine: field(5, 'int64'),
              },
            },
          },
        },
      },
    },
  },
};

/** A 64-bit number as protobufjs takes and gives it. */
export type Int64 = number | { readonly low: number; readonly high: number; readonly unsigned: boolean };

/** The message as plain objects: string fields are indices into `stringTable`. */
export interface PprofProfile {
  sampleType: { type?: Int64; unit?: Int64 }[];
  sample: { locationId: Int64[]; value: Int64[] }[];
  mapping: {
    id: Int64;
    memoryStart?: Int64;
    memoryLimit?: Int64;
    fileOffset?: Int64;
    filename?: Int64;
    hasFunctions?: boolean;
    hasFilenames?: boolean;
    hasLineNumbers?: boolean;
    hasInlineFrames?: boolean;
  }[];
  location: { id: Int64; mappingId?: Int64; address?: Int64; line: { functionId: Int64; line?: Int64 }[] }[];
  function: { id: Int64; name?: Int64; systemName?: Int64; filename?: Int64 }[];
  stringTable: string[];
  dropFrames?: Int64;
  timeNanos?: Int64;
  durationNanos?: Int64;
  periodType?: { type?: Int64; unit?: Int64 } | null;
  period?: Int64;
  comment?: Int64[];
  defaultSampleType?: Int64;
}

let type: protobuf.Type | undefined;

/** The message type; protobufjs is loaded when the first message is read or written, since most reports need none. */
function profileType(): protobuf.Type {
  if (type === undefined) {
    const { Root } = createRequire(import.meta.url)('protobufjs/light.js') as typeof protobuf;
    type = Root.fromJSON(PROFILE_PROTO).lookupType('perftools.profiles.Profile');
  }
  return type;
}

/** Bytes of a message, not compressed. */
export function encodeProfile(profile: PprofProfile): Uint8Array {
  const encoder = new TextEncoder();
  return profileType()
    .encode({ ...profile, stringTable: profile.stringTable.map((text) => encoder.encode(text)) })
    .finish();
}

/** @throws RangeError or Error if the bytes are no such message */
export function decodeProfile(bytes: Uint8Array): PprofProfile {
  const message = profileType().decode(bytes) as unknown as Omit<PprofProfile, 'stringTable'> & { readonly stringTable: Uint8Array[] };
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return { ...message, stringTable: message.stringTable.map((text) => decoder.decode(text)) };
}

/** A 64-bit pattern as an unsigned field takes it. */
export function uint64(value: bigint): Int64 {
  if (value <= 0xffffffffn) return Number(value);
  return { low: Number(value & 0xffffffffn) | 0, high: Number((value >> 32n) & 0xffffffffn) | 0, unsigned: true };
}

/** The 64-bit pattern of a field. */
export function toBigInt(value: Int64 | undefined): bigint {
  if (value === undefined) return 0n;
  if (typeof value === 'number') return BigInt.asUintN(64, BigInt(value));
  return (BigInt(value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
}

/** A signed field as a number, rounded beyond 2^53. */
export function toNumber(value: Int64 | undefined): number {
  if (value === undefined) return 0;
  return typeof value === 'number' ? value : value.high * 4294967296 + (value.low >>> 0);
}
