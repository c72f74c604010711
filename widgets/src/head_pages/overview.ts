// All heads at a glance: a point for each over any two numbers, and a cell for each by layer and head.

import { formatNumber } from "../drawing/number_format";
import { select } from "../ui/controls";
import { h, range } from "../ui/dom";
import { nameOf, type Content, type Head } from "./content";
import { s, ticks } from "./svg";

const WIDTH = 520;
const HEIGHT = 360;
const MARGIN = { left: 58, right: 14, top: 14, bottom: 44 };

/** Steps of a tint, as in the page's style. */
const LEVELS = 10;

/** A head of 12 layers has one of the colours of the palette's map of layers. */
const STOPS = 11;

type Choose = (number: number) => void;

/** The heads as points over two columns; a click chooses one. */
export class Scatter {
  readonly element: HTMLElement;
  private x: number;
  private y: number;
  private chosen = -1;
  private readonly picture = h("div", { className: "scatter" });
  private readonly meaning = h("p", { className: "meaning" });

  constructor(
    private readonly content: Content,
    private readonly choose: Choose,
  ) {
    const names = content.columns.map(({ name }) => name);
    const first = (...wanted: string[]) => Math.max(0, names.indexOf(wanted.find((name) => names.includes(name)) ?? ""));
    this.x = first("distance", "entropy");
    this.y = first("loss_change", "divergence", "weight");
    const field = (label: string, value: number, set: (value: number) => void) => {
      const list = select(label, names.map((name, at) => [String(at), title(name)]), (chosen) => {
        set(Number(chosen));
        this.draw();
      });
      list.value = String(value);
      return h("label", {}, label, list);
    };
    this.element = h(
      "section", { className: "card" },
      h("h2", {}, "Every head"),
      h("div", { className: "fields" }, field("across", this.x, (x) => (this.x = x)), field("up", this.y, (y) => (this.y = y)), layerLegend(content)),
      this.picture, this.meaning,
    );
    this.draw();
  }

  select(number: number): void {
    this.chosen = number;
    this.draw();
  }

  private draw(): void {
    const { heads, columns } = this.content;
    const points = heads
      .map((head, number) => ({ head, number, x: head.values[this.x] ?? null, y: head.values[this.y] ?? null }))
      .filter((point): point is { head: Head; number: number; x: number; y: number } => point.x !== null && point.y !== null);
    const across = scale(points.map(({ x }) => x), MARGIN.left, WIDTH - MARGIN.right);
    const up = scale(points.map(({ y }) => y), HEIGHT - MARGIN.bottom, MARGIN.top);
    const layers = Math.max(...heads.map(({ layer }) => layer)) + 1;
    const order = [...points].sort((a, b) => Number(a.number === this.chosen) - Number(b.number === this.chosen));
    const [x, y] = [columns[this.x]!, columns[this.y]!];
    this.picture.replaceChildren(
      s(
        "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Heads by ${title(x.name)} and ${title(y.name)}` },
        ...across.ticks.map((value) => tick(across.at(value), HEIGHT - MARGIN.bottom + 16, "middle", value)),
        ...up.ticks.map((value) => tick(MARGIN.left - 6, up.at(value) + 4, "end", value)),
        s("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}` }),
        ...(up.low < 0 && up.high > 0 ? [s("path", { class: "ideal", d: `M${MARGIN.left} ${up.at(0)}H${WIDTH - MARGIN.right}` })] : []),
        s("text", { class: "title", x: (MARGIN.left + WIDTH) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, title(x.name)),
        s("text", { class: "title", x: 14, y: HEIGHT / 2 - 15, "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2 - 15})` }, title(y.name)),
        ...order.map(({ head, number, x, y }) => this.point(head, number, across.at(x), up.at(y), layers, [x, y])),
      ),
    );
    this.meaning.textContent = `${title(x.name)}: ${x.meaning}. ${title(y.name)}: ${y.meaning}.`;
  }

  private point(head: Head, number: number, cx: number, cy: number, layers: number, [x, y]: [number, number]): SVGElement {
    const { columns } = this.content;
    const said = `head ${nameOf(head)}${head.pattern.pattern ? ` (${head.pattern.pattern})` : ""}: ${title(columns[this.x]!.name)} ${formatNumber(x)}, ${title(columns[this.y]!.name)} ${formatNumber(y)}`;
    const act = () => this.choose(number);
    return s(
      "circle",
      {
        cx: cx.toFixed(1), cy: cy.toFixed(1), r: number === this.chosen ? 8 : 5.5, tabindex: 0, role: "button", "aria-label": said,
        class: number === this.chosen ? "chosen" : "", fill: layerColour(head.layer, layers), onclick: act,
        onkeydown: ((event: KeyboardEvent) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); }
        }) as EventListener,
      },
      s("title", {}, said),
    );
  }
}

/** The pattern of each head, as a choice beside the columns. */
const PATTERN = -1;

/** A cell for each head, layers down and heads across: its pattern in the tint of its share, or a column. */
export class Grid {
  readonly element: HTMLElement;
  private column = PATTERN;
  private chosen = -1;
  private readonly table = h("table", { className: "heads" });
  private readonly meaning = h("p", { className: "meaning" });

