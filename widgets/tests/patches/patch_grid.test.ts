// @vitest-environment jsdom
// The grid of an image's patches, its words, playback, requested maps, and the saved figure.

import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { OverlayPaint } from "../../src/drawing/overlay";
import { rolesOf } from "../../src/drawing/palette";
import { capitalized } from "../../src/drawing/titles";
import type { LayerHeader } from "../../src/protocol/headers";
import { svgInset } from "../../src/drawing/svg";
import { figureSvg, scaleElement, type PatchesFigure } from "../../src/patches/figure_svg";
import { MapScores } from "../../src/patches/map_scores";
import { headsOrAll, headsText, PatchGrid, steppedHeads } from "../../src/patches/patch_grid";
import { methodTitle } from "../../src/drawing/titles";
import { Playback } from "../../src/patches/playback";
import { HOSTILE, layerOf, singles, stubBrowser, traceOf } from "../fake";

beforeAll(stubBrowser);

const { header } = layerOf("causal");
const labels = { text: ["[CLS]", ...Array(6).fill("p")], special: [0], segment: [] };

function grid(layers: Partial<LayerHeader>[] = [{}], leading = 1): PatchGrid {
  return new PatchGrid(traceOf(layers.map((layer) => ({ ...header, ...layer })), {
    tokens: { input: labels, output: { text: [], special: [], segment: [] } },
    patches: { rows: 2, cols: 3, leading, image: "data:," },
  }));
}

describe("a grid of patches", () => {
  test("knows positions from patches", () => {
    expect([null, 0, 1, 6].map((position) => grid().patchAt(position))).toEqual([null, null, 0, 5]);
    expect([0, 5].map((patch) => grid([{}], 0).patchAt(patch))).toEqual([0, 5]);
    expect(grid().patches).toBe(6);
    expect(grid().ground([20, 30])).toEqual({ rows: 2, cols: 3, width: 30, height: 20, image: "data:," });
  });

  test("names positions by row and column, tokens by their text", () => {
    expect([null, 0, 1, 6].map((position) => grid().nameOf(position))).toEqual(["all positions", "[CLS]", "patch (0, 0)", "patch (1, 2)"]);
    expect([grid().titleOf(null), grid().titleOf(4)]).toEqual(["What each patch receives", "Attention of patch (1, 0)"]);
  });

  test("has neighbours within its edges, and begins in the middle", () => {
    expect(grid().neighbour(null, 1, 1)).toBe(1);
    expect([grid().neighbour(1, 0, 1), grid().neighbour(1, 1, 0), grid().neighbour(1, -1, 0), grid().neighbour(2, 0, 1)]).toEqual([2, 4, 1, 2]);
  });

  test("shows the layers over its positions, and says which are omitted", () => {
    const input = { query: "input", key: "input" };
    expect(grid([input, { query: "windows" }, input]).layers).toEqual([0, 2]);
    expect(grid([input]).omission).toBe("");
    expect(grid([input, { key: "pooled" }]).omission).toBe("Layer 1 is left out: its positions are not the patches. ");
    expect(grid([{ key: "a" }, { key: "b" }]).omission).toBe("Layers 0, 1 are left out: their positions are not the patches. ");
  });

  test("names what a position attends to, strongest first", () => {
    const row = Float32Array.of(0.1, 0.05, 0.5, 0, 0.2, 0.1, 0.05);
    expect(grid().describeRow(2, row)).toBe("Patch (0, 1) attends to itself 0.5, patch (1, 0) 0.2, [CLS] 0.1");
    expect(grid().describeRow(null, row)).toBe("Most is received by patch (0, 1) 0.5, patch (1, 0) 0.2, [CLS] 0.1");
  });

  test("says what a patch gets", () => {
    const row = Float32Array.of(0.1, 0.05, 0.5, 0, 0.2, 0.1, 0.05);
    expect(grid().describePatch(0, 1, row)).toBe("Patch (0, 1) gets from [CLS] 0.5");
    expect(grid().describePatch(2, 1, row)).toBe("Patch (0, 1) gets from itself 0.5");
    expect(grid().describePatch(null, 3, row)).toBe("Patch (1, 0) receives 0.2");
  });
});

