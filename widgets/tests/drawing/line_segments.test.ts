// @vitest-environment jsdom
// Attention as lines: which lines there are, how strong, and what of them is in the page.

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { lineAt, lineSegments, lineSlope, lineStrokes, type LinesDrawing } from "../../src/drawing/line_segments";
import { Lines } from "../../src/drawing/lines";
import { lineSamples, linesSvg } from "../../src/drawing/lines_svg";
import { svgInset } from "../../src/drawing/svg";
import { HOSTILE, recordingContext, stubBrowser } from "../fake";

beforeAll(stubBrowser);

const tokens = (count: number) => ({ text: Array.from({ length: count }, (_, n) => `t${n}`), special: [0], segment: [] });
const ALL = { first: 0, end: 100 };

/** Three queries and two keys of two heads. */
function drawing(more: Partial<LinesDrawing> = {}): LinesDrawing {
  return {
    queries: tokens(3), keys: tokens(2), rows: [0, 1, 2], cols: [0, 1], colours: ["red", "blue"],
    matrices: [Float32Array.of(0.875, 0.125, 0.5, 0.5, 0.005, 0.995), Float32Array.of(0, 1, 0, 1, 0, 1)],
    alone: null, selected: { query: null, key: null }, threshold: 0, log: false, ink: "ink", muted: "muted", names: ["head 0", "head 1"], top: 1, ...more,
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

  test("are drawn by weight, the strong ones thick and on top", () => {
    const strokes = lineStrokes(drawing({ top: 1 }), ALL);
    expect(strokes.map(({ segments }) => segments[0]!.weight)).toEqual([...strokes.map(({ segments }) => segments[0]!.weight)].sort((a, b) => a - b));
    expect(strokes.at(-1)!.width).toBe(4);
    expect(strokes[0]!.width).toBeLessThan(1.5);
    expect(strokes.reduce((sum, { segments }) => sum + segments.length, 0)).toBe(8);
  });

  test("beyond two for each token fade by their rank, so that many heads are no tangle", () => {
    const heads = 12;
    const colours = Array.from({ length: heads }, (_, n) => `c${n}`);
    const matrix = (top: number) => Float32Array.from({ length: 6 }, (_, n) => (n === 0 ? top : 0.5));
    const many = drawing({ colours, matrices: colours.map((_, n) => matrix(n === 0 ? 1 : 0.5)) });
    const strokes = lineStrokes(many, { first: 0, end: 3 });
    expect(strokes.at(-1)!.opacity).toBe(1);
    expect(strokes[0]!.opacity).toBeCloseTo((0.55 * 6) / (heads * 6), 2);
    const few = lineStrokes(drawing({ colours: ["red"], matrices: [matrix(1)] }), { first: 0, end: 3 });
    expect(few[0]!.opacity).toBeCloseTo(0.55, 9);
  });

  test("from few queries to many keys are seen wherever the keys are scrolled to", () => {
    const [rows, cols] = [[0, 1, 2, 3, 4], [...Array(200).keys()]];
    const wide = drawing({ rows, cols, queries: tokens(5), keys: tokens(200), colours: ["red"], matrices: [new Float32Array(1000).fill(0.005)], top: 0.005 });
    for (const first of [0, 50, 160]) {
      const strokes = lineStrokes(wide, { first, end: first + 40 });
      expect(strokes.length).toBe(1);
      expect(strokes[0]!.opacity).toBeCloseTo((2 * 40) / strokes[0]!.segments.length);
    }
  });

  test("of a lone token can all be seen", () => {
    const alone = { axis: "query" as const, position: 1, weights: [Float32Array.of(0.02, 1)] };
    expect(lineStrokes(drawing({ alone }), ALL)[0]!.opacity).toBeGreaterThan(0.15);
  });

  test("are found under the pointer, the stronger of two", () => {
    const segments = [{ from: 0, to: 4, colour: 0, weight: 0.2 }, { from: 4, to: 0, colour: 1, weight: 0.9 }];
    expect(lineAt(segments, 0.5, 2, 0.2)).toBe(segments[1]);
    expect(lineAt(segments, 0.01, 0, 0.2)).toBe(segments[0]);
    expect(lineAt(segments, 0.25, 2, 0.2)).toBe(null);
  });

  test("lie where they are drawn: a cubic curve with both handles in the middle", () => {
    for (const t of [0.1, 0.3, 0.5, 0.9]) {
      const across = 3 * (1 - t) ** 2 * t * 0.5 + 3 * (1 - t) * t ** 2 * 0.5 + t ** 3;
      expect(lineSlope(across)).toBeCloseTo(3 * (1 - t) * t ** 2 + t ** 3, 4);
    }
  });

  test("have a legend of weights", () => {
    expect(lineSamples(drawing({ top: 0.894 })).map(({ text }) => text)).toEqual(["0.089", "0.45", "0.89"]);
    expect(lineSamples(drawing({ top: 0.894, threshold: 0.2 })).map(({ text }) => text)).toEqual(["0.45", "0.89"]);
    expect(lineSamples(drawing({ top: 1, log: true })).map(({ text }) => text)).toEqual(["2.5e-4", "0.01", "1"]);
    expect(lineSamples(drawing({ top: 0 }))).toEqual([]);
  });
});

