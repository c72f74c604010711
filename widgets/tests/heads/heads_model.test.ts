// @vitest-environment jsdom
// From HeadsView's state to what is drawn.
import { headColour } from "../../src/drawing/palette";

import { describe, expect, test } from "vitest";

import { svgInset } from "../../src/drawing/svg";
import { statisticTitle } from "../../src/drawing/titles";
import {
  cellNumber, headPlaces, HeadStatistic, nextHead, readThumbnails, squareSize, statisticRamp, thumbnailOpacity,
} from "../../src/heads/heads_model";
import { headsSvg } from "../../src/heads/picture";
import { halves } from "../fake";

const SIZES: [number, number, number][] = [[2, 1, 2], [1, 2, 1]];
const PLACES = headPlaces(SIZES);
const STATS = { entropy: [[0.5, 1.5], [null]], max_weight: [[0.25, 0.25], [0.25]] };
const statistic = (name: string) => new HeadStatistic(name, STATS, PLACES);

describe("thumbnails", () => {
  const thumbnails = readThumbnails(halves(0.5, 0.25, 0, 1, 0.125, 2), SIZES);

  test("are read layer by layer", () => {
    expect(thumbnails.map(({ heads, rows, cols, values }) => [heads, rows, cols, ...values])).toEqual([
      [2, 1, 2, 0.5, 0.25, 0, 1],
      [1, 2, 1, 0.125, 2],
    ]);
  });

  test("are as opaque as the root of the share of the head's largest weight", () => {
    expect([...thumbnailOpacity(thumbnails[0]!, 0)]).toEqual([1, expect.closeTo(Math.SQRT1_2, 6)]);
    expect([...thumbnailOpacity(thumbnails[0]!, 1)]).toEqual([0, 1]);
    expect([...thumbnailOpacity(thumbnails[1]!, 0)]).toEqual([0.25, 1]);
  });

  test("of a head without weights are empty", () => {
    const [empty] = readThumbnails(halves(0, 0), [[1, 1, 2]]);
    expect([...thumbnailOpacity(empty!, 0)]).toEqual([0, 0]);
  });
});

describe("a statistic", () => {
  test("has the values of the heads, and none where there is none", () => {
    expect(PLACES.map((place) => statistic("entropy").of(place))).toEqual([0.5, 1.5, null]);
    expect(PLACES.map((place) => statistic("missing").of(place))).toEqual([null, null, null]);
  });

  test("has an extent over all heads", () => {
    expect(statistic("entropy").extent).toEqual({ low: 0.5, high: 1.5 });
    expect([statistic("").extent, statistic("missing").extent]).toEqual([null, null]);
  });

  test("ranks the heads, those without a value last", () => {
    expect(statistic("entropy").ranking).toEqual([{ layer: 0, head: 1 }, { layer: 0, head: 0 }, { layer: 1, head: 0 }]);
    expect(PLACES[0]).toEqual({ layer: 0, head: 0 });
  });

  test("colours the heads from its smallest to its largest value", () => {
    const colour = (name: string, n: number) => statistic(name).colour(PLACES[n]!, (share) => `ramp ${share}`, false, "neutral");
    expect([0, 1, 2].map((n) => colour("entropy", n))).toEqual(["ramp 0", "ramp 1", "neutral"]);
    expect(colour("max_weight", 0)).toBe("ramp 1"); // all the same
    expect(colour("", 1)).toBe(headColour(1, false));
  });

  test("has numbers in its cells with decimals as the scale needs them", () => {
    const number = (value: number, low: number, high: number) => cellNumber(value, { low, high });
    expect([number(0.256, 0, 1), number(-0.5, -1, 1), number(1.5, 0, 9), number(12.34, 0, 99), number(123.4, 0, 500)]).toEqual([".26", "−.50", "1.50", "12.3", "123"]);
    expect([number(0.05, 0, 0.05), number(0.0012, 0, 0.002), number(2e-5, 0, 9e-5)]).toEqual([".050", ".0012", "2e-5"]);
    expect([number(-0.001, -1, 1), number(0, 0, 0), number(0, 0, 1e-5)]).toEqual([".00", ".00", "0"]);
  });

  test("names the heads at its ends", () => {
    expect(statistic("entropy").describeEnds(["encoder", "cross"])).toBe("highest in encoder layer 0, head 1 (1.5), lowest in encoder layer 0, head 0 (0.5)");
    expect(statistic("missing").describeEnds([])).toBe("");
    expect(statistic("max_weight").describeEnds([])).toBe(""); // all are the same
    const tied = new HeadStatistic("tied", { tied: [[1, 1], [0]] }, PLACES);
    expect(tied.describeEnds([])).toBe("highest in layer 0, head 0 and 1 more (1), lowest in layer 1, head 0 (0)");
  });

  test("begins away from the background", () => {
    const ramp = statisticRamp((share) => share.toFixed(2));
    expect([ramp(0), ramp(1)]).toEqual(["0.15", "1.00"]);
  });

  test("is part of what is said of a head", () => {
    expect(PLACES.map((place) => statistic("max_weight").describe(place))[0]).toBe("layer 0, head 0: max weight 0.25");
    expect(statistic("entropy").describe(PLACES[2]!)).toBe("layer 1, head 0");
    expect(statisticTitle("max_weight")).toBe("max weight");
  });
});

