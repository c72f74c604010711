// @vitest-environment jsdom
// Labels of tokens, numbers, and text in SVG.

import { describe, expect, test } from "vitest";
import { formatNumber, formatPercent, formatSigned } from "../../src/drawing/number_format";
import { rolesOf } from "../../src/drawing/palette";
import { escapeXml, figureDocument, fileName, svgInset, wrapped } from "../../src/drawing/svg";
import { lettersWide, tokenLabel } from "../../src/drawing/token_label";
import { HOSTILE } from "../fake";

describe("labels", () => {
  test("leave visible text as it is", () => {
    for (const text of ["Ġfilm", "##ing", " film", "文", "naïve", "<b>"]) expect(tokenLabel(text)).toBe(text);
  });

  test("have signs for what is invisible", () => {
    expect(tokenLabel("   ")).toBe("␣␣␣");
    expect(tokenLabel("a\nb\0")).toBe("a↵b␀");
    expect(tokenLabel("\t\r\u00a0")).toBe("⇥␍⍽");
    expect(tokenLabel("")).toBe("∅");
  });

  test("do not let a token turn the text around it", () => {
    expect(tokenLabel("\u202eevil")).toBe("‹202e›evil");
    expect(tokenLabel("\u2066a\u2069")).toBe("‹2066›a‹2069›");
    expect(tokenLabel("zero\u200bwidth")).toBe("zero‹200b›width");
  });

  test("keep joined pictographs together, and no other joiners", () => {
    expect(tokenLabel("👩\u200d👧 a\u200db")).toBe("👩\u200d👧 a‹200d›b");
  });

  test("are truncated, but no character is cut in two", () => {
    expect(tokenLabel("x".repeat(10_000))).toBe(`${"x".repeat(39)}…`);
    expect(tokenLabel("👍".repeat(100), 4)).toBe("👍👍👍…");
    expect(tokenLabel("abcd", 4)).toBe("abcd");
    expect([...tokenLabel("a" + "\u0301".repeat(400), 10)].length).toBe(10);
  });
});

describe("widths", () => {
  test("are counted in letters: wide ones are two, marks on a letter none", () => {
    expect(["film", "…“–”", "文文", "ｗ", "한국", "👍", "👍🏽", "🇩🇪", "e\u0301"].map(lettersWide)).toEqual([4, 4, 4, 2, 4, 2, 2, 2, 1]);
    expect(["निराशा", "தொ"].map(lettersWide)).toEqual([6, 2]); // vowel signs that stand beside their letter
  });
});

describe("numbers", () => {
  test("have three significant figures", () => {
    const numbers: [number, string][] = [
      [0.1234567, "0.123"], [1, "1"], [0, "0"], [-0, "0"], [0.00001234, "1.2e-5"], [0.001, "0.001"], [0.5, "0.5"], [123.456, "123"],
      [-0.25, "-0.25"], [NaN, "–"], [Infinity, "–"],
    ];
    for (const [value, text] of numbers) expect(formatNumber(value)).toBe(text);
  });

  test("have a true minus where their sign counts", () => {
    expect([0.5, -0.25, 0, NaN].map(formatSigned)).toEqual(["+0.5", "−0.25", "0", "–"]);
  });

  test("are never rounded to certainty in percent", () => {
    expect([0, 0.5, 0.995, 0.997, 0.9999, 1].map(formatPercent)).toEqual(["0%", "50%", "100%", "99.7%", "99.99%", "100%"]);
  });
});

describe("SVG", () => {
  const picture = { width: 10, height: 20, attributes: 'fill="red"', body: "<g/>" };

  test("of a figure has a title, the picture in the middle, a caption and a background", () => {
    const roles = rolesOf(false);
    const figure = { picture, title: `Layer 5 ${HOSTILE}`, subtitle: "a model", caption: "what it means", file: "it" };
    const { document: text, width, height } = figureDocument(figure, roles);
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    expect(parsed.querySelector("parsererror, img, script")).toBe(null);
    expect(parsed.querySelector("rect")!.getAttribute("fill")).toBe(roles.background);
    expect([...parsed.querySelectorAll("text")].map((line) => line.textContent)).toEqual([
      expect.stringContaining("Layer 5 </script"), expect.stringContaining("onerror"), "a model", "what it means",
    ]);
    const inset = parsed.querySelector("svg svg")!;
    expect([inset.getAttribute("x"), inset.getAttribute("fill")]).toEqual([String((width - 10) / 2), "red"]);
    expect(height).toBeGreaterThan(14 * 2 + 20 + 20 + 16 + 16);
  });

  test("of a figure wraps a long title into its width", () => {
    expect(wrapped("one two three fourteen", 9)).toEqual(["one two", "three", "fourteen"]);
    expect(wrapped("", 9)).toEqual([]);
    expect(wrapped("so long-and-longer", 9)).toEqual(["so", "long-and-", "longer"]);
    expect(wrapped("一部好电影 fine", 6)).toEqual(["一部好", "电影", "fine"]);
    const figure = { picture, title: "word ".repeat(40), subtitle: "", caption: "", file: "it" };
    expect(figureDocument(figure, rolesOf(false)).document.match(/<text/g)!.length).toBe(5);
  });

  test("is saved under a name of letters, digits and hyphens", () => {
    expect(fileName("attnlens", "attention-layer-5", "../Ä <b>", 3)).toBe("attnlens-attention-layer-5-a-b-3");
  });

  test("stands at a place within another one, without a background", () => {
    expect(svgInset(picture, 5, 7)).toContain('x="5" y="7"');
    expect(svgInset(picture, 5, 7)).not.toContain("<rect");
  });

  test("has text that ends no element, no attribute and no document", () => {
    const text = escapeXml(HOSTILE);
    expect(text).not.toMatch(/[<>"'\u0000]/);
    expect(text).toContain("&#60;/script&#62;");
    expect(text).toContain("\ufffd");
  });
});