describe("heads", () => {
  test("are all where none is selected", () => {
    expect([headsOrAll([], 3), headsOrAll([1, 7], 3), headsOrAll([7], 3)]).toEqual([[0, 1, 2], [1], [0, 1, 2]]);
  });

  test("are named", () => {
    expect([headsText([0], 1), headsText([2], 4), headsText([0, 1], 2), headsText([0, 2], 4)]).toEqual([
      "its only head", "head 2", "mean of 2 heads", "mean of heads 0, 2",
    ]);
  });

  test("are stepped through by way of their mean", () => {
    const forth = [[], [0], [1], [2]].map((heads) => steppedHeads(heads, 1, 3));
    expect(forth).toEqual([[0], [1], [2], []]);
    expect([[], [0], [2]].map((heads) => steppedHeads(heads, -1, 3))).toEqual([[2], [], [1]]);
  });
});

describe("words", () => {
  test("of panels are readable", () => {
    expect([methodTitle("gradient_x_input"), methodTitle("integrated_gradients")]).toEqual(["gradient × input", "integrated gradients"]);
    expect([capitalized("patch"), capitalized("")]).toEqual(["Patch", ""]);
  });
});

/** A frame as far as parts of the view need one. */
function fakeFrame(state: Record<string, unknown>) {
  return {
    model: { get: (name: string) => state[name] },
    set: vi.fn((values: object) => void Object.assign(state, values)),
    redraw: vi.fn(),
    request: vi.fn(() => Promise.resolve({ buffers: [] } as any)),
  };
}

