// All heads as points over any two of their numbers.

import { formatNumber } from "../drawing/number_format";
import { statisticTitle } from "../drawing/titles";
import { select } from "../ui/controls";
import { h, range, s } from "../ui/dom";
import { nameOf, patternTitle, type Content, type Head } from "./content";
import { ticks } from "./ticks";

const WIDTH = 460;
const HEIGHT = 380;
const MARGIN = { left: 64, right: 50, top: 14, bottom: 52 };

/** A head of 12 layers has one of the colours of the palette's map of layers. */
const STOPS = 11;

/** Points that are named, and pixels from a point to its name. */
const [MOST_NAMED, NAME_BESIDE, NAME_ROOM] = [3, 10, 70];

type Choose = (number: number) => void;

/** The heads as points over two columns; a click chooses one. */
export class Scatter {
  readonly element: HTMLElement;
  private x: number;
  private y: number;
  private readonly lists: HTMLSelectElement[] = [];
  private chosen = -1;
  private readonly picture = h("div", { className: "scatter" });
  private readonly meaning = h("p", { className: "small" });

  constructor(
    private readonly content: Content,
    private readonly choose: Choose,
    changed: () => void,
  ) {
    const names = content.columns.map(({ name }) => name);
    const first = (...wanted: string[]) => Math.max(0, names.indexOf(wanted.find((name) => names.includes(name)) ?? ""));
    this.x = first("distance", "entropy");
    this.y = first("loss_change", "divergence", "weight");
    const field = (label: string, value: number, set: (value: number) => void) => {
      const list = select(label, names.map((name, at) => [String(at), statisticTitle(name)]), (chosen) => {
        set(Number(chosen));
        this.draw();
        changed();
      });
      list.value = String(value);
      this.lists.push(list);
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

  /** The columns across and up, by their names. */
  get axes(): [across: string, up: string] {
    const { columns } = this.content;
    return [columns[this.x]!.name, columns[this.y]!.name];
  }

  /** Draws over columns by their names; one that is missing stays as it is. */
  show(across: string | undefined, up: string | undefined): void {
    const at = (name: string | undefined, otherwise: number) => {
      const found = this.content.columns.findIndex((column) => column.name === name);
      return found < 0 ? otherwise : found;
    };
    [this.x, this.y] = [at(across, this.x), at(up, this.y)];
    this.lists.forEach((list, n) => (list.value = String([this.x, this.y][n])));
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
        "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Heads by ${statisticTitle(x.name)} and ${statisticTitle(y.name)}` },
        ...across.ticks.map((value) => tick(across.at(value), HEIGHT - MARGIN.bottom + 16, "middle", value)),
        ...up.ticks.map((value) => tick(MARGIN.left - 6, up.at(value) + 4, "end", value)),
        s("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}` }),
        ...(up.low < 0 && up.high > 0 ? [s("path", { class: "ideal", d: `M${MARGIN.left} ${up.at(0)}H${WIDTH - MARGIN.right}` })] : []),
        s("text", { class: "title", x: (MARGIN.left + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, statisticTitle(x.name)),
        s("text", { class: "title", x: 14, y: HEIGHT / 2 - 15, "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2 - 15})` }, statisticTitle(y.name)),
        ...order.map(({ head, number, x, y }) => this.point(head, number, across.at(x), up.at(y), layers, [x, y])),
        ...this.named(points).map(({ head, x, y }) => {
          const [right, down] = [across.at(x), up.at(y)];
          const covered = points.some((other) => isBeside(across.at(other.x) - right, up.at(other.y) - down));
          const place = { x: right + (covered ? -NAME_BESIDE : NAME_BESIDE), y: down + 4, "text-anchor": covered ? "end" : "start" };
          return s("text", { class: "name", ...place, "aria-hidden": "true" }, `L${head.layer} H${head.head}`);
        }),
      ),
    );
    this.meaning.textContent = `${statisticTitle(x.name)}: ${x.meaning}. ${statisticTitle(y.name)}: ${y.meaning}.`;
  }

  /** The chosen head, and those that are highest. */
  private named<T extends { number: number; y: number }>(points: T[]): T[] {
    const highest = [...points].sort((a, b) => b.y - a.y).slice(0, MOST_NAMED);
    return points.filter((point) => point.number === this.chosen || highest.includes(point));
  }

  private point(head: Head, number: number, cx: number, cy: number, layers: number, [x, y]: [number, number]): SVGElement {
    const { columns } = this.content;
    const said = `head ${nameOf(head)}${head.pattern.pattern ? ` (${patternTitle(head.pattern.pattern)})` : ""}: ${statisticTitle(columns[this.x]!.name)} ${formatNumber(x)}, ${statisticTitle(columns[this.y]!.name)} ${formatNumber(y)}`;
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

/** Whether a point that far to the right and down is where a name would be. */
function isBeside(right: number, down: number): boolean {
  return right > 0 && right < NAME_ROOM && Math.abs(down) < 12;
}

function layerColour(layer: number, layers: number): string {
  return `var(--layer-${layers < 2 ? 0 : Math.round((layer / (layers - 1)) * (STOPS - 1))})`;
}

function layerLegend(content: Content): HTMLElement {
  const last = Math.max(...content.heads.map(({ layer }) => layer));
  const count = Math.min(last + 1, STOPS);
  const steps = range(count).map((n) => s("rect", { x: n * 10, width: 10, height: 10, fill: layerColour(n, count) }));
  return h("span", { className: "legend" }, "layer 0", s("svg", { viewBox: `0 0 ${count * 10} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...steps), String(last));
}

function scale(values: number[], from: number, to: number) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const space = (high - low) * 0.05;
  const at = (value: number) => from + ((value - (low - space)) / (high - low + 2 * space)) * (to - from);
  return { low, high, at, ticks: ticks(low, high) };
}

function tick(x: number, y: number, anchor: string, value: number): SVGElement {
  return s("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }, String(value).replace("-", "−"));
}
