// An attribution's text, or its bars, as SVG: each word and each colour where the page has it.

import { escaped } from "./dom";
import { number } from "./label";

/** The picture as it stands on the page, between a line above and one below. */
export function sheet(body: HTMLElement, elements: HTMLElement[], heading: string, ending: string, dark: boolean): string {
  const edge = 16;
  const outer = body.getBoundingClientRect();
  const [ink, paper] = [getComputedStyle(body).color, dark ? "#15181e" : "#ffffff"];
  const write = (x: number, y: number, said: string, size: number, colour = ink, more = "") =>
    `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}"${more}>${escaped(said)}</text>`;
  const lift = edge + 24;
  const block = (box: DOMRect, colour: string) =>
    `<rect x="${round(box.left - outer.left + edge)}" y="${round(box.top - outer.top + lift)}" width="${round(box.width)}" height="${round(box.height)}" rx="3" fill="${colour}"/>`;
  const out = [write(edge, edge + 8, heading, 13)];
  elements.forEach((element) => {
    const bar = element.querySelector("i");
    const style = getComputedStyle(element);
    if (bar) {
      out.push(block(bar.getBoundingClientRect(), bar.style.background));
      for (const cell of [element.firstElementChild!, element.lastElementChild!]) {
        const box = cell.getBoundingClientRect();
        out.push(write(box.right - outer.left + edge, box.top - outer.top + lift + box.height * 0.72, cell.textContent ?? "", 13, ink, ' text-anchor="end"'));
      }
      return;
    }
    const boxes = [...element.getClientRects()];
    if (element.style.background) out.push(...boxes.map((box) => block(box, element.style.background)));
    for (const { said, box } of lines(element))
      out.push(write(box.left - outer.left + edge, box.bottom - outer.top + lift - box.height * 0.24, said, parseFloat(style.fontSize) || 15, style.color));
  });
  const [width, height] = [Math.ceil(outer.width + 2 * edge), Math.ceil(outer.height + lift + 44)];
  out.push(write(edge, height - edge, ending, 12));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="system-ui, sans-serif">` +
    `<rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`
  );
}

/** An element's text line by line, as it is wrapped. */
function lines(element: HTMLElement): { said: string; box: DOMRect }[] {
  const found: { said: string; box: DOMRect }[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let start = 0;
    for (const letter of node.textContent ?? "") {
      range.setStart(node, start);
      range.setEnd(node, (start += letter.length));
      const box = range.getClientRects?.()[0];
      const last = found.at(-1);
      if (!box) continue;
      if (last && Math.abs(last.box.bottom - box.bottom) < 2) {
        last.said += letter;
        last.box = new DOMRect(Math.min(last.box.left, box.left), last.box.top, 0, last.box.height);
      } else found.push({ said: letter, box });
    }
  }
  return found;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A number with its sign, a true minus. */
export function signed(value: number): string {
  const said = number(Math.abs(value));
  return said === "0" || said === "–" ? said : `${value > 0 ? "+" : "−"}${said}`;
}
