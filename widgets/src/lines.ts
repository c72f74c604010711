// Attention as lines: queries on the left, keys on the right, one line for each weight, coloured by head.
//
// Only what is scrolled into sight is in the page and on the canvas, so that a text may be as long as it likes.

import { type Tokens } from "./protocol/headers";
import { canvasContext, escaped, h } from "./dom";
import { LOG_FLOOR, scale } from "./colour";
import { label } from "./label";

const ROW = 20;
const HEIGHT = 460;
/** Weights below it are too faint to be seen. */
const FAINTEST = 0.01;
const SHADES = 16;
/** Where lines begin and end, as shares of the width. */
const [LEFT, RIGHT] = [0.4, 0.6];

export interface Drawing {
  queries: Tokens;
  keys: Tokens;
  /** The positions that are shown. */
  rows: number[];
  cols: number[];
  colours: string[];
  /** Of each colour the weights [rows * cols]; null where they are not here. */
  matrices: Float32Array[] | null;
  /** A token that is shown alone, and its weights of each colour. */
  alone: { axis: "query" | "key"; position: number; weights: Float32Array[] } | null;
  selected: { query: number | null; key: number | null };
  threshold: number;
  log: boolean;
  ink: string;
}

export interface Pointing {
  point(axis: "query" | "key", position: number | null): void;
  select(axis: "query" | "key", position: number): void;
}

interface Segment {
  from: number;
  to: number;
  colour: number;
  weight: number;
}

export class Lines {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas");
  private readonly content = h("div", { className: "content" });
  private readonly texts = h("div", { role: "presentation" });
  private readonly tokens = new Map<string, HTMLElement>();
  private drawing: Drawing | null = null;
  /** Pixels across; while the view is hidden, those that it had. */
  private width = 640;
  private high = HEIGHT;

  constructor(private readonly pointing: Pointing, signal: AbortSignal) {
    this.content.append(this.canvas, this.texts);
    this.element = h("div", {
      className: "lines",
      tabIndex: 0,
      role: "listbox",
      "aria-label": "Tokens: queries on the left, keys on the right. Up and down move, left and right change sides.",
    }, this.content);
    this.element.addEventListener("scroll", () => this.paint(), { signal, passive: true });
    this.element.addEventListener("pointerleave", () => pointing.point("query", null), { signal });
  }

  show(drawing: Drawing): void {
    this.drawing = drawing;
    const total = Math.max(drawing.rows.length, drawing.cols.length) * ROW;
    this.high = Math.min(total, HEIGHT);
    this.content.style.height = `${total}px`;
    this.element.style.height = `${this.high}px`;
    this.paint();
  }

  /** Brings a token into sight. */
  reveal(axis: "query" | "key", position: number): void {
    const at = this.places(axis).indexOf(position) * ROW;
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.element;
    if (at < scrollTop || at + ROW > scrollTop + clientHeight) this.element.scrollTop = at - clientHeight / 2;
  }

  /** The positions along one side, in the order in which they stand there. */
  places(axis: "query" | "key"): number[] {
    return (axis === "query" ? this.drawing?.rows : this.drawing?.cols) ?? [];
  }

  private paint(): void {
    const drawing = this.drawing;
    if (!drawing) return;
    this.width = this.element.clientWidth || this.width;
    const { width, high } = this;
    const top = this.element.scrollTop;
    const [first, last] = [Math.floor(top / ROW), Math.ceil((top + high) / ROW)];
    const context = canvasContext(this.canvas, width, high);
    const strength = opacity(drawing);
    const strokes = new Map<number, Path2D>();
    for (const { from, to, colour, weight } of segments(drawing, first, last)) {
      const shade = Math.ceil(strength(weight) * SHADES);
      const key = colour * (SHADES + 1) + shade;
      let path = strokes.get(key);
      if (!path) strokes.set(key, (path = new Path2D()));
      path.moveTo(width * LEFT, (from + 0.5) * ROW - top);
      path.lineTo(width * RIGHT, (to + 0.5) * ROW - top);
    }
    context.lineWidth = drawing.alone ? 2 : 1.4;
    context.lineCap = "round";
    for (const [key, path] of [...strokes].sort(([a], [b]) => (a % (SHADES + 1)) - (b % (SHADES + 1)))) {
      context.strokeStyle = drawing.colours[Math.floor(key / (SHADES + 1))]!;
      context.globalAlpha = (key % (SHADES + 1)) / SHADES;
      context.stroke(path);
    }
    this.bars(context, drawing, strength, width, top, first, last);
    this.write(drawing, first, last);
  }

  /** Beside the tokens that a single one is joined to: how much, head by head. */
  private bars(
    context: CanvasRenderingContext2D, drawing: Drawing, strength: (weight: number) => number,
    width: number, top: number, first: number, last: number,
  ): void {
    if (!drawing.alone) return;
    const far = drawing.alone.axis === "query" ? width * RIGHT : width * LEFT;
    const towards = drawing.alone.axis === "query" ? -1 : 1;
    const wide = Math.min(8, (width * (RIGHT - LEFT)) / 4 / drawing.colours.length);
    drawing.alone.weights.forEach((weights, n) => {
      context.fillStyle = drawing.colours[n]!;
      for (let i = first; i < Math.min(last, weights.length); i++) {
        context.globalAlpha = weights[i]! < drawing.threshold ? 0 : strength(weights[i]!);
        context.fillRect(far + towards * n * wide - (towards < 0 ? wide : 0), i * ROW - top + 3, wide - 0.5, ROW - 6);
      }
    });
    context.globalAlpha = 1;
  }

