// @vitest-environment jsdom
// Attention as lines: which lines there are, how strong, and what of them is in the page.

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { lineOpacity, lineSegments, segmentsByStroke, type LinesDrawing } from "../../src/drawing/line_segments";
import { Lines, linesSvg } from "../../src/drawing/lines";
import { svgDocument } from "../../src/drawing/svg";
import { HOSTILE, recordingContext, stubBrowser } from "../fake";

beforeAll(stubBrowser);

const tokens = (count: number) => ({ text: Array.from({ length: count }, (_, n) => `t${n}`), special: [0], segment: [] });
const ALL = { first: 0, end: 100 };

/** Three queries and two keys of two heads. */
function drawing(more: Partial<LinesDrawing> = {}): LinesDrawing {
  return {
    queries: tokens(3), keys: tokens(2), rows: [0, 1, 2], cols: [0, 1], colours: ["red", "blue"],
    matrices: [Float32Array.of(0.875, 0.125, 0.5, 0.5, 0.005, 0.995), Float32Array.of(0, 1, 0, 1, 0, 1)],
    alone: null, selected: { query: null, key: null }, threshold: 0, log: false, ink: "ink", ...more,
  };
}

const places = (segments: ReturnType<typeof lineSegments>) => segments.map(({ from, to, colour }) => `${colour}: ${from}-${to}`);

describe("lines", () => {
  test("are those of every head whose weight can be seen", () => {
    expect(places(lineSegments(drawing(), ALL))).toEqual(["0: 0-0", "0: 0-1", "0: 1-0", "0: 1-1", "0: 2-1", "1: 0-1", "1: 1-1", "1: 2-1"]);
  });

  test("below the threshold are omitted", () => {
    expect(places(lineSegments(drawing({ threshold: 0.5 }), ALL)).length).toBe(7);
    expect(places(lineSegments(drawing({ threshold: 0.6 }), ALL))).toEqual(["0: 0-0", "0: 2-1", "1: 0-1", "1: 1-1", "1: 2-1"]);
  });

  test("of small weights are there on a logarithmic scale", () => {
    expect(places(lineSegments(drawing({ log: true }), ALL))).toContain("0: 2-0");
  });

  test("have at least one end in sight", () => {
    expect(places(lineSegments(drawing({ colours: ["red"], matrices: [new Float32Array(6).fill(1)] }), { first: 2, end: 5 }))).toEqual(["0: 2-0", "0: 2-1"]);
    expect(places(lineSegments(drawing(), { first: 0, end: 1 }))).toEqual(["0: 0-0", "0: 0-1", "0: 1-0", "1: 0-1"]);
  });

  test("of a lone query begin there, of a lone key end there", () => {
    const query = { axis: "query" as const, position: 1, weights: [Float32Array.of(0.5, 0.005), Float32Array.of(0, 1)] };
    expect(places(lineSegments(drawing({ alone: query }), ALL))).toEqual(["0: 1-0", "1: 1-1"]);
    const key = { axis: "key" as const, position: 1, weights: [Float32Array.of(0.1, 0, 0.9)] };
    expect(places(lineSegments(drawing({ alone: key }), ALL))).toEqual(["0: 0-1", "0: 2-1"]);
  });

  test("of weights in Python are none until a token is alone", () => {
    expect(lineSegments(drawing({ matrices: null }), ALL)).toEqual([]);
  });

  test("are stroked together by colour and opacity, faint ones first", () => {
    const strokes = segmentsByStroke(lineSegments(drawing(), ALL), lineOpacity(drawing()), 8);
    expect(strokes.map(({ colour, opacity, segments }) => [colour, opacity, segments.length])).toEqual([
      [0, 0.125, 1], [0, 0.5, 2], [0, 0.875, 1], [0, 1, 1], [1, 1, 3],
    ]);
  });
});

