// PatchView's controls: layer and playback, heads, how much the map covers the image, class, panels.

import { methodTitle } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { checkbox, group, headChips, press, select, slider, toggleHead } from "../ui/controls";
import { h } from "../ui/dom";
import type { Frame } from "../ui/view";
import type { Playback } from "./playback";
import type { PatchesState } from "./state";

export class PatchesControls {
  /** Stands below the panels. */
  readonly shared: HTMLInputElement;
  private readonly layer: HTMLInputElement;
  private readonly layerNumber = h("span", { className: "count" });
  private readonly play: HTMLButtonElement;
  private readonly chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  private readonly blend: HTMLInputElement;
  private readonly target: HTMLSelectElement;
  private readonly panels: HTMLButtonElement[];

  constructor(
    private readonly frame: Frame<PatchesState>,
    private readonly playback: Playback,
    switchPanel: (name: string) => void,
  ) {
    const { model } = frame;
    const last = playback.layers.length - 1;
    this.layer = slider({ label: "Layer", max: last, step: 1 }, (place) => {
      playback.stop();
      playback.show(place);
    });
    this.play = h("button", { type: "button", className: "play", onclick: () => playback.toggle() });
    this.blend = slider({ label: "How much the map covers the image", max: 1, step: 0.05 }, (blend) => frame.set({ blend }));
    this.shared = checkbox((shared) => frame.set({ shared }));
    const labels = model.get("labels").map((name): [string, string] => [name, tokenLabel(name)]);
    this.target = select("Class that is explained", labels, (target) => frame.set({ target }));
    this.target.className = "class";
    this.panels = model.get("offered").map((name) =>
      h("button", { type: "button", className: "chip", value: name, onclick: () => switchPanel(name) }, methodTitle(name)));
    this.layOut();
  }

  private layOut(): void {
    const { model, bar } = this.frame;
    const layers = group("Layer", this.layer, this.layerNumber, this.play);
    layers.hidden = this.playback.layers.length < 2;
    const blend = group("Image", this.blend, h("span", { className: "name" }, "map"));
    blend.hidden = model.get("trace").patches!.image === null;
    const classes = group("Class", this.target);
    classes.hidden = model.get("labels").length < 2;
    const panels = group("Beside", h("span", { className: "chips" }, ...this.panels));
    panels.setAttribute("role", "group");
    panels.setAttribute("aria-label", "Panels");
    bar.append(layers, group("Heads", this.chips), blend, classes, panels);
  }

  draw(): void {
    const { model } = this.frame;
    const number = model.get("layer");
    this.layer.value = String(this.playback.place);
    this.layer.setAttribute("aria-valuetext", `layer ${number}`);
    this.layerNumber.textContent = String(number);
    this.drawPlay();
    this.blend.value = String(model.get("blend"));
    this.shared.checked = model.get("shared");
    this.target.value = model.get("target");
    for (const panel of this.panels) press(panel, model.get("panels").includes(panel.value));
    this.drawHeads(model.get("trace").layers[number]!.heads);
  }

  private drawPlay(): void {
    const { playing, stepwise } = this.playback;
    const [sign, label] = playing ? ["❚❚", "Pause"] : stepwise ? ["▸❘", "Next layer"] : ["▶", "Play the layers"];
    this.play.textContent = sign!;
    this.play.setAttribute("aria-label", label!);
    this.play.title = label!;
  }

  /** A button for the mean of all heads, and one for each head. */
  private drawHeads(count: number): void {
    const { model } = this.frame;
    if (this.chips.childElementCount !== count + 1)
      this.chips.replaceChildren(
        h("button", { type: "button", className: "chip", onclick: () => this.frame.set({ heads: [] }) }, "mean"),
        ...headChips(count, (head, adds) => this.frame.set({ heads: toggleHead(model.get("heads"), head, adds, 0) })),
      );
    const selected = model.get("heads").filter((head) => head < count);
    [...this.chips.children].forEach((chip, n) => press(chip, n === 0 ? selected.length === 0 : selected.includes(n - 1)));
  }
}
