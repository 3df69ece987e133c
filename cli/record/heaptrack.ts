/**
 * Recording with heaptrack: fast, with stacks that need no frame pointers, names and inlined functions.
 * Differs from the others: its trace has no threads and coarse times.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { InputError } from '../../core/trace/input_error.ts';
import { recordingFacts } from '../../formats/shared/recording_facts.ts';
import { beginning } from '../unpacking_beside.ts';
import { changesUser, kindOf, mapsOf, unseenAllocator } from './allocator.ts';
import { endProcesses, ended } from './child.ts';
import { childrenOf, machineFacts } from './proc.ts';
import { findProgram, notInstalled, type Recorder } from './recorder.ts';

export const heaptrack: Recorder = {
  name: 'heaptrack',
  gives: 'stacks with inlined functions, without privileges and without threads',
  unfit(target) {
    if (findProgram('heaptrack') === undefined) return notInstalled('heaptrack');
    if ('pid' in target)
      return {
        fact: 'is not attached to running processes, as that can crash them',
        remedy: 'record the program from its start: jereplay record -- PROGRAM',
      };
    if (target.program.some((word) => word.includes('\n')))
      return {
        fact: 'takes what follows a line break in a command line for records of its own',
        remedy: 'with heaptrack, put text of several lines into a file',
      };
    // It would wait for ever for what its library says.
    if (changesUser(target.program[0] as string))
      return {
        fact: 'sees nothing of programs that are set-uid',
        remedy: 'with heaptrack, record a copy of the program, which has no rights of its own',
      };
    if (kindOf(target.program[0] as string) === 'static')
      return {
        fact: 'sees nothing of programs that are linked statically',
        remedy: 'with heaptrack, record a build that uses the shared C library',
      };
    return unseenAllocator(target.program[0] as string);
  },
  async record(target, file, signal, { onStart }) {
    if ('pid' in target)
      throw new InputError('heaptrack', 'does not attach to a running process', 'record --with bpftrace or --with ltrace');
    // heaptrack adds an ending of its choice to the name that it is given.
    const folder = mkdtempSync(join(dirname(file), '.jereplay-'));
    // Its script splits that name at blanks, and then finds out what it leads to: this one has none, whatever the folder is called.
    const place = openSync(folder, 'r');
    try {
      const base = join(folder, 'trace');
      const [own, counts] = [join(folder, 'own'), join(folder, 'counts')];
      const [command, ...args] = apart(findProgram('heaptrack') as string);
      const tracer = spawn(command as string, [...args, '-o', `/proc/${process.pid}/fd/${place}/trace`, ...startedBy(target.program)], {
        stdio: 'inherit',
        env: { ...process.env, [OWN]: own, [COUNTS]: counts },
      });
      const stop = () => void endProgramOf(tracer.pid as number);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      onStart();
      const exitCode = await ended(tracer);
      const written = ['.zst', '.gz'].map((ending) => base + ending).find((path) => existsSync(path));
      if (written === undefined)
        throw new InputError(
          'heaptrack',
          `wrote no trace${linesOf(own)
            .map((line) => `; ${line}`)
            .join('')}`,
        );
      appendFileSync(written, packed(written, Buffer.from(recordingFacts(machineFacts()))));
      renameSync(written, file);
      const lines = linesOf(counts).filter((line) => line !== 'heaptrack stats:');
      const faults = lines.filter((line) => FAULT.test(line));
      const said = lines.filter((line) => !FAULT.test(line));
      const sawNone = said.includes('allocations: 0');
      return {
        exitCode,
        sawNone,
        notes: [
          'heaptrack does not tell threads apart: all calls are in one',
          ...(sawNone || exitCode >= SIGNALLED
            ? ['heaptrack writes calls by the block: the last ones of a program that a signal, _exit() or an exec ends are not there']
            : []),
          ...(faults.some((line) => line.includes('duplicate exe event'))
            ? ['the program executed another one, of which heaptrack recorded nothing: record that one itself, or with another recorder']
            : faults.map((line) => `heaptrack says ${line}`)),
          ...(said.length === 0 ? [] : [`heaptrack counts ${said.join(', ')}`]),
        ],
      };
    } finally {
      closeSync(place);
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** What heaptrack's reader says besides its counts: in its source, or a line of it. */
const FAULT = /ERROR|WARNING|^\S+\.cpp:/;

/** Exit codes from here on are a shell's for a signal. */
const SIGNALLED = 128;

/** Scripts that start one another, at most. */
const MOST_SCRIPTS = 4;

/**
 * A command without env(1), which a script may have to find its interpreter (`#!/usr/bin/env perl`): env executes it, and heaptrack records no program that another one
 * has executed in its place.
 */
function startedBy(command: readonly string[]): readonly string[] {
  let started = command;
  for (let scripts = 0; scripts < MOST_SCRIPTS; scripts++) {
    const head = Buffer.from(beginning(started[0] as string)).toString('latin1');
    const name = /^#![ \t]*\S*\/env[ \t]+([^\s=-][^\s=]*)[ \t]*\n/.exec(head)?.[1];
    const interpreter = name === undefined ? undefined : findProgram(name);
    if (interpreter === undefined) break;
    started = [interpreter, ...started];
  }
  return started;
}

/** Files for what heaptrack's script says, and its reader. */
const OWN = 'JEREPLAY_HEAPTRACK_OWN';
const COUNTS = 'JEREPLAY_HEAPTRACK_COUNTS';

/**
 * Before heaptrack's script: what it echoes, save in pipes and substitutions, goes to a file, and so does what its reader says, which is started before the
 * first echo. From then on standard error is the program's; standard output was all the time.
 */
const APART = `exec 9>&2 2>>"$${COUNTS}"; own=$${OWN}; unset ${OWN} ${COUNTS}
echo() {
  if [ /proc/self/fd/1 -ef "/proc/$$/fd/1" ]; then
    [ -n "$heard" ] || exec 2>&9 9>&-
    heard=1
    command echo "$@" >>"$own"
  else
    command echo "$@"
  fi
}
. "$0"`;

/** The command that runs heaptrack, which is a script, with its output apart from the program's. */
function apart(heaptrack: string): string[] {
  const shell = /^#!.*\b(bash|sh)\b/.exec(readFileSync(heaptrack, 'latin1').slice(0, 100))?.[1];
  return shell === undefined ? [heaptrack] : [shell, '-c', APART, heaptrack];
}

/** Lines of a file that may not be there, tidied. */
function linesOf(file: string): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.map((line) => line.replace(/\s+/g, ' ').trim()).filter((line) => line !== '');
}

/** Ends the program that heaptrack runs, not heaptrack, which then writes the rest. */
async function endProgramOf(heaptrackPid: number): Promise<void> {
  // Its other child reads the program's recording from a pipe.
  const programs = childrenOf(heaptrackPid).filter((pid) => !/^heaptrack_\w+$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()));
  // What compresses the recording is a child in some shells, and does not heed SIGINT.
  await endProcesses(programs, (left) => left.filter((pid) => mapsOf(pid)?.includes('libheaptrack') === true));
}

/** Bytes to append to a compressed file, kept as they are for who looks at its end alone: a gzip member, or a zstd frame (RFC 8878) of one block that is stored as it is, for Node 20 has no zstd. */
function packed(file: string, bytes: Buffer): Buffer {
  if (file.endsWith('.gz')) return gzipSync(bytes, { level: 0 });
  // Magic number; descriptor: one segment, content size in four bytes; that size; the block's header: last, raw, size.
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length, 5);
  head.writeUIntLE(1 | (bytes.length << 3), 9, 3);
  return Buffer.concat([head, bytes]);
}
