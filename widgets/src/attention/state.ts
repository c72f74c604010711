// The traits that AttentionView shares with Python.

import type { TraceHeader } from "../protocol/headers";
import type { TextPair } from "../protocol/trace_source";

export interface AttentionState {
  trace: TraceHeader;
  layer: number;
  /** Layers over which each head is averaged; the layer alone where it is empty. */
  layers: number[];
  heads: number[];
  mean: boolean;
  mode: "lines" | "matrix";
  query: number | null;
  key: number | null;
  pair: TextPair;
  hide_special: boolean;
  threshold: number;
  log: boolean;
  pool: "max" | "mean";
}
