// @vitest-environment jsdom
// From TokensView's state to what is drawn and said.

import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { rolesOf } from "../../src/drawing/palette";
import { signedRamp } from "../../src/drawing/colour";
import { Facts } from "../../src/tokens/facts";
import { svgInset } from "../../src/drawing/svg";
import { figureSvg } from "../../src/tokens/figure_svg";
import { nextIndex, PartsPicture } from "../../src/tokens/picture";
import { barBounds, barOf, paragraphsOf, readScoredText, resultFor, sameText, ScoredText } from "../../src/tokens/scored_text";
import type { AttributionResult, TextParts } from "../../src/tokens/state";
import { HOSTILE, singles, stubBrowser } from "../fake";

beforeAll(stubBrowser);

function parts(text: string[], more: Partial<TextParts> = {}): TextParts {
  return { level: "token", text, special: [], segment: [], first: [...text.keys()], space: text.map(() => 1), span: text.map(() => null), ...more };
}

function result(more: Partial<AttributionResult> = {}): AttributionResult {
  return {
    text: 0, asked: [[null, "gradient"]], target: { label: "negative", index: 0, against: null, against_index: null, unit: "logit", side: null, position: null, output: null }, question: "negative", how: "gradient from pad", unit: "logit", model: "tiny",
    value: 1.5, change: -0.75, sum: -0.8, signed: true, converged: true, complete: true, gap: 0, verdict: "gap 0.0%",
    prediction: ["negative", 0.9], ...more,
  };
}

const scored = (scores: number[], more: Partial<AttributionResult> = {}, text: Partial<TextParts> = {}) =>
  new ScoredText(result(more), parts(scores.map((_, n) => `w${n}`), text), Float32Array.from(scores));

describe("scores", () => {
  const tokens = parts(["[CLS]", "un", "##kind"], { special: [0] });
  const words = parts(["[CLS]", "unkind"], { level: "word", special: [0], first: [0, 1] });
  const shown = { texts: [[tokens, words], [parts(["other"])]], results: [result(), result({ text: 1 }), result({ how: "second" })] };
  const bytes = singles(0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7);

  test("are those of the chosen result and level", () => {
    const read = (number: number, level: "token" | "word" | "sentence") => [...readScoredText(shown, bytes, number, level).scores];
    expect(read(0, "token")).toEqual([0, 1, 2]);
    expect(read(0, "word")).toEqual([0, 3]);
    expect(read(1, "token")).toEqual([4]);
    expect(read(2, "token")).toEqual([0, 5, 6]);
    expect(read(2, "word")).toEqual([0, 7]);
  });

  test("say which parts count most, on both sides where there are both", () => {
    expect(scored([1, -3, 2]).inWords).toEqual(["why negative", "“w2” (+2) supports it most, “w1” (−3) opposes it most"]);
    expect(scored([1, 3]).inWords[1]).toBe("“w1” (+3) supports it most");
    expect(scored([-1, -3]).inWords[1]).toBe("“w1” (−3) opposes it most");
    expect(scored([1, 3], { signed: false }).inWords[1]).toBe("“w1” (3) counts most");
    for (const none of [[], [0, 0], [NaN]]) expect(scored(none).inWords[1]).toBe("");
    expect(scored([9, 1, 2], {}, { special: [0] }).inWords[1]).toBe("“w2” (+2) supports it most");
  });

  test("are of the first level where the text lacks the chosen one, and of the last result beyond it", () => {
    expect(readScoredText(shown, bytes, 1, "word").parts.level).toBe("token");
    expect(readScoredText(shown, bytes, 9, "token").result.how).toBe("second");
  });

  test("are shares of the largest magnitude, NaN counts as nothing", () => {
    const text = scored([0.5, -2, NaN, Infinity]);
    expect(text.most).toBe(2);
    expect([0, 1, 2, 3].map((part) => text.share(part))).toEqual([0.25, -1, 0, 0]);
    expect([0, 1, 2].map((part) => text.share(part, 0.35))).toEqual([0.35, -1, 0]);
    expect(scored([0, 0]).share(0)).toBe(0);
  });

  test("of special tokens are coloured where they count", () => {
    const text = scored([0, 1, 0.0005, 0.5], {}, { special: [0, 2, 3] });
    expect([0, 1, 2, 3].map((part) => text.isColoured(part))).toEqual([false, true, false, true]);
  });

  test("belong to the part that holds a token", () => {
    const text = scored([1, 2, 3], {}, { first: [0, 2, 5] });
    expect([null, 0, 1, 2, 4, 5, 99].map((token) => text.partOf(token))).toEqual([-1, 0, 0, 1, 1, 2, 2]);
  });
});