  constructor(
    private readonly content: Content,
    private readonly choose: Choose,
  ) {
    const names = content.columns.map(({ name }, at): [string, string] => [String(at), title(name)]);
    const list = select("colour", [[String(PATTERN), "pattern"], ...names], (value) => {
      this.column = Number(value);
      this.draw();
    });
    list.value = String(this.column);
    this.element = h(
      "section", { className: "card" }, h("h2", {}, "Layer by head"),
      h("div", { className: "fields" }, h("label", {}, "colour", list)), h("div", { className: "across" }, this.table), this.meaning,
    );
    this.draw();
  }

  select(number: number): void {
    this.chosen = number;
    this.draw();
  }

  private draw(): void {
    const { heads } = this.content;
    const values = heads.map((head) => (this.column === PATTERN ? head.pattern.score : (head.values[this.column] ?? null)));
    const known = values.filter((value) => value !== null);
    const signed = known.some((value) => value < 0);
    const [low, high] = this.column === PATTERN ? [0, 1] : [signed ? 0 : Math.min(...known), Math.max(...known.map(Math.abs))];
    const width = Math.max(...heads.map(({ head }) => head)) + 1;
    const rows = new Map<number, HTMLElement[]>();
    heads.forEach((head, number) => {
      const value = values[number] ?? null;
      const share = value === null || high === low ? 0 : (Math.abs(value) - low) / (high - low);
      rows.set(head.layer, [...(rows.get(head.layer) ?? []), h("td", {}, this.cell(head, number, value, Math.round(share * LEVELS)))]);
    });
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "layer"), ...range(width).map((n) => h("th", { scope: "col" }, String(n))))),
      h("tbody", {}, ...[...rows].map(([layer, cells]) => h("tr", {}, h("th", { scope: "row" }, String(layer)), ...cells))),
    );
    this.meaning.textContent = this.explained(known, signed);
  }

  private cell(head: Head, number: number, value: number | null, level: number): HTMLElement {
    const isPattern = this.column === PATTERN;
    const name = isPattern ? head.pattern.pattern || "no pattern" : title(this.content.columns[this.column]!.name);
    const said = `head ${nameOf(head)}: ${name} ${value === null ? "" : formatNumber(value)}`;
    const text = value === null ? "" : isPattern ? SHORT[head.pattern.pattern] ?? head.pattern.pattern : short(value);
    return h("button", {
      type: "button", title: said, "aria-label": said, "aria-pressed": String(number === this.chosen), onclick: () => this.choose(number),
      className: level ? `${value! < 0 ? "against" : "for"}-${level}` : "",
    }, text);
  }

  private explained(known: number[], signed: boolean): string {
    if (this.column === PATTERN)
      return "The pattern that a head follows more than heads of the same model with random parameters; the stronger the colour, the more of its attention.";
    const { name, meaning } = this.content.columns[this.column]!;
    const colours = signed ? " Red is below zero, blue above." : "";
    return `${title(name)}: ${meaning}; from ${formatNumber(Math.min(...known))} to ${formatNumber(Math.max(...known))}.${colours}`;
  }
}

/** Patterns that do not fit into a cell. */
const SHORT: Record<string, string> = { previous: "prev", separator: "sep", punctuation: "punc", duplicate: "dup", induction: "ind" };

/** A column's name in words. */
export function title(name: string): string {
  return name.replaceAll("_", " ");
}

function short(value: number): string {
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2);
  return text.replace(/^(-?)0\./, "$1.");
}

function layerColour(layer: number, layers: number): string {
  return `var(--layer-${layers < 2 ? 0 : Math.round((layer / (layers - 1)) * (STOPS - 1))})`;
}

function layerLegend(content: Content): HTMLElement {
  const last = Math.max(...content.heads.map(({ layer }) => layer));
  const steps = range(STOPS).map((n) => s("rect", { x: n * 10, width: 10, height: 10, fill: `var(--layer-${n})` }));
  return h("label", {}, "layer 0", s("svg", { class: "legend", viewBox: `0 0 ${STOPS * 10} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...steps), `${last}`);
}

function scale(values: number[], from: number, to: number) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const space = (high - low) * 0.05;
  const at = (value: number) => from + ((value - (low - space)) / (high - low + 2 * space)) * (to - from);
  return { low, high, at, ticks: ticks(low, high) };
}

function tick(x: number, y: number, anchor: string, value: number): SVGElement {
  return s("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }, String(value));
}
