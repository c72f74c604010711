// The traits that TokensView shares with Python.

export type Level = "token" | "word" | "sentence";
export const LEVELS: Level[] = ["token", "word", "sentence"];

/** A text, or a pair of texts. */
export type InputText = string | [string, string];

/** A class by its name or number; null for the predicted one. */
export type Target = string | number | null;

/** One level of a text, cut into parts. */
export interface TextParts {
  level: Level;
  text: string[];
  special: number[];
  segment: number[];
  /** The token at which each part begins. */
  first: number[];
  /** Where each part stands in its text, in characters as Python counts them; null for one that is not there. */
  span: ([start: number, end: number] | null)[];
  /** What precedes each part: 0 nothing, 1 a space, 2 a line break. */
  space: number[];
}

/** What an attribution explains: `attnlens.attribution.Target`. */
export interface ExplainedTarget {
  label: string;
  index: number;
  against: string | null;
  against_index: number | null;
  unit: string;
  side: string | null;
  position: number | null;
  output: string | null;
}

/** An attribution without its scores. */
export interface AttributionResult {
  /** The number of its text. */
  text: number;
  /** The requests that it answers. */
  asked: [target: Target, method: string][];
  target: ExplainedTarget;
  /** The target in words. */
  question: string;
  how: string;
  unit: string;
  model: string;
  value: number | null;
  change: number | null;
  sum: number | null;
  signed: boolean;
  converged: boolean | null;
  complete: boolean;
  gap: number | null;
  verdict: string;
  prediction: [label: string, probability: number | null] | null;
}

export interface TokensState {
  shown: { texts: TextParts[][]; results: AttributionResult[] };
  scores: DataView;
  choices: { live: boolean; targets: string[]; methods: string[]; titles: string[]; mask: string };
  text: InputText;
  /** The text before a token was masked or replaced; null where none was. */
  before: InputText | null;
  target: Target;
  method: string;
  number: number;
  level: Level;
  sort: boolean;
  token: number | null;
}

/** What Python is asked to explain. */
export interface ExplainRequest {
  text: InputText;
  target: Target;
  method: string;
}
