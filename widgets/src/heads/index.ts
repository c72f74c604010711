// HeadsView: every head of a trace as a thumbnail, in a grid of layers and heads or ranked by a statistic.

import { attentionRamp } from "../drawing/colour";
import { svgDocument } from "../drawing/svg";
import { listen } from "../protocol/widget_model";
import { toggleHead } from "../ui/controls";
import { view, type Frame } from "../ui/view";
import { HeadsControls } from "./controls";
import css from "./heads.css";
import { headPlaces, HeadStatistic, readThumbnails, squareSize, statisticRamp, type HeadPlace } from "./heads_model";
import { HeadsPicture, type HeadDrawing } from "./picture";
import type { HeadsState } from "./state";

const HOW = {
  query: "In a square queries run down and keys across; strong colours are large weights, each square on its own scale.",
  patch: "A square is the image: what the class token attends to; strong colours are large weights, each square on its own scale.",
};
const KEYS = "Click a head to select it, Shift adds one; arrow keys move.";

class HeadsView {
  private readonly controls: HeadsControls;
  private readonly picture: HeadsPicture;
  private thumbnails;
  private layout = "";
  private requested = false;

  constructor(private readonly frame: Frame<HeadsState>) {
    const { model, signal } = frame;
    this.controls = new HeadsControls(frame);
    this.picture = new HeadsPicture(frame.stage, {
      select: (place, adds) => this.select(place, adds),
      pointed: (place) => frame.say(place ? this.statistic.describe(place) : ""),
    });
    this.thumbnails = this.readThumbnails();
    listen(model, ["layer", "heads", "by", "sort", "stats"], frame.redraw, signal);
    listen(model, ["thumbnails"], () => {
      this.thumbnails = this.readThumbnails();
      this.layout = "";
      this.controls.listColumns();
      frame.redraw();
    }, signal);
  }

  private readThumbnails() {
    const { model } = this.frame;
    return readThumbnails(model.get("thumbnails"), model.get("sizes"));
  }

  private get places(): HeadPlace[] {
    return headPlaces(this.frame.model.get("sizes"));
  }

  private get statistic(): HeadStatistic {
    const { model } = this.frame;
    return new HeadStatistic(model.get("by"), model.get("stats"), this.places);
  }

  /** Selects a head; adds it to the selection where that is of the same layer. */
  private select({ layer, head }: HeadPlace, adds: boolean): void {
    const { model } = this.frame;
    const heads = toggleHead(model.get("heads"), head, adds && layer === model.get("layer"), 1);
    this.frame.set({ layer, heads });
  }

  draw(): void {
    const { model, dark, roles, width } = this.frame;
    this.frame.explain(`Rows are layers, columns heads. ${HOW[model.get("rows")]} ${KEYS}`);
    if (model.get("by") && !(model.get("by") in model.get("stats"))) this.requestStatistics();
    const [statistic, ramp] = [this.statistic, statisticRamp(attentionRamp(dark))];
    this.layOut(statistic, width);
    this.controls.draw(statistic, ramp);
    const drawings = this.places.map((place): HeadDrawing => ({
      place,
      colour: statistic.colour(place, ramp, dark, roles.neutral),
      selected: place.layer === model.get("layer") && model.get("heads").includes(place.head),
      label: statistic.describe(place),
    }));
    this.picture.draw(drawings, this.thumbnails, { layer: model.get("layer"), head: model.get("heads")[0] ?? 0 });
  }

  /** Lays the squares out where the order or the width changed. */
  private layOut(statistic: HeadStatistic, width: number): void {
    const { model } = this.frame;
    const ranked = model.get("sort") && statistic.extent !== null;
    const layout = JSON.stringify([ranked && model.get("by"), width]);
    if (layout === this.layout) return;
    this.layout = layout;
    const heads = this.headCounts;
    this.picture.layOut(heads, ranked ? statistic.ranking : null, squareSize(width, Math.max(...heads)));
  }

  private get headCounts(): number[] {
    return this.frame.model.get("sizes").map(([heads]) => heads);
  }

  private requestStatistics(): void {
    if (this.requested) return;
    const { frame } = this;
    this.requested = true;
    frame.notify("Computing the statistics of all heads …", "busy");
    frame.request("stats").then(
      () => frame.notify(""),
      (error: Error) => !frame.signal.aborted && frame.notify(error.message),
    ).finally(() => (this.requested = false));
  }

  svg(): string {
    const { roles } = this.frame;
    return svgDocument(this.picture.svg(this.headCounts, roles.text), roles.background);
  }
}

export default view<HeadsState>("Attention heads", css, (frame) => {
  const heads = new HeadsView(frame);
  return { draw: () => heads.draw(), picture: () => heads.svg() };
});
