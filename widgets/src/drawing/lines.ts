// Attention as lines: queries on the left, keys on the right, one line for each weight, coloured by head.
//
// Only what is scrolled into sight is in the page and on the canvas, so that a text may be of any length.

import type { Axis } from "../protocol/trace_source";
import { h } from "../ui/dom";
import { canvasContext } from "./canvas";
import { lineAt, lineSegments, lineShare, lineStrokes, lineWidth, weightBeside, type LinesDrawing, type LineSegment } from "./line_segments";
import { lineSamples, linesSvg, type LineSample } from "./lines_svg";
import type { SvgPicture } from "./svg";
import { lettersWide, tokenLabel } from "./token_label";
import type { CellRange } from "./viewport";

export interface LinesEvents {
  /** A token is pointed at; null where the pointer left. */
  pointed(axis: Axis, position: number | null): void;
  selected(axis: Axis, position: number): void;
  /** A line is pointed at; null where the pointer left. */
  linePointed(line: LineSegment | null): void;
  lineSelected(query: number, key: number): void;
}

/** Pixels of the row with the names of the columns, and of the picture at most. */
const HEADER = 28;
const TALLEST = 560;
/** Pixels of a token's row at least, at most, and below which letters are small. */
const [LOW, HIGH, SMALL] = [15, 22, 18];
/** In print nothing scrolls: tokens of which all are shown, and pixels of their rows together, as far as a page has room. */
const MOST_PRINTED = 60;
const PRINTED = 660;
/** Pixels of a letter, of what stands beside a label, and the share of the width that labels take at most. */
const LETTER = 7.9;
const BESIDE = 62;
const MOST_LABELS = 0.38;
/** Pixels of a line in the legend, and of its name. */
const [SAMPLE, NAME] = [72, 100];
/** Pixels from a line within which it is pointed at. */
const REACH = 6;
/** Rows up to which an SVG shows all of a text. */
const MOST_SVG_ROWS = 200;

export class Lines {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas");
  private readonly legend = h("span", { className: "samples" });
  private readonly content = h("div", { className: "content" });
  private readonly column = h("div", { role: "presentation" });
  private readonly tokens = new Map<string, HTMLElement>();
  private drawing: LinesDrawing | null = null;
  private pointed: LineSegment | null = null;
  /** Pixels across, beside the lines, and of a row; while the view is hidden, the last ones. */
  private width = 640;
  private side = 200;
  private row = HIGH;
  private height = TALLEST;

  constructor(private readonly events: LinesEvents, signal: AbortSignal) {
    const header = h("div", { className: "columns", role: "presentation" }, h("span", {}, "query"), this.legend, h("span", {}, "key"));
    this.content.append(header, this.canvas, this.column);
    this.element = h("div", {
      className: "lines",
      tabIndex: 0,
      role: "listbox",
      "aria-label": "Tokens: queries on the left, keys on the right. Up and down move, left and right change sides.",
    }, this.content);
    this.element.addEventListener("scroll", () => this.paint(), { signal, passive: true });
    this.element.addEventListener("pointermove", (event) => this.pointAt(event), { signal });
    this.element.addEventListener("click", (event) => this.selectLine(event), { signal });
    this.element.addEventListener("pointerleave", () => {
      events.pointed("query", null);
      this.pointLine(null);
    }, { signal });
  }

  show(drawing: LinesDrawing): void {
    this.drawing = drawing;
    this.pointed = null;
    this.element.classList.remove("at-line");
    const count = Math.max(drawing.rows.length, drawing.cols.length);
    const printed = count <= MOST_PRINTED && this.element.closest("[data-printing]") !== null;
    this.row = printed ? Math.min(HIGH, Math.floor(PRINTED / count)) : Math.max(LOW, Math.min(HIGH, Math.floor(TALLEST / count)));
    this.height = printed ? count * this.row : Math.min(count * this.row, TALLEST);
    this.content.style.height = `${count * this.row + HEADER}px`;
    this.element.style.height = `${this.height + HEADER}px`;
    this.element.classList.toggle("small", this.row < SMALL);
    this.paint();
  }

  /** Scrolls to a token. */
  reveal(axis: Axis, position: number): void {
    const at = this.positions(axis).indexOf(position) * this.row;
    if (at < 0) return;
    const { scrollTop } = this.element;
    if (at < scrollTop || at + this.row > scrollTop + this.height) this.element.scrollTop = at - this.height / 2;
  }

  /** The positions on one side, from top to bottom. */
  positions(axis: Axis): number[] {
    return (axis === "query" ? this.drawing?.rows : this.drawing?.cols) ?? [];
  }

  private get sight(): CellRange {
    const top = this.element.scrollTop;
    return { first: Math.floor(top / this.row), end: Math.ceil((top + this.height) / this.row) };
  }

  private paint(): void {
    const drawing = this.drawing;
    if (!drawing) return;
    this.width = this.element.clientWidth || this.width;
    this.side = sideOf(drawing, this.width, this.sight);
    const fitting = Math.floor((this.width - 2 * this.side - NAME) / SAMPLE);
    this.legend.replaceChildren(...(fitting > 0 ? ["attention weight", ...lineSamples(drawing).slice(-fitting).map(sampleElement)] : []));
    this.content.style.setProperty("--side", `${this.side}px`);
    this.content.style.setProperty("--row", `${this.row}px`);
    const context = canvasContext(this.canvas, this.width, this.height);
    this.paintLines(context, drawing);
    this.paintBars(context, drawing);
    this.showTokens(drawing);
  }

