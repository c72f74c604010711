// @vitest-environment jsdom

import { beforeAll, expect, test, vi } from "vitest";
import type { LinesDrawing } from "../../src/drawing/line_segments";
import { Lines } from "../../src/drawing/lines";
import { h, range } from "../../src/ui/dom";
import { stubBrowser } from "../fake";

beforeAll(stubBrowser);

function drawing(count: number): LinesDrawing {
  const side = { text: range(count).map((n) => `t${n}`), special: [] };
  return {
    rows: range(count), cols: range(count), queries: side, keys: side, matrices: null, colours: [], alone: null,
    threshold: 0, selected: { query: null, key: null },
  } as unknown as LinesDrawing;
}

/** The tokens in the page of a text of that many. */
function shownTokens(count: number, printing: boolean): number {
  const lines = new Lines({ pointed: vi.fn(), selected: vi.fn(), linePointed: vi.fn(), lineSelected: vi.fn() }, new AbortController().signal);
  const frame = h("div", {}, lines.element);
  frame.toggleAttribute("data-printing", printing);
  lines.show(drawing(count));
  return frame.querySelectorAll(".token.query").length;
}

test("what is printed has every token up to 60, since paper does not scroll", () => {
  expect(shownTokens(60, false)).toBeLessThan(40);
  expect(shownTokens(60, true)).toBe(60);
  expect(shownTokens(61, true)).toBeLessThan(40);
});
