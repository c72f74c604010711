// @vitest-environment jsdom
// An image with a map over its patches.

import { rgb } from "d3-color";
import { beforeAll, describe, expect, test } from "vitest";
import { heatRamp, rampTable, unsignedRamp } from "../../src/drawing/colour";
import { Overlay, OverlayPaint, overlaySvg, type ImageGround } from "../../src/drawing/overlay";
import { rolesOf } from "../../src/drawing/palette";
import { stubBrowser } from "../fake";

beforeAll(stubBrowser);

const ground: ImageGround = { rows: 2, cols: 3, width: 300, height: 200, image: "data:image/png;base64,AAAA" };
const map = { shares: Float32Array.of(0, 0.2, 0.4, 0.6, 0.8, 1), colours: "heat" as const };
const paint = new OverlayPaint(0.5, false, true);

describe("the paint", () => {
  test("lets the image through without a blend and hides it with a full one", () => {
    expect(new OverlayPaint(0, false, true).rgba(1, "heat")[3]).toBe(0);
    expect(new OverlayPaint(1, false, true).rgba(0, "heat")[3]).toBe(255);
  });

  test("covers a grid without an image, whatever the blend", () => {
    expect(new OverlayPaint(0, false, false).rgba(0, "heat")[3]).toBe(255);
  });

  test("is the more opaque the larger the share, whatever its sign", () => {
    const opacity = [0, 0.1, 0.5, 1].map((share) => paint.rgba(share, "heat")[3]);
    expect(opacity).toEqual([...opacity].sort((a, b) => a - b));
    expect(paint.rgba(-0.5, "signed")[3]).toBe(paint.rgba(0.5, "signed")[3]);
  });

  test("is on a root scale, so that weak patches stay visible beside a strong one", () => {
    const table = rampTable(heatRamp(true));
    const root = 4 * Math.round(255 * Math.sqrt(0.1));
    expect(paint.rgba(0.1, "heat")).toEqual([...table.subarray(root, root + 3), expect.closeTo(255 * (0.05 + 0.8 * Math.sqrt(0.1)), 6)]);
    expect(paint.rgba(0.25, "unsigned")[3]).toBeCloseTo(255 * 0.85 * 0.5, 6);
  });

  test("is red against and blue for", () => {
    const [red, , blue] = paint.rgba(-1, "signed");
    expect(red).toBeGreaterThan(blue);
    const [less, , more] = paint.rgba(1, "signed");
    expect(more).toBeGreaterThan(less);
  });

  test("has the palette's colour for scores that only rank, as the text of an attribution", () => {
    const { r, g, b } = rgb(unsignedRamp(false)(1));
    expect(paint.rgba(1, "unsigned").slice(0, 3)).toEqual([r, g, b].map(Math.round));
    expect(paint.rgba(1, "unsigned")).not.toEqual(paint.rgba(1, "heat"));
  });

  test("lights up over an image in either theme, and follows the theme of an empty grid", () => {
    const brightest = (dark: boolean, hasImage: boolean) => new OverlayPaint(0.5, dark, hasImage).rgba(1, "heat").slice(0, 3);
    const end = (dark: boolean) => {
      const { r, g, b } = rgb(heatRamp(dark)(1));
      return [r, g, b].map(Math.round);
    };
    expect([brightest(false, true), brightest(true, true)]).toEqual([end(true), end(true)]);
    expect([brightest(false, false), brightest(true, false)]).toEqual([end(false), end(true)]);
  });

  test("takes the colours out of an image that it covers", () => {
    const saturations = [0, 0.25, 0.5, 1].map((blend) => new OverlayPaint(blend, false, true).filter.split(" ")[0]);
    expect(saturations).toEqual(["saturate(1)", "saturate(0.5)", "saturate(0)", "saturate(0)"]);
    expect(new OverlayPaint(0.25, false, true).filterSvg).toContain('values="0.5"');
  });

  test("lightens it alike on the page and in SVG: 0 becomes 0.35, 1 stays 1", () => {
    const [, contrast, brightness] = paint.filter.match(/[\d.]+/g)!.map(Number);
    const onPage = (value: number) => (contrast! * value + 0.5 - 0.5 * contrast!) * brightness!;
    const [, slope, intercept] = paint.filterSvg.match(/slope="([\d.]+)" intercept="([\d.]+)"/)!.map(Number);
    for (const value of [0, 0.5, 1]) expect(onPage(value)).toBeCloseTo(0.35 + 0.65 * value, 6);
    for (const value of [0, 0.5, 1]) expect(slope! * value + intercept!).toBeCloseTo(0.35 + 0.65 * value, 6);
  });
});

