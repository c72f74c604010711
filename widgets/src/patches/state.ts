// The traits that PatchView shares with Python.

import type { TraceHeader } from "../protocol/headers";
import type { ScoreKind } from "./score_kinds";

export interface PatchesState {
  trace: TraceHeader;
  size: [height: number, width: number];
  offered: string[];
  labels: string[];
  maps: Record<string, MapHeader>;
  scores: DataView;
  layer: number;
  heads: number[];
  query: number | null;
  blend: number;
  panels: string[];
  shared: boolean;
  target: string;
}

/** A panel's scores without their numbers; as `PatchView._send_map` writes it. */
export interface MapHeader {
  kind: ScoreKind;
  target: string;
  how: string;
  verdict: string;
  /** The number of the panel's map among the scores. */
  place: number;
}
