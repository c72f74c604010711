// AttentionView's controls: layer, heads, lines or matrix, and which tokens and weights are shown.

import { layerTitle } from "../drawing/titles";
import type { TraceHeader } from "../protocol/headers";
import type { TextPair, TraceSource } from "../protocol/trace_source";
import {
  button, checkbox, group, Options, options, press, segments, select, slider, toggleHead, zoomButtons, type Zoomable,
} from "../ui/controls";
import { h, range } from "../ui/dom";
import { guardField } from "../ui/keyboard";
import type { Frame } from "../ui/view";
import { numberRanges, rangeNumbers } from "./attention_model";
import { HeadPicker } from "./head_picker";
import type { AttentionState } from "./state";

const TEXT_PAIRS: [TextPair, string][] = [
  ["all", "both texts"], ["a-a", "A → A"], ["a-b", "A → B"], ["b-a", "B → A"], ["b-b", "B → B"],
];

const POOLINGS: [AttentionState["pool"], string][] = [["max", "largest"], ["mean", "mean"]];

/** Layers of fewer tokens are never pooled. */
const POOLED_SIZE = 256;

export interface AttentionActions {
  setLayer(number: number): void;
  matrix(): Zoomable;
  /** Shows a head while it is pointed at; null ends that. */
  peek(head: number | null): void;
}

export class AttentionControls {
  private readonly layer: HTMLSelectElement;
  readonly picker: HeadPicker;
  /** Typed ranges of layers over which heads are averaged. */
  private readonly layers: HTMLInputElement;
  private readonly mean: HTMLInputElement;
  private readonly meanLabel: HTMLElement;
  private readonly modes: HTMLButtonElement[];
  private readonly pair: HTMLSelectElement;
  private readonly special: HTMLInputElement;
  private readonly threshold: HTMLInputElement;
  private readonly thresholdValue = h("span", { className: "name" });
  private readonly log: HTMLInputElement;
  private readonly pool: HTMLSelectElement;
  /** Controls that are hidden where they do not apply. */
  private readonly pairGroup: HTMLElement;
  private readonly specialLabel: HTMLElement;
  private readonly poolGroup: HTMLElement;
  private readonly zoom: HTMLElement;
  private readonly layersLabel: HTMLElement;
  private readonly more: Options;
  private headCount = 0;

  constructor(private readonly frame: Frame<AttentionState>, actions: AttentionActions) {
    this.layer = select("Layer", [], (value) => actions.setLayer(Number(value)));
    this.layers = h("input", { type: "text", size: 6, placeholder: "e.g. 0-3", onchange: () => this.averageLayers() });
    guardField(this.layers, frame.root.host, frame.signal);
    this.picker = new HeadPicker({
      toggle: (head, adds) => frame.set({ heads: toggleHead(frame.model.get("heads"), head, adds, 1) }),
      pointed: (head) => actions.peek(head),
    });
    this.mean = checkbox((mean) => frame.set({ mean }));
    this.meanLabel = h("label", {}, this.mean, "mean");
    this.modes = (["lines", "matrix"] as const).map((mode) => button(mode, () => frame.set({ mode })));
    this.pair = select("Which texts", TEXT_PAIRS, (pair) => frame.set({ pair: pair as TextPair }));
    this.special = checkbox((hide_special) => frame.set({ hide_special }));
    this.threshold = slider({ label: "Smallest weight that is drawn", max: 0.5, step: 0.005 }, (threshold) => frame.set({ threshold }));
    this.log = checkbox((log) => frame.set({ log }));
    this.pool = select("What a cell of several weights shows", POOLINGS, (pool) => frame.set({ pool: pool as AttentionState["pool"] }));
    this.layersLabel = h("label", { title: "Each head averaged over several layers" }, h("span", { className: "name" }, "average over"), this.layers);
    this.pairGroup = group("Show", this.pair);
    this.specialLabel = h("label", {}, this.special, "hide special tokens");
    this.poolGroup = group("Cell", this.pool);
    this.zoom = zoomButtons(actions.matrix);
    this.more = new Options(
      this.layersLabel,
      this.specialLabel,
      h("label", {}, h("span", { className: "name" }, "hide below"), this.threshold, this.thresholdValue),
      h("label", {}, this.log, "log scale"),
      this.poolGroup,
    );
    this.layOut();
  }

  /** Averages each head over the typed layers; one layer or none is the chosen one alone. */
  private averageLayers(): void {
    const count = this.frame.model.get("trace").layers.length;
    const layers = rangeNumbers(this.layers.value, count);
    if (layers === null) this.frame.notify(`Layers to average: numbers from 0 to ${count - 1} and ranges, as 0-2, ${count - 1}.`);
    else this.frame.set({ layers: layers.length > 1 ? layers : [], ...(layers.length ? { layer: layers[0]! } : {}) });
  }

  private layOut(): void {
    const all = h("button", { type: "button", className: "quiet", onclick: () => this.frame.set({ heads: range(this.headCount) }) }, "all");
    this.frame.bar.append(
      group("Layer", this.layer),
      segments("Picture", this.modes),
      this.zoom,
      this.pairGroup,
      ...this.more.elements,
      group("Heads", all, this.picker.element),
      this.meanLabel,
    );
  }

  private get optionsInUse(): string[] {
    const { model } = this.frame;
    const [layers, threshold] = [model.get("layers"), model.get("threshold")];
    return [
      ...(layers.length > 1 ? [`mean of layers ${numberRanges(layers)}`] : []),
      ...(model.get("hide_special") ? ["no special tokens"] : []),
      ...(threshold > 0 ? [`from ${threshold.toFixed(3)}`] : []),
      ...(model.get("log") ? ["log scale"] : []),
      ...(model.get("pool") === "mean" ? ["mean of a cell's weights"] : []),
    ];
  }

  listLayers(trace: TraceHeader): void {
    this.layer.replaceChildren(...options(trace.layers.map((_, n) => [String(n), layerTitle(trace, n)])));
  }

  /** Shows the state; `heads` are those selected of the layer. */
  draw(source: TraceSource, trace: number, heads: number[]): void {
    const { model } = this.frame;
    const number = model.get("layer");
    const header = source.header.layers[number]!;
    const lines = model.get("mode") === "lines";
    this.layer.value = String(number);
    this.headCount = header.heads;
    this.layersLabel.hidden = source.header.layers.length < 2;
    this.layers.value = numberRanges(model.get("layers"));
    this.picker.draw(source, trace, number, heads, this.frame.dark);
    this.modes.forEach((mode) => press(mode, mode.textContent === model.get("mode")));
    this.mean.checked = model.get("mean");
    this.meanLabel.hidden = !lines || heads.length < 2; // a matrix is always of the mean
    this.pair.value = model.get("pair");
    const hasSegments = (["query", "key"] as const).some((axis) => source.tokens(number, axis).segment.length);
    this.pairGroup.hidden = !hasSegments && model.get("pair") === "all";
    this.special.checked = model.get("hide_special");
    this.specialLabel.hidden = source.tokens(number, "key").special.length === 0;
    this.threshold.value = String(model.get("threshold"));
    this.thresholdValue.textContent = model.get("threshold").toFixed(3);
    this.log.checked = model.get("log");
    this.pool.value = model.get("pool");
    this.more.draw(this.optionsInUse);
    this.zoom.hidden = lines;
    this.poolGroup.hidden = lines || Math.max(header.queries, header.keys) <= POOLED_SIZE;
  }
}
