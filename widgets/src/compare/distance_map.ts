// The map of distances: a square for each head of a, coloured by how far it is from its partner in b.

import { gradientBar } from "../drawing/canvas";
import { attentionRamp } from "../drawing/colour";
import { formatNumber } from "../drawing/number_format";
import { placeTitle, statisticTitle, type HeadPlace } from "../drawing/titles";
import { h, range } from "../ui/dom";
import { runKey } from "../ui/keyboard";
import type { CompareState, Partner } from "./state";

export interface DistanceMapEvents {
  chosen(layer: number, head: number): void;
  /** A head is pointed at or has the focus, in words; "" where none. */
  described(text: string): void;
}

/** The share of the ramp at which the smallest distance begins. */
const FAINTEST = 0.08;

/** A head and its partner in words. */
export function describePartner(layer: number, head: number, partner: Partner | null | undefined, metric: string): string {
  if (!partner) return `layer ${layer}, head ${head}: not compared`;
  const [distance, other, otherHead] = partner;
  const beside = other === layer && otherHead === head ? "" : ` beside layer ${other}, head ${otherHead} of b`;
  return `layer ${layer}, head ${head}${beside}: ${metric} ${distance === null ? "unknown" : formatNumber(distance)}`;
}

/** A head of a, and that of b where it is another one. */
export function describePair(a: HeadPlace, b: HeadPlace, stacks: string[]): string {
  const same = a.layer === b.layer && a.head === b.head;
  return placeTitle(a, stacks) + (same ? "" : ` beside ${placeTitle(b, stacks)} of b`);
}

/** How a head and its partner stand among all; "" where `b` is not its partner, or their distance is unknown. */
export function describeRank(partners: CompareState["partners"], a: HeadPlace, b: HeadPlace, metric: string): string {
  const [distance, layer, head] = partners[a.layer]?.[a.head] ?? [null];
  if (distance === null || layer !== b.layer || head !== b.head) return "";
  const all = partners.flat().flatMap((partner) => partner?.[0] ?? []);
  const rank = 1 + all.filter((other) => other > distance).length;
  const measured = `${metricTitle(metric)} ${formatNumber(distance)}`;
  return rank === 1 && all.length > 1 ? `of ${all.length} heads the one that differs most, ${measured}` : `${measured}, rank ${rank} of ${all.length}`;
}

/** What the metrics of `compare` are called. */
const METRICS: Record<string, string> = { hellinger: "Hellinger distance", jensen_shannon: "Jensen-Shannon divergence" };

export function metricTitle(metric: string): string {
  return METRICS[metric] ?? `${statisticTitle(metric)} distance`;
}

/** The largest distance; 0 where none is known. */
export function largestDistance(partners: CompareState["partners"]): number {
  return Math.max(0, ...partners.flat().map((partner) => partner?.[0] ?? 0));
}

export class DistanceMap {
  readonly element = h("div");
  readonly legend = h("span", { className: "legend" });
  private readonly largest: number;
  /** [layer][head], built once so that the focus stays where it is; empty where no distance is known. */
  private readonly cells: HTMLButtonElement[][];
  private readonly metric: string;

  constructor(
    private readonly partners: CompareState["partners"],
    metric: string,
    private readonly events: DistanceMapEvents,
  ) {
    this.metric = metricTitle(metric);
    this.largest = largestDistance(partners);
    this.cells = this.largest > 0 ? partners.map((row, layer) => row.map((_, head) => this.cell(layer, head))) : [];
    this.element.hidden = this.largest === 0;
    if (this.largest > 0) this.element.append(this.legend, this.layOut());
  }

  private cell(layer: number, head: number): HTMLButtonElement {
    const text = describePartner(layer, head, this.partners[layer]![head], this.metric);
    return h("button", {
      type: "button",
      role: "gridcell",
      tabIndex: -1,
      disabled: !this.partners[layer]![head],
      "aria-label": text,
      title: text,
      onclick: () => this.events.chosen(layer, head),
      onpointerenter: () => this.events.described(text),
      onpointerleave: () => this.events.described(""),
      onfocus: () => this.events.described(text),
      onkeydown: (event: KeyboardEvent) => this.onKey(event, layer, head),
    });
  }

  private layOut(): HTMLElement {
    const heads = Math.max(...this.partners.map((row) => row.length));
    const axis = (text: string | number) => h("span", { className: "axis", "aria-hidden": "true" }, String(text));
    return h("div", {
      className: "distances", role: "grid", "aria-label": `${this.metric} of the heads: rows are layers`,
      style: { gridTemplateColumns: `auto repeat(${heads}, 24px)` },
    },
      axis("layer \\ head"), ...range(heads).map(axis),
      ...this.cells.map((row, layer) => h("div", { role: "row", style: { display: "contents" } },
        axis(layer), ...row, ...range(heads - row.length).map(() => h("span")))),
    );
  }

  /** Arrows move the focus, past heads that were not compared. */
  private onKey(event: KeyboardEvent, layer: number, head: number): void {
    const move = (down: number, across: number) => () => {
      let [row, col] = [layer + down, head + across];
      while (this.cells[row]?.[col]?.disabled) [row, col] = [row + down, col + across];
      this.cells[row]?.[col]?.focus();
    };
    runKey(event, { ArrowLeft: move(0, -1), ArrowRight: move(0, 1), ArrowUp: move(-1, 0), ArrowDown: move(1, 0) });
  }

  draw(layer: number, head: number, dark: boolean): void {
    if (this.largest === 0) return;
    const ramp = attentionRamp(dark);
    const selected = this.cells[layer]?.[head];
    const entry = selected && !selected.disabled ? selected : this.cells.flat().find((cell) => !cell.disabled);
    this.cells.forEach((row, layer) => row.forEach((cell, head) => {
      const distance = this.partners[layer]?.[head]?.[0];
      cell.style.background = distance == null ? "" : ramp(FAINTEST + ((1 - FAINTEST) * distance) / this.largest);
      cell.setAttribute("aria-selected", String(cell === selected));
      cell.tabIndex = cell === entry ? 0 : -1;
    }));
    this.legend.replaceChildren(`${this.metric} of a and b: 0`, gradientBar(ramp), formatNumber(this.largest));
  }
}
