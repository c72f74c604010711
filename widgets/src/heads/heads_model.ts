// From HeadsView's state to what is drawn: thumbnails, statistics, colours, order.

import { intensityScale, type Ramp } from "../drawing/colour";
import { headColour } from "../drawing/palette";
import { formatNumber, formatTick } from "../drawing/number_format";
import { placeTitle, statisticTitle, type HeadPlace } from "../drawing/titles";
import { readHalves } from "../protocol/float16";
import { range } from "../ui/dom";
import type { HeadsState } from "./state";

/** The pictures of one layer's heads, [head * row * col]. */
export interface LayerThumbnails {
  heads: number;
  rows: number;
  cols: number;
  values: Float32Array;
}

/** Pixels that labels of layers take, and of a square and its gap below which squares touch. */
export const LAYER_LABEL = 76;
const ROOMY = 24;
/** Pixels of a square at most: of many layers, of few, and of all layers together. */
const [USUAL, LARGEST, TALL] = [56, 96, 560];
/** A statistic has one scale over all heads; this is how far its weakest colour is from the background. */
const FAINTEST = 0.15;

export function readThumbnails(bytes: DataView, sizes: HeadsState["sizes"]): LayerThumbnails[] {
  let start = 0;
  return sizes.map(([heads, rows, cols]) => {
    const count = heads * rows * cols;
    const values = readHalves(bytes, start, count);
    start += 2 * count;
    return { heads, rows, cols, values };
  });
}

/** The opacity of each pixel of a head's picture, 0 to 1: the square root keeps weak attention visible. */
export function thumbnailOpacity({ rows, cols, values }: LayerThumbnails, head: number): Float32Array {
  const picture = values.subarray(head * rows * cols, (head + 1) * rows * cols);
  const share = intensityScale(picture.reduce((a, b) => Math.max(a, b), 0), false);
  return picture.map((weight) => Math.sqrt(share(weight)));
}

/** All heads, layer by layer. */
export function headPlaces(sizes: HeadsState["sizes"]): HeadPlace[] {
  return sizes.flatMap(([heads], layer) => range(heads).map((head) => ({ layer, head })));
}

/** What stands for a number in a small square: of the head with the largest value, and of that with the smallest. */
const END_MARKS = ["▲", "▼"];

/** A column of the statistics over the heads: their values, order and colours. */
export class HeadStatistic {
  /** The smallest and the largest value; null where no head has one. */
  readonly extent: { low: number; high: number } | null;

  constructor(
    private readonly name: string,
    private readonly stats: HeadsState["stats"],
    private readonly places: HeadPlace[],
  ) {
    const values = places.map((place) => this.of(place)).filter((value): value is number => value !== null);
    this.extent = values.length ? { low: Math.min(...values), high: Math.max(...values) } : null;
  }

  /** The value of a head; null where there is none. */
  of({ layer, head }: HeadPlace): number | null {
    return this.stats[this.name]?.[layer]?.[head] ?? null;
  }

  /** The heads, largest value first, those without a value last. */
  get ranking(): HeadPlace[] {
    return [...this.places].sort((a, b) => (this.of(b) ?? -Infinity) - (this.of(a) ?? -Infinity));
  }

  /** The colour of a head: of its value, or its own where no statistic is chosen. */
  colour(place: HeadPlace, ramp: Ramp, dark: boolean, neutral: string): string {
    if (this.name === "") return headColour(place.head, dark);
    const { extent } = this;
    const value = this.of(place);
    if (value === null || !extent) return neutral;
    const { low, high } = extent;
    return ramp(high > low ? (value - low) / (high - low) : 1);
  }

  /** A head in words; `stacks` adds whether its layer is an encoder's, a decoder's or attends across. */
  describe(place: HeadPlace, stacks: string[] = []): string {
    const value = this.of(place);
    const text = value === null ? "" : `: ${statisticTitle(this.name)} ${formatNumber(value)}`;
    return `${placeTitle(place, stacks)}${text}`;
  }

