// What a page of heads holds; `attnlens/reporting/_head_payload.py` writes it. A number that there is not is null.

export type Maybe = number | null;

/** A number of each head that can be drawn. */
export interface Column {
  name: string;
  meaning: string;
}

/** An input of examples: a text as its tokens, each with 1 where it is special and 2 where it continues a word, or a picture cut into patches. */
export interface Input {
  key: string;
  label: string | null;
  prediction: string | null;
  tokens?: [text: string, kind: number][];
  picture?: string;
  rows?: number;
  cols?: number;
  leading?: number;
}

/** A head's weights in an input: of every query where `whole` is 1, else of one; roots as bytes in base64.
 *
 *  A head that does not attend from the input's tokens to themselves has the tokens of its keys, and the query's text. */
export interface Example {
  decile: string;
  score: number;
  input: number;
  query: number;
  weights: string;
  whole: number;
  keys?: [text: string, kind: number][];
  from?: string;
}

/** Weights by offset of the key from the query: `reach` to either side and what is beyond, or a grid of patches. */
export interface Offsets {
  reach?: number;
  rows?: number;
  cols?: number;
  weight: Maybe[];
  chance: Maybe[];
}

/** What is lost without a head, with 95 % intervals; of accuracy and loss where the inputs have classes. */
export interface Effect {
  inputs: number;
  flips: number;
  divergence: number;
  accuracy_change?: Maybe;
  accuracy_change_low?: Maybe;
  accuracy_change_high?: Maybe;
  loss_change?: Maybe;
  loss_change_low?: Maybe;
  loss_change_high?: Maybe;
}

export interface PairEffect extends Effect {
  layer_b: number;
  head_b: number;
  excess: number;
}

/** A pattern, or a class of tokens, as it reads in a sentence. */
export const patternTitle = (name: string): string => (name === "class" ? "class token" : name);

/** Steps of a tint: the classes for-1 to for-10 of the page's style sheet. */
export const LEVELS = 10;

export interface Head {
  layer: number;
  head: number;
  values: Maybe[];
  pattern: { pattern: string; score: Maybe; low: Maybe; high: Maybe; limit: Maybe; also: string };
  stats: [name: string, mean: Maybe, low: Maybe, high: Maybe, ...rest: Maybe[]][];
  pairs: [query: string, key: string, count: number, chance: number, p: number][];
  classes: [query: string, key: string, weight: number, chance: number, queries: number][];
  offsets: Offsets | null;
  near: [layer: number, head: number, distance: number][];
  off: (Effect & { pair: PairEffect | null }) | null;
  examples: Example[];
}

export interface Content {
  columns: Column[];
  patterns: Record<string, string>;
  by: string;
  inputs: Input[];
  heads: Head[];
}

/** A head as it is called: layer and head, counted from 0. */
export function nameOf({ layer, head }: { layer: number; head: number }): string {
  return `${layer}.${head}`;
}

/** Weights from the bytes of their roots. */
export function weightsOf(example: Example): number[] {
  return [...atob(example.weights)].map((byte) => (byte.charCodeAt(0) / 255) ** 2);
}
