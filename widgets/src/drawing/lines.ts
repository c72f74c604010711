// Attention as lines: queries on the left, keys on the right, one line for each weight, coloured by head.
//
// Only what is scrolled into sight is in the page and on the canvas, so that a text may be of any length.

import type { Axis } from "../protocol/trace_source";
import { h } from "../ui/dom";
import { canvasContext } from "./canvas";
import { lineOpacity, lineSegments, segmentsByStroke, type LinesDrawing } from "./line_segments";
import { escapeXml, type SvgPicture } from "./svg";
import { tokenLabel } from "./token_label";
import type { CellRange } from "./viewport";

export interface LinesEvents {
  /** A token is pointed at; null where the pointer left. */
  pointed(axis: Axis, position: number | null): void;
  selected(axis: Axis, position: number): void;
}

/** Pixels of a token's row, and of the picture at most. */
const ROW = 20;
const TALLEST = 460;
const SHADES = 16;
/** Where lines begin and end, as shares of the width. */
const [LEFT, RIGHT] = [0.4, 0.6];
/** Rows up to which an SVG shows all of a text, and its pixels across. */
const MOST_SVG_ROWS = 200;
const SVG_WIDTH = 640;

export class Lines {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas");
  private readonly content = h("div", { className: "content" });
  private readonly column = h("div", { role: "presentation" });
  private readonly tokens = new Map<string, HTMLElement>();
  private drawing: LinesDrawing | null = null;
  /** Pixels across; while the view is hidden, its last width. */
  private width = 640;
  private height = TALLEST;

  constructor(private readonly events: LinesEvents, signal: AbortSignal) {
    this.content.append(this.canvas, this.column);
    this.element = h("div", {
      className: "lines",
      tabIndex: 0,
      role: "listbox",
      "aria-label": "Tokens: queries on the left, keys on the right. Up and down move, left and right change sides.",
    }, this.content);
    this.element.addEventListener("scroll", () => this.paint(), { signal, passive: true });
    this.element.addEventListener("pointerleave", () => events.pointed("query", null), { signal });
  }

  show(drawing: LinesDrawing): void {
    this.drawing = drawing;
    const total = Math.max(drawing.rows.length, drawing.cols.length) * ROW;
    this.height = Math.min(total, TALLEST);
    this.content.style.height = `${total}px`;
    this.element.style.height = `${this.height}px`;
    this.paint();
  }

  /** Scrolls to a token. */
  reveal(axis: Axis, position: number): void {
    const at = this.positions(axis).indexOf(position) * ROW;
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.element;
    if (at < scrollTop || at + ROW > scrollTop + clientHeight) this.element.scrollTop = at - clientHeight / 2;
  }

  /** The positions on one side, from top to bottom. */
  positions(axis: Axis): number[] {
    return (axis === "query" ? this.drawing?.rows : this.drawing?.cols) ?? [];
  }

  private paint(): void {
    const drawing = this.drawing;
    if (!drawing) return;
    this.width = this.element.clientWidth || this.width;
    const top = this.element.scrollTop;
    const sight = { first: Math.floor(top / ROW), end: Math.ceil((top + this.height) / ROW) };
    const context = canvasContext(this.canvas, this.width, this.height);
    this.paintLines(context, drawing, sight, top);
    this.paintBars(context, drawing, sight, top);
    this.showTokens(drawing, sight);
  }

  private paintLines(context: CanvasRenderingContext2D, drawing: LinesDrawing, sight: CellRange, top: number): void {
    context.lineWidth = drawing.alone ? 2 : 1.4;
    context.lineCap = "round";
    for (const { colour, opacity, segments } of segmentsByStroke(lineSegments(drawing, sight), lineOpacity(drawing), SHADES)) {
      const path = new Path2D();
      for (const { from, to } of segments) {
        path.moveTo(this.width * LEFT, (from + 0.5) * ROW - top);
        path.lineTo(this.width * RIGHT, (to + 0.5) * ROW - top);
      }
      context.strokeStyle = drawing.colours[colour]!;
      context.globalAlpha = opacity;
      context.stroke(path);
    }
  }

