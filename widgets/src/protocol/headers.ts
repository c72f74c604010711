// What Python writes about a trace: tokens, layers and patches, without the weights themselves.

import type { Pooling } from "./tiles";

/** A row of tokens, as `payload._tokens` writes them. */
export interface Tokens {
  text: string[];
  /** Positions of special tokens. */
  special: number[];
  /** The text that each token belongs to; empty for a single text. */
  segment: number[];
  /** Of an image: the position of the first patch; a patch's text is its row and column. */
  leading?: number;
}

export const NO_TOKENS: Tokens = { text: [], special: [], segment: [] };

/** The name, type and shape of an array within a layer's bytes. */
export type PartHeader = [name: string, dtype: "f2" | "f4" | "bits", shape: number[]];

/** One layer's names and sizes; `parts` are the arrays that its bytes hold, in order. */
export interface LayerHeader {
  name: string;
  /** "self", "cross", ... */
  kind: string;
  /** Which tokens query and key are: "input", "output" or others. */
  query: string;
  key: string;
  heads: number;
  queries: number;
  keys: number;
  /** Whether query and key vectors were recorded. */
  detail: boolean;
  parts: PartHeader[];
  bytes: number;
  scale?: number;
  softcap?: number | null;
  /** Keys that a query may attend to: how many before and after it, and its offset. */
  band?: [before: number | null, after: number | null, offset: number] | null;
  /** In a report of a long trace: the heads whose queries and keys are in the page, each as a layer of one head. */
  held?: Record<number, HeldHead>;
}

/** A head whose queries and keys are in a report, and the maps of it that are there too. */
export interface HeldHead extends LayerHeader {
  overviews?: (MapPlace & { hide_special: boolean; pool: Pooling })[];
}

/** All cells of a level within a block of bytes: their number, the first byte, and what each is multiplied by. */
export interface MapPlace {
  level: number;
  rows: number;
  cols: number;
  start: number;
  scale?: number;
}

/** The grid of patches, the number of tokens before the first patch, and the image as a data URL. */
export interface PatchHeader {
  rows: number;
  cols: number;
  leading: number;
  image: string | null;
}

/** A trace without its weights, as `payload.header` writes it. */
export interface TraceHeader {
  model: string;
  prediction: string | null;
  tokens: { input: Tokens; output: Tokens };
  patches: PatchHeader | null;
  layers: LayerHeader[];
  /** Of each layer "encoder", "decoder" or "cross"; "" for a model of one stack. */
  stacks: string[];
  /** Whether the weights stay in Python, which sends blocks of them on request. */
  remote: boolean;
}
