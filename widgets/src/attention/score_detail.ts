// The product behind the weight of the selected cell: query and key vectors, element by element.

import { signedRamp } from "../drawing/colour";
import { formatNumber } from "../drawing/number_format";
import { quoted } from "../drawing/titles";
import { readSingles } from "../protocol/float16";
import type { ScoreProduct } from "../protocol/layer";
import type { TraceSource } from "../protocol/trace_source";
import { h } from "../ui/dom";
import type { Frame } from "../ui/view";
import { scoreOf } from "./attention_model";
import type { AttentionState } from "./state";

/** The selected cell of one head. */
export interface DetailCell {
  layer: number;
  head: number;
  query: number;
  key: number;
}

const NOT_RECORDED = 'Query and key vectors were not recorded: trace with store="factors" to see the product behind a score.';

export class ScoreDetail {
  readonly element = h("div", { className: "detail", hidden: true });
  /** What is shown or under way. */
  private name = "";

  constructor(private readonly frame: Frame<AttentionState>) {}

  /** Shows the product of a cell; requested once, however often the view is drawn. */
  show(source: TraceSource, trace: number, cell: DetailCell | null): void {
    const name = cell ? JSON.stringify([trace, cell, this.frame.dark]) : "";
    if (name === this.name) return;
    this.name = name;
    this.element.hidden = !cell;
    this.element.replaceChildren();
    if (!cell) return;
    if (!source.header.layers[cell.layer]!.detail) {
      this.element.append(h("p", { className: "how" }, NOT_RECORDED));
      return;
    }
    this.load(source, cell).then(
      (product) => name === this.name && this.element.replaceChildren(...this.rows(source, cell, product)),
      (error: Error) => {
        if (name === this.name && !this.frame.signal.aborted) this.element.replaceChildren(h("p", { className: "how" }, error.message));
      },
    );
  }

  /** From the factors that are in the browser, else from Python. */
  private async load(source: TraceSource, { layer, head, query, key }: DetailCell): Promise<ScoreProduct> {
    const weights = source.remote ? null : await source.layer(layer);
    if (weights?.factors) return weights.product(head, query, key);
    const { scale, weight, buffers } = await this.frame.request("detail", { layer, head, query, key });
    const bytes = buffers[0]!;
    const size = bytes.byteLength / 8;
    return { q: readSingles(bytes, 0, size), k: readSingles(bytes, size, size), scale: scale as number, weight: weight as number };
  }

  private rows(source: TraceSource, { layer, query, key }: DetailCell, { q, k, scale, weight }: ScoreProduct): HTMLElement[] {
    const { products, score } = scoreOf(q, k, scale);
    const { dark, model } = this.frame;
    const scope = model.get("hide_special") ? " over all keys" : "";
    return [
      h("table", {},
        vectorRow(`query of ${quoted(source.tokens(layer, "query"), query)}`, q, dark),
        vectorRow(`key of ${quoted(source.tokens(layer, "key"), key)}`, k, dark),
        vectorRow("product", products, dark),
      ),
      h("p", { className: "how" },
        `Sum of the products × ${formatNumber(scale)} = score ${formatNumber(score)}; after the softmax${scope} ${formatNumber(weight)}.`),
    ];
  }
}

/** A vector as a row of cells: blue above zero, red below. */
function vectorRow(name: string, values: Float32Array, dark: boolean): HTMLElement {
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
  const style = { width: `${Math.min(512, values.length * 8)}px`, height: "16px", imageRendering: "pixelated" };
  const canvas = h("canvas", { width: values.length, height: 1, style });
  const context = canvas.getContext("2d");
  const ramp = signedRamp(dark);
  if (context)
    values.forEach((value, i) => {
      context.fillStyle = ramp(value / most);
      context.fillRect(i, 0, 1, 1);
    });
  return h("tr", {}, h("th", {}, name), h("td", {}, canvas), h("td", {}, h("span", { className: "how" }, `  ±${formatNumber(most)}`)));
}