  private paintLines(context: CanvasRenderingContext2D, drawing: LinesDrawing): void {
    context.lineCap = "round";
    for (const { colour, opacity, width, segments } of lineStrokes(drawing, this.sight))
      this.stroke(context, segments, drawing.colours[colour]!, opacity, width);
    const { pointed } = this;
    if (pointed) this.stroke(context, [pointed], drawing.colours[pointed.colour]!, 1, 2 + lineWidth(lineShare(drawing)(pointed.weight)));
    context.globalAlpha = 1;
  }

  private stroke(context: CanvasRenderingContext2D, segments: LineSegment[], colour: string, opacity: number, width: number): void {
    const path = new Path2D();
    const [left, right] = [this.side, this.width - this.side];
    const middle = (left + right) / 2;
    for (const { from, to } of segments) {
      const [start, end] = [this.middleOf(from), this.middleOf(to)];
      path.moveTo(left, start);
      path.bezierCurveTo(middle, start, middle, end, right, end);
    }
    context.strokeStyle = colour;
    context.globalAlpha = opacity;
    context.lineWidth = width;
    context.stroke(path);
  }

  private middleOf(row: number): number {
    return (row + 0.5) * this.row - this.element.scrollTop;
  }

  /** Beside the tokens that a lone one is joined to: the weight in each head as a bar, where there are several. */
  private paintBars(context: CanvasRenderingContext2D, drawing: LinesDrawing): void {
    if (!drawing.alone || drawing.colours.length < 2) return;
    const toRight = drawing.alone.axis === "query";
    const share = lineShare(drawing);
    const wide = Math.min(8, (this.width - 2 * this.side) / 4 / drawing.colours.length);
    drawing.alone.weights.forEach((weights, n) => {
      const x = toRight ? this.width - this.side - (n + 1) * wide : this.side + n * wide;
      context.fillStyle = drawing.colours[n]!;
      for (let i = this.sight.first; i < Math.min(this.sight.end, weights.length); i++) {
        context.globalAlpha = weights[i]! < drawing.threshold ? 0 : share(weights[i]!);
        context.fillRect(x, this.middleOf(i) - this.row / 2 + 3, wide - 0.5, this.row - 6);
      }
    });
    context.globalAlpha = 1;
  }

  // -- pointed at ------------------------------------------------------------------------------------------

  private pointAt(event: MouseEvent): void {
    const { drawing } = this;
    if (!drawing) return;
    const box = this.element.getBoundingClientRect();
    const across = (event.clientX - box.left - this.side) / (this.width - 2 * this.side);
    const row = (event.clientY - box.top - HEADER + this.element.scrollTop) / this.row - 0.5;
    const inside = across > 0 && across < 1 && event.clientY - box.top > HEADER;
    if (inside) this.events.pointed("query", null);
    this.pointLine(inside ? lineAt(lineSegments(drawing, this.sight), across, row, REACH / this.row) : null);
  }

  private pointLine(line: LineSegment | null): void {
    if (line?.from === this.pointed?.from && line?.to === this.pointed?.to && line?.colour === this.pointed?.colour) return;
    this.pointed = line;
    this.element.classList.toggle("at-line", line !== null);
    this.paint();
    this.events.linePointed(line);
  }

  /** What was drawn since may have moved the lines, and a finger points at none before it presses. */
  private selectLine(event: MouseEvent): void {
    this.pointAt(event);
    const { pointed, drawing } = this;
    if (pointed && drawing) this.events.lineSelected(drawing.rows[pointed.from]!, drawing.cols[pointed.to]!);
  }

  // -- tokens ----------------------------------------------------------------------------------------------

  /** Puts the tokens in sight into the page. */
  private showTokens(drawing: LinesDrawing): void {
    const { first, end } = this.sight;
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
    const { alone } = drawing;
    const pointed = (alone?.axis === axis && alone.position === position) || this.pointed?.[axis === "query" ? "from" : "to"] === row;
    const label = token.firstElementChild!;
    const text = tokenLabel(tokens.text[position]!);
    if (label.textContent !== text) label.textContent = text;
    token.className = `token ${axis}${tokens.special.includes(position) ? " special" : ""}${pointed ? " pointed" : ""}`;
    token.dataset["weight"] = weightBeside(drawing, axis, row);
    token.style.top = `${row * this.row + HEADER}px`;
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
    }, h("span", { className: "label" }));
    token.dataset["index"] = String(position);
    this.tokens.set(id, token);
    return token;
  }

  /** All of a short text; of a long one what is in sight. */
  svg(): SvgPicture {
    const drawing = this.drawing!;
    const total = Math.max(drawing.rows.length, drawing.cols.length);
    return linesSvg(drawing, total > MOST_SVG_ROWS ? this.sight : { first: 0, end: total });
  }
}

/** A line of the legend. */
function sampleElement({ text, width, opacity, colour }: LineSample): HTMLElement {
  return h("span", { className: "sample" }, h("i", { style: { height: `${width}px`, opacity: String(opacity), background: colour } }), text);
}

/** Pixels beside the lines: the longest label in sight and what stands beside it. */
function sideOf(drawing: LinesDrawing, width: number, { first, end }: CellRange): number {
  const longest = (positions: number[], texts: string[]) =>
    Math.max(0, ...positions.slice(first, end).map((position) => lettersWide(tokenLabel(texts[position]!))));
  const letters = Math.max(longest(drawing.rows, drawing.queries.text), longest(drawing.cols, drawing.keys.text));
  return Math.min(width * MOST_LABELS, BESIDE + letters * LETTER);
}
