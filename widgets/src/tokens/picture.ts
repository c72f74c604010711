// TokensView's picture: the running text, or its strongest parts as bars; each part pointed at, selected, reached by keys.

import { inkOn, type Ramp } from "../drawing/colour";
import { formatSigned } from "../drawing/number_format";
import { h } from "../ui/dom";
import { hasModifier } from "../ui/keyboard";
import { barBounds, barOf, paragraphsOf, type ScoredText } from "./scored_text";

export interface PartsEvents {
  /** A part is pointed at or has the focus; -1 where none. */
  pointed(part: number): void;
  /** -1 selects none. */
  select(part: number): void;
  /** The part that is selected now; -1 for none. */
  selected(): number;
}

export interface PartsDrawing {
  scored: ScoredText;
  ramp: Ramp;
  ranked: boolean;
}

/** A bar is told from the background by its length, so that its colour need not be faint. */
const FAINTEST_BAR = 0.35;

export class PartsPicture {
  readonly element = h("div", { className: "scored" });
  readonly body = h("div", {});
  /** The score beside the part that is pointed at. */
  private readonly tip = h("div", { className: "tip", hidden: true, "aria-hidden": "true" });
  private drawing: PartsDrawing | null = null;
  /** By part; a ranking omits some. */
  elements: HTMLElement[] = [];
  private layout = "";
  private pointedPart = -1;

  constructor(private readonly events: PartsEvents, signal: AbortSignal) {
    this.element.append(this.body, this.tip);
    const { body } = this;
    body.addEventListener("pointerover", (event) => this.point(partOf(event)), { signal });
    body.addEventListener("pointerleave", () => this.point(-1), { signal });
    body.addEventListener("focusin", (event) => this.point(partOf(event)), { signal });
    body.addEventListener("focusout", () => this.point(-1), { signal });
    body.addEventListener("click", (event) => this.onClick(partOf(event)), { signal });
    body.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }

  /** Whether something was drawn. */
  get drawn(): boolean {
    return this.drawing !== null;
  }

  draw(drawing: PartsDrawing): void {
    const { scored, ranked } = drawing;
    this.drawing = drawing;
    const layout = JSON.stringify([scored.parts, ranked && [...scored.scores], scored.result.signed]);
    const changed = layout !== this.layout;
    const focused = this.body.contains((this.body.getRootNode() as ShadowRoot).activeElement);
    this.layout = layout;
    if (changed) this.layOut(drawing);
    this.elements.forEach((element, part) => element.setAttribute("aria-label", scored.spoken(part)));
    this.paint(drawing);
    if (focused && changed) this.elements.find((element) => element?.tabIndex === 0)?.focus({ preventScroll: true });
    if (!focused) this.point(this.pointedPart);
  }

  setBusy(busy: boolean): void {
    this.element.setAttribute("aria-busy", String(busy));
  }

  // -- layout ---------------------------------------------------------------------------------------------

  private layOut({ scored, ranked }: PartsDrawing): void {
    this.elements = [];
    this.body.replaceChildren(...(ranked ? this.ranking(scored) : [this.runningText(scored)]));
  }

  private runningText(scored: ScoredText): HTMLElement {
    const { space } = scored.parts;
    const paragraphs = paragraphsOf(scored.parts).map((parts) => {
      const paragraph = h("p", { className: "running", dir: "auto", role: "presentation" });
      for (const part of parts) {
        if (space[part] === 2) paragraph.append(h("br"));
        else if (space[part] === 1) paragraph.append(" ");
        paragraph.append(this.addPart(partElement(scored, part), part));
      }
      return paragraph;
    });
    const listbox = { role: "listbox", "aria-label": "Text with scores", "aria-orientation": "horizontal" };
    return h("div", listbox, ...paragraphs);
  }

  private ranking(scored: ScoredText): HTMLElement[] {
    const rows = scored.ranking.map((part) => this.addPart(h("div", { className: "rank" },
      h("span", { className: "word", dir: "auto" }, scored.label(part)),
      h("span", { className: "track" }, h("i", {})),
      h("span", { className: "figure" }, scored.columnText(part)),
    ), part));
    const { count, sum } = scored.unranked;
    const together = scored.result.signed ? `; together ${formatSigned(sum)}` : "";
    return [
      h("div", { className: "ranks", role: "listbox", "aria-label": "Strongest scores" }, ...rows),
      h("p", { className: "rest", hidden: count === 0 }, `${count} weaker ${scored.parts.level}s are not listed${together}.`),
    ];
  }