describe("the picture of lines", () => {
  const events = { pointed: vi.fn(), selected: vi.fn(), linePointed: vi.fn(), lineSelected: vi.fn() };
  let ending: AbortController;
  let lines: Lines;

  beforeEach(() => {
    vi.clearAllMocks();
    ending = new AbortController();
    lines = new Lines(events, ending.signal);
    document.body.replaceChildren(lines.element);
  });

  const texts = (side: string) => [...lines.element.querySelectorAll(`.token.${side}`)].map((token) => token.textContent);
  const point = (clientX: number, clientY: number) => lines.element.dispatchEvent(new MouseEvent("pointermove", { clientX, clientY }));
  const click = (clientX: number, clientY: number) => lines.element.dispatchEvent(new MouseEvent("click", { clientX, clientY }));

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
    expect(texts("query").length).toBe(38);
    lines.reveal("query", 4000);
    lines.element.dispatchEvent(new Event("scroll"));
    expect(texts("query")).toContain("t4000");
    expect(texts("query").length).toBeLessThan(42);
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
    const side = 62 + 2 * 7.9;
    expect(of("fillRect").map(({ fill, alpha, values }) => [fill, alpha, values[0]])).toEqual([
      ["red", 0.5, 640 - side - 8], ["red", 0.25, 640 - side - 8], ["blue", 0, 640 - side - 16], ["blue", 0, 640 - side - 16],
    ]);
  });

  test("has weights beside the tokens of a lone one, where there is one head", () => {
    lines.show(drawing({ colours: ["red"], alone: { axis: "query", position: 1, weights: [Float32Array.of(0.5, 0.001)] } }));
    const weights = (side: string) => [...lines.element.querySelectorAll<HTMLElement>(`.token.${side}`)].map((token) => token.dataset["weight"]);
    expect([weights("key"), weights("query")]).toEqual([["0.50", ""], ["", "", ""]]);
  });

  test("reports lines that are pointed at and clicked", () => {
    lines.show(drawing());
    point(320, 28 + 22); // between the rows 0 and 1, where lines of 0 to 1 and 1 to 0 cross
    expect(events.linePointed.mock.calls.at(-1)![0]).toMatchObject({ from: 0, to: 1, colour: 1, weight: 1 });
    expect([...lines.element.querySelectorAll(".pointed")].map((token) => token.id)).toEqual(["query-0", "key-1"]);
    click(320, 28 + 22);
    expect(events.lineSelected.mock.calls).toEqual([[0, 1]]);
    point(320, 400);
    expect(events.linePointed.mock.calls.at(-1)![0]).toBe(null);
    click(320, 400);
    expect(events.lineSelected.mock.calls.length).toBe(1);
  });

  test("forgets the line that was pointed at with the lines that it draws anew, and a click finds the one that is there", () => {
    lines.show(drawing());
    point(320, 28 + 22);
    expect(lines.element.classList).toContain("at-line");
    lines.show(drawing({ matrices: null }));
    expect(lines.element.classList).not.toContain("at-line");
    click(320, 28 + 22);
    expect(events.lineSelected).not.toHaveBeenCalled();
    lines.show(drawing());
    click(320, 28 + 22);
    expect(events.lineSelected.mock.calls).toEqual([[0, 1]]);
  });

  test("listens to nothing when the view has ended", () => {
    lines.show(drawing());
    ending.abort();
    lines.element.dispatchEvent(new Event("pointerleave"));
    expect(events.pointed).not.toHaveBeenCalled();
  });

  test("as SVG has the same lines, and tokens as text", () => {
    const svg = svgInset(linesSvg(drawing({ queries: { text: [HOSTILE, "a", "b"], special: [], segment: [] } }), { first: 0, end: 3 }), 0, 0);
    expect(svg.match(/<path /g)!.length).toBe(8);
    expect(svg).toMatch(/stroke="red" stroke-opacity="0.88[78]"/);
    expect(svg).not.toContain("<img");
    const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(parsed.querySelector("parsererror")).toBe(null);
    expect([...parsed.querySelectorAll("text")].map((text) => text.textContent!.slice(0, 5))).toEqual([
      "query", "key", "0.1", "0.5", "1", "atten", "</scr", "0", "a", "1", "b", "2", "t0", "0", "t1", "1", "head ", "head ",
    ]);
  });

  test("as SVG shows a part of a long text, all of a short one", () => {
    const count = 300;
    const all = [...Array(count).keys()];
    lines.show(drawing({ queries: tokens(count), keys: tokens(count), rows: all, cols: all, matrices: null }));
    const rows = () => lines.svg().body.match(/text-anchor="end"[^>]*>t\d+</g)!.length;
    expect(rows()).toBe(38);
    lines.show(drawing());
    expect(rows()).toBe(3);
  });
});
