// Pictures as SVG text, for downloads.

import type { Roles } from "./palette";
import { lettersWide } from "./token_label";

/** An SVG picture: its size, the attributes of its root, and its elements. */
export interface SvgPicture {
  width: number;
  height: number;
  /** Fonts and colours that its elements inherit. */
  attributes: string;
  body: string;
}

/** A picture that stands alone: what it is, how to read it, and the name of its file without an ending. */
export interface SavedFigure {
  picture: SvgPicture;
  title: string;
  /** A line or two below the title: the model and the input. */
  subtitle: string;
  /** The line below the picture: what colours and axes mean. */
  caption: string;
  file: string;
}

/** Pixels around a figure, its least width, and a line of its title and of its smaller text. */
const [EDGE, NARROWEST] = [14, 460];
const TITLE = { size: 15, line: 20, letter: 9 };
const SMALL = { size: 12, line: 16, letter: 6.2 };

/** Text for attributes and elements of SVG and HTML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

/** A figure as a document in the colours of the palette. */
export function figureDocument({ picture, title, subtitle, caption }: SavedFigure, { background, text, muted }: Roles): SvgPicture & { document: string } {
  const width = Math.max(picture.width + 2 * EDGE, NARROWEST);
  const parts: string[] = [];
  let y = EDGE;
  const write = (content: string, { size, line, letter }: typeof TITLE, style: string) => {
    for (const words of wrapped(content, Math.floor((width - 2 * EDGE) / letter))) {
      parts.push(`<text x="${EDGE}" y="${y + size}" font-size="${size}" ${style}>${escapeXml(words)}</text>`);
      y += line;
    }
  };
  write(title, TITLE, `font-weight="bold" fill="${text}"`);
  write(subtitle, SMALL, `fill="${muted}"`);
  parts.push(svgInset(picture, (width - picture.width) / 2, (y += 8)));
  y += picture.height + 4;
  write(caption, SMALL, `fill="${muted}"`);
  const height = Math.ceil(y + EDGE);
  const attributes = 'font-family="system-ui, sans-serif"';
  const body = `<rect width="100%" height="100%" fill="${background}"/>${parts.join("")}`;
  return { width, height, attributes, body, document: svgElement(body, width, height, attributes) };
}

/** Words in lines of at most so many letters; a longer word is broken. */
export function wrapped(text: string, letters: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && lettersWide(last) + 1 + lettersWide(word) <= letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(...brokenWord(word, letters));
  }
  return lines;
}

function brokenWord(word: string, letters: number): string[] {
  const parts = [""];
  let wide = 0;
  for (const letter of word) {
    const width = lettersWide(letter);
    if (wide > 0 && wide + width > letters) {
      parts.push("");
      wide = 0;
    }
    parts[parts.length - 1] += letter;
    wide += width;
  }
  return parts;
}

/** Part of a file's name: letters, digits and hyphens. */
export function fileName(...parts: (string | number)[]): string {
  return parts.join("-").normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100);
}

/** A picture at a place within another one. */
export function svgInset({ width, height, attributes, body }: SvgPicture, x: number, y: number): string {
  return svgElement(body, width, height, `x="${x}" y="${y}" ${attributes}`);
}

function svgElement(body: string, width: number, height: number, attributes: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${attributes}>${body}</svg>`;
}
