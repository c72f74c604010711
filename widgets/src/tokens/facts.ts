// What is said around the scores: prediction, target, method; the colour scale; sums, and how far they can be trusted.

import type { Ramp } from "../drawing/colour";
import { formatNumber, formatPercent, formatSigned } from "../drawing/number_format";
import { capitalized } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { h } from "../ui/dom";
import type { ScoredText } from "./scored_text";
import type { AttributionResult } from "./state";

type Content = (Node | string)[];

export class Facts {
  /** Above the scores. */
  readonly question = h("div", { className: "asked" });
  /** Below them. */
  readonly reading: HTMLElement;
  private readonly scale = h("div", { className: "scale" });
  private readonly sums = h("p", { className: "sums" });
  private readonly verdict = h("p", { className: "verdict", role: "note" });

  constructor() {
    this.reading = h("div", { className: "under" }, this.scale, this.sums, this.verdict);
  }

  draw({ result, most }: ScoredText, ramp: Ramp): void {
    this.question.replaceChildren(...questionFacts(result));
    this.scale.replaceChildren(...scaleContent(result, most, ramp));
    const { change, sum, value } = result;
    const at = (logit: number) => (value === null ? "" : ` (${formatSigned(logit)})`);
    this.sums.hidden = change === null || sum === null;
    if (change !== null && sum !== null)
      this.sums.replaceChildren(
        named("The scores add up to "), formatSigned(sum),
        named(`; from the baseline${at(value! - change)} to the text${at(value!)} the ${result.unit} changes by `), formatSigned(change),
      );
    this.verdict.textContent = capitalized(result.verdict);
    this.verdict.dataset["kind"] = result.converged === false ? "warn" : "";
  }

  /** The line above a saved picture. */
  get heading(): string {
    return [...this.question.children].map((fact) => fact.textContent).join("  ·  ");
  }

  /** The line below it: the verdict, and what the colours mean. */
  ending({ result, most }: ScoredText): string {
    const end = formatNumber(most);
    const signed = `blue supports ${tokenLabel(result.question, 60)}, red and underlined opposes it, up to ±${end}`;
    return `${this.verdict.textContent}  ·  ${result.signed ? signed : `strong colours are important, up to ${end}`}`;
  }
}

const named = (text: string) => h("span", { className: "name" }, text);

function questionFacts(result: AttributionResult): HTMLElement[] {
  const fact = (name: string, ...content: Content) => h("span", {}, named(`${name} `), ...content);
  const strong = (text: string) => h("b", { dir: "auto" }, tokenLabel(text, 80));
  const [predicted, probability] = result.prediction ?? ["", null];
  return [
    ...(predicted ? [fact("predicted", strong(predicted), probability === null ? "" : ` ${formatPercent(probability)}`)] : []),
    fact("explained", strong(result.question), result.value === null ? "" : ` ${result.unit} ${formatSigned(result.value)}`),
    fact("by", tokenLabel(result.how, 120)),
    ...(result.model ? [fact("model", tokenLabel(result.model, 60))] : []),
  ];
}

function scaleContent(result: AttributionResult, most: number, ramp: Ramp): Content {
  const bar = h("span", { className: "ramp", style: { background: cssGradient(ramp, result.signed) } });
  const side = (text: string, sign = "") => h("span", { className: `side ${sign}` }, text);
  const end = formatNumber(most);
  if (!result.signed) return ["0", bar, end, side("importance")];
  return [side("against", "against"), `−${end}`, bar, `+${end} ${result.unit}`, side(`for ${tokenLabel(result.question, 60)}`)];
}

function cssGradient(ramp: Ramp, signed: boolean): string {
  const stops = Array.from({ length: 11 }, (_, i) => ramp(signed ? i / 5 - 1 : i / 10));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
