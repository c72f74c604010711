// The worker that computes cells: it holds heads and selections of them, and replies block by block.

import type { LayerHeader } from "../protocol/headers";
import { Layer } from "../protocol/layer";
import { cellsOf, type Block, type ShownHeads } from "./cells";
import { WebglCells } from "./webgl_cells";

/** What tests have cells computed by; otherwise it is WebGL2 where that is faster, else the processor. */
export type Means = "webgl2" | "processor";

/** Positions and log-sum-exps of a selection, and the names of its heads. */
export interface ShownMessage {
  heads: string[];
  lse: Float32Array[];
  rows: Int32Array;
  cols: Int32Array;
}

export type WorkerMessage =
  | { kind: "head"; name: string; header: LayerHeader; bytes: DataView }
  | ({ kind: "shown"; name: string } & ShownMessage)
  | { kind: "cells"; shown: string; block: Block; means?: Means };

/** The cells of a block, and whether WebGL2 computed them; or why there are none. */
export type WorkerReply = { cells: Float32Array; webgl2: boolean } | { error: string };

/** Weights of two ways of computing differ by less. */
const TOLERANCE = 1e-3;
/** Rows and columns of the cells on which two ways of computing are compared. */
const TRIAL = 64;
const RUNS = 3;

const heads = new Map<string, Layer>();
const selections = new Map<string, ShownHeads>();
let webgl: WebglCells | null | undefined;
let isTrusted = false;

/** Takes in what cells are computed from, or computes some. */
export function receive(message: WorkerMessage): WorkerReply | null {
  if (message.kind === "head") heads.set(message.name, new Layer(message.header, message.bytes));
  else if (message.kind === "shown") {
    const { name, heads: names, lse, rows, cols } = message;
    selections.set(name, { rows, cols, heads: names.map((head, n) => ({ layer: heads.get(head)!, lse: lse[n]! })) });
  } else {
    const shown = selections.get(message.shown)!;
    const drawn = message.means === "processor" ? null : drawnCells(shown, message.block, message.means === "webgl2");
    return { cells: drawn ?? cellsOf(shown, message.block), webgl2: drawn !== null };
  }
  return null;
}

/** Cells by WebGL2; null where that is not to be had, and, unless it is asked for, where the processor is faster. */
function drawnCells(shown: ShownHeads, block: Block, isForced: boolean): Float32Array | null {
  if (webgl === undefined) webgl = WebglCells.create();
  const cells = webgl?.cells(shown, block) ?? null;
  if (cells && !isForced && !(isTrusted ||= isBetter(webgl!, shown, block))) return (webgl = null);
  return cells;
}

/** Whether WebGL2 computes what the processor does, and sooner: some drivers are less precise, and some are software. */
function isBetter(drawing: WebglCells, shown: ShownHeads, { pool }: Block): boolean {
  const [top, left] = [shown.rows, shown.cols].map(({ length }) => Math.max(0, Math.floor(length / 2) - TRIAL * 2)) as [number, number];
  const end = (first: number, { length }: Int32Array) => Math.min(length, first + TRIAL * 4);
  const block = { top, bottom: end(top, shown.rows), left, right: end(left, shown.cols), size: 4, pool };
  const [theirs, ours] = [timed(() => drawing.cells(shown, block)!), timed(() => cellsOf(shown, block))];
  const agree = theirs.cells.every((weight, n) => Math.abs(weight - ours.cells[n]!) <= TOLERANCE * Math.max(1, ours.cells[n]!));
  return agree && theirs.time < ours.time;
}

/** What a function returns, and the milliseconds of its fastest run: the first compiles. */
function timed(compute: () => Float32Array): { cells: Float32Array; time: number } {
  let [cells, time] = [compute(), Infinity];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    cells = compute();
    time = Math.min(time, performance.now() - start);
  }
  return { cells, time };
}

addEventListener("message", ({ data }: MessageEvent<WorkerMessage>) => {
  let reply: WorkerReply | null;
  try {
    reply = receive(data);
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  if (reply) postMessage(reply, "cells" in reply ? { transfer: [reply.cells.buffer] } : {});
});
