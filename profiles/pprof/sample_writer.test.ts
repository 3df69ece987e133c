import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SampleWriter } from './sample_writer.ts';
import { encodeProfile } from './schema.ts';

test('samples are written byte for byte as protobufjs writes them', () => {
  const value = fc.oneof(
    fc.constantFrom(0, -0, 127, 128, -1, 2 ** 32, -(2 ** 32), 2 ** 53, 2 ** 63 - 1024, 1024 - 2 ** 63),
    fc.maxSafeInteger(),
  );
  const locationId = fc.array(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 300 });
  const sample = fc.record({ locationId, value: fc.array(value, { minLength: 1, maxLength: 6 }) });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
      const writer = new SampleWriter();
      for (const each of samples) writer.add(each.locationId, each.value);
      const message = encodeProfile({ sampleType: [], sample: samples, mapping: [], location: [], function: [], stringTable: [] });
      expect(Buffer.from(writer.bytes).equals(message)).toBe(true);
    }),
  );
});
