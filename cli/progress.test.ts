import { expect, test } from 'vitest';
import { progressLine, progressText } from './progress.ts';

test.each([
  [0, 1000, 0, 200, '0.0%, 0 events'],
  [250, 1000, 30_000, 500, '25.0%, 30,000 events, 60,000 a second'],
  [250, 1000, 30_000, 2000, '25.0%, 30,000 events, 15,000 a second, 6.00 s left'],
  [10, 100_000, 1_000_000, 60_000, '<0.1%, 1,000,000 events, 16,667 a second, 166 h 39 min left'],
  // A file that grew while it was read.
  [1100, 1000, 5, 2000, '100.0%, 5 events, 3 a second'],
  [500, undefined, 7000, 2000, '7,000 events, 3,500 a second'],
])('%d of %s bytes, %d events, %d ms', (bytes, size, events, ms, text) => {
  expect(progressText(bytes, size, events, ms)).toBe(text);
});

test.each([
  ['app.trace', 40, 'app.trace: 12.5%, 5 events'],
  ['/a/folder/of/recordings/app.trace', 40, 'app.trace: 12.5%, 5 events'],
  ['/a/folder/the_recording_of_last_night.trace', 26, 'the_reco…: 12.5%, 5 events'],
  ['app.trace', 22, '12.5%, 5 events'],
  ['app.trace', 10, '12.5%, 5 …'],
  ['a\u001b[31m\nb', 60, 'a\\x1b[31m\\nb: 12.5%, 5 events'],
  ['/日本/日本語.trace', 26, '日本語.t…: 12.5%, 5 events'],
])('of %j in %d columns', (title, width, line) => {
  expect(progressLine(title, '12.5%, 5 events', width)).toBe(line);
});