describe("the picture of lines", () => {
  const events = { pointed: vi.fn(), selected: vi.fn() };
  let ending: AbortController;
  let lines: Lines;

  beforeEach(() => {
    vi.clearAllMocks();
    ending = new AbortController();
    lines = new Lines(events, ending.signal);
    document.body.replaceChildren(lines.element);
  });

  const texts = (side: string) => [...lines.element.querySelectorAll(`.token.${side}`)].map((token) => token.textContent);

  test("has queries on the left and keys on the right", () => {
    lines.show(drawing());
    expect(texts("query")).toEqual(["t0", "t1", "t2"]);
    expect(texts("key")).toEqual(["t0", "t1"]);
    expect(lines.positions("key")).toEqual([0, 1]);
    expect(lines.element.querySelectorAll(".special").length).toBe(2);
  });

  test("has tokens as text, never as HTML", () => {
    lines.show(drawing({ queries: { text: [HOSTILE, "a", "b"], special: [], segment: [] } }));
    expect(lines.element.querySelector("img, script")).toBe(null);
    expect(texts("query")[0]).toContain("<img src=x");
  });

  test("of a long text has what is in sight alone, and follows the scroll bar", () => {
    const count = 5000;
    const all = [...Array(count).keys()];
    lines.show(drawing({ queries: tokens(count), keys: tokens(count), rows: all, cols: all, matrices: null }));
    expect(texts("query").length).toBe(23);
    lines.reveal("query", 4000);
    lines.element.dispatchEvent(new Event("scroll"));
    expect(texts("query")).toContain("t4000");
    expect(texts("query").length).toBeLessThan(30);
    expect(texts("query")).not.toContain("t0");
  });

  test("reports tokens that are pointed at and clicked", () => {
    lines.show(drawing());
    lines.element.querySelectorAll(".token.key")[1]!.dispatchEvent(new Event("pointerenter"));
    lines.element.querySelectorAll<HTMLElement>(".token.query")[2]!.click();
    lines.element.dispatchEvent(new Event("pointerleave"));
    expect(events.pointed.mock.calls).toEqual([["key", 1], ["query", null]]);
    expect(events.selected.mock.calls).toEqual([["query", 2]]);
  });

  test("keeps the elements of tokens that stay, so that a click is not lost", () => {
    lines.show(drawing());
    const before = [...lines.element.querySelectorAll(".token")];
    lines.show(drawing({ selected: { query: 1, key: null }, alone: { axis: "query", position: 1, weights: [] } }));
    expect([...lines.element.querySelectorAll(".token")]).toEqual(before);
    expect(lines.element.querySelector("[aria-selected=true]")!.textContent).toBe("t1");
    expect(lines.element.getAttribute("aria-activedescendant")).toBe("query-1");
    lines.show(drawing());
    expect(lines.element.hasAttribute("aria-activedescendant")).toBe(false);
  });

  test("has bars beside the tokens of a lone one, towards the middle", () => {
    const { context, of } = recordingContext();
    const canvas = lines.element.querySelector("canvas")!;
    canvas.getContext = (() => context) as any;
    const weights = [Float32Array.of(0.5, 0.25), Float32Array.of(0.1, 0)];
    lines.show(drawing({ alone: { axis: "query", position: 1, weights }, threshold: 0.2 }));
    expect(of("fillRect").map(({ fill, alpha, values }) => [fill, alpha, values[0]])).toEqual([
      ["red", 0.5, 376], ["red", 0.25, 376], ["blue", 0, 368], ["blue", 0, 368],
    ]);
  });

  test("listens to nothing when the view has ended", () => {
    lines.show(drawing());
    ending.abort();
    lines.element.dispatchEvent(new Event("pointerleave"));
    expect(events.pointed).not.toHaveBeenCalled();
  });

  test("as SVG has the same lines, and tokens as text", () => {
    const svg = svgDocument(linesSvg(drawing({ queries: { text: [HOSTILE, "a", "b"], special: [], segment: [] } }), { first: 0, end: 3 }), "white");
    expect(svg.match(/<line /g)!.length).toBe(8);
    expect(svg).toContain('stroke="red" stroke-opacity="0.875"');
    expect(svg).not.toContain("<img");
    const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(parsed.querySelector("parsererror")).toBe(null);
    expect([...parsed.querySelectorAll("text")].map((text) => text.textContent!.slice(0, 5))).toEqual(["</scr", "a", "b", "t0", "t1"]);
  });

  test("as SVG shows a part of a long text, all of a short one", () => {
    const count = 300;
    const all = [...Array(count).keys()];
    lines.show(drawing({ queries: tokens(count), keys: tokens(count), rows: all, cols: all, matrices: null }));
    expect(lines.svg().height).toBe(23 * 20 + 20);
    lines.show(drawing());
    expect(lines.svg().height).toBe(3 * 20 + 20);
  });
});
