// The traits that CompareView shares with Python.

import type { TraceHeader } from "../protocol/headers";

/** A head's partner in b: their distance (null where it is unknown), and where the partner is. */
export type Partner = [distance: number | null, layer: number, head: number];

export interface AttributionPair {
  target: string;
  /** The method in words. */
  how: string;
  /** The unit of the scores; "" where they only rank. */
  unit: string;
  a: number[];
  b: number[];
}

export interface CompareState {
  a_trace: TraceHeader;
  b_trace: TraceHeader;
  /** Pairs of positions of a and b, int32. */
  alignment: DataView;
  /** [layer][head] of a; null where a head was not compared. */
  partners: (Partner | null)[][];
  metric: string;
  note: string;
  /** Attributions of both for one target, a score for each token; null without them. */
  attributions: AttributionPair | null;
  layer: number;
  head: number;
  other_layer: number;
  other_head: number;
  query: number | null;
  key: number | null;
  log: boolean;
}

export type TraceSide = "a" | "b";
export type PanelName = TraceSide | "difference";