  /** Beside the tokens that a lone one is joined to: the weight in each head as a bar. */
  private paintBars(context: CanvasRenderingContext2D, drawing: LinesDrawing, { first, end }: CellRange, top: number): void {
    if (!drawing.alone) return;
    const toRight = drawing.alone.axis === "query";
    const opacity = lineOpacity(drawing);
    const wide = Math.min(8, (this.width * (RIGHT - LEFT)) / 4 / drawing.colours.length);
    drawing.alone.weights.forEach((weights, n) => {
      const x = toRight ? this.width * RIGHT - (n + 1) * wide : this.width * LEFT + n * wide;
      context.fillStyle = drawing.colours[n]!;
      for (let i = first; i < Math.min(end, weights.length); i++) {
        context.globalAlpha = weights[i]! < drawing.threshold ? 0 : opacity(weights[i]!);
        context.fillRect(x, i * ROW - top + 3, wide - 0.5, ROW - 6);
      }
    });
    context.globalAlpha = 1;
  }

  /** Puts the tokens in sight into the page. */
  private showTokens(drawing: LinesDrawing, { first, end }: CellRange): void {
    const side = (axis: Axis) =>
      this.positions(axis).slice(first, end).map((position, n) => this.token(drawing, axis, position, first + n));
    const shown = [...side("query"), ...side("key")];
    const present = this.column.children;
    // A token that stays in the page stays under the pointer: its click is not lost.
    if (shown.length !== present.length || shown.some((token, n) => token !== present[n])) this.column.replaceChildren(...shown);
    for (const [id, token] of this.tokens) if (!token.isConnected && !shown.includes(token)) this.tokens.delete(id);
    const { alone } = drawing;
    const active = alone && this.tokens.get(`${alone.axis}-${alone.position}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  private token(drawing: LinesDrawing, axis: Axis, position: number, row: number): HTMLElement {
    const tokens = axis === "query" ? drawing.queries : drawing.keys;
    const token = this.tokens.get(`${axis}-${position}`) ?? this.createToken(axis, position);
    const pointed = drawing.alone?.axis === axis && drawing.alone.position === position;
    const text = tokenLabel(tokens.text[position]!);
    if (token.textContent !== text) token.textContent = text;
    token.className = `token ${axis}${tokens.special.includes(position) ? " special" : ""}${pointed ? " pointed" : ""}`;
    token.style.top = `${row * ROW}px`;
    token.setAttribute("aria-selected", String(drawing.selected[axis] === position));
    return token;
  }

  private createToken(axis: Axis, position: number): HTMLElement {
    const id = `${axis}-${position}`;
    const token = h("span", {
      id,
      role: "option",
      title: `${axis} ${position}`,
      onpointerenter: () => this.events.pointed(axis, position),
      onclick: () => this.events.selected(axis, position),
    });
    this.tokens.set(id, token);
    return token;
  }

  /** All of a short text; of a long one what is in sight. */
  svg(): SvgPicture {
    const drawing = this.drawing!;
    const total = Math.max(drawing.rows.length, drawing.cols.length);
    const first = total > MOST_SVG_ROWS ? Math.floor(this.element.scrollTop / ROW) : 0;
    const end = total > MOST_SVG_ROWS ? first + Math.ceil(TALLEST / ROW) : total;
    return linesSvg(drawing, { first, end });
  }
}

/** The rows in sight as SVG. */
export function linesSvg(drawing: LinesDrawing, sight: CellRange): SvgPicture {
  const { first, end } = sight;
  const opacity = lineOpacity(drawing);
  const y = (row: number) => (row - first + 0.5) * ROW + 10;
  const lines = lineSegments(drawing, sight).map(({ from, to, colour, weight }) =>
    `<line x1="${SVG_WIDTH * LEFT}" y1="${y(from)}" x2="${SVG_WIDTH * RIGHT}" y2="${y(to)}" ` +
    `stroke="${drawing.colours[colour]}" stroke-opacity="${opacity(weight).toFixed(3)}"/>`);
  const texts = (positions: number[], all: string[], x: number, anchor: string) =>
    positions.slice(first, end).map((position, n) =>
      `<text x="${x}" y="${y(first + n) + 4}" text-anchor="${anchor}">${escapeXml(tokenLabel(all[position]!))}</text>`);
  return {
    width: SVG_WIDTH,
    height: (end - first) * ROW + 20,
    attributes: `font-family="monospace" font-size="13" fill="${drawing.ink}"`,
    body: [
      `<g stroke-width="1.4">${lines.join("")}</g>`,
      ...texts(drawing.rows, drawing.queries.text, SVG_WIDTH * LEFT - 5, "end"),
      ...texts(drawing.cols, drawing.keys.text, SVG_WIDTH * RIGHT + 5, "start"),
    ].join(""),
  };
}
