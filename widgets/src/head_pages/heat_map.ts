// A heat map of every head, as HeadsView draws it: layers down and heads across, each with its pattern or a number.

import { gradientBar } from "../drawing/canvas";
import { attentionRamp, signedRamp, type Ramp } from "../drawing/colour";
import { formatPercent } from "../drawing/number_format";
import { rolesOf } from "../drawing/palette";
import css from "../heads/heads.css";
import { capitalized, placeTitle, statisticTitle, type HeadPlace } from "../drawing/titles";
import { cellNumber, endMark, HeadStatistic, scaleEnds, squareSize, statisticRamp } from "../heads/heads_model";
import { HeadsPicture } from "../heads/picture";
import { select } from "../ui/controls";
import { h } from "../ui/dom";
import { watchPrinting } from "../ui/printing";
import { themeOf, watchTheme } from "../ui/theme";
import { patternTitle, type Content, type Head } from "./content";

/** What is drawn where no column is chosen. */
const PATTERN = "pattern";

/** Patterns that do not fit into a square. */
const SHORT: Record<string, string> = { class: "CLS", previous: "prev", separator: "sep", punctuation: "punc", duplicate: "dup", induction: "ind" };

/** Pixels of a square at least. */
const SMALLEST = 16;

/** Pixels across on paper, where the page is not laid out yet when it is drawn. */
const PRINTED = 600;

/** A square's number as a share of the strongest colour, and the ends of that scale. */
interface HeatScale {
  ramp: Ramp;
  low: number;
  high: number;
  unit: string;
}

export class HeatMap {
  readonly element: HTMLElement;
  private column = PATTERN;
  private chosen = -1;
  private printing = false;
  private layout = "";
  private readonly list: HTMLSelectElement;
  private readonly legend = h("span", { className: "legend" });
  private readonly headline = h("p", { className: "headline" });
  private readonly squares = h("div", { className: "squares" }, h("div"));
  private readonly readout = h("output", { className: "small" });
  private readonly meaning = h("p", { className: "small" });
  private readonly picture: HeadsPicture;

  /** choose: a head by its number in the content; changed: another column is shown */
  constructor(private readonly content: Content, choose: (number: number) => void, changed: () => void) {
    const names = content.columns.map(({ name }): [string, string] => [name, statisticTitle(name)]);
    this.list = select("Colour of the squares", [[PATTERN, "named patterns"], ...names], (name) => {
      this.show(name);
      changed();
    });
    this.element = h(
      "section", { className: "card" }, h("h2", {}, "Layer by head"),
      h("div", { className: "fields" }, h("label", {}, "show", this.list)),
      this.headline, this.squares, h("p", { className: "small" }, this.legend), this.meaning, this.readout,
    );
    this.picture = new HeadsPicture(this.squares.firstElementChild as HTMLElement, {
      select: (place) => choose(this.numberOf(place)),
      pointed: (place) => (this.readout.textContent = place ? this.describe(place, this.statistic) : ""),
    });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [...(document.adoptedStyleSheets ?? []), sheet];
  }

