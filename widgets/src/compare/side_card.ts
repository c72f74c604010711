// What was compared: the text of each trace with the tokens that differ, its model and its prediction.

import { tokenLabel } from "../drawing/token_label";
import type { TraceHeader } from "../protocol/headers";
import { h } from "../ui/dom";
import type { Alignment } from "./alignment";
import type { TraceSide } from "./state";

/** Tokens of a text that are shown. */
const MOST_TOKENS = 80;

/** Positions of a trace whose token has no counterpart, or another one. */
export function changedTokens(side: TraceSide, alignment: Alignment, a: TraceHeader, b: TraceHeader): Set<number> {
  const [own, other] = side === "a" ? [a, b] : [b, a];
  const counterpart = (position: number) => (side === "a" ? alignment.ofB(position) : alignment.ofA(position));
  return new Set([...own.tokens.input.text.keys()].filter((n) => {
    const at = counterpart(n);
    return at === undefined || own.tokens.input.text[n] !== other.tokens.input.text[at];
  }));
}

/** One trace in a line or two; `changed` tokens are marked. */
export function sideCard(side: TraceSide, { model, prediction, tokens, patches }: TraceHeader, changed: Set<number>): HTMLElement {
  const { text, special } = tokens.input;
  const shown = [...text.keys()].filter((n) => !special.includes(n)).slice(0, MOST_TOKENS);
  const rest = text.length - special.length - shown.length;
  const words = patches
    ? [`an image of ${patches.rows} × ${patches.cols} patches`]
    : shown.flatMap((n) => [h(changed.has(n) ? "mark" : "span", {}, tokenLabel(text[n]!)), " "]);
  return h("p", { className: "side" },
    h("b", {}, side), h("span", { className: "text" }, ...words, rest > 0 && !patches ? `… ${rest} more tokens` : ""),
    h("span", { className: "facts" }, prediction ? h("b", {}, `→ ${tokenLabel(prediction)}`) : null, prediction && model ? " · " : "", model && `model ${model}`));
}
