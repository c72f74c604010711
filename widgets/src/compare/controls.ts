// CompareView's controls: the logarithm, zoom, and which heads are compared.

import { layerTitle } from "../drawing/titles";
import type { TraceHeader } from "../protocol/headers";
import { checkbox, fillNumbers, select, zoomButtons, type Zoomable } from "../ui/controls";
import { h } from "../ui/dom";
import type { Frame } from "../ui/view";
import type { CompareState, TraceSide } from "./state";

export type HeadTrait = "layer" | "head" | "other_layer" | "other_head";

/** The traits that choose each trace's head. */
export const HEAD_TRAITS = { a: ["layer", "head"], b: ["other_layer", "other_head"] } as const;

export class CompareControls {
  private readonly log: HTMLInputElement;
  private readonly lists: Record<HeadTrait, HTMLSelectElement>;

  constructor(private readonly frame: Frame<CompareState>, change: (trait: HeadTrait, value: number) => void, matrix: () => Zoomable) {
    const { model } = frame;
    const list = (trait: HeadTrait, trace?: TraceHeader) =>
      select(
        trait.replace("_", " "),
        (trace?.layers ?? []).map((_, n) => [String(n), layerTitle(trace!, n)]),
        (value) => change(trait, Number(value)),
      );
    this.log = checkbox((log) => frame.set({ log }));
    this.lists = {
      layer: list("layer", model.get("a_trace")), head: list("head"),
      other_layer: list("other_layer", model.get("b_trace")), other_head: list("other_head"),
    };
    frame.bar.append(h("label", {}, this.log, "log scale"), zoomButtons(matrix));
  }

  /** The caption of a trace's panel, with the lists that choose its head. */
  caption(side: TraceSide): HTMLElement {
    const [layer, head] = HEAD_TRAITS[side];
    return h("figcaption", {}, h("b", {}, side), "layer", this.lists[layer], "head", this.lists[head]);
  }

  /** Shows the chosen heads; `heads` are how many the layers have, and which is shown. */
  draw(heads: Record<TraceSide, { count: number; shown: number }>): void {
    const { model } = this.frame;
    for (const side of ["a", "b"] as const) {
      const [layer, head] = HEAD_TRAITS[side];
      fillNumbers(this.lists[head], heads[side].count);
      this.lists[head].value = String(heads[side].shown);
      this.lists[layer].value = String(model.get(layer));
    }
    this.log.checked = model.get("log");
  }
}
