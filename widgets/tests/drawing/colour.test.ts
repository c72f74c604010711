// Colour maps, the palette, inks, and the scales of weights.

import { rgb } from "d3-color";
import { describe, expect, test } from "vitest";
import palette from "../../../attnlens/palette.json";
import { attentionRamp, inkOn, intensityScale, needsWhite, rampTable, signedRamp, unsignedRamp, weightColours } from "../../src/drawing/colour";
import { headColour, customProperties, INKS, rolesOf, stopsOf } from "../../src/drawing/palette";

const brightness = (colour: string) => {
  const { r, g, b } = rgb(colour);
  return r + g + b;
};

/** The contrast of two colours (WCAG). */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const { r, g, b } = rgb(colour);
    const [red, green, blue] = [r, g, b].map((part) => (part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

describe("the palette", () => {
  test("has the same roles in both themes, each with a meaning", () => {
    const { about, light, dark } = palette;
    expect(Object.keys(dark)).toEqual(Object.keys(light));
    for (const role of Object.keys(light)) expect(about).toHaveProperty(role);
  });

  test("has colours of six digits alone", () => {
    const colours = [palette.light, palette.dark, palette.inks].flatMap((roles) => Object.values(roles));
    const stops = Object.values(palette.maps).flatMap(({ light, dark }) => [...light, ...dark]);
    for (const colour of [...colours, ...stops]) expect(colour).toMatch(/^#[0-9a-f]{6}$/);
  });

  test("has legible text in both themes", () => {
    for (const roles of [palette.light, palette.dark]) {
      for (const ink of [roles.text, roles.muted, roles.accent, roles.warning]) {
        expect(contrast(ink, roles.background)).toBeGreaterThan(4.5);
        expect(contrast(ink, roles.surface)).toBeGreaterThan(4.5);
      }
      expect(contrast(roles.selection, roles.background)).toBeGreaterThan(3);
    }
  });

  test("has the ends of its maps as the colours of scores at full strength", () => {
    for (const theme of ["light", "dark"] as const) {
      const { signed, unsigned } = palette.maps;
      expect([signed[theme][0], signed[theme].at(-1), unsigned[theme].at(-1)]).toEqual([
        palette[theme].against, palette[theme].for, palette[theme].unsigned,
      ]);
    }
  });

  test("is the style sheet's, by role", () => {
    const css = customProperties();
    const [light, dark] = css.split('.view[data-theme="dark"]');
    expect(light).toContain(`--text: ${palette.light.text};`);
    expect(dark).toContain(`--text: ${palette.dark.text};`);
    expect(css.match(/--[\w-]+:/g)!.length).toBe(2 * Object.keys(palette.light).length);
  });

  test("is returned by theme", () => {
    expect(rolesOf(true).background).toBe(palette.dark.background);
    expect(rolesOf(false).background).toBe(palette.light.background);
    expect(stopsOf("layers", false)).toBe(palette.maps.layers.light);
  });
});

describe("colour maps", () => {
  const maps = { attention: attentionRamp, unsigned: unsignedRamp };

  for (const [name, ramp] of Object.entries(maps))
    test(`of ${name} go from the background to the ink of the theme`, () => {
      for (const dark of [false, true]) {
        const shades = [0, 0.25, 0.5, 0.75, 1].map((share) => brightness(ramp(dark)(share)));
        expect(shades).toEqual([...shades].sort((a, b) => (dark ? a - b : b - a)));
      }
    });

  test("begin and end at their stops", () => {
    for (const dark of [false, true]) {
      const stops = stopsOf("attention", dark);
      const ends = [attentionRamp(dark)(0), attentionRamp(dark)(1)];
      expect(ends.map((colour) => rgb(colour).formatHex())).toEqual([stops[0], stops.at(-1)]);
    }
  });

  test("of signed scores are red against, blue for, and as strong on both sides", () => {
    for (const dark of [false, true]) {
      const [against, neither, favour] = [-1, 0, 1].map((share) => rgb(signedRamp(dark)(share)));
      expect(against!.r).toBeGreaterThan(against!.b);
      expect(favour!.b).toBeGreaterThan(favour!.r);
      expect(Math.abs(neither!.r - neither!.b)).toBeLessThan(16);
    }
  });

  test("are tables of 256 opaque colours", () => {
    const table = rampTable(attentionRamp(false));
    expect(table.length).toBe(1024);
    const last = rgb(attentionRamp(false)(1));
    expect([...table.subarray(1020)]).toEqual([Math.round(last.r), Math.round(last.g), Math.round(last.b), 255]);
    for (let n = 3; n < 1024; n += 4) expect(table[n]).toBe(255);
  });
});

describe("heads", () => {
  test("have 24 colours of their own, visible on the background", () => {
    for (const dark of [false, true]) {
      const colours = Array.from({ length: 24 }, (_, head) => headColour(head, dark));
      expect(new Set(colours).size).toBe(24);
      for (const colour of colours) expect(contrast(colour, rolesOf(dark).background)).toBeGreaterThan(2);
    }
  });
});

describe("the ink on a colour", () => {
  test("has the higher contrast, at least 4.5 : 1", () => {
    for (const dark of [false, true])
      for (let n = 0; n <= 40; n++)
        for (const colour of [attentionRamp(dark)(n / 40), unsignedRamp(dark)(n / 40), signedRamp(dark)(n / 20 - 1)])
          expect(contrast(inkOn(colour), colour)).toBeGreaterThanOrEqual(4.5);
  });

  test("is white on dark colours", () => {
    expect([needsWhite("black"), needsWhite("white")]).toEqual([true, false]);
    expect([inkOn("navy"), inkOn("yellow")]).toEqual([INKS.on_dark, INKS.on_light]);
  });
});

describe("scales", () => {
  test("end at the largest weight", () => {
    const share = intensityScale(0.5, false);
    expect([0, 0.25, 0.5, 2].map(share)).toEqual([0, 0.5, 1, 1]);
  });

  test("that are logarithmic begin at a small weight", () => {
    const share = intensityScale(1, true);
    expect([1, 0, 1e-4, 1e-9].map(share)).toEqual([1, 0, 0, 0]);
    expect(share(1e-2)).toBeCloseTo(0.5, 6);
  });

  test("of tiny weights begin a tenth below the largest", () => {
    const share = intensityScale(1e-6, true);
    expect(share(1e-7)).toBeCloseTo(0, 6);
    expect(share(1e-6)).toBe(1);
  });

  test("of nothing do not divide by it", () => {
    expect(intensityScale(0, false)(0)).toBe(0);
    expect(intensityScale(0, true)(0)).toBe(0);
  });
});

describe("the colours of weights", () => {
  const ramp = (share: number) => `${share}`;

  test("share the scale of unsigned weights", () => {
    const colours = weightColours({ ramp, log: false, threshold: 0.1, signed: false }, 0.5);
    expect([0, 0.25, 0.5].map(colours.share)).toEqual([0, 0.5, 1]);
    expect(colours.ramp(0.5)).toBe("0.5");
    expect(colours).toMatchObject({ top: 0.5, threshold: 0.1, signed: false });
  });

  test("have zero in the middle of signed weights", () => {
    const colours = weightColours({ ramp, log: false, threshold: 0, signed: true }, 0.5);
    expect([-0.5, 0, 0.25].map(colours.share)).toEqual([0, 0.5, 0.75]);
    expect([0, 0.5, 1].map(colours.ramp)).toEqual(["-1", "0", "1"]);
  });

  test("have another name where they look different", () => {
    const options = { ramp, log: false, threshold: 0, signed: false };
    const names = [
      weightColours(options, 1), weightColours(options, 2), weightColours({ ...options, log: true }, 1),
      weightColours({ ...options, threshold: 0.1 }, 1), weightColours({ ...options, ramp: (share) => `#${share}` }, 1),
    ].map(({ name }) => name);
    expect(new Set(names).size).toBe(5);
    expect(weightColours({ ...options }, 1).name).toBe(names[0]);
  });
});
