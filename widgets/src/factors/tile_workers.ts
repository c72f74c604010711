// Workers that compute cells, and the jobs that wait for them.

import type { LayerHeader } from "../protocol/headers";
import type { Block } from "./cells";
import type { ShownMessage, WorkerMessage, WorkerReply } from "./tile_worker";
import code from "./tile_worker?code";

/** One head's queries and keys as they arrived. */
export interface HeadBytes {
  name: string;
  header: LayerHeader;
  bytes: DataView;
}

/** What a job computes from. */
export type Shown = Omit<ShownMessage, "heads"> & { name: string; heads: HeadBytes[] };

interface Job {
  shown: Shown;
  block: Block;
  /** When it was last in sight, in frames; the latest is next. 0 for what never was, of which the nearest is next. */
  order: number;
  cells: Promise<Float32Array>;
  resolve(cells: Float32Array): void;
  reject(error: Error): void;
}

interface TileWorker {
  worker: Worker;
  job: Job | null;
  /** What it has received, and the bytes of that. */
  received: Set<string>;
  bytes: number;
}

/** Workers at most where the processor computes, and bytes of heads beyond which one is started anew. */
const MOST_WORKERS = 4;
const MOST_BYTES = 256 << 20;
/** Milliseconds within which jobs count as in sight together, and run in the order of their requests. */
const FRAME = 30;

/** Of the workers' code, for all of a page. */
let address: string | undefined;

export class TileWorkers {
  private readonly jobs = new Map<string, Job>();
  private workers: TileWorker[] = [];
  private count = 1;
  /** What was last in sight. */
  private seen: Block | null = null;
  /** Why no worker runs here. */
  private failure: Error | null = null;

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.close());
  }

  /** Ends the workers. */
  close(): void {
    this.stop(new DOMException("The view was closed.", "AbortError"));
  }

  /** The cells of a block: at once those that are in sight, others while there are none. */
  cells(shown: Shown, block: Block, inSight: boolean): Promise<Float32Array> {
    if (this.failure) return Promise.reject(this.failure);
    const name = jobName(shown, block);
    const waiting = this.jobs.get(name);
    if (waiting) return waiting.cells;
    const { promise, resolve, reject } = deferred<Float32Array>();
    this.jobs.set(name, { shown, block, order: inSight ? this.now(block) : 0, cells: promise, resolve, reject });
    this.assign();
    return promise;
  }

  /** A job that waits is in sight now. */
  hurry(shown: Shown, block: Block): void {
    const job = this.jobs.get(jobName(shown, block));
    if (job) job.order = this.now(block);
  }

  private now(block: Block): number {
    this.seen = block;
    return 1 + Math.floor(performance.now() / FRAME);
  }

  private next(): [string, Job] {
    const rank = ({ order, block }: Job) => order || -distance(block, this.seen ?? block);
    return [...this.jobs].reduce((best, other) => (rank(other[1]) > rank(best[1]) ? other : best));
  }

  /** Drops the waiting jobs of what is no longer shown. */
  drop(shown: Shown): void {
    for (const [name, job] of this.jobs)
      if (job.shown === shown) {
        this.jobs.delete(name);
        job.reject(new DOMException("Something else is shown now.", "AbortError"));
      }
  }

  private assign(): void {
    while (this.jobs.size) {
      const worker = this.workers.find(({ job }) => !job) ?? this.start();
      if (!worker) return;
      const [name, job] = this.next();
      this.jobs.delete(name);
      this.run(worker, job);
    }
  }

  private run(to: TileWorker, job: Job): void {
    if (to.bytes > MOST_BYTES) Object.assign(to, this.made(to.worker));
    to.job = job;
    const { name, heads, lse, rows, cols } = job.shown;
    for (const head of heads) this.send(to, `head ${head.name}`, { kind: "head", ...head }, head.bytes.byteLength);
    this.send(to, name, { kind: "shown", name, heads: heads.map((head) => head.name), lse, rows, cols });
    to.worker.postMessage({ kind: "cells", shown: name, block: job.block } satisfies WorkerMessage);
  }

  /** Sends what a worker has not received yet. */
  private send(to: TileWorker, name: string, message: WorkerMessage, bytes = 0): void {
    if (to.received.has(name)) return;
    to.received.add(name);
    to.bytes += bytes;
    to.worker.postMessage(message);
  }

  /** Another worker, as long as there are fewer than may be. */
  private start(): TileWorker | null {
    if (this.workers.length >= this.count) return null;
    try {
      const worker: TileWorker = { job: null, ...this.made() };
      worker.worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => this.receive(worker, data);
      this.workers.push(worker);
      return worker;
    } catch (error) {
      this.stop(error as Error);
      return null;
    }
  }

  private made(old?: Worker): Omit<TileWorker, "job"> {
    const worker = new Worker((address ??= URL.createObjectURL(new Blob([code], { type: "text/javascript" }))));
    worker.onmessage = old?.onmessage ?? null;
    worker.onerror = () => this.stop(new Error("This page may not start a worker."));
    old?.terminate();
    return { worker, received: new Set(), bytes: 0 };
  }

  private receive(from: TileWorker, reply: WorkerReply): void {
    const { resolve, reject } = from.job!;
    from.job = null;
    if ("error" in reply) reject(new Error(reply.error));
    else {
      // One drives the graphics hardware; of processors as many as leave one to the page.
      this.count = reply.webgl2 ? 1 : Math.max(1, Math.min(MOST_WORKERS, (globalThis.navigator?.hardwareConcurrency ?? 2) - 1));
      resolve(reply.cells);
    }
    this.assign();
  }

  /** Rejects everything that waits, and all that will be asked for. */
  private stop(reason: Error): void {
    this.failure = reason;
    const waiting = [...this.jobs.values(), ...this.workers.flatMap(({ job }) => job ?? [])];
    this.jobs.clear();
    this.endWorkers();
    for (const job of waiting) job.reject(reason);
  }

  private endWorkers(): void {
    for (const { worker } of this.workers) worker.terminate();
    this.workers = [];
  }
}

function jobName({ name }: Shown, { top, left, bottom, right, size }: Block): string {
  return `${name}/${top}-${bottom}/${left}-${right}/${size}`;
}

function distance(a: Block, b: Block): number {
  return Math.hypot(a.top + a.bottom - b.top - b.bottom, a.left + a.right - b.left - b.right);
}

function deferred<T>() {
  let resolve!: (value: T) => void, reject!: (error: Error) => void;
  const promise = new Promise<T>((done, failed) => ([resolve, reject] = [done, failed]));
  return { promise, resolve, reject };
}
