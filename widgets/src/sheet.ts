// The pictures of a PatchView on one sheet of SVG, and the scales below them.

import { escaped, h } from "./dom";
import { overlaySvg, Paint, paleFilter, type Ground, type Map2d } from "./overlay";

/** A colour scale: its ends, and what it is of. */
export interface Scale {
  low: string;
  high: string;
  words: string;
  signed: boolean;
}

/** A small picture with its words. */
export interface Plate {
  title: string;
  map: Map2d | null;
  value: string;
  note: string;
}

export interface Sheet {
  heading: string;
  ground: Ground;
  paint: Paint;
  dark: boolean;
  large: { map: Map2d | null; query: number | null; scale: Scale };
  plates: Plate[];
  scales: Scale[];
}

/** The scale on the page, its colours as they are met over an image. */
export function scaleElement(paint: Paint, scale: Scale): HTMLElement {
  return h("span", { className: "scale" }, h("span", {}, scale.low), bar(paint, scale.signed), h("span", {}, scale.high), h("span", {}, scale.words));
}

function bar(paint: Paint, signed: boolean): HTMLCanvasElement {
  const canvas = h("canvas", { width: 64, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(64, 1);
  for (let x = 0; x < 64; x++) image.data.set(paint.of(signed ? (2 * x) / 63 - 1 : x / 63, signed), 4 * x);
  context.putImageData(image, 0, 0);
  return canvas;
}

const [BIG, SMALL, GAP, TOP] = [420, 170, 18, 36];

/** The large picture, the plates in rows of three beside it, the scales below. */
export function sheetSvg({ heading, ground, paint, dark, large, plates, scales }: Sheet): string {
  const [ink, quiet, paper] = dark ? ["#e6e9ee", "#98a1ae", "#15181e"] : ["#1d2430", "#68707d", "#ffffff"];
  const text = (x: number, y: number, said: string, colour = quiet, size = 11, anchor = "start") =>
    `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escaped(said)}</text>`;
  const legend = ({ low, high, words, signed }: Scale, x: number, y: number) => {
    const place = `x="${x + 52}" y="${y - 9}" width="96" height="10"`;
    const colours = `<image ${place} preserveAspectRatio="none" href="${bar(paint, signed).toDataURL()}"/>`;
    return text(x + 46, y, low, quiet, 11, "end") + `<rect ${place} fill="#8a8a8a"/>` + colours + text(x + 154, y, `${high}  ${words}`);
  };
  const [bigHigh, smallHigh] = [(BIG * ground.height) / ground.width, (SMALL * ground.height) / ground.width];
  const across = Math.min(3, plates.length);
  const right = 2 * GAP + BIG;
  const out = [
    text(GAP, 22, heading, ink, 13),
    overlaySvg(ground, large.map, paint, large.query, GAP, TOP, BIG),
    legend(large.scale, GAP, TOP + bigHigh + 20),
  ];
  plates.forEach(({ title, map, value, note }, n) => {
    const [x, y] = [right + (n % across) * (SMALL + GAP), TOP + Math.floor(n / across) * (smallHigh + 64)];
    const words = [text(x, y - 8, title, ink, 12), text(x, y + smallHigh + 15, value), text(x, y + smallHigh + 29, note)];
    out.push(...words, overlaySvg(ground, map, paint, null, x, y, SMALL));
  });
  const below = TOP + Math.ceil(plates.length / 3) * (smallHigh + 64);
  scales.forEach((scale, n) => out.push(legend(scale, right, below + 18 * n)));
  const wide = right + Math.max(across, scales.length ? 2 : 0) * (SMALL + GAP);
  const high = Math.max(TOP + bigHigh + 36, below + 18 * scales.length);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${Math.ceil(high)}" font-family="sans-serif">` +
    `<defs>${paleFilter(paint)}</defs><rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`
  );
}