  /** The first heads with the largest and the smallest value; null where all have the same. */
  get ends(): [highest: HeadPlace, lowest: HeadPlace] | null {
    const { extent } = this;
    if (!extent || extent.low === extent.high) return null;
    const first = (value: number) => this.places.find((place) => this.of(place) === value)!;
    return [first(extent.high), first(extent.low)];
  }

  /** In words, how many heads have the same value besides one. */
  private others(place: HeadPlace): string {
    const count = this.places.filter((other) => this.of(other) === this.of(place)).length - 1;
    return count > 0 ? ` and ${count} more` : "";
  }

  /** The heads at the ends in words, after their marks where the squares have no numbers; "" where there are none. */
  describeEnds(stacks: string[], isMarked = false): string {
    const named = this.ends?.map((place) => `${placeTitle(place, stacks)}${this.others(place)} (${formatTick(this.of(place)!)})`);
    const [up, down] = isMarked ? END_MARKS.map((mark) => `${mark} `) : ["", ""];
    return named ? `${up}highest in ${named[0]}, ${down}lowest in ${named[1]}` : "";
  }
}

/** The mark of a head that is one of the ends; "" for others. */
export function endMark(ends: HeadPlace[] | null, { layer, head }: HeadPlace): string {
  return END_MARKS[ends?.findIndex((end) => end.layer === layer && end.head === head) ?? -1] ?? "";
}

/** What a head is like at the low and at the high end of a statistic that is not read from its name. */
const ENDS: Record<string, [low: string, high: string]> = {
  entropy: ["focused", "spread"],
  perplexity: ["focused", "spread"],
  loss_change: ["hurts", "helps"],
  accuracy_change: ["helps", "hurts"],
};

/** Units of statistics that are no shares. */
const UNITS: Record<string, string> = { entropy: "nats" };

/** A statistic with its unit. */
export function statisticWithUnit(name: string): string {
  return [statisticTitle(name), UNITS[name] && `in ${UNITS[name]}`].filter(Boolean).join(" ");
}

/** The ends of a statistic's scale, in numbers and, where it has them, words. */
export function scaleEnds(name: string, { low, high }: { low: number; high: number }): [low: string, high: string] {
  const [lowWord, highWord] = ENDS[name] ?? ["", ""];
  return [[formatTick(low), lowWord].filter(Boolean).join(" "), [formatTick(high), highWord].filter(Boolean).join(" ")];
}

/** A ramp that begins far enough from the background. */
export function statisticRamp(ramp: Ramp): Ramp {
  return (share) => ramp(FAINTEST + (1 - FAINTEST) * share);
}

/** A value in few letters, with decimals as its scale needs them. */
export function cellNumber(value: number, { low, high }: { low: number; high: number }): string {
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (most > 0 && most < 1e-3) return value === 0 ? "0" : value.toExponential(0);
  const decimals = most >= 100 ? 0 : most >= 10 ? 1 : most >= 0.1 || most === 0 ? 2 : 1 - Math.floor(Math.log10(most));
  return value.toFixed(decimals).replace(/^-(?=[0.]+$)/, "").replace(/^(-?)0\./, "$1.").replace("-", "−");
}

/** Pixels of a head's square and of the gap beside it, so that a layer fits into the width as far as squares of `least` pixels allow; few layers have larger ones. */
export function squareSize(width: number, mostHeads: number, layers: number, least: number): { size: number; gap: number } {
  const pitch = Math.floor((width - LAYER_LABEL) / mostHeads);
  const gap = pitch < ROOMY ? 1 : 4;
  return { size: Math.max(least, Math.min(Math.max(USUAL, Math.min(LARGEST, Math.floor(TALL / layers))), pitch - gap)), gap };
}

/** The head that an arrow key leads to; null for other keys. */
export function nextHead(key: string, { layer, head }: HeadPlace, ranking: HeadPlace[] | null): HeadPlace | null {
  const steps: Record<string, [down: number, across: number]> = {
    ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
  };
  const step = steps[key];
  if (!step) return null;
  if (!ranking) return { layer: layer + step[0], head: head + step[1] };
  const at = ranking.findIndex((place) => place.layer === layer && place.head === head);
  return ranking[at + step[0] + step[1]] ?? null;
}
