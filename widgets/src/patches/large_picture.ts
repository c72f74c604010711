// PatchView's large picture: the attention of one position over the image, and the tokens before the patches.

import { formatNumber } from "../drawing/number_format";
import { Overlay, type ImageGround, type OverlayPaint } from "../drawing/overlay";
import { capitalized } from "../drawing/titles";
import { press } from "../ui/controls";
import { h, range } from "../ui/dom";
import { scaleElement } from "./figure_svg";
import type { PatchGrid } from "./patch_grid";
import { mapUpTo, scaleOf, strongest } from "./score_kinds";

export interface LargePictureEvents {
  /** A patch is pointed at; null where none. */
  pointed(patch: number | null): void;
  clicked(patch: number): void;
  /** A token before the patches was chosen; null for the mean over all positions. */
  chosen(position: number | null): void;
}

/** The attention of one position (null: the mean over all) to all positions. */
export interface AttentionRow {
  query: number | null;
  weights: Float32Array;
}

export class LargePicture {
  readonly element: HTMLElement;
  /** Takes the keys that move the patch. */
  readonly focusable: HTMLElement;
  private readonly overlay: Overlay;
  private readonly title = h("span", { className: "title" });
  private note = "";
  private readonly leading = h("div", { className: "leading", role: "group", "aria-label": "Tokens before the patches" });
  private readonly scale = h("div", { className: "scales" });

  constructor(
    private readonly grid: PatchGrid,
    ground: ImageGround,
    private readonly events: LargePictureEvents,
    signal: AbortSignal,
  ) {
    this.overlay = new Overlay(ground);
    const { element } = this.overlay;
    this.focusable = h(
      "div", { className: "asked", tabIndex: 0, role: "application", "aria-roledescription": "grid of patches" }, element,
    );
    this.element = h("figure", { className: "large" },
      this.title, this.focusable, this.leading, this.scale);
    element.addEventListener("pointermove", (event) => events.pointed(this.overlay.at(event)), { signal });
    element.addEventListener("pointerleave", () => events.pointed(null), { signal });
    element.addEventListener("click", (event) => {
      const patch = this.overlay.at(event);
      if (patch !== null) events.clicked(patch);
    }, { signal });
  }

  /** Shows a row of attention; `pointed` is the patch whose number is read. */
  draw({ query, weights }: AttentionRow, pointed: number | null, paint: OverlayPaint, note: string): void {
    const { grid } = this;
    const ofPatches = weights.subarray(grid.leading);
    const top = strongest(ofPatches, "share", grid.leading);
    this.overlay.show(mapUpTo(ofPatches, top), paint, { query: grid.patchAt(query), pointed });
    this.drawLeading(query, weights);
    this.scale.replaceChildren(scaleElement(paint, scaleOf("share", top, 1 / weights.length)));
    this.title.textContent = grid.titleOf(query);
    this.note = note;
    this.focusable.setAttribute("aria-label", `${this.title.textContent}, ${note}`);
  }

  /** Title and note in one line. */
  get heading(): string {
    return `${this.title.textContent} · ${this.note}`;
  }

  /** The tokens before the patches: the weights on them, and a way to see what they attend to. */
  private drawLeading(query: number | null, weights: Float32Array): void {
    const { leading } = this.grid;
    if (this.leading.childElementCount === 0) this.leading.append(...this.leadingButtons());
    const name = capitalized(this.grid.nameOf(query));
    ([...this.leading.children] as HTMLElement[]).forEach((chip, n) => {
      press(chip, leading ? query === n : query === null);
      const weight = leading ? formatNumber(weights[n]!) : "";
      chip.lastElementChild!.textContent = weight;
      if (leading) chip.title = `${name} attends to it with ${weight}; click to see its attention`;
    });
  }

  private leadingButtons(): HTMLElement[] {
    const button = (position: number | null, name: string) =>
      h("button", { type: "button", className: "chip", onclick: () => this.events.chosen(position) }, name, h("span", { className: "number" }));
    if (!this.grid.leading) return [button(null, "all positions")];
    return range(this.grid.leading).map((n) => button(n || null, this.grid.nameOf(n)));
  }
}
