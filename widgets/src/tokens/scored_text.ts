// From TokensView's state to what is drawn and said: the scores of one result at one level.

import { formatColumn, formatNumber, formatSigned } from "../drawing/number_format";
import { tokenLabel } from "../drawing/token_label";
import { readSingles } from "../protocol/float16";
import type { AttributionResult, ExplainRequest, InputText, Level, TextParts, TokensState } from "./state";

/** Parts that a ranking lists. */
const MOST_RANKED = 24;

/** A share whose colour is that of zero. */
const FAINTEST_SIGN = 0.005;

/** Characters of a part in the running text; a sentence may be long. */
const LONGEST: Record<Level, number> = { token: 40, word: 60, sentence: 1200 };

export class ScoredText {
  /** The largest magnitude, at which the colours end. */
  readonly most: number;
  private readonly special: Set<number>;

  constructor(
    readonly result: AttributionResult,
    readonly parts: TextParts,
    readonly scores: Float32Array,
  ) {
    this.most = scores.reduce((most, score) => Math.max(most, Number.isFinite(score) ? Math.abs(score) : 0), 0);
    this.special = new Set(parts.special);
  }

  isSpecial(part: number): boolean {
    return this.special.has(part);
  }

  /** A part's share of the largest magnitude, with its sign, at least `faintest` unless it is 0; NaN counts as 0. */
  share(part: number, faintest = 0): number {
    const share = this.most > 0 && Number.isFinite(this.scores[part]) ? this.scores[part]! / this.most : 0;
    return Math.sign(share) * Math.max(Math.abs(share), faintest);
  }

  /** Whether a part is coloured: special tokens only where their score counts. */
  isColoured(part: number): boolean {
    return !this.isSpecial(part) || Math.abs(this.scores[part]!) > this.most / 1e3;
  }

  /** Whether a part opposes what is explained, as far as colours show it: its mark besides the hue. */
  isAgainst(part: number): boolean {
    return this.result.signed && this.isColoured(part) && this.share(part) < -FAINTEST_SIGN;
  }

  /** A part as the text shows it. */
  label(part: number): string {
    const text = this.parts.text[part]!;
    return tokenLabel(text.trim() || text, LONGEST[this.parts.level]);
  }

  /** A part's score alone. */
  scoreText(part: number): string {
    return this.result.signed ? formatSigned(this.scores[part]!) : formatNumber(this.scores[part]!);
  }

  /** A part and its score in words. */
  spoken(part: number): string {
    const special = this.isSpecial(part) ? " (special)" : "";
    const unit = this.result.signed ? ` ${this.result.unit}` : "";
    return `“${tokenLabel(this.parts.text[part]!)}”${special}: ${this.scoreText(part)}${unit}`;
  }

  /** A part in words, with its side and its rank. */
  describe(part: number): string {
    const { parts, scores, result } = this;
    const score = scores[part]!;
    const rank = scores.reduce((rank, other) => rank + Number(Math.abs(other) > Math.abs(score)), 1);
    const side = !result.signed || !score ? "" : ` ${score > 0 ? "for" : "against"} ${tokenLabel(result.question, 60)}`;
    return `${this.spoken(part)}${side} · rank ${rank} of ${parts.text.length} · ${parts.level} ${part}`;
  }

  /** The parts of largest magnitude, from most for to most against, without special ones. */
  get ranking(): number[] {
    const { parts, scores } = this;
    return [...parts.text.keys()]
      .filter((part) => !this.isSpecial(part))
      .sort((a, b) => Math.abs(scores[b]!) - Math.abs(scores[a]!))
      .slice(0, MOST_RANKED)
      .sort((a, b) => scores[b]! - scores[a]!);
  }

  /** What is explained, and which parts count most. */
  get inWords(): [name: string, said: string] {
    const { result, ranking } = this;
    const named = (part: number) => `“${this.label(part)}” (${this.scoreText(part)})`;
    const [first, last] = [ranking[0], ranking.at(-1)];
    const question = `why ${tokenLabel(result.question, 60)}`;
    if (first === undefined || last === undefined || this.most === 0) return [question, ""];
    if (!result.signed) return [question, `${named(first)} counts most`];
    const sides = [
      ...(this.scores[first]! > 0 ? [`${named(first)} supports it most`] : []),
      ...(this.isAgainst(last) ? [`${named(last)} opposes it most`] : []),
    ];
    return [question, sides.join(", ")];
  }

  /** How many parts a ranking omits, and the sum of their scores. */
  get unranked(): { count: number; sum: number } {
    const listed = new Set(this.ranking);
    const others = [...this.parts.text.keys()].filter((part) => !listed.has(part) && !this.isSpecial(part));
    return { count: others.length, sum: others.reduce((sum, part) => sum + this.scores[part]!, 0) };
  }

  /** A score as it stands in a column. */
  columnText(part: number): string {
    return formatColumn(this.scores[part]!, this.most, this.result.signed);
  }

  /** The part that holds a token; -1 for none. */
  partOf(token: number | null): number {
    return token === null ? -1 : this.parts.first.findLastIndex((first) => first <= token);
  }
}

/** The result of that number, at that level where its text has it. */
export function readScoredText({ texts, results }: TokensState["shown"], bytes: DataView, wanted: number, level: Level): ScoredText {
  const number = Math.min(wanted, results.length - 1);
  const result = results[number]!;
  const levels = texts[result.text]!;
  const parts = levels.find((other) => other.level === level) ?? levels[0]!;
  // Scores follow each other in the order of results and levels.
  const before = results.slice(0, number).flatMap(({ text }) => texts[text]!).concat(levels.slice(0, levels.indexOf(parts)));
  const skip = before.reduce((sum, { text }) => sum + text.length, 0);
  return new ScoredText(result, parts, readSingles(bytes, skip, parts.text.length));
}

/** The parts of each text of a pair; a special token ends the text before it, or begins the first. */
export function paragraphsOf({ text, special, segment }: TextParts): number[][] {
  const isSpecial = new Set(special);
  const paragraphs: number[][] = [];
  let current = -1;
  text.forEach((_, part) => {
    const other = segment[part] ?? 0;
    if (paragraphs.length === 0 || (!isSpecial.has(part) && current >= 0 && other !== current)) paragraphs.push([]);
    if (!isSpecial.has(part)) current = other;
    paragraphs.at(-1)!.push(part);
  });
  return paragraphs;
}

/** Where bars begin, and how wide the range of the numbers is, zero included. */
export function barBounds(values: number[]): { low: number; span: number } {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return { low, span: high - low || 1 };
}

/** A bar in percent of the range. */
export function barOf(score: number, { low, span }: { low: number; span: number }): { left: number; width: number } {
  const [from, to] = [Math.min(0, score || 0), Math.max(0, score || 0)];
  return { left: ((from - low) / span) * 100, width: ((to - from) / span) * 100 };
}

export function sameText(a: InputText, b: InputText): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The number of a result that answers a request; -1 where Python has to compute it. */
export function resultFor({ text, target, method }: ExplainRequest, state: Pick<TokensState, "text" | "shown">): number {
  if (!sameText(text, state.text)) return -1;
  return state.shown.results.findIndex(({ asked }) => asked.some((request) => request[0] === target && request[1] === method));
}