describe("an overlay", () => {
  const one = (overlay: Overlay, selector: string) => overlay.element.querySelector(selector)!;

  test("has the image, and outlines of the marked patches", () => {
    const overlay = new Overlay(ground);
    overlay.show(map, paint, { query: 4, pointed: null });
    expect(one(overlay, "img").getAttribute("src")).toBe(ground.image);
    expect(["x", "y", "visibility"].map((name) => one(overlay, ".query").getAttribute(name))).toEqual(["1", "1", "visible"]);
    expect(one(overlay, ".pointed").getAttribute("visibility")).toBe("hidden");
    overlay.show(map, paint, { query: null, pointed: 2 });
    expect(one(overlay, ".query").getAttribute("visibility")).toBe("hidden");
    expect(["x", "y"].map((name) => one(overlay, ".pointed").getAttribute(name))).toEqual(["2", "0"]);
  });

  test("without a map is the image in its own colours", () => {
    const overlay = new Overlay(ground);
    overlay.show(null, paint, { query: null, pointed: null });
    expect(one(overlay, "canvas").hasAttribute("hidden")).toBe(true);
    expect(one(overlay, ".lines").getAttribute("visibility")).toBe("hidden");
    expect((one(overlay, "img") as HTMLElement).style.filter).toBe("");
    overlay.show(map, paint, { query: null, pointed: null });
    expect((one(overlay, "img") as HTMLElement).style.filter).toBe(paint.filter);
  });

  test("has grid lines between all patches, where those are large enough", () => {
    const overlay = new Overlay(ground);
    expect(one(overlay, ".lines").getAttribute("d")).toBe("M0 1H3M1 0V2M2 0V2");
    const visibility = (width: number) => {
      Object.defineProperty(overlay.element, "clientWidth", { value: width, configurable: true });
      overlay.show(map, paint, { query: null, pointed: null });
      return one(overlay, ".lines").getAttribute("visibility");
    };
    expect([visibility(35), visibility(36)]).toEqual(["hidden", "visible"]);
  });

  test("shows a small image pixel by pixel", () => {
    expect(new Overlay({ ...ground, width: 32, height: 32 }).element.dataset["crisp"]).toBe("");
    expect(new Overlay(ground).element.dataset["crisp"]).toBeUndefined();
  });

  test("finds the patch under the pointer, and none outside", () => {
    const overlay = new Overlay(ground);
    overlay.element.getBoundingClientRect = () => ({ left: 10, top: 10, width: 300, height: 200 }) as DOMRect;
    const at = (clientX: number, clientY: number) => overlay.at({ clientX, clientY } as MouseEvent);
    expect([at(11, 11), at(309, 209), at(9, 50), at(311, 50), at(50, 9), at(50, 211)]).toEqual([0, 5, null, null, null, null]);
  });

  test("is the same in SVG", () => {
    const roles = rolesOf(false);
    const svg = overlaySvg(ground, map, paint, 4, { x: 10, y: 20, width: 150 });
    expect(svg).toContain(`<image x="10" y="20" width="150" height="100" preserveAspectRatio="none" filter="url(#pale)" href="${ground.image}"/>`);
    expect(svg).toContain(`<rect x="60" y="70" width="50" height="50" fill="none" stroke="${roles.halo}" stroke-width="4"/>`);
    expect(svg).toContain(`stroke="${roles.query}"`);
    expect(overlaySvg(ground, null, paint, null, { x: 0, y: 0, width: 150 })).not.toMatch(/filter|stroke-width/);
  });
});