describe("playback", () => {
  let ending: AbortController;
  beforeEach(() => {
    vi.useFakeTimers();
    ending = new AbortController();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    stubBrowser();
  });

  function playback(layer: number, layers = [0, 2, 5]) {
    const state = { layer };
    const frame = fakeFrame(state);
    return { state, frame, play: new Playback(frame as any, layers, ending.signal) };
  }

  test("goes around through the layers that are shown", () => {
    const { state, play } = playback(2);
    const seen = [1, 1, -1].map((by) => (play.step(by), state.layer));
    expect(seen).toEqual([5, 0, 5]);
  });

  test("shows the next layer a while after one was drawn, to the last one", async () => {
    const { state, play } = playback(0);
    play.toggle();
    expect([play.playing, state.layer]).toEqual([true, 2]);
    play.continue();
    play.continue();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(749);
    expect(state.layer).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(state.layer).toBe(5);
    play.continue();
    await vi.advanceTimersByTimeAsync(750);
    expect([play.playing, state.layer]).toEqual([false, 5]);
  });

  test("pauses, and does not go on by itself", async () => {
    const { state, play } = playback(0);
    play.toggle();
    play.continue();
    play.toggle();
    expect(play.playing).toBe(false);
    play.continue();
    await vi.advanceTimersByTimeAsync(2000);
    expect(state.layer).toBe(2);
  });

  test("is a step at a time where nothing may move", () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    const { state, play } = playback(0);
    play.toggle();
    expect([play.stepwise, play.playing, state.layer]).toEqual([true, false, 2]);
  });

  test("of one layer does nothing", () => {
    const { frame, play } = playback(0, [0]);
    play.toggle();
    expect(frame.set).not.toHaveBeenCalled();
  });

  test("ends with the view", async () => {
    const { state, play } = playback(0);
    play.toggle();
    play.continue();
    ending.abort();
    await vi.advanceTimersByTimeAsync(2000);
    expect(state.layer).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the scores of a panel", () => {
  const told = { kind: "rank" as const, how: "", verdict: "no unit" };
  const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

  function scores(state: object) {
    const ending = new AbortController();
    const frame = fakeFrame({ target: "cat", maps: {}, scores: singles(), ...state });
    return { frame, ending, scores: new MapScores(frame as any, 2, ending.signal) };
  }

  test("are read at their place", () => {
    const maps = { relevance: { ...told, target: "cat", place: 1 } };
    const { frame, scores: found } = scores({ maps, scores: singles(1, 2, 3, 4) });
    expect(found.of("relevance")).toEqual({ values: Float32Array.of(3, 4), kind: "rank", note: "for “cat” · no unit" });
    expect(frame.request).not.toHaveBeenCalled();
  });

  test("that belong to no class are those of every class", () => {
    const maps = { rollout: { ...told, target: "", place: 0 } };
    expect(scores({ maps, scores: singles(1, 2), target: "dog" }).scores.of("rollout")!.note).toBe("no unit");
  });

  test("of another class, or cut short, are requested once", () => {
    const maps = { relevance: { ...told, target: "dog", place: 0 }, rollout: { ...told, target: "cat", place: 1 } };
    const { frame, scores: missing } = scores({ maps, scores: singles(1, 2, 3) });
    expect([missing.of("relevance"), missing.of("rollout"), missing.of("relevance")]).toEqual([null, null, null]);
    expect(frame.request.mock.calls).toEqual([["map", { name: "relevance" }], ["map", { name: "rollout" }]]);
  });

  test("that failed say why, and are requested again on request", async () => {
    const { frame, scores: failing } = scores({});
    frame.request.mockImplementation(() => Promise.reject(new Error("cannot be followed")));
    failing.of("rollout");
    await settle();
    expect([failing.failureOf("rollout"), failing.failureOf("relevance")]).toEqual(["cannot be followed", undefined]);
    expect(frame.redraw).toHaveBeenCalledOnce();
    failing.of("rollout");
    expect(frame.request).toHaveBeenCalledOnce();
    failing.reset("rollout");
    failing.of("rollout");
    expect(frame.request).toHaveBeenCalledTimes(2);
  });

  test("draw nothing when the view has ended", async () => {
    const { frame, ending, scores: failing } = scores({});
    frame.request.mockImplementation(() => Promise.reject(new Error("aborted")));
    failing.of("rollout");
    ending.abort();
    await settle();
    expect([frame.redraw.mock.calls.length, failing.failureOf("rollout")]).toEqual([0, undefined]);
  });
});

describe("the saved figure", () => {
  const paint = new OverlayPaint(0.5, false, true);
  const ground = { rows: 2, cols: 3, width: 300, height: 200, image: "data:image/png;base64,AAAA" };
  const map = { shares: new Float32Array(6).fill(0.5), colours: "heat" as const };
  const scale = { low: "0", high: "0.5", unit: "share of attention", colours: "heat" as const };

  function parsed(panels: number, more: Partial<PatchesFigure> = {}) {
    const figure = svgInset(figureSvg({
      ground, paint, roles: rolesOf(false), large: { map, query: 2, scale },
      panels: Array.from({ length: panels }, (_, n) => ({ title: `panel ${n}`, map, value: "most", note: "note", scale: null })),
      scales: panels ? [scale] : [], ...more,
    }), 0, 0);
    return new DOMParser().parseFromString(figure, "image/svg+xml");
  }
  const numbers = (document: Document, names: string[]) => names.map((name) => Number(document.documentElement.getAttribute(name)));

  test("has the large picture and the panels in rows of three", () => {
    const document = parsed(4);
    expect(document.querySelector("parsererror")).toBe(null);
    const titles = [...document.querySelectorAll("text")].filter((text) => text.textContent!.startsWith("panel"));
    expect(titles.map((text) => text.getAttribute("x"))).toEqual(["456", "644", "832", "456"]);
    expect(new Set(titles.map((text) => text.getAttribute("y"))).size).toBe(2);
    expect(document.querySelectorAll("filter#pale").length).toBe(1);
  });

  test("is as large as what is in it", () => {
    expect(numbers(parsed(0), ["width", "height"])).toEqual([456, 352]);
    const [wide, high] = numbers(parsed(9), ["width", "height"]);
    expect(wide).toBe(456 + 3 * 188);
    expect(high).toBeGreaterThan(500);
  });

  test("has the scale of each panel, or one that all share", () => {
    const panels = [0.5, 0.25].map((top) => ({ title: "panel", map, value: "", note: "", scale: { ...scale, high: String(top) } }));
    const texts = (document: Document) => [...document.querySelectorAll("text")].map((text) => text.textContent);
    expect(texts(parsed(2, { panels, scales: [] })).filter((text) => text === "share of attention").length).toBe(2);
    expect(texts(parsed(2)).filter((text) => text!.endsWith("share of attention")).length).toBe(2); // of the large picture and of all panels
  });

  test("has the scale of each panel, or one that all share", () => {
    const panels = [0.5, 0.25].map((top) => ({ title: "panel", map, value: "", note: "", scale: { ...scale, high: String(top) } }));
    const texts = (document: Document) => [...document.querySelectorAll("text")].map((text) => text.textContent);
    expect(texts(parsed(2, { panels, scales: [] })).filter((text) => text === "share of attention").length).toBe(2);
    expect(texts(parsed(2)).filter((text) => text!.endsWith("share of attention")).length).toBe(2); // of the large picture and of all panels
  });

  test("has text for text", () => {
    const panels = [{ title: HOSTILE, map, value: "", note: "", scale: null }];
    const document = parsed(1, { panels });
    expect(document.querySelector("parsererror, img, script")).toBe(null);
    expect([...document.querySelectorAll("text")].some((text) => text.textContent!.includes("<img src=x"))).toBe(true);
  });

  test("has the scale of the page: its ends and its unit", () => {
    expect([...scaleElement(paint, scale).querySelectorAll("span")].map((text) => text.textContent)).toEqual(["0", "0.5", "share of attention"]);
  });
});
