// The layers one after another, as a film.

import type { PatchesState } from "./state";
import type { Frame } from "../ui/view";

/** Milliseconds that a layer is shown. */
const PACE = 750;

const REDUCED_MOTION = "(prefers-reduced-motion: reduce)";

export class Playback {
  playing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `layers` are those that are shown, in order. */
  constructor(private readonly frame: Frame<PatchesState>, readonly layers: number[], signal: AbortSignal) {
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  /** Whether the system asks for reduced motion: then each press shows the next layer. */
  get stepwise(): boolean {
    return globalThis.matchMedia?.(REDUCED_MOTION).matches ?? false;
  }

  /** The place of the shown layer among the layers. */
  get place(): number {
    return this.layers.indexOf(this.frame.model.get("layer"));
  }

  /** Shows the layer at a place; after the last one follows the first. */
  show(place: number): void {
    this.frame.set({ layer: this.layers[(place + this.layers.length) % this.layers.length]! });
  }

  /** Plays, pauses, or shows the next layer. */
  toggle(): void {
    if (this.layers.length < 2) return;
    if (this.playing) this.halt();
    else {
      this.playing = !this.stepwise;
      this.show(this.place + 1);
    }
    this.frame.redraw();
  }

  /** Stops without drawing. */
  halt(): void {
    this.playing = false;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  stop(): void {
    this.halt();
    this.frame.redraw();
  }

  /** Stops, and shows the layer before or after this one. */
  step(by: number): void {
    this.stop();
    this.show(this.place + by);
  }

  /** Shows the next layer some time after this one was drawn; ends at the last one. */
  continue(): void {
    if (!this.playing || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.place === this.layers.length - 1) this.stop();
      else this.show(this.place + 1);
    }, PACE);
  }
}
