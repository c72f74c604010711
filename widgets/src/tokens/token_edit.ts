// What a token does: mask it, remove it or write another one, and see the answer change in place.

import { formatPercent, formatSigned } from "../drawing/number_format";
import { tokenLabel } from "../drawing/token_label";
import { button } from "../ui/controls";
import { h } from "../ui/dom";
import { guardField } from "../ui/keyboard";
import type { Frame } from "../ui/view";
import type { Explainer } from "./explainer";
import { sameText, type ScoredText } from "./scored_text";
import type { AttributionResult, InputText, TokensState } from "./state";

const NO_KERNEL = "To mask or replace a token the model has to run: al.TokensView(lens, text) or al.Explorer(lens, text) in a notebook.";

/** A text with the characters of one part, counted as Python counts them, replaced. */
export function replaced(text: InputText, segment: number, [start, end]: [number, number], by: string): InputText {
  const texts = typeof text === "string" ? [text] : [...text];
  const letters = [...texts[segment]!];
  const [before, after] = [letters.slice(0, start).join(""), letters.slice(end).join("")];
  texts[segment] = by === "" ? joined(before, after) : before + by + after;
  return texts.length === 2 ? [texts[0]!, texts[1]!] : texts[0]!;
}

/** What is left of a text without a word: of two spaces around it, one. */
function joined(before: string, after: string): string {
  if (before === "") return after.trimStart();
  if (after === "") return before.trimEnd();
  if (!/\s$/.test(before) || !/^\s/.test(after)) return before + after;
  return before.endsWith(" ") ? before.slice(0, -1) + after : before + (after.startsWith(" ") ? after.slice(1) : after);
}

/** A prediction in words. */
function predictionText({ prediction }: Pick<AttributionResult, "prediction">): string {
  const [label, probability] = prediction ?? ["", null];
  return `${tokenLabel(label)}${probability === null ? "" : ` ${formatPercent(probability)}`}`;
}

export class TokenEdit {
  readonly element = h("div", { className: "edit", hidden: true });
  private readonly actions = h("div", { className: "actions" });
  private readonly outcome = h("p", { className: "outcome", role: "status", hidden: true });
  private readonly field: HTMLInputElement;
  private readonly name = h("span", { className: "name" });
  private scored: ScoredText | null = null;
  private part = -1;
  /** By text: the changes that led to it from the first one, in words. */
  private readonly changes = new Map<string, string[]>();
  /** The result before the first change. */
  private first: AttributionResult | null = null;

  constructor(private readonly frame: Frame<TokensState>, private readonly explainer: Explainer) {
    const { live, mask } = frame.model.get("choices");
    this.field = h("input", { type: "text", size: 10, placeholder: "another word", "aria-label": "Replace the selected part by" });
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && this.field.value.trim() && this.apply(this.field.value.trim()));
    guardField(this.field, frame.root.host, frame.signal);
    if (live) this.actions.append(
      this.name,
      ...(mask ? [button("mask", () => this.apply(mask))] : []),
      button("remove", () => this.apply("")),
      this.field,
    );
    else this.actions.append(h("span", { className: "name" }, NO_KERNEL));
    this.element.append(this.actions, this.outcome);
  }

  draw(scored: ScoredText): void {
    const { model } = this.frame;
    this.scored = scored;
    this.part = scored.partOf(model.get("token"));
    const can = this.part >= 0 && !scored.isSpecial(this.part) && this.span !== null;
    const before = model.get("before");
    this.actions.hidden = !can;
    if (can) this.name.textContent = `“${scored.label(this.part)}”`;
    if (before === null) this.first = null;
    this.outcome.hidden = before === null || sameText(before, model.get("text"));
    this.element.hidden = this.actions.hidden && this.outcome.hidden;
    if (!this.outcome.hidden && before !== null) this.outcome.replaceChildren(...this.outcomeContent(scored.result, before));
  }

  private get span(): [number, number] | null {
    return this.scored?.parts.span[this.part] ?? null;
  }

  /** Explains the text with the selected part replaced; what was there first is kept to return to. */
  private apply(by: string): void {
    const { scored, span, frame } = this;
    if (!scored || !span) return;
    const { model } = frame;
    const text = model.get("text");
    const before = model.get("before");
    if (before === null) this.first = scored.result;
    this.field.value = "";
    const named = `“${scored.label(this.part)}”`;
    const changed = replaced(text, scored.parts.segment[this.part] ?? 0, span, by);
    const earlier = before === null || sameText(before, text) ? [] : this.changes.get(JSON.stringify(text));
    // What was changed before this view saw it cannot be named.
    if (earlier) this.changes.set(JSON.stringify(changed), [...earlier, by === "" ? `without ${named}` : `${named} → “${tokenLabel(by)}”`]);
    frame.set({ before: before ?? text, token: null });
    this.explainer.request({ text: changed }, 0, true);
  }

  private outcomeContent(now: AttributionResult, before: InputText): (HTMLElement | string)[] {
    const { first } = this;
    const same = first !== null && first.question === now.question && first.value !== null && now.value !== null;
    const change = same ? `, its ${now.unit} by ${formatSigned(now.value! - first.value!)}` : "";
    const undo = button("undo", () => {
      this.frame.set({ before: null, token: null });
      this.explainer.request({ text: before }, 0, true);
    });
    const was = first ? [h("b", {}, predictionText(first)), " → "] : ["now "];
    return [`${this.changes.get(JSON.stringify(this.frame.model.get("text")))?.join(", ") ?? "Changed"}: `, ...was, h("b", {}, predictionText(now)), `${change} `, undo];
  }
}
