// Labels along a matrix, and its legend.

import { describe, expect, test } from "vitest";
import { axisLabels, type AxisSide } from "../../src/drawing/axis_labels";
import { weightColours } from "../../src/drawing/colour";
import { legendSvg, legendTicks, paintLegend } from "../../src/drawing/legend";
import { recordingContext } from "../fake";

const many = (count: number) => ({ text: Array.from({ length: count }, (_, n) => `t${n}`), special: [0], segment: [] });

function side(more: Partial<AxisSide> = {}): AxisSide {
  const count = 40;
  return {
    tokens: many(count), positions: [...Array(count).keys()], start: 0, cell: 12, size: count * 12, marked: -1, room: 100, ...more,
  };
}

describe("labels of an axis", () => {
  test("are in the middle of their cells, one for each where there is room", () => {
    const labels = axisLabels(side());
    expect(labels.length).toBe(40);
    expect(labels[3]).toEqual({ offset: 42, text: "t3", special: false, marked: false });
    expect(labels[0]!.special).toBe(true);
  });

  test("are at equal steps where cells are small", () => {
    const labels = axisLabels(side({ cell: 3, size: 120 }));
    expect(labels.map(({ text }) => text)).toEqual(["t0", "t4", "t8", "t12", "t16", "t20", "t24", "t28", "t32", "t36"]);
  });

  test("are those in sight, at the same steps wherever it begins", () => {
    const labels = axisLabels(side({ cell: 3, size: 60, start: 5.5 }));
    expect(labels.map(({ text }) => text)).toEqual(["t8", "t12", "t16", "t20", "t24"]);
    expect(labels[0]!.offset).toBe(9);
  });

  test("always include the marked one, without neighbours that would touch it", () => {
    const labels = axisLabels(side({ cell: 3, size: 120, marked: 9 }));
    expect(labels.map(({ text }) => text)).toEqual(["t0", "t4", "t16", "t20", "t24", "t28", "t32", "t36", "t9"]);
    expect(labels.at(-1)).toMatchObject({ text: "t9", marked: true });
  });

  test("of hidden positions are those of the shown ones", () => {
    const labels = axisLabels(side({ positions: [5, 7, 9], size: 36 }));
    expect(labels.map(({ text }) => text)).toEqual(["t5", "t7", "t9"]);
  });

  test("are truncated to their room", () => {
    const tokens = { text: ["antidisestablishmentarianism"], special: [], segment: [] };
    const text = (room: number) => axisLabels(side({ tokens, positions: [0], size: 12, room }))[0]!.text;
    expect(text(1000)).toBe("antidisestabli…");
    expect(text(40)).toBe("anti…");
  });
});

describe("the legend", () => {
  const colours = (more: object = {}) => weightColours({ ramp: (share) => `c${share.toFixed(2)}`, log: false, threshold: 0, signed: false, ...more }, 0.8);

  test("names the ends and the middle", () => {
    expect(legendTicks(colours(), 161)).toEqual([{ y: 0, text: "0.8" }, { y: 80, text: "0.4" }, { y: 160, text: "0" }]);
  });

  test("of signed weights names both ends and zero", () => {
    expect(legendTicks(colours({ signed: true }), 161).map(({ y, text }) => [y, text])).toEqual([[0, "0.8"], [80, "0"], [160, "−0.8"]]);
  });

  test("of logarithms names powers of ten below the largest weight", () => {
    expect(legendTicks(colours({ log: true }), 161).map(({ text }) => text)).toEqual(["0.8", "0.1", "0.01", "0.001"]);
  });

  test("omits numbers that would touch", () => {
    expect(legendTicks(colours(), 20).map(({ text }) => text)).toEqual(["0.8", "0"]);
    expect(legendTicks(colours({ log: true }), 20).map(({ text }) => text)).toEqual(["0.8", "0.001"]);
  });

  const style = { ink: "ink", muted: "muted", name: "attention weight" };

  test("is painted from the strongest colour down, no longer than its room", () => {
    const { context, of } = recordingContext();
    paintLegend(context, colours(), 10, 20, 50, style);
    expect(of("fillRect").length).toBe(50);
    expect(of("fillRect")[0]).toMatchObject({ fill: "c1.00", values: [10, 20, 12, 1.5] });
    expect(of("fillRect").at(-1)!.fill).toBe("c0.00");
    expect(of("fillText").map(({ fill, values }) => [fill, ...values])[0]).toEqual(["ink", "0.8", 27, 20]);
    const long = recordingContext();
    paintLegend(long.context, colours(), 0, 0, 460, style);
    expect(long.of("fillRect").length).toBe(160);
    expect([of, long.of].map((calls) => calls("fillText").some(({ values }) => values[0] === style.name))).toEqual([false, true]);
  });

  test("is the same in SVG", () => {
    const svg = legendSvg(colours(), 10, 20, 64, style);
    expect(svg).not.toContain(style.name);
    expect(legendSvg(colours(), 10, 20, 160, style)).toContain(`>${style.name}</text>`);
    expect(svg.match(/<rect /g)!.length).toBe(32);
    expect(svg.indexOf("c1.00")).toBeLessThan(svg.indexOf("c0.00"));
    expect([...svg.matchAll(/>([\d.-]+)<\/text>/g)].map(([, text]) => text)).toEqual(["0.8", "0.4", "0"]);
  });
});
