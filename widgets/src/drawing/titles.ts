// Traces, layers and heads in words.

import type { Tokens, TraceHeader } from "../protocol/headers";
import { tokenLabel } from "./token_label";

/** A head by its numbers. */
export interface HeadPlace {
  layer: number;
  head: number;
}

/** Tokens of a text that name it. */
const MOST_WORDS = 40;

export function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** A trace in a line: its model, and the beginning of its text. */
export function traceTitle({ model, tokens, patches }: TraceHeader): string {
  const words = tokens.input.text.filter((_, n) => !tokens.input.special.includes(n));
  const text = patches ? `an image of ${patches.rows} × ${patches.cols} patches` : words.slice(0, MOST_WORDS).map((word) => tokenLabel(word)).join(" ");
  return [model, `${text}${!patches && words.length > MOST_WORDS ? " …" : ""}`].filter(Boolean).join(" · ");
}

/** A layer as a list of layers shows it. */
export function layerTitle({ layers, stacks }: TraceHeader, number: number): string {
  const { kind } = layers[number]!;
  const of = stacks[number] || (kind === "self" ? "" : kind);
  return of ? `${number} (${of})` : String(number);
}

/** "layer", after what it belongs to where a model has several stacks: "encoder layer", "cross-attention layer". */
export function stackedLayer(stack = ""): string {
  return `${stack ? `${stack === "cross" ? "cross-attention" : stack} ` : ""}layer`;
}

/** A head in words. */
export function placeTitle({ layer, head }: HeadPlace, stacks: string[] = []): string {
  return `${stackedLayer(stacks[layer])} ${layer}, head ${head}`;
}

/** Methods whose title is more than their name with spaces. */
const METHODS: Record<string, string> = {
  deeplift: "DeepLIFT",
  grad_cam: "Grad-CAM",
  grad_cam_plus_plus: "Grad-CAM++",
  gradient_x_input: "gradient × input",
  layer_gradient_x_activation: "layer gradient × activation",
  smoothgrad: "SmoothGrad",
};

/** A method of attribution as a title shows it. */
export function methodTitle(name: string): string {
  return METHODS[name] ?? name.replaceAll("_", " ");
}

/** The name of a statistic of heads in words. */
export function statisticTitle(name: string): string {
  return name.replaceAll("_", " ");
}

/** A token in quotation marks. */
export function quoted(tokens: Tokens, position: number): string {
  if (tokens.leading !== undefined && position >= tokens.leading) return `patch (${tokens.text[position]!.replace(",", ", ")})`;
  return `“${tokenLabel(tokens.text[position] ?? "?")}”`;
}
