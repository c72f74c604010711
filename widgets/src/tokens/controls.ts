// TokensView's controls: target, method, level, and text or ranking.

import { methodTitle } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { button, options, press, segments, select } from "../ui/controls";
import { h } from "../ui/dom";
import { guardField } from "../ui/keyboard";
import type { Frame } from "../ui/view";
import type { Explainer } from "./explainer";
import type { ScoredText } from "./scored_text";
import { LEVELS, type TokensState } from "./state";

/** The value of the option for the predicted class, which no class can have for its name. */
const PREDICTED = "\u0000";

export class TokensControls {
  private readonly target: HTMLSelectElement;
  private readonly predicted: HTMLOptionElement;
  /** Instead of the list, where the classes have no names. */
  private readonly typedTarget: HTMLInputElement;
  private readonly method: HTMLSelectElement;
  private readonly attribution: HTMLSelectElement;
  private readonly levels: HTMLButtonElement[];
  private readonly orders: HTMLButtonElement[];
  private readonly choices: TokensState["choices"];

  constructor(private readonly frame: Frame<TokensState>, private readonly explainer: Explainer) {
    this.choices = frame.model.get("choices");
    const { targets, methods, titles } = this.choices;
    this.target = select("Class that is explained", [[PREDICTED, "predicted"]], (value) =>
      explainer.request({ target: value === PREDICTED ? null : value }));
    this.predicted = this.target.options[0]!;
    this.target.append(...options(targets.map((name) => [name, tokenLabel(name)])));
    this.typedTarget = h("input", {
      type: "text", size: 18, "aria-label": "Class that is explained: its name or number; empty for the predicted one",
      onchange: () => explainer.request({ target: this.typedTarget.value === "" ? null : this.typedTarget.value }),
    });
    this.method = select("Method", methods.map((name) => [name, methodTitle(name)]), (method) => explainer.request({ method }));
    this.attribution = select("Attribution", titles.map((title, n) => [String(n), tokenLabel(title, 90)]), (value) =>
      frame.set({ number: Number(value) }));
    this.levels = LEVELS.map((level) => button(level, () => frame.set({ level })));
    this.orders = [false, true].map((sort) => button(sort ? "ranked" : "text", () => frame.set({ sort })));
    guardField(this.typedTarget, frame.root.host, frame.signal);
    this.layOut();
  }

  private get hasNames(): boolean {
    return this.choices.targets.length > 0;
  }

  private layOut(): void {
    const { live, titles } = this.choices;
    const named = (name: string, shown: boolean, control: HTMLElement) =>
      h("label", { hidden: !shown }, h("span", { className: "name" }, name), control);
    this.frame.bar.append(
      named("Why", live, this.hasNames ? this.target : this.typedTarget),
      named("Method", live, this.method),
      named("Show", titles.length > 1, this.attribution),
      segments("What a score belongs to", this.levels),
      segments("Picture", this.orders),
    );
  }

  draw(scored: ScoredText): void {
    const { model, root } = this.frame;
    const { target, method } = this.explainer.latest;
    const name = scored.result.prediction?.[0] ?? "";
    const isClass = name !== "" && (!this.hasNames || this.choices.targets.includes(name));
    this.predicted.textContent = this.typedTarget.placeholder = isClass ? `predicted: ${tokenLabel(name)}` : "predicted";
    this.target.value = target === null ? PREDICTED : String(target);
    if (root.activeElement !== this.typedTarget) this.typedTarget.value = target === null ? "" : String(target);
    this.method.value = method;
    this.attribution.value = String(model.get("number"));
    const offered = model.get("shown").texts[scored.result.text]!.map(({ level }) => level);
    this.levels.forEach((level, n) => {
      press(level, LEVELS[n] === scored.parts.level);
      level.disabled = !offered.includes(LEVELS[n]!);
    });
    this.orders.forEach((order, n) => press(order, (n === 1) === model.get("sort")));
  }
}
