/**
 * What synthetic programs do. A workload is a loop body: it makes a few calls each time, and frees all that it holds when it is told to end.
 * Invariant: a step makes at most MOST_CALLS calls, and `end` frees every block that the workload holds: what is live after it has leaked.
 */
import type { Block, Program, Site } from './program.ts';

/** Calls of one step, at most. */
export const MOST_CALLS = 48;

/** A workload that runs. */
export interface Running {
  step(): void;
  /** Frees one block that is held; false if there is none. */
  end(): boolean;
}

/** A workload. */
export interface Workload {
  readonly title: string;
  /** Threads and live blocks, unless told otherwise. */
  readonly threads: number;
  readonly live: number;
  /** Leaks that are part of it. */
  readonly leaks: readonly Leak[];
  start(program: Program, threads: number, live: number): Running;
}

/** One block of `bytes` that nobody frees, at `site`, after every `every`-th allocation of the workload. */
export interface Leak {
  readonly site: string;
  readonly bytes: number;
  readonly every: number;
}

/** Blocks in the order of their allocation, first in first out. */
class Queue {
  #blocks: Int32Array;
  #first = 0;
  length = 0;

  constructor(capacity: number) {
    this.#blocks = new Int32Array(Math.max(1, capacity));
  }

  get full(): boolean {
    return this.length === this.#blocks.length;
  }

  push(block: Block): void {
    this.#blocks[(this.#first + this.length++) % this.#blocks.length] = block;
  }

  shift(): Block {
    const block = this.#blocks[this.#first];
    this.#first = (this.#first + 1) % this.#blocks.length;
    this.length--;
    return block;
  }
}

/** Blocks in no order. */
class Pool {
  readonly #blocks: Int32Array;
  length = 0;

  constructor(capacity: number) {
    this.#blocks = new Int32Array(Math.max(1, capacity));
  }

  get full(): boolean {
    return this.length === this.#blocks.length;
  }

  push(block: Block): void {
    this.#blocks[this.length++] = block;
  }

  /** Takes the block at a place out; the last one moves there. */
  take(at: number): Block {
    const block = this.#blocks[at];
    this.#blocks[at] = this.#blocks[--this.length];
    return block;
  }
}

/** Blocks of all sizes that live for random times: each step frees one at random and allocates another. */
function churn(program: Program, threads: number, live: number): Running {
  const { random } = program;
  const sites: readonly Site[] = ['node', 'string', 'vector', 'table', 'closure', 'buffer'].map((kind) =>
    program.site(`new_${kind}`, 'build', 'churn'),
  );
  const pool = new Pool(live);
  return {
    step() {
      const thread = random.below(threads);
      if (pool.full) program.free(thread, pool.take(random.below(pool.length)));
      const kind = random.below(sites.length);
      const size = random.tailed(16 << kind, 7);
      pool.push(kind === 3 ? program.calloc(thread, random.between(1, 32), 16, sites[kind]) : program.malloc(thread, size, sites[kind]));
    },
    end() {
      if (pool.length === 0) return false;
      program.free(0, pool.take(pool.length - 1));
      return true;
    },
  };
}

/** A cache of keys and values, the oldest entry evicted; hits and misses allocate what a request needs besides. */
function cache(program: Program, threads: number, live: number): Running {
  const { random } = program;
  const [reply, key, value] = [
    ['format_reply', 'lookup'],
    ['copy_key', 'insert'],
    ['copy_value', 'insert'],
  ].map((path) => program.site(...path, 'serve'));
  const keys = new Queue(Math.ceil(live / 2));
  const values = new Queue(Math.ceil(live / 2));
  return {
    step() {
      const thread = random.below(threads);
      if (random.oneIn(4)) {
        if (keys.full) {
          program.free(thread, keys.shift());
          program.free(thread, values.shift());
        }
        keys.push(program.malloc(thread, random.between(8, 48), key));
        values.push(program.malloc(thread, random.tailed(64, 8), value));
      }
      program.free(thread, program.malloc(thread, random.tailed(128, 4), reply));
    },
    end() {
      if (keys.length + values.length === 0) return false;
      program.free(0, keys.length > values.length ? keys.shift() : values.shift());
      return true;
    },
  };
}

