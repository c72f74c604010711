// @vitest-environment jsdom
// Which tokens stand beside each other, the layout of the panels, and the map of distances.

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Alignment, sameAxes, subtractTiles } from "../../src/compare/alignment";
import { describePair, describePartner, describeRank, DistanceMap, largestDistance } from "../../src/compare/distance_map";
import { panelMargins } from "../../src/compare/panel_layout";
import { scoreRows, scoreTable } from "../../src/compare/score_table";
import { changedTokens, sideCard } from "../../src/compare/side_card";
import type { CompareState, PanelName } from "../../src/compare/state";
import type { HeadPlace } from "../../src/drawing/titles";
import { HOSTILE, layerOf, NO_TOKENS, stubBrowser, traceOf } from "../fake";

beforeAll(stubBrowser);

const aligned = (...pairs: [number, number][]) => new Alignment(new DataView(Int32Array.from(pairs.flat()).buffer));

describe("an alignment", () => {
  const alignment = aligned([0, 0], [1, 2], [3, 3]);

  test("leads from a to b and back", () => {
    expect([0, 1, 2, 3].map((a) => alignment.ofB(a))).toEqual([0, 2, undefined, 3]);
    expect([0, 1, 2, 3].map((b) => alignment.ofA(b))).toEqual([0, undefined, 1, 3]);
    expect(alignment.shared).toEqual([0, 1, 3]);
  });

  test("is parallel where every token stands beside that of its position", () => {
    expect(aligned([0, 0], [1, 1]).isParallel(2, 2)).toBe(true);
    expect(aligned([0, 0], [1, 1]).isParallel(3, 3)).toBe(false);
    expect(aligned([0, 0], [1, 1]).isParallel(2, 3)).toBe(false);
    expect(aligned([0, 1], [1, 0]).isParallel(2, 2)).toBe(false);
  });

  test("has each cell in both traces, whichever panel it is of", () => {
    expect(alignment.both("a", 1, 3)).toEqual({ a: { query: 1, key: 3 }, b: { query: 2, key: 3 } });
    expect(alignment.both("difference", 1, 3)).toEqual(alignment.both("a", 1, 3));
    expect(alignment.both("b", 2, 1)).toEqual({ a: { query: 1, key: undefined }, b: { query: 2, key: 1 } });
  });

  test("has the cells of shared tokens in the difference", () => {
    expect(alignment.inDifference({ query: 1, key: 3 })).toEqual({ row: 1, col: 2 });
    expect(alignment.inDifference({ query: 2, key: 3 })).toBe(null);
    expect(alignment.inDifference({ query: undefined, key: 3 })).toBe(null);
  });

  test("subtracts a from b over the shared tokens", () => {
    const a = Float32Array.from({ length: 16 }, (_, n) => n); // 4 x 4
    const b = Float32Array.from({ length: 20 }, (_, n) => 100 * n); // 4 x 5
    const tile = alignment.difference(a, b, { a: 4, b: 5 })(0, 0, 0);
    expect([tile.rows, tile.cols]).toEqual([3, 3]);
    expect([...tile.weights]).toEqual([
      0 - 0, 200 - 1, 300 - 3,
      1000 - 4, 1200 - 5, 1300 - 7,
      1500 - 12, 1700 - 13, 1800 - 15,
    ]);
  });

  test("without pairs has no difference", () => {
    expect(aligned().shared).toEqual([]);
    expect(aligned().inDifference({ query: 0, key: 0 })).toBe(null);
  });
});

describe("tiles from Python", () => {
  test("are subtracted cell by cell", () => {
    const a = { rows: 1, cols: 2, weights: Float32Array.of(0.5, 0.25) };
    const b = { rows: 1, cols: 2, weights: Float32Array.of(0.25, 1) };
    expect(subtractTiles(a, b)).toEqual({ rows: 1, cols: 2, weights: Float32Array.of(-0.25, 0.75) });
  });
});

describe("layers", () => {
  test("are comparable where they attend between the same tokens", () => {
    const { header } = layerOf("causal");
    expect(sameAxes(header, { ...header, heads: 99 })).toBe(true);
    for (const other of [{ query: "output" }, { key: "output" }, { queries: 9 }, { keys: 9 }]) expect(sameAxes(header, { ...header, ...other })).toBe(false);
  });
});