  /** Draws, and draws again where width, colours or medium change. */
  start(): void {
    const { signal } = new AbortController();
    watchTheme(this.element, signal, () => this.draw());
    watchPrinting(signal, (printing) => {
      this.printing = printing;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(this.squares);
    this.draw();
  }

  get shown(): string {
    return this.column === PATTERN ? "" : this.column;
  }

  /** Shows a column by its name; the patterns for any other name. */
  show(name: string): void {
    this.column = this.content.columns.some((column) => column.name === name) ? name : PATTERN;
    this.list.value = this.column;
    this.draw();
  }

  select(number: number): void {
    this.chosen = number;
    this.draw();
  }

  private numberOf({ layer, head }: HeadPlace): number {
    return this.content.heads.findIndex((one) => one.layer === layer && one.head === head);
  }

  /** The numbers as HeadsView has them: [layer][head]. */
  private get statistic(): HeadStatistic {
    const { heads, columns } = this.content;
    const at = columns.findIndex(({ name }) => name === this.column);
    const stats: (number | null)[][] = [];
    for (const head of heads) (stats[head.layer] ??= [])[head.head] = at < 0 ? head.pattern.score : (head.values[at] ?? null);
    return new HeadStatistic(this.column, { [this.column]: stats }, heads);
  }

  private scaleOf({ extent }: HeadStatistic, dark: boolean): HeatScale {
    const { low, high } = this.column === PATTERN ? { low: 0, high: 1 } : (extent ?? { low: 0, high: 0 });
    const unit = this.column === PATTERN ? "of a head's attention" : statisticTitle(this.column);
    if (low >= 0) return { ramp: statisticRamp(attentionRamp(dark)), low, high, unit };
    const most = Math.max(-low, high);
    return { ramp: (share) => signedRamp(dark)(2 * share - 1), low: -most, high: most, unit };
  }

  private draw(): void {
    const { heads } = this.content;
    const dark = !this.printing && themeOf(this.element) === "dark";
    const { statistic } = this;
    const scale = this.scaleOf(statistic, dark);
    this.layOut();
    const named = statistic.ends;
    this.picture.draw(heads.map((head, number) => ({
      place: head,
      colour: colourOf(statistic.of(head), scale, rolesOf(dark).surface),
      selected: number === this.chosen,
      label: this.describe(head, statistic),
      value: this.textOf(head, statistic),
      mark: this.column === PATTERN ? "" : endMark(named, head),
    })), [], heads[Math.max(0, this.chosen)]!);
    const [low, high] = scaleEnds(this.column, scale);
    const [before, after] = this.column === PATTERN ? [formatPercent(0), `${formatPercent(1)} ${scale.unit}`] : [`${scale.unit}: ${low}`, high];
    this.legend.replaceChildren(before, gradientBar(scale.ramp), after);
    this.headline.replaceChildren(h("b", {}, capitalized(this.column === PATTERN ? "patterns" : scale.unit)), `: ${this.said(statistic)}`);
    this.meaning.textContent = this.explained();
  }

  /** Lays the squares out where the width changed. */
  private layOut(): void {
    const counts: number[] = [];
    for (const { layer, head } of this.content.heads) counts[layer] = Math.max(counts[layer] ?? 0, head + 1);
    const width = this.printing ? PRINTED : this.squares.clientWidth;
    const square = squareSize(width, Math.max(...counts), counts.length, SMALLEST);
    if (this.layout === JSON.stringify([square, width])) return;
    this.layout = JSON.stringify([square, width]);
    this.picture.layOut(counts, null, square, []);
  }

  private textOf({ layer, head, pattern }: Head, statistic: HeadStatistic): string {
    if (this.column === PATTERN) return SHORT[pattern.pattern] ?? (pattern.pattern || "–");
    const value = statistic.of({ layer, head });
    return value === null ? "" : cellNumber(value, statistic.extent!);
  }

  /** A head and what its square shows, in words. */
  private describe(place: HeadPlace, statistic: HeadStatistic): string {
    if (this.column !== PATTERN) return statistic.describe(place);
    const { pattern, score } = this.content.heads[this.numberOf(place)]!.pattern;
    return `${placeTitle(place)}: ${pattern && score !== null ? `${patternTitle(pattern)}, ${formatPercent(score)} of its attention` : "no pattern"}`;
  }

  /** The result: how many heads have each pattern, or which have the largest and the smallest value. */
  private said(statistic: HeadStatistic): string {
    if (this.column !== PATTERN) return statistic.describeEnds([], !this.picture.hasNumbers);
    const counts = new Map<string, number>();
    for (const { pattern } of this.content.heads) counts.set(pattern.pattern || "none", (counts.get(pattern.pattern || "none") ?? 0) + 1);
    return [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${patternTitle(name)} ${count}`).join(", ");
  }

  private explained(): string {
    const how = "Rows are layers, columns heads; a click opens a head.";
    if (this.column === PATTERN)
      return `${how} A head's pattern is what it follows more than heads of the same model with random parameters; the colour is the share of its attention that the pattern takes.`;
    const { meaning } = this.content.columns.find(({ name }) => name === this.column)!;
    return `${how} ${capitalized(statisticTitle(this.column))}: ${meaning}.`;
  }
}

function colourOf(value: number | null, { ramp, low, high }: HeatScale, neutral: string): string {
  return value === null ? neutral : ramp(high > low ? (value - low) / (high - low) : 1);
}
