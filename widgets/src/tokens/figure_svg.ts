// An attribution's text, or its bars, as SVG: each word and each colour where the page has it.

import type { Roles } from "../drawing/palette";
import { escapeXml, type SvgPicture } from "../drawing/svg";

/** Pixels around the picture. */
const EDGE = 8;

/** Text of one line, and where it stands in the page. */
export interface TextLine {
  text: string;
  box: DOMRect;
}

/** The picture as it stands on the page. */
export function figureSvg(body: HTMLElement, elements: HTMLElement[], roles: Roles): SvgPicture {
  const outer = body.getBoundingClientRect();
  const parts: string[] = [];
  // elements has gaps where a ranking omits parts
  elements.forEach((element) => parts.push(...(element.querySelector("i") ? barSvg(element, outer, roles.text) : wordSvg(element, outer))));
  const [width, height] = [Math.ceil(outer.width + 2 * EDGE), Math.ceil(outer.height + 2 * EDGE)];
  return { width, height, attributes: 'font-family="system-ui, sans-serif"', body: parts.join("") };
}

/** A row of the ranking: its bar, its word and its number. */
function barSvg(element: HTMLElement, outer: DOMRect, ink: string): string[] {
  const bar = element.querySelector("i")!;
  const cells = [element.firstElementChild!, element.lastElementChild!].map((cell) => {
    const box = cell.getBoundingClientRect();
    const [x, y] = [box.right - outer.left + EDGE, box.top - outer.top + EDGE + box.height * 0.72];
    return text(x, y, cell.textContent ?? "", 13, ink, ' text-anchor="end"');
  });
  return [block(bar.getBoundingClientRect(), outer, bar.style.background), ...cells];
}

/** A part of the running text, line by line. */
function wordSvg(element: HTMLElement, outer: DOMRect): string[] {
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize) || 15;
  const { background } = element.style;
  const blocks = background ? [...element.getClientRects()].map((box) => block(box, outer, background)) : [];
  const sign = element.classList.contains("against") ? ' text-decoration="underline"' : "";
  const words = linesOf(element).map(({ text: line, box }) =>
    text(box.left - outer.left + EDGE, box.bottom - outer.top + EDGE - box.height * 0.24, line, size, style.color, sign));
  return [...blocks, ...words];
}

function text(x: number, y: number, content: string, size: number, colour: string, attributes = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}"${attributes}>${escapeXml(content)}</text>`;
}

function block(box: DOMRect, outer: DOMRect, colour: string): string {
  const [x, y] = [box.left - outer.left + EDGE, box.top - outer.top + EDGE];
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(box.width)}" height="${round(box.height)}" rx="3" fill="${colour}"/>`;
}

/** An element's text line by line, as the page wraps it. */
export function linesOf(element: HTMLElement): TextLine[] {
  const lines: TextLine[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let start = 0;
    for (const letter of node.textContent ?? "") {
      range.setStart(node, start);
      range.setEnd(node, (start += letter.length));
      const box = range.getClientRects?.()[0];
      const last = lines.at(-1);
      if (!box) continue;
      if (last && Math.abs(last.box.bottom - box.bottom) < 2) {
        last.text += letter;
        last.box = new DOMRect(Math.min(last.box.left, box.left), last.box.top, 0, last.box.height);
      } else lines.push({ text: letter, box });
    }
  }
  return lines;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