describe("the panels", () => {
  const panels: PanelName[] = ["a", "b", "difference"];
  const margins = (width: number, parallel: boolean) => panels.map((panel) => panelMargins(panel, width, { left: 84, top: 70, same: parallel }));

  test("stand side by side where they fit, labels at the left of the first alone", () => {
    expect(margins(1250, true).map(({ left }) => left)).toEqual([84, 10, 10]);
    const [a, b, difference] = margins(1250, true);
    const across = [a, b, difference].reduce((sum, panel) => sum + panel!.left + panel!.plot + panel!.legend, 0);
    expect(across).toBeLessThanOrEqual(1250);
  });

  test("have room for their labels, up to a limit", () => {
    expect(panelMargins("a", 1250, { left: 50, top: 70, same: true })).toMatchObject({ left: 50, top: 70 });
    expect(panelMargins("a", 1250, { left: 500, top: 700, same: true })).toMatchObject({ left: 108, top: 108 });
  });

  test("have labels each where their tokens differ", () => {
    expect(margins(1400, false).map(({ left }) => left)).toEqual([84, 84, 84]);
    expect(margins(1800, false).map(({ plot }) => plot)).toEqual([440, 440, 440]);
  });

  test("stand two in a row where three would be small", () => {
    expect(margins(950, true).map(({ left, plot }) => [left, plot])).toEqual([[84, 336], [10, 336], [84, 336]]);
  });

  test("stand below each other in a narrow view, as large as they may be", () => {
    expect(margins(400, true).map(({ left, plot }) => [left, plot])).toEqual([[84, 230], [84, 230], [84, 230]]);
  });

  test("have a legend for the weights and one for the difference", () => {
    expect(margins(950, true).map(({ legend }) => legend)).toEqual([12, 86, 86]);
    expect(margins(400, true).map(({ legend }) => legend)).toEqual([86, 86, 86]);
  });
});

const side = (text: string[], special: number[] = []) => traceOf([], { tokens: { input: { text, special, segment: [] }, output: NO_TOKENS }, prediction: "positive (0.90)" });
describe("the card of a side", () => {
  const [a, b] = [side(["[CLS]", "a", "fine", "film"], [0]), side(["[CLS]", "a", "film", HOSTILE], [0])];
  const alignment = aligned([0, 0], [1, 1], [3, 2]);

  test("marks tokens that have no counterpart or another one", () => {
    expect([...changedTokens("a", alignment, a, b)]).toEqual([2]);
    expect([...changedTokens("b", alignment, a, b)]).toEqual([3]);
    expect([...changedTokens("a", aligned([2, 1]), a, b)]).toEqual([0, 1, 2, 3]);
  });

  test("has the text without special tokens, the prediction and the model, all as text", () => {
    const card = sideCard("b", b, new Set([3]));
    expect(card.querySelector("img, script")).toBe(null);
    expect(card.querySelector(".text")!.textContent).toContain("a film </script>");
    expect([...card.querySelectorAll("mark")].length).toBe(1);
    expect(card.querySelector(".facts")!.textContent).toBe("→ positive (0.90) · model tiny");
  });

  test("has the beginning of a long text", () => {
    const long = side(Array.from({ length: 100 }, (_, n) => `t${n}`));
    expect(sideCard("a", long, new Set()).querySelector(".text")!.textContent).toMatch(/t79 … 20 more tokens$/);
  });
});

describe("the table of attributions", () => {
  const [a, b] = [side(["a", "fine", "film"]), side(["a", "very", "dull", "film"])];
  const pair = { target: "positive", how: "gradient", unit: "logit", a: [0.1, 2, 0.3], b: [0.2, -1, -3, 0.3] };

  test("has the tokens of both in order, beside their counterparts", () => {
    expect(scoreRows(pair, aligned([0, 0], [1, 2], [2, 3]), a, b)).toEqual([
      { token: "a", a: 0.1, b: 0.2 }, { token: "very", a: null, b: -1 }, { token: "fine → dull", a: 2, b: -3 }, { token: "film", a: 0.3, b: 0.3 },
    ]);
    expect(scoreRows(pair, aligned([0, 0], [2, 3]), a, b).map(({ token }) => token)).toEqual(["a", "fine", "very", "dull", "film"]);
  });

  test("has bars on both sides of zero, as long as the difference", () => {
    const table = scoreTable(pair, scoreRows(pair, aligned([0, 0], [1, 2], [2, 3]), a, b));
    const bars = [...table.querySelectorAll<HTMLElement>(".change")];
    expect(bars.map((bar) => [bar.className, bar.title, (bar.firstElementChild as HTMLElement).style.width])).toEqual([
      ["change for", "+0.10", "1%"], ["change against", "−1.00", "10%"], ["change against", "−5.00", "50%"], ["change for", "0.00", "0%"],
    ]);
    expect(table.querySelector("p")!.textContent).toBe("Attribution for positive, in logit, by gradient");
  });
});