describe("the grid", () => {
  test("has squares that fit into the width, within limits", () => {
    expect([squareSize(640, 12, 6, 16), squareSize(100, 12, 6, 16), squareSize(5000, 2, 12, 16)].map(({ size }) => size)).toEqual([43, 16, 56]);
    expect([squareSize(5000, 2, 4, 16), squareSize(5000, 2, 8, 16)].map(({ size }) => size)).toEqual([96, 70]); // few layers have room
    expect([squareSize(640, 12, 6, 16), squareSize(940, 64, 48, 8)].map(({ gap }) => gap)).toEqual([4, 1]); // many cells touch
  });

  test("has the scale of its statistic in a saved picture", () => {
    const scale = { low: 0.5, high: 2, unit: "entropy", ramp: (share: number) => `ramp ${share.toFixed(1)}` };
    const { body } = headsSvg([1], "ink", scale, () => ({ url: undefined, value: ".50", colour: "white", selected: false }));
    expect(body).toContain(">0.5</text>");
    expect(body).toContain(">2 entropy</text>");
    expect([body.includes("ramp 0.0"), body.includes("ramp 1.0")]).toEqual([true, true]);
  });

  test("is moved through by arrows, by row and column", () => {
    const from = { layer: 1, head: 2 };
    const next = (key: string) => nextHead(key, from, null);
    expect(next("ArrowUp")).toEqual({ layer: 0, head: 2 });
    expect(next("ArrowDown")).toEqual({ layer: 2, head: 2 });
    expect(next("ArrowLeft")).toEqual({ layer: 1, head: 1 });
    expect(next("ArrowRight")).toEqual({ layer: 1, head: 3 });
    expect(next("Enter")).toBe(null);
  });

  test("is moved through in the order of a ranking", () => {
    const { ranking } = statistic("entropy");
    const next = (key: string, n: number) => nextHead(key, ranking[n]!, ranking);
    expect(next("ArrowRight", 0)).toEqual(ranking[1]);
    expect(next("ArrowDown", 1)).toEqual(ranking[2]);
    expect(next("ArrowLeft", 0)).toBe(null);
    expect(next("ArrowRight", 2)).toBe(null);
  });

  test("is an SVG with a picture for each head, and numbers along the sides", () => {
    const svg = svgInset(headsSvg([2, 1], "ink", null, ({ layer, head }) => ({
      url: layer === 1 ? undefined : `data:${head}`, value: layer === 1 ? ".25" : null, colour: "white", selected: head === 1,
    })), 0, 0);
    const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(parsed.querySelector("parsererror")).toBe(null);
    expect([...parsed.querySelectorAll("image")].map((image) => image.getAttribute("href"))).toEqual(["data:0", "data:1"]);
    expect([...parsed.querySelectorAll("text")].map((text) => text.textContent)).toEqual(["layer", "head", "0", "1", "0", "1", ".25"]);
    expect([...parsed.querySelectorAll("rect[stroke=ink]")].map((box) => box.getAttribute("stroke-width"))).toEqual(["1", "2.5", "1"]);
    expect(["width", "height"].map((name) => parsed.documentElement.getAttribute(name))).toEqual(["168", "168"]);
  });
});