  private write(drawing: Drawing, first: number, last: number): void {
    const column = (axis: "query" | "key") =>
      this.places(axis).slice(first, last).map((position, n) => this.token(drawing, axis, position, first + n));
    const wanted = [...column("query"), ...column("key")];
    const here = this.texts.children;
    // A token that stays in the page stays under the pointer: its click is not lost.
    if (wanted.length !== here.length || wanted.some((token, n) => token !== here[n])) this.texts.replaceChildren(...wanted);
    for (const [id, token] of this.tokens) if (!token.isConnected && !wanted.includes(token)) this.tokens.delete(id);
    const { alone } = drawing;
    const active = alone && this.tokens.get(`${alone.axis}-${alone.position}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  private token(drawing: Drawing, axis: "query" | "key", position: number, place: number): HTMLElement {
    const id = `${axis}-${position}`;
    const tokens = axis === "query" ? drawing.queries : drawing.keys;
    let token = this.tokens.get(id);
    if (!token) this.tokens.set(id, (token = h("span", {
      id,
      role: "option",
      title: `${axis} ${position}`,
      onpointerenter: () => this.pointing.point(axis, position),
      onclick: () => this.pointing.select(axis, position),
    })));
    const pointed = drawing.alone?.axis === axis && drawing.alone.position === position;
    const text = label(tokens.text[position]!);
    if (token.textContent !== text) token.textContent = text;
    token.className = `token ${axis}${tokens.special.includes(position) ? " special" : ""}${pointed ? " pointed" : ""}`;
    token.style.top = `${place * ROW}px`;
    token.setAttribute("aria-selected", String(drawing.selected[axis] === position));
    return token;
  }

  /** All of a short text, of a long one what is in sight. */
  svg(paper: string): string {
    const drawing = this.drawing!;
    const total = Math.max(drawing.rows.length, drawing.cols.length);
    const first = total > 200 ? Math.floor(this.element.scrollTop / ROW) : 0;
    const last = total > 200 ? first + Math.ceil(HEIGHT / ROW) : total;
    const [width, height] = [640, (last - first) * ROW + 20];
    const strength = opacity(drawing);
    const y = (place: number) => (place - first + 0.5) * ROW + 10;
    const lines = segments(drawing, first, last).map(
      ({ from, to, colour, weight }) =>
        `<line x1="${width * LEFT}" y1="${y(from)}" x2="${width * RIGHT}" y2="${y(to)}" stroke="${drawing.colours[colour]}" stroke-opacity="${strength(weight).toFixed(3)}"/>`,
    );
    const texts = (axis: "query" | "key") =>
      this.places(axis).slice(first, last).map((position, n) => {
        const [x, anchor] = axis === "query" ? [width * LEFT - 5, "end"] : [width * RIGHT + 5, "start"];
        const text = escaped(label((axis === "query" ? drawing.queries : drawing.keys).text[position]!));
        return `<text x="${x}" y="${y(first + n) + 4}" text-anchor="${anchor}">${text}</text>`;
      });
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="13" fill="${drawing.ink}">` +
      `<rect width="100%" height="100%" fill="${paper}"/><g stroke-width="1.4">${lines.join("")}</g>${texts("query").join("")}${texts("key").join("")}</svg>`
    );
  }
}

/** From a weight to how strong its line is; the strongest possible weight is 1. */
function opacity(drawing: Drawing): (weight: number) => number {
  return scale(1, drawing.log);
}

/** The lines with an end in sight, whose weight can be seen. */
function segments(drawing: Drawing, first: number, last: number): Segment[] {
  const { rows, cols, alone, matrices } = drawing;
  const faintest = Math.max(drawing.threshold, drawing.log ? LOG_FLOOR : FAINTEST);
  const out: Segment[] = [];
  if (alone) {
    const from = (alone.axis === "query" ? rows : cols).indexOf(alone.position);
    alone.weights.forEach((weights, colour) =>
      weights.forEach((weight, to) => {
        if (weight >= faintest) out.push(alone.axis === "query" ? { from, to, colour, weight } : { from: to, to: from, colour, weight });
      }),
    );
    return out;
  }
  matrices?.forEach((matrix, colour) => {
    for (let i = 0; i < rows.length; i++) {
      const inSight = i >= first && i < last;
      const [start, stop] = inSight ? [0, cols.length] : [Math.max(0, first), Math.min(cols.length, last)];
      for (let j = start; j < stop; j++) {
        const weight = matrix[i * cols.length + j]!;
        if (weight >= faintest) out.push({ from: i, to: j, colour, weight });
      }
    }
  });
  return out;
}