describe("a ranking", () => {
  test("has the parts of largest magnitude, from most for to most against", () => {
    const text = scored([0.1, -0.9, 0.5, 0, 0.05], {}, { special: [3] });
    expect(text.ranking).toEqual([2, 0, 4, 1]);
    expect(text.unranked).toEqual({ count: 0, sum: 0 });
  });

  test("of many parts says how many it omits, and their sum", () => {
    const text = scored(Array.from({ length: 30 }, (_, n) => n + 1));
    expect(text.ranking.length).toBe(24);
    expect(text.unranked).toEqual({ count: 6, sum: 21 });
  });

  test("has numbers with equally many decimals, three figures for the largest", () => {
    expect([0, 1, 2].map((part) => scored([0.5, -0.25, 0.001]).columnText(part))).toEqual(["+0.500", "−0.250", "+0.001"]);
    expect([0, 1, 2].map((part) => scored([150, -2, NaN]).columnText(part))).toEqual(["+150", "−2", "–"]);
    expect(scored([0.5], { signed: false }).columnText(0)).toBe("0.500");
    expect(scored([1, 0.0001]).columnText(1)).toBe("0.00");
  });

  test("has bars with zero among their bounds", () => {
    expect([barBounds([1, 3]), barBounds([-1, 3, NaN]), barBounds([])]).toEqual([{ low: 0, span: 3 }, { low: -1, span: 4 }, { low: 0, span: 1 }]);
    const bounds = barBounds([-1, 3]);
    expect([3, -1, 0, NaN].map((score) => barOf(score, bounds))).toEqual([
      { left: 25, width: 75 }, { left: 0, width: 25 }, { left: 25, width: 0 }, { left: 25, width: 0 },
    ]);
  });
});

describe("sentences", () => {
  test("have the sign, the unit, the side and the rank of a signed score", () => {
    const text = scored([0.5, -1]);
    expect(text.spoken(0)).toBe("“w0”: +0.5 logit");
    expect(text.describe(1)).toBe("“w1”: −1 logit against negative · rank 1 of 2 · token 1");
    expect(text.describe(0)).toContain("for negative · rank 2 of 2");
  });

  test("have neither sign nor side where the method has none", () => {
    expect(scored([0.5, 1], { signed: false }).describe(0)).toBe("“w0”: 0.5 · rank 2 of 2 · token 0");
  });

  test("mark special tokens, and truncate long parts by level", () => {
    expect(scored([0.5], {}, { special: [0] }).spoken(0)).toBe("“w0” (special): +0.5 logit");
    const label = (level: TextParts["level"]) => new ScoredText(result(), parts(["x".repeat(2000)], { level }), Float32Array.of(1)).label(0).length;
    expect([label("token"), label("word"), label("sentence")]).toEqual([40, 60, 1200]);
  });
});

describe("paragraphs", () => {
  test("are one for each text of a pair; a special token ends the text before it", () => {
    const pair = parts(["[CLS]", "a", "[SEP]", "b", "c", "[SEP]"], { special: [0, 2, 5], segment: [0, 0, 0, 1, 1, 1] });
    expect(paragraphsOf(pair)).toEqual([[0, 1, 2], [3, 4, 5]]);
  });

  test("are one for a single text, and none for none", () => {
    expect(paragraphsOf(parts(["a", "b"]))).toEqual([[0, 1]]);
    expect(paragraphsOf(parts([]))).toEqual([]);
  });
});

