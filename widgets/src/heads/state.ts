// The traits that HeadsView shares with Python.

export interface HeadsState {
  /** float16 pictures of all heads, layer by layer. */
  thumbnails: DataView;
  sizes: [heads: number, rows: number, cols: number][];
  /** Statistics by name, [layer][head]. */
  stats: Record<string, (number | null)[][]>;
  columns: string[];
  /** What each column is. */
  meanings: Record<string, string>;
  /** Of each layer "encoder", "decoder" or "cross"; "" for a model of one stack. */
  stacks: string[];
  /** What a thumbnail's rows are: queries, or those of the image. */
  rows: "query" | "patch";
  /** The model and the input, in a line. */
  about: string;
  /** The head whose reading position has the largest weight on an ordinary token, both tokens, and the weight. */
  strongest: { layer: number; head: number; query: string; key: string; weight: number } | null;
  layer: number;
  heads: number[];
  by: string;
  /** With a column: its value as a colour and a number, or the head's pattern in that colour. */
  cells: "value" | "pattern";
  sort: boolean;
}
