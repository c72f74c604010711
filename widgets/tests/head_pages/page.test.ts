// @vitest-environment jsdom

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { weightsOf, type Content, type Head } from "../../src/head_pages/content";
import { startHeadPages } from "../../src/head_pages/page";
import { ticks } from "../../src/head_pages/ticks";
import { leavePages, stubBrowser } from "../fake";

beforeAll(() => {
  stubBrowser();
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(600);
});

const bytes = (weights: number[]) => btoa(String.fromCharCode(...weights.map((weight) => Math.round(255 * Math.sqrt(weight)))));

function head(layer: number, number: number, more: Partial<Head> = {}): Head {
  return {
    layer, head: number, values: [layer + number, -0.1 * number],
    pattern: { pattern: layer ? "previous" : "", score: layer ? 0.9 : null, low: 0.88, high: 0.92, limit: 0.1, also: "self" },
    stats: [["entropy", 1, 0.9, 1.1, 0.2, 0.8, 1, 1.2, 1.8, 12]],
    pairs: [["not", "good", 12, 1.5, 0.001]],
    classes: [["word", "word", 0.7, 0.6, 40], ["word", "class", 0.3, 0.1, 40]],
    offsets: { reach: 1, weight: [0.1, 0.6, 0.1, 0.1, 0.1], chance: [0.2, 0.2, 0.2, 0.2, 0.2] },
    near: [[1, 1, 0.25]],
    off: { inputs: 1200, flips: 0.05, divergence: number, accuracy_change: -0.01, accuracy_change_low: -0.02, accuracy_change_high: 0, loss_change: 0.2, loss_change_low: 0.1, loss_change_high: 0.3, pair: null },
    examples: [{ decile: "top", score: 0.9, input: 0, query: 1, weights: bytes([1, 0, 0.1, 0.9]), whole: 1 }],
    ...more,
  };
}

const CONTENT: Content = {
  columns: [{ name: "distance", meaning: "how far" }, { name: "loss_change", meaning: "loss without" }],
  patterns: { previous: "weight on the token before" },
  by: "weight",
  inputs: [{ key: "7", label: "bad", prediction: "good", tokens: [["<b>", 1], ["fine", 0]] }],
  heads: [head(0, 0), head(0, 1), head(1, 0), head(1, 1)],
};

function show(content: Content): void {
  document.body.innerHTML = `<div id="overview"></div><div id="head"></div><script type="application/json" id="heads"></script>`;
  document.getElementById("heads")!.textContent = JSON.stringify(content);
  startHeadPages();
}

const room = () => document.getElementById("head")!;
const points = () => [...document.querySelectorAll<SVGElement>(".scatter circle")];
const cells = () => [...document.querySelectorAll<HTMLButtonElement>(".squares .tile")];
const fields = () => [...document.querySelectorAll<HTMLSelectElement>("select")];
const text = (place: string) => document.querySelector(place)!.textContent;
const choose = (label: string, value: string) => {
  const list = fields().find((one) => one.getAttribute("aria-label") === label)!;
  list.value = value;
  list.dispatchEvent(new Event("change"));
};
const opened = (name: string) => {
  location.hash = `head=${name}`;
  window.dispatchEvent(new HashChangeEvent("hashchange"));
};

beforeEach(() => {
  leavePages();
  history.replaceState(null, "", "#");
  Element.prototype.scrollIntoView = vi.fn();
  show(CONTENT);
});

describe("the page", () => {
  test("opens at the head that is missed most, or at the one that the address names", () => {
    expect(room().querySelector("h2")!.textContent).toBe("Layer 0, head 1");
    expect(Element.prototype.scrollIntoView).not.toHaveBeenCalled();
    opened("1.0");
    expect(room().querySelector("h2")!.textContent).toBe("Layer 1, head 0");
    expect(Element.prototype.scrollIntoView).toHaveBeenCalled();
    expect(room().textContent).toContain("Mostly previous: weight on the token before.");
    expect(room().textContent).toContain("“not” → “good” is what it connects most above chance, of ordinary tokens: 12 times, by chance 1.5.");
    opened("0.0");
    expect(room().textContent).toContain("Follows none of the named patterns");
  });

  test("has every head as a point and a cell, which choose it by click and key", () => {
    expect(points()).toHaveLength(4);
    expect(cells()).toHaveLength(4);
    cells()[3]!.click();
    expect(location.hash).toBe("#head=1.1");
    const point = points().find((one) => one.getAttribute("aria-label")!.startsWith("head 0.0"))!;
    point.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    expect(location.hash).toBe("#head=0.0");
  });

  test("goes to the next head and from the last to the first", () => {
    opened("1.1");
    room().querySelectorAll<HTMLButtonElement>("nav button")[1]!.click();
    expect(location.hash).toBe("#head=0.0");
  });

  test("draws other columns, and leaves out heads that have none", () => {
    show({ ...CONTENT, heads: [head(0, 0, { values: [null, 1] }), head(0, 1)] });
    expect(points()).toHaveLength(1);
    choose("across", "1");
    expect(points()).toHaveLength(2);
  });

  test("colours the squares by pattern or by a column, and says the result", () => {
    expect(cells().map((cell) => cell.textContent)).toEqual(["–", "–", "prev", "prev"]);
    expect(text(".headline")).toBe("Patterns: none 2, previous 2");
    choose("Colour of the squares", "loss_change");
    expect(cells().map((cell) => cell.textContent)).toEqual([".00", "−.10", ".00", "−.10"]);
    expect(text(".headline")).toBe("Loss change: highest in layer 0, head 0 and 1 more (0), lowest in layer 0, head 1 and 1 more (−0.1)");
    expect(cells()[1]!.style.background).not.toBe(cells()[0]!.style.background);
    expect(text(".squares + p")).toBe("loss change: −0.1 hurts0.1 helps");
  });

  test("keeps in its address what is drawn, and opens it again as far as it is there", () => {
    choose("Colour of the squares", "distance");
    choose("up", "0");
    expect(location.hash).toBe("#head=0.1&by=distance&up=distance");
    opened("1.0&by=loss_change&across=loss_change&up=nothing");
    expect(fields().map((list) => list.value)).toEqual(["loss_change", "1", "0"]);
    opened("9.9&by=nothing");
    expect(room().querySelector("h2")!.textContent).toBe("Layer 1, head 0");
    expect(fields()[0]!.value).toBe("pattern");
    choose("Colour of the squares", "distance");
    opened("0.0");
    expect(location.hash).toBe("#head=0.0&by=distance&across=loss_change&up=distance");
  });
});

