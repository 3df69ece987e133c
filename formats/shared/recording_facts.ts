/**
 * Lines that `jereplay record` appends to what a recorder has written, for what the recorder does not say:
 *
 *     # jereplay command redis-server --port 7000
 *     # jereplay pid 4242
 *     # jereplay ncpus 2
 *     # jereplay page_size 4096
 *     # jereplay map 55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/redis-server
 */
import type { TraceHeader } from '../../core/trace/trace.ts';

const FACT = /^# jereplay (command|pid|ncpus|page_size|map) (.*)$/;

/** Takes such a line into the header; false if it is none. */
export function takeRecordingFact(header: TraceHeader, line: string): boolean {
  const match = FACT.exec(line);
  if (match === null) return false;
  const [, key, value] = match as unknown as [string, string, string];
  if (key === 'command') header.command = value;
  else if (key === 'map') header.maps = `${header.maps ?? ''}${value}\n`;
  else {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : 0;
    if (number === 0) return false;
    if (key === 'pid') header.pid = number;
    else if (key === 'ncpus') header.ncpus = number;
    else header.pageSize = number;
  }
  return true;
}

/** The lines for a header. */
export function recordingFacts({ command, pid, ncpus, pageSize, maps }: TraceHeader): string {
  const lines = [
    ['command', command?.replace(/[\0-\x1f]+/g, ' ')],
    ['pid', pid],
    ['ncpus', ncpus],
    ['page_size', pageSize],
    ...(maps ?? '').split('\n').map((line) => ['map', line === '' ? undefined : line]),
  ];
  return lines.map(([key, value]) => (value === undefined ? '' : `# jereplay ${key} ${value}\n`)).join('');
}