describe("the map of distances", () => {
  const partners: CompareState["partners"] = [[[0.5, 0, 0], null, [0.25, 1, 3]], [[null, 1, 0], [1, 1, 1]]];
  const events = { chosen: vi.fn(), described: vi.fn() };
  let map: DistanceMap;
  let cells: HTMLButtonElement[];

  beforeEach(() => {
    vi.clearAllMocks();
    map = new DistanceMap(partners, "jensen_shannon", events);
    document.body.replaceChildren(map.element);
    cells = [...map.element.querySelectorAll("button")];
    map.draw(0, 0, false);
  });

  test("describes each head, its partner and their distance", () => {
    expect(describePartner(0, 0, partners[0]![0], "distance")).toBe("layer 0, head 0: distance 0.5");
    expect(describePartner(0, 2, partners[0]![2], "distance")).toBe("layer 0, head 2 beside layer 1, head 3 of b: distance 0.25");
    expect(describePartner(1, 0, partners[1]![0], "distance")).toBe("layer 1, head 0: distance unknown");
    expect([describePartner(0, 1, null, "distance"), describePartner(9, 9, undefined, "distance")]).toEqual(["layer 0, head 1: not compared", "layer 9, head 9: not compared"]);
    expect(cells.map((cell) => cell.title)[0]).toBe("layer 0, head 0: Jensen-Shannon divergence 0.5");
  });

  test("tells how far apart a head is, and its rank", () => {
    const rank = (a: HeadPlace, b = a) => describeRank(partners, a, b, "jensen_shannon");
    expect(rank({ layer: 0, head: 0 })).toBe("Jensen-Shannon divergence 0.5, rank 2 of 3");
    expect(rank({ layer: 0, head: 0 }, { layer: 5, head: 5 })).toBe("");
    expect(rank({ layer: 1, head: 1 })).toBe("of 3 heads the one that differs most, Jensen-Shannon divergence 1");
    expect([rank({ layer: 0, head: 1 }), rank({ layer: 9, head: 9 })]).toEqual(["", ""]);
    expect(describePair({ layer: 0, head: 1 }, { layer: 0, head: 1 }, [])).toBe("layer 0, head 1");
    expect(describePair({ layer: 0, head: 1 }, { layer: 2, head: 0 }, [])).toBe("layer 0, head 1 beside layer 2, head 0 of b");
  });

  test("has its scale up to the largest distance", () => {
    expect(largestDistance(partners)).toBe(1);
    expect(largestDistance([[null]])).toBe(0);
    expect(map.legend.textContent).toBe("Jensen-Shannon divergence of a and b: 01");
  });

  test("colours the heads whose distance is known", () => {
    expect(cells.map((cell) => cell.style.background !== "")).toEqual([true, false, true, false, true]);
    expect(cells.map((cell) => cell.disabled)).toEqual([false, true, false, false, false]);
  });

  test("marks the chosen head, which the Tab key reaches", () => {
    map.draw(1, 1, false);
    expect(cells.map((cell) => cell.getAttribute("aria-selected"))).toEqual(["false", "false", "false", "false", "true"]);
    expect(cells.map((cell) => cell.tabIndex)).toEqual([-1, -1, -1, -1, 0]);
    map.draw(0, 1, false); // not compared
    expect(cells.map((cell) => cell.tabIndex)).toEqual([0, -1, -1, -1, -1]);
  });

  test("reports what is clicked and pointed at", () => {
    cells[2]!.click();
    cells[2]!.dispatchEvent(new Event("pointerenter"));
    cells[2]!.dispatchEvent(new Event("pointerleave"));
    expect(events.chosen.mock.calls).toEqual([[0, 2]]);
    expect(events.described.mock.calls.flat()).toEqual([expect.stringContaining("layer 0, head 2"), ""]);
  });

  test("is moved through by arrows, past heads that were not compared", () => {
    const press = (cell: HTMLButtonElement, key: string) => cell.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    cells[0]!.focus();
    press(cells[0]!, "ArrowRight");
    expect(document.activeElement).toBe(cells[2]);
    press(cells[2]!, "ArrowLeft");
    expect(document.activeElement).toBe(cells[0]);
    press(cells[0]!, "ArrowDown");
    expect(document.activeElement).toBe(cells[3]);
    press(cells[3]!, "ArrowDown");
    expect(document.activeElement).toBe(cells[3]);
  });

  test("is hidden where no distance is known", () => {
    const empty = new DistanceMap([[null], [[null, 0, 0]]], "hellinger", events);
    empty.draw(0, 0, false);
    expect([empty.element.hidden, empty.element.childElementCount, empty.legend.textContent]).toEqual([true, 0, ""]);
  });
});
