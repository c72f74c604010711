// Kinds of scores, and the scales on which they are drawn.

import { describe, expect, it } from "vitest";
import { mapUpTo, scaledMaps, scaleOf, scoreText, strongestPatch, type PatchScores } from "../../src/patches/score_kinds";

describe("the scales", () => {
  const maps = new Map<string, PatchScores>([
    ["attention", { kind: "share", values: Float32Array.of(0.1, 0.4) }],
    ["rollout", { kind: "share", values: Float32Array.of(0.2, 0.1) }],
    ["relevance", { kind: "rank", values: Float32Array.of(1, 3) }],
    ["occlusion", { kind: "signed", values: Float32Array.of(-2, 1) }],
  ]);
  const close = (values: Float32Array, expected: number[]) => expected.forEach((value, n) => expect(values[n]).toBeCloseTo(value, 6));

  it("are one for each kind, or each map's own", () => {
    const together = scaledMaps(maps, true);
    close(together.maps.get("rollout")!.shares, [0.5, 0.25]);
    close(together.maps.get("relevance")!.shares, [1 / 3, 1]);
    close(together.maps.get("occlusion")!.shares, [-1, 0.5]);
    expect(together.scales.map(({ low, high }) => [low, high])).toEqual([["0", "0.4"], ["0", "75 %"], ["−2", "+2"]]);
    close(scaledMaps(maps, false).maps.get("rollout")!.shares, [1, 0.5]);
  });

  it("have the colours of their kind, on the map and on the scale", () => {
    const { maps: drawn, scales } = scaledMaps(maps, true);
    expect([...drawn.values()].map(({ colours }) => colours)).toEqual(["heat", "heat", "unsigned", "signed"]);
    expect(scales.map(({ colours }) => colours)).toEqual(["heat", "unsigned", "signed"]);
  });

  it("name one patch's number in the unit of its kind", () => {
    expect([...maps.values()].map((scores) => scoreText(scores, 0))).toEqual(["0.1", "0.2", "25 %", "−2"]);
    expect([...maps.values()].map(strongestPatch)).toEqual([1, 0, 1, 0]);
  });

  it("do not divide by nothing", () => {
    close(mapUpTo(Float32Array.of(0, 0), 0).shares, [0, 0]);
    expect(scaleOf("share", 0).high).toBe("0");
  });
});