describe("a head", () => {
  test("shows the changes without it with their intervals", () => {
    const text = room().textContent!;
    expect(text).toContain("−1 points−2 to 0");
    expect(text).toContain("+0.2+0.1 to +0.3");
    expect(text).toContain("Changes on 1,200 inputs");
  });

  test("shows the pairs beside chance and marks the certain ones", () => {
    const row = room().querySelector("tr.marked")!;
    expect([...row.children].map((cell) => cell.textContent)).toEqual(["not → good", "12", "1.5", "8×"]);
  });

  test("writes tokens as text", () => {
    expect(room().querySelector(".token b")).toBeNull();
    expect(room().querySelector(".token")!.textContent).toBe("<b>");
  });

  test("tints what a token attends to, from another one after a press", () => {
    const tokens = [...room().querySelectorAll<HTMLButtonElement>(".token")];
    expect(tokens.map((token) => token.className)).toEqual(["token special for-1", "token for-9"]);
    tokens[0]!.click();
    expect(tokens.map((token) => token.className)).toEqual(["token special for-10", "token"]);
    expect(tokens.map((token) => token.getAttribute("aria-pressed"))).toEqual(["true", "false"]);
  });

  test("shows a picture with the attention of one patch", () => {
    const input = { key: "a.png", label: null, prediction: null, picture: "data:image/png;base64,", rows: 1, cols: 2, leading: 1 };
    const example = { decile: "3", score: 0.5, input: 0, query: 2, weights: bytes([0, 0.25, 0.75]), whole: 0 };
    show({ ...CONTENT, inputs: [input], heads: [head(0, 0, { examples: [example], offsets: { rows: 1, cols: 2, weight: [0.1, 0.5, 0.4], chance: [0.3, 0.4, 0.3] } })] });
    const veils = [...room().querySelectorAll(".patches rect[opacity]")].map((rect) => Number(rect.getAttribute("opacity")));
    expect(veils[1]).toBe(0);
    expect(veils[0]).toBeCloseTo(0.6 * (1 - Math.sqrt(0.25 / 0.75)), 1);
    expect(room().querySelector(".patches rect[stroke]")!.getAttribute("x")).toBe("90");
    expect(room().textContent).toContain("the query is the outlined middle");
  });
});

test("a head of a decoder shows the tokens of its keys, and a picture that is cut otherwise no veil", () => {
  const example = { decile: "top", score: 0.5, input: 0, query: -1, weights: bytes([0.9, 0.1]), whole: 0, keys: [["own", 0], ["end", 1]] as [string, number][], from: "start" };
  show({ ...CONTENT, heads: [head(0, 0, { examples: [example] })] });
  expect([...room().querySelectorAll(".token")].map((token) => [token.textContent, token.className])).toEqual([["own", "token for-9"], ["end", "token special for-1"]]);
  expect(room().textContent).toContain("attention of start");
  const picture = { key: "a", label: null, prediction: null, picture: "data:image/png;base64,", rows: 2, cols: 2, leading: 0 };
  show({ ...CONTENT, inputs: [picture], heads: [head(0, 0, { examples: [{ decile: "top", score: 1, input: 0, query: 3, weights: "", whole: 0 }] })] });
  expect(room().querySelectorAll(".patches rect")).toHaveLength(0);
  expect(room().querySelectorAll(".patches image")).toHaveLength(1);
});

test("weights are within a hundredth of what was packed", () => {
  const weights = [0, 0.0004, 0.1, 0.5, 0.999, 1];
  const back = weightsOf({ decile: "", score: 0, input: 0, query: 0, weights: bytes(weights), whole: 0 });
  back.forEach((weight, at) => expect(Math.abs(weight - weights[at]!)).toBeLessThan(0.004));
});

test("ticks are round and inside", () => {
  expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.03, 0.012)).toEqual([-0.03, -0.02, -0.01, 0, 0.01]);
  expect(ticks(2, 2)).toEqual([2]);
});
