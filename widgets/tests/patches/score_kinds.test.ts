// Kinds of scores, and the scales on which they are drawn.

import { describe, expect, it } from "vitest";
import { mapUpTo, scaledMaps, scaleOf, scoreText, strongestPatch, type PatchScores } from "../../src/patches/score_kinds";

describe("the scales", () => {
  const maps = new Map<string, PatchScores>([
    ["attention", { kind: "share", values: Float32Array.of(0.1, 0.4, 0, 0, 0, 0, 0, 0, 0, 0) }],
    ["rollout", { kind: "share", values: Float32Array.of(0.2, 0.1, 0, 0, 0, 0, 0, 0, 0, 0) }],
    ["relevance", { kind: "rank", values: Float32Array.of(1, 3) }],
    ["occlusion", { kind: "signed", values: Float32Array.of(-2, 1) }],
  ]);
  const close = (values: Float32Array, expected: number[]) => expected.forEach((value, n) => expect(values[n]).toBeCloseTo(value, 6));

  it("are one for each kind, or each map's own", () => {
    const together = scaledMaps(maps, true);
    close(together.maps.get("rollout")!.shares, [0.5, 0.25]);
    close(together.maps.get("relevance")!.shares, [1 / 3, 1]);
    close(together.maps.get("occlusion")!.shares, [-1, 0.5]);
    expect(together.shared.map(({ low, high }) => [low, high])).toEqual([["0", "0.4"], ["0", "75%"], ["−2", "+2"]]);
    const apart = scaledMaps(maps, false);
    close(apart.maps.get("rollout")!.shares, [1, 0.5]);
    expect([...apart.own].map(([name, { high }]) => `${name} ${high}`)).toEqual(["attention 0.4", "rollout 0.2", "relevance 75%", "occlusion +2"]);
    expect([together.own.size, apart.shared.length]).toEqual([0, 0]);
  });

  it("of attention end at twice uniform attention at least, so that even attention is not bright", () => {
    const even = new Map<string, PatchScores>([["rollout", { kind: "share", values: new Float32Array(10).fill(0.1) }]]);
    close(scaledMaps(even, false).maps.get("rollout")!.shares, [0.5]);
    expect(scaledMaps(even, false).own.get("rollout")!.high).toBe("0.2 (2 × uniform)");
    even.get("rollout")!.values.fill(0.01);
    expect(scaledMaps(even, false, 10).own.get("rollout")!.high).toBe("0.1 (2 × uniform)"); // ten tokens before the patches
  });

  it("have the colours of their kind, on the map and on the scale", () => {
    const { maps: drawn, shared } = scaledMaps(maps, true);
    expect([...drawn.values()].map(({ colours }) => colours)).toEqual(["heat", "heat", "unsigned", "signed"]);
    expect(shared.map(({ colours }) => colours)).toEqual(["heat", "unsigned", "signed"]);
  });

  it("name one patch's number in the unit of its kind", () => {
    expect([...maps.values()].map((scores) => scoreText(scores, 0))).toEqual(["0.1", "0.2", "25%", "−2"]);
    expect([...maps.values()].map(strongestPatch)).toEqual([1, 0, 1, 0]);
  });

  it("do not divide by nothing", () => {
    close(mapUpTo(Float32Array.of(0, 0), 0).shares, [0, 0]);
    expect(scaleOf("share", 0).high).toBe("0");
  });
});
