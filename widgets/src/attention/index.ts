// AttentionView: one head, several or their mean, as lines between tokens or as a matrix.

import type { SavedFigure } from "../drawing/svg";
import type { LayerHeader } from "../protocol/headers";
import { TraceSource, type Axis, type Selection } from "../protocol/trace_source";
import { listen } from "../protocol/widget_model";
import { h } from "../ui/dom";
import { runKey, type KeyActions } from "../ui/keyboard";
import { view, type Frame } from "../ui/view";
import css from "./attention.css";
import { headsOfLayer, selectedToken } from "./attention_model";
import { AttentionControls } from "./controls";
import { AttentionPicture } from "./picture";
import { ScoreDetail, type DetailCell } from "./score_detail";
import type { AttentionState } from "./state";

const HOW = {
  lines: "Queries on the left attend to keys on the right; the stronger the line, the larger the weight. Colours tell heads apart.",
  matrix: "Queries run down, keys across; strong colours are large weights, and cells without a number weigh less than 0.005.",
};
const KEYS = {
  lines:
    "Point at a token to see it alone, click to keep it. [ and ] change the layer, comma and period the head, arrows the token; " +
    "m shows the matrix, Escape lets go.",
  matrix:
    "Drag to move, double-click or + and - to zoom, 0 for all. [ and ] change the layer, comma and period the head, arrows the cell; " +
    "m shows the lines, Escape lets go.",
};

const SHOWN: (keyof AttentionState)[] = [
  "layer", "layers", "heads", "mean", "mode", "query", "key", "pair", "hide_special", "threshold", "log", "pool",
];

class AttentionView {
  private source: TraceSource;
  /** Counts the traces that were shown. */
  private traces = 0;
  private readonly controls: AttentionControls;
  private readonly picture: AttentionPicture;
  private readonly detail: ScoreDetail;
  /** The head that is pointed at in the row of heads. */
  private peeked: number | null = null;
  private readonly empty = h("p", { className: "how", hidden: true }, "No tokens are left to show: show special tokens again, or both texts.");

  constructor(private readonly frame: Frame<AttentionState>) {
    const { model, signal } = frame;
    this.source = new TraceSource(model, signal);
    this.picture = new AttentionPicture(frame);
    this.controls = new AttentionControls(frame, {
      setLayer: (number) => this.setLayer(number),
      matrix: () => this.picture.matrix,
      peek: (head) => this.peek(head),
    });
    this.controls.listLayers(this.source.header);
    this.detail = new ScoreDetail(frame);
    frame.stage.append(this.empty, this.picture.lines.element, this.picture.matrix.element, this.detail.element);
    listen(model, SHOWN, frame.redraw, signal);
    listen(model, ["trace"], () => this.changeTrace(), signal);
    frame.root.addEventListener("keydown", (event) => this.onKey(event as KeyboardEvent), { signal });
  }

  private changeTrace(): void {
    this.source.close();
    this.source = new TraceSource(this.frame.model, this.frame.signal);
    this.traces++;
    this.peeked = null;
    this.picture.release();
    this.controls.listLayers(this.source.header);
    this.frame.redraw();
  }

  private get layers(): LayerHeader[] {
    return this.source.header.layers;
  }

  private get layer(): LayerHeader {
    return this.layers[this.frame.model.get("layer")]!;
  }

  private get selection(): Selection {
    const { model } = this.frame;
    return {
      layer: model.get("layer"),
      heads: headsOfLayer(model.get("heads"), this.layer),
      pair: model.get("pair"),
      hide_special: model.get("hide_special"),
      pool: model.get("pool"),
      ...(model.get("layers").length > 1 ? { layers: model.get("layers") } : {}),
    };
  }

  draw(): void {
    const { source, traces: number, selection: chosen } = this;
    const selection = this.peeked === null ? chosen : { ...chosen, heads: [this.peeked] };
    const { rows, cols } = source.positions(selection);
    const empty = rows.length === 0 || cols.length === 0;
    this.controls.draw(source, number, chosen.heads);
    const mode = this.frame.model.get("mode");
    this.frame.explain(HOW[mode], KEYS[mode]);
    this.empty.hidden = !empty;
    this.picture.draw({ source, number, selection }, empty);
    this.detail.show(source, number, this.selectedCell(chosen));
  }

  private peek(head: number | null): void {
    this.peeked = head !== null && head < this.layer.heads ? head : null;
    this.frame.redraw();
  }

  /** The selected cell, where one head is shown and its layer has that cell. */
  private selectedCell({ layer, heads, layers }: Selection): DetailCell | null {
    const { model } = this.frame;
    const [query, key] = [model.get("query"), model.get("key")];
    const { queries, keys } = this.layer;
    if (query === null || key === null || query >= queries || key >= keys || heads.length !== 1 || layers) return null;
    return { layer, head: heads[0]!, query, key };
  }

  // -- keys -----------------------------------------------------------------------------------------------

  private onKey(event: KeyboardEvent): void {
    if (event.target instanceof HTMLSelectElement) return;
    const inLines = event.target === this.picture.lines.element;
    runKey(event, { ...this.keys, ...(inLines ? this.keysOfLines : {}) });
  }

  private get keys(): KeyActions {
    const { frame } = this;
    const { model } = frame;
    return {
      "[": () => this.setLayer(model.get("layer") - 1),
      "]": () => this.setLayer(model.get("layer") + 1),
      ",": () => this.stepHead(-1),
      ".": () => this.stepHead(1),
      m: () => frame.set({ mode: model.get("mode") === "lines" ? "matrix" : "lines" }),
      Escape: () => frame.set({ query: null, key: null }),
    };
  }

  private get keysOfLines(): KeyActions {
    return {
      ArrowUp: () => this.moveToken(-1),
      ArrowDown: () => this.moveToken(1),
      ArrowLeft: () => this.changeSide("query"),
      ArrowRight: () => this.changeSide("key"),
    };
  }

  /** Before the first layer is the last one, and the other way around. */
  private setLayer(number: number): void {
    const layer = (number + this.layers.length) % this.layers.length;
    this.frame.set({ layer, layers: [], heads: headsOfLayer(this.frame.model.get("heads"), this.layers[layer]!) });
  }

  private stepHead(by: number): void {
    const count = this.layer.heads;
    this.frame.set({ heads: [(this.selection.heads[0]! + by + count) % count] });
  }

  private moveToken(by: number): void {
    const { lines, alone } = this.picture;
    const { axis, position } = alone ?? { axis: "query" as const, position: -1 };
    const positions = lines.positions(axis);
    const next = positions[Math.max(0, Math.min(positions.length - 1, positions.indexOf(position) + by))];
    if (next === undefined) return;
    this.picture.release();
    this.frame.set(selectedToken({ axis, position: next }));
    lines.reveal(axis, next);
  }

  private changeSide(axis: Axis): void {
    const position = this.picture.alone?.position ?? 0;
    this.picture.release();
    if (this.picture.lines.positions(axis).includes(position)) this.frame.set(selectedToken({ axis, position }));
  }

  figure(): SavedFigure {
    return this.picture.figure();
  }
}

export default view<AttentionState>("Attention", css, (frame) => {
  const attention = new AttentionView(frame);
  return { draw: () => attention.draw(), figure: () => attention.figure() };
});