describe("a request", () => {
  const state = { text: "a film", shown: { texts: [], results: [result(), result({ asked: [["positive", "shapley"], [1, "shapley"]] })] } };

  test("is answered by a result of the same text, target and method", () => {
    const number = (target: string | number | null, method: string, text = "a film") => resultFor({ text, target, method }, state);
    expect([number(null, "gradient"), number("positive", "shapley"), number(1, "shapley")]).toEqual([0, 1, 1]);
    expect([number("positive", "gradient"), number(null, "gradient", "another film")]).toEqual([-1, -1]);
  });

  test("knows a text from a pair of texts", () => {
    expect([sameText("a", "a"), sameText(["a", "b"], ["a", "b"]), sameText("a", ["a", "b"]), sameText(["a", "b"], ["b", "a"])]).toEqual([
      true, true, false, false,
    ]);
  });
});

describe("the picture", () => {
  const events = { pointed: vi.fn(), select: vi.fn(), selected: () => -1 };
  let picture: PartsPicture;

  beforeEach(() => {
    vi.clearAllMocks();
    picture = new PartsPicture(events, new AbortController().signal);
    const host = document.body.appendChild(document.createElement("div"));
    host.attachShadow({ mode: "open" }).append(picture.element);
  });

  const draw = (text: ScoredText, ranked = false) => picture.draw({ scored: text, ramp: signedRamp(false), ranked });

  test("breaks lines and glues word pieces as the text does", () => {
    draw(scored([1, 1, 1, 1], {}, { text: ["un", "##kind", "film", "x"], space: [1, 0, 1, 2] }));
    const [paragraph] = picture.body.querySelectorAll("p");
    expect(paragraph!.textContent).toBe(" un##kind film" + "x");
    expect(paragraph!.querySelectorAll("br").length).toBe(1);
    expect([...paragraph!.querySelectorAll(".mark")].map((mark) => mark.textContent)).toEqual(["##"]);
    expect(picture.elements.map((element) => element.className)).toEqual(["part", "part glued", "part", "part"]);
  });

  test("is laid out anew only where the text or the order changed", () => {
    draw(scored([1, 0.5]));
    const [first] = picture.elements;
    draw(scored([0.5, 1]));
    expect(picture.elements[0]).toBe(first);
    draw(scored([0.5, 1], {}, { text: ["other", "words"] }));
    expect(picture.elements[0]).not.toBe(first);
  });

  test("is one stop of the Tab key", () => {
    draw(scored([1, 0.5, 0.2]));
    expect(picture.elements.map((element) => element.tabIndex)).toEqual([0, -1, -1]);
  });

  test("shows the score of the part under the pointer", () => {
    draw(scored([1, -0.5]));
    picture.elements[1]!.dispatchEvent(new Event("pointerover", { bubbles: true }));
    const tip = picture.element.querySelector<HTMLElement>(".tip")!;
    expect([tip.hidden, tip.textContent]).toEqual([false, "−0.5"]);
    expect(events.pointed).toHaveBeenLastCalledWith(1);
    picture.body.dispatchEvent(new Event("pointerleave"));
    expect(tip.hidden).toBe(true);
    expect(events.pointed).toHaveBeenLastCalledWith(-1);
  });

  test("has no tip over a ranking, whose numbers are written", () => {
    draw(scored([1, -0.5]), true);
    picture.elements[1]!.dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(picture.element.querySelector<HTMLElement>(".tip")!.hidden).toBe(true);
    expect([...picture.body.querySelectorAll(".rank .figure")].map((number) => number.textContent)).toEqual(["+1.00", "−0.50"]);
  });

  test("says how many parts a ranking omits", () => {
    const omitted = (text: ScoredText) => {
      draw(text, true);
      return picture.body.querySelector<HTMLElement>(".rest")!;
    };
    expect(omitted(scored(Array(30).fill(0.5))).textContent).toBe("6 weaker tokens are not listed; together +3.");
    expect(omitted(scored(Array(30).fill(0.5), { signed: false })).textContent).toBe("6 weaker tokens are not listed.");
    expect(omitted(scored([1])).hidden).toBe(true);
  });

  test("underlines what opposes, as far as colours show it", () => {
    const marked = (text: ScoredText) => {
      draw(text, false);
      return picture.elements.map((element) => element.classList.contains("against"));
    };
    expect(marked(scored([1, -0.5, -0.001, 0.2]))).toEqual([false, true, false, false]);
    expect(marked(scored([1, -0.5], { signed: false }))).toEqual([false, false]);
  });

  test("as SVG has its words as text", () => {
    draw(new ScoredText(result(), parts([HOSTILE, "b"]), Float32Array.of(1, -1)), true);
    const svg = svgInset(figureSvg(picture.body, picture.elements, rolesOf(true)), 0, 0);
    const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
    expect(parsed.querySelector("parsererror, img, script")).toBe(null);
    const texts = [...parsed.querySelectorAll("text")].map((text) => text.textContent!);
    expect([texts[0]!.slice(0, 8), texts.at(-1), texts.length]).toEqual(["</script", "−1.00", 4]);
  });
});

