// HeadsView: every head of a trace as a thumbnail, in a grid of layers and heads or ranked by a statistic.

import { attentionRamp } from "../drawing/colour";
import { formatNumber } from "../drawing/number_format";
import type { SavedFigure } from "../drawing/svg";
import { capitalized, placeTitle, statisticTitle, type HeadPlace } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { listen } from "../protocol/widget_model";
import { toggleHead } from "../ui/controls";
import { h } from "../ui/dom";
import { view, type Frame } from "../ui/view";
import { HeadsControls } from "./controls";
import css from "./heads.css";
import { cellNumber, endMark, headPlaces, HeadStatistic, readThumbnails, squareSize, statisticRamp } from "./heads_model";
import { HeadsPicture, type HeadDrawing } from "./picture";
import type { HeadsState } from "./state";

const HOW = {
  query: "In a square queries run down and keys across; strong colours are large weights, each square on its own scale. Hues tell heads apart.",
  patch: "A square is the image: what the class token attends to; strong colours are large weights, each square on its own scale. Hues tell heads apart.",
};
/** Pixels of a square at least. */
const [SMALLEST_VALUE, SMALLEST_PATTERN] = [8, 16];
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
    const place = h("div");
    frame.stage.append(place);
    this.picture = new HeadsPicture(place, {
      select: (place, adds) => this.select(place, adds),
      pointed: (place) => frame.say(place ? this.statistic.describe(place, model.get("stacks")) : ""),
    });
    this.thumbnails = this.readThumbnails();
    listen(model, ["layer", "heads", "by", "cells", "sort", "stats"], frame.redraw, signal);
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
    const by = model.get("by");
    this.frame.explain(by ? `${capitalized(statisticTitle(by))}: ${model.get("meanings")[by]}.` : HOW[model.get("rows")], KEYS);
    if (by && !(by in model.get("stats"))) this.requestStatistics();
    const [statistic, ramp] = [this.statistic, statisticRamp(attentionRamp(dark))];
    this.layOut(statistic, width);
    this.controls.draw(statistic, ramp);
    this.drawHeadline(statistic);
    const { ends } = statistic;
    const drawings = this.places.map((place): HeadDrawing => {
      const value = statistic.of(place);
      return {
        place,
        colour: statistic.colour(place, ramp, dark, roles.neutral),
        selected: place.layer === model.get("layer") && model.get("heads").includes(place.head),
        label: statistic.describe(place, model.get("stacks")),
        value: this.valued ? (value === null ? "" : cellNumber(value, statistic.extent!)) : null,
        mark: endMark(ends, place),
      };
    });
    this.picture.draw(drawings, this.thumbnails, { layer: model.get("layer"), head: model.get("heads")[0] ?? 0 });
  }

  /** Whether squares show the value of a statistic and not a pattern. */
  private get valued(): boolean {
    const { model } = this.frame;
    return model.get("by") in model.get("stats") && model.get("cells") === "value";
  }

  private drawHeadline(statistic: HeadStatistic): void {
    const { model } = this.frame;
    const by = model.get("by");
    const strongest = model.get("strongest");
    const [name = "", said = ""] = by
      ? [statisticTitle(by), [statistic.describeEnds(model.get("stacks"), this.valued && !this.picture.hasNumbers), this.selectedInWords(statistic)].filter(Boolean).join("; ")]
      : strongest
        ? [placeTitle(strongest, model.get("stacks")), strongestInWords(strongest)]
        : [];
    this.frame.title(said === "" ? "" : name, said);
  }

  /** The outlined head with its value; "" for several. */
  private selectedInWords(statistic: HeadStatistic): string {
    const { model } = this.frame;
    const [head, ...others] = model.get("heads");
    const value = head === undefined || others.length ? null : statistic.of({ layer: model.get("layer"), head });
    return value === null ? "" : `outlined: ${placeTitle({ layer: model.get("layer"), head: head! }, model.get("stacks"))} (${formatNumber(value)})`;
  }

  /** Lays the squares out where the order or the width changed. */
  private layOut(statistic: HeadStatistic, width: number): void {
    const { model } = this.frame;
    const ranked = model.get("sort") && statistic.extent !== null;
    const layout = JSON.stringify([ranked && model.get("by"), width, this.valued, model.get("stacks")]);
    if (layout === this.layout) return;
    this.layout = layout;
    const heads = this.headCounts;
    const square = squareSize(width, Math.max(...heads), heads.length, this.valued ? SMALLEST_VALUE : SMALLEST_PATTERN);
    this.picture.layOut(heads, ranked ? statistic.ranking : null, square, model.get("stacks"));
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

  figure(): SavedFigure {
    const { model, roles, dark } = this.frame;
    const by = model.get("by");
    const { extent } = this.statistic;
    const selected = model.get("heads").map((head) => placeTitle({ layer: model.get("layer"), head }, model.get("stacks")));
    return {
      picture: this.picture.svg(this.headCounts, roles.text, extent && { ...extent, ramp: statisticRamp(attentionRamp(dark)), unit: statisticTitle(by) }),
      title: by ? [capitalized(statisticTitle(by)), this.statistic.describeEnds(model.get("stacks"))].filter(Boolean).join(": ") : "The attention of every head",
      subtitle: [model.get("about"), selected.length ? `selected: ${selected.join(", ")}` : ""].filter(Boolean).join("   "),
      caption: by ? `${capitalized(statisticTitle(by))}: ${model.get("meanings")[by]}.` : HOW[model.get("rows")],
      file: ["heads", by || "patterns"].join("-"),
    };
  }
}

/** What sets the strongest head apart. */
function strongestInWords({ query, key, weight }: { query: string; key: string; weight: number }): string {
  const ofImage = /^patch \(\d+, \d+\)$/.test(key); // a text's token has no spaces
  const on = ofImage ? "one patch" : "one ordinary token";
  return `of all heads the one whose “${tokenLabel(query)}” puts most weight on ${on}, ${formatNumber(weight)} on ${ofImage ? key : `“${tokenLabel(key)}”`}`;
}

export default view<HeadsState>("Attention heads", css, (frame) => {
  const heads = new HeadsView(frame);
  return { draw: () => heads.draw(), figure: () => heads.figure() };
});
