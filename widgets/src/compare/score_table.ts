// What made each model decide: both attributions token by token, and their difference as bars.

import { formatColumn } from "../drawing/number_format";
import { tokenLabel } from "../drawing/token_label";
import type { TraceHeader } from "../protocol/headers";
import { h } from "../ui/dom";
import type { Alignment } from "./alignment";
import type { AttributionPair } from "./state";

/** A token of a, of b, or of both, with its scores. */
export interface ScoreRow {
  token: string;
  a: number | null;
  b: number | null;
}

/** Rows in the order of a; tokens of b alone stand where they are in b. */
export function scoreRows({ a, b }: AttributionPair, alignment: Alignment, ofA: TraceHeader, ofB: TraceHeader): ScoreRow[] {
  const [textA, textB] = [ofA.tokens.input.text, ofB.tokens.input.text];
  const out: ScoreRow[] = [];
  let next = 0;
  const onlyB = (end: number) => {
    for (; next < end; next++) if (alignment.ofA(next) === undefined) out.push({ token: textB[next]!, a: null, b: b[next]! });
  };
  for (const n of textA.keys()) {
    const at = alignment.ofB(n);
    if (at !== undefined) onlyB(at);
    if (at !== undefined) next = Math.max(next, at + 1);
    const token = at === undefined || textA[n] === textB[at] ? textA[n]! : `${tokenLabel(textA[n]!)} → ${tokenLabel(textB[at]!)}`;
    out.push({ token, a: a[n]!, b: at === undefined ? null : b[at]! });
  }
  onlyB(textB.length);
  return out;
}

/** A table with a bar for what each token gained or lost between a and b. */
export function scoreTable(pair: AttributionPair, rows: ScoreRow[]): HTMLElement {
  const difference = ({ a, b }: ScoreRow) => (b ?? 0) - (a ?? 0);
  const most = Math.max(1e-9, ...rows.map((row) => Math.abs(difference(row))));
  const largest = Math.max(most, ...[...pair.a, ...pair.b].map(Math.abs).filter(Number.isFinite));
  const number = (score: number) => formatColumn(score, largest, true);
  const cell = (score: number | null) => h("td", {}, score === null ? "–" : number(score));
  const bar = (row: ScoreRow) => {
    const share = difference(row) / most;
    const said = number(difference(row));
    return h("td", {}, h("span", { className: "number" }, said), h("span", { className: `change ${share < 0 ? "against" : "for"}`, title: said },
      h("i", { style: { width: `${50 * Math.abs(share)}%`, left: `${share < 0 ? 50 * (1 + share) : 50}%` } })));
  };
  return h("div", { className: "scores" },
    h("p", {}, h("b", {}, "Attribution"), ` for ${tokenLabel(pair.target)}${pair.unit ? `, in ${pair.unit}` : ""}, by ${pair.how}`),
    h("div", { className: "rows", tabIndex: 0, role: "region", "aria-label": "Attributions of a and b" }, h("table", {},
      h("thead", {}, h("tr", {}, ...["token", "a", "b", "b − a"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, h("th", { scope: "row" }, tokenLabel(row.token)), cell(row.a), cell(row.b), bar(row)))))));
}