describe("keys", () => {
  test("lead to the next part, within the text", () => {
    const next = (key: string, at: number, rightToLeft = false) => nextIndex(key, at, 5, rightToLeft);
    expect([next("ArrowRight", 1), next("ArrowDown", 1), next("ArrowLeft", 1), next("ArrowUp", 1)]).toEqual([2, 2, 0, 0]);
    expect([next("ArrowLeft", 0), next("ArrowRight", 4), next("Home", 3), next("End", 3)]).toEqual([0, 4, 0, 4]);
    expect([next("x", 1), next("Enter", 1)]).toEqual([null, null]);
  });

  test("left and right are the reading direction's", () => {
    expect([nextIndex("ArrowLeft", 1, 5, true), nextIndex("ArrowRight", 1, 5, true), nextIndex("ArrowDown", 1, 5, true)]).toEqual([2, 0, 2]);
  });
});

describe("the facts", () => {
  function facts(more: Partial<AttributionResult> = {}) {
    const all = new Facts();
    const text = scored([0.5, -1], more);
    all.draw(text, signedRamp(false));
    return { all, text, question: all.question.textContent, scale: all.reading.querySelector(".scale")!.textContent };
  }

  test("say what is predicted and explained, how, and of which model", () => {
    expect([...facts().all.question.children].map((fact) => fact.textContent)).toEqual([
      "predicted negative 90%", "explained negative logit +1.5", "by gradient from pad", "model tiny",
    ]);
    expect([...facts({ prediction: null, value: null, model: "" }).all.question.children].map((fact) => fact.textContent)).toEqual([
      "explained negative", "by gradient from pad",
    ]);
  });

  test("name the ends of the scale", () => {
    expect(facts().scale).toBe("against−1+1 logitfor negative");
    expect(facts({ signed: false }).scale).toBe("01importance");
  });

  test("compare the sum with the change, where both are known", () => {
    const sums = (more: Partial<AttributionResult>) => facts(more).all.reading.querySelector<HTMLElement>(".sums")!;
    expect(sums({}).textContent).toBe("The scores add up to −0.8; from the baseline (+2.25) to the text (+1.5) the logit changes by −0.75");
    expect(sums({ change: null }).hidden).toBe(true);
  });

  test("warn of a result that did not converge", () => {
    const verdict = (converged: boolean | null) => facts({ converged, verdict: "gap 40%" }).all.reading.querySelector<HTMLElement>(".verdict")!;
    expect([true, null, false].map((converged) => verdict(converged).dataset["kind"])).toEqual(["", "", "warn"]);
    expect(verdict(false).textContent).toBe("Gap 40%");
  });

  test("are the lines around a saved picture", () => {
    const { all, text } = facts();
    expect(all.heading).toBe("predicted negative 90%  ·  explained negative logit +1.5  ·  by gradient from pad  ·  model tiny");
    expect(all.ending(text)).toBe("Gap 0.0%  ·  blue supports negative, red and underlined opposes it, up to ±1");
    const unsigned = facts({ signed: false });
    expect(unsigned.all.ending(unsigned.text)).toContain("strong colours are important, up to 1");
  });

  test("are text, whatever a model calls its classes", () => {
    const { all } = facts({ question: HOSTILE, how: HOSTILE, model: HOSTILE, verdict: HOSTILE, prediction: [HOSTILE, null] });
    expect(all.question.querySelector("img, script")).toBe(null);
    expect(all.reading.querySelector("img, script")).toBe(null);
  });
});