/** Sessions that stay, and bursts of requests on them: headers, a body that grows, all freed when the reply is sent. */
function server(program: Program, threads: number, live: number): Running {
  const { random } = program;
  const site = (...path: readonly string[]) => program.site(...path, 'event_loop');
  const session = site('session_new', 'accept');
  const buffer = site('buffer_new', 'accept');
  const header = site('header_copy', 'parse', 'handle_request');
  const request = site('request_new', 'handle_request');
  const body = site('body_append', 'read_body', 'handle_request');
  const aligned = site('page_new', 'send_file', 'handle_request');
  const sessions = new Pool(Math.ceil(live / 2));
  const buffers = new Queue(Math.ceil(live / 2));
  const held: Block[] = [];
  return {
    step() {
      const thread = random.below(threads);
      if (random.oneIn(8)) {
        if (sessions.full) {
          program.free(thread, sessions.take(random.below(sessions.length)));
          program.free(thread, buffers.shift());
        }
        sessions.push(program.calloc(thread, 1, 304, session));
        buffers.push(program.malloc(thread, random.tailed(512, 4), buffer));
      }
      held.push(program.malloc(thread, 192, request));
      for (let headers = random.between(3, 12); headers > 0; headers--) held.push(program.malloc(thread, random.between(8, 120), header));
      if (random.oneIn(3)) {
        let growing = program.malloc(thread, 64, body);
        for (let size = 256, left = random.below(5); left > 0; left--, size *= 4) growing = program.realloc(thread, growing, size, body);
        held.push(growing);
      } else if (random.oneIn(20)) held.push(program.alignedAlloc(thread, 4096, 16384, aligned));
      while (held.length > 0) program.free(thread, held.pop() as Block);
      // Requests come in bursts.
      if (random.oneIn(16)) program.idle(random.tailed(10_000, 10));
    },
    end() {
      if (sessions.length + buffers.length === 0) return false;
      program.free(0, buffers.length > sessions.length ? buffers.shift() : sessions.take(sessions.length - 1));
      return true;
    },
  };
}

/** Producers allocate messages, consumers free them: every second thread frees what its neighbour has allocated. */
function producers(program: Program, threads: number, live: number): Running {
  const { random } = program;
  const message = program.site('message_new', 'produce', 'worker');
  const payload = program.site('payload_copy', 'produce', 'worker');
  const pairs = Math.max(1, threads >> 1);
  const queues = Array.from({ length: pairs }, () => new Queue(Math.max(2, Math.ceil(live / pairs))));
  const consumerOf = (pair: number) => (threads === 1 ? 0 : 2 * pair + 1);
  return {
    step() {
      const pair = random.below(pairs);
      const queue = queues[pair];
      // Either runs ahead for a while.
      if (random.below(2) === 0) {
        for (let burst = random.between(1, 8); burst > 0 && !queue.full; burst--) {
          queue.push(random.oneIn(3) ? program.malloc(2 * pair, random.tailed(64, 8), payload) : program.malloc(2 * pair, 96, message));
        }
      } else for (let burst = random.between(1, 8); burst > 0 && queue.length > 0; burst--) program.free(consumerOf(pair), queue.shift());
    },
    end() {
      const pair = queues.findIndex(({ length }) => length > 0);
      if (pair < 0) return false;
      // at the end no thread starts any more: what a consumer never came to is freed by its producer
      program.free(program.started(consumerOf(pair)) ? consumerOf(pair) : 2 * pair, queues[pair].shift());
      return true;
    },
  };
}

/** Phases of ever other sizes. Of each phase one block in ten stays for long, scattered over the pages of the rest. */
function fragment(program: Program, threads: number, live: number): Running {
  const { random } = program;
  const sizes = [48, 160, 80, 640, 32, 320, 1280, 112, 4096, 224];
  const sites = sizes.map((size) => program.site(`phase_${size}`, 'run_phase'));
  const passing = new Pool(live);
  const staying = new Queue(Math.ceil(live / 2));
  let phase = 0;
  let filling = true;
  return {
    step() {
      const thread = random.below(threads);
      if (filling) {
        passing.push(program.malloc(thread, sizes[phase] - random.below(8), sites[phase]));
        filling = !passing.full;
        return;
      }
      const block = passing.take(random.below(passing.length));
      if (random.oneIn(10)) {
        if (staying.full) program.free(thread, staying.shift());
        staying.push(block);
      } else program.free(thread, block);
      if (passing.length > 0) return;
      filling = true;
      phase = (phase + 1) % sizes.length;
      program.idle(1_000_000);
    },
    end() {
      if (passing.length > 0) program.free(0, passing.take(passing.length - 1));
      else if (staying.length > 0) program.free(0, staying.shift());
      else return false;
      return true;
    },
  };
}

/** All workloads by name. */
export const WORKLOADS: ReadonlyMap<string, Workload> = new Map<string, Workload>([
  ['server', { title: 'sessions that stay and bursts of requests on them', threads: 4, live: 10_000, leaks: [], start: server }],
  ['cache', { title: 'keys and values, the oldest evicted', threads: 2, live: 20_000, leaks: [], start: cache }],
  [
    'leak',
    {
      title: 'the server with two leaks',
      threads: 4,
      live: 10_000,
      leaks: [
        { site: 'leak_session', bytes: 312, every: 200 },
        { site: 'leak_log_line', bytes: 1024, every: 1000 },
      ],
      start: server,
    },
  ],
  ['threads', { title: 'producers allocate, consumers on other threads free', threads: 8, live: 4000, leaks: [], start: producers }],
  [
    'fragment',
    { title: 'phases of ever other sizes, of each of which some blocks stay', threads: 1, live: 50_000, leaks: [], start: fragment },
  ],
  ['churn', { title: 'blocks of all sizes that live for random times', threads: 1, live: 10_000, leaks: [], start: churn }],
]);