  /** Makes an element stand for a part. */
  private addPart(element: HTMLElement, part: number): HTMLElement {
    element.setAttribute("role", "option");
    element.tabIndex = -1;
    element.dataset["part"] = String(part);
    return (this.elements[part] = element);
  }

  // -- colours --------------------------------------------------------------------------------------------

  private paint({ scored, ramp, ranked }: PartsDrawing): void {
    const selected = this.events.selected();
    const bounds = ranked ? barBounds(scored.ranking.map((part) => scored.scores[part]!)) : null;
    this.elements.forEach((element, part) => {
      if (bounds) paintBar(element, scored, part, ramp, bounds);
      else if (scored.isColoured(part)) {
        const colour = ramp(scored.share(part));
        Object.assign(element.style, { background: colour, color: inkOn(colour) });
        element.classList.toggle("against", scored.isAgainst(part));
      } else {
        Object.assign(element.style, { background: "", color: "" });
        element.classList.remove("against");
      }
      element.setAttribute("aria-selected", String(part === selected));
    });
    const entry = this.elements[selected] ? selected : this.elements.findIndex((element) => element);
    this.elements.forEach((element, part) => (element.tabIndex = part === entry ? 0 : -1));
  }

  // -- pointing and keys ----------------------------------------------------------------------------------

  private point(part: number): void {
    this.pointedPart = part;
    this.events.pointed(this.elements[part] ? part : this.events.selected());
    const element = this.elements[part]; // none where another text has fewer parts
    this.tip.hidden = !element || this.drawing!.ranked;
    if (!element) return;
    this.tip.textContent = this.drawing!.scored.scoreText(part);
    const outer = this.element.getBoundingClientRect();
    const inner = element.getClientRects()[0] ?? element.getBoundingClientRect();
    this.tip.style.left = `${Math.max(0, Math.min(inner.left - outer.left, outer.width - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${inner.bottom - outer.top + 5}px`;
  }

  private onClick(part: number): void {
    if (part < 0) return;
    this.events.select(part === this.events.selected() ? -1 : part);
    this.elements[part]!.focus({ preventScroll: true });
  }

  private onKey(event: KeyboardEvent): void {
    if (hasModifier(event)) return;
    const { scored, ranked } = this.drawing!;
    const order = ranked ? scored.ranking : [...this.elements.keys()];
    const at = order.indexOf(partOf(event));
    const next = nextIndex(event.key, at, order.length, this.rightToLeft);
    if (event.key === "Escape") this.events.select(-1);
    else if (event.key === "Enter" || event.key === " ") this.events.select(order[at] === this.events.selected() ? -1 : (order[at] ?? -1));
    else if (next !== null) {
      const part = order[next];
      if (part === undefined) return;
      this.events.select(part);
      this.elements[part]!.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has shortcuts of its own
  }

  private get rightToLeft(): boolean {
    const text = this.body.querySelector(".running");
    return text !== null && getComputedStyle(text).direction === "rtl";
  }
}

/** The place among `count` parts that a key leads to from place `at`; null for keys that do not move. */
export function nextIndex(key: string, at: number, count: number, rightToLeft: boolean): number | null {
  const back = rightToLeft ? 1 : -1;
  const places: Record<string, number> = {
    ArrowLeft: at + back, ArrowRight: at - back, ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: count - 1,
  };
  return key in places ? Math.max(0, Math.min(count - 1, places[key]!)) : null;
}

/** The part that an event happened on; -1 for none. */
function partOf(event: Event): number {
  const element = (event.target as Element).closest?.("[data-part]");
  return element instanceof HTMLElement ? Number(element.dataset["part"]) : -1;
}

/** A part of the running text; the sign of a word piece is faint. */
function partElement(scored: ScoredText, part: number): HTMLElement {
  const text = scored.label(part);
  const isPiece = text.startsWith("##") && text.length > 2;
  const element = h("span", { className: "part" }, isPiece && h("span", { className: "mark" }, "##"), isPiece ? text.slice(2) : text);
  element.classList.toggle("special", scored.isSpecial(part));
  element.classList.toggle("glued", scored.parts.space[part] === 0);
  return element;
}

function paintBar(element: HTMLElement, scored: ScoredText, part: number, ramp: Ramp, bounds: ReturnType<typeof barBounds>): void {
  const bar = element.querySelector("i")!;
  const { left, width } = barOf(scored.scores[part]!, bounds);
  Object.assign(bar.style, { left: `${left}%`, width: `${width}%`, background: ramp(scored.share(part, FAINTEST_BAR)) });
  bar.parentElement!.style.setProperty("--zero", `${(-bounds.low / bounds.span) * 100}%`);
}
