// One head in full: its pattern, what it attends to, which tokens it connects, what is lost without it, and examples.

import { formatNumber, formatPercent, formatSigned } from "../drawing/number_format";
import { statisticTitle } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { SortableTable } from "../page/tables";
import { button } from "../ui/controls";
import { h, range, s } from "../ui/dom";
import { LEVELS, nameOf, patternTitle, type Content, type Effect, type Head, type Maybe, type Offsets } from "./content";
import { exampleRow } from "./examples";

type Children = (Node | string | false | null)[];

/** The part of the page about a head; step: goes to the head so many further on. */
export function headPanel(content: Content, head: Head, step: (by: number) => void): HTMLElement {
  return h(
    "section", { className: "head part", "aria-label": `Head ${nameOf(head)}` },
    h("header", {}, h("h2", {}, `Layer ${head.layer}, head ${head.head}`),
      h("nav", { "aria-label": "other heads" }, plain(button("previous head", () => step(-1))), plain(button("next head", () => step(1))))),
    h("p", { className: "lead" }, ...lead(content, head)),
    h("div", { className: "inside" },
      examples(content, head), pairs(head), offsets(head.offsets), classes(head), effects(head), neighbours(head), statistics(head)),
  );
}

function plain(made: HTMLButtonElement): HTMLButtonElement {
  made.className = "button";
  return made;
}

function card(name: string, said: string, ...content: Children): HTMLElement {
  return h("section", { className: "card" }, h("h3", {}, name), h("p", { className: "small" }, said), ...content);
}

/** What the head does, in a sentence. */
function lead(content: Content, { pattern, pairs: [pair] }: Head): Children {
  const connects: Children = pair
    ? [" ", h("strong", {}, `“${tokenLabel(pair[0])}” → “${tokenLabel(pair[1])}”`), ` is what it connects most above chance, of ordinary tokens: ${pair[2]} times, by chance ${pair[3].toFixed(1)}.`]
    : [];
  if (!pattern.pattern) return [`Follows none of the named patterns more than heads of the same model with random parameters do.`, ...connects];
  const much = (pattern.score ?? 0) > 0.5 ? "Mostly" : "Partly";
  const also = pattern.also ? ` Also: ${pattern.also}.` : "";
  return [
    h("strong", {}, `${much} ${patternTitle(pattern.pattern)}`), `: ${content.patterns[pattern.pattern]!.split(": ")[0]}. It takes ${percent(pattern.score)} of its attention (`,
    `${percent(pattern.low)} to ${percent(pattern.high)}, 95% interval; with random parameters up to ${percent(pattern.limit)}).${also}`, ...connects,
  ];
}

function percent(share: Maybe): string {
  return share === null ? "–" : share < 0.1 ? `${(100 * share).toFixed(1)}%` : formatPercent(share);
}

function examples(content: Content, head: Head): HTMLElement | null {
  if (!head.examples.length) return null;
  const text = content.inputs[head.examples[0]!.input]!.tokens !== undefined;
  const said = text
    ? "Tinted is what the framed token attends to; press another token for its attention."
    : "Bright is what the outlined patch, or the class token, attends to.";
  const rows = head.examples.map((example) => exampleRow(example, content.inputs[example.input]!, content.by));
  const made = card(
    `Inputs by ${statisticTitle(content.by)}`, `${said} First the inputs with the largest ${content.by === "weight" ? "weight on an ordinary token" : statisticTitle(content.by)}, then one of each tenth of all inputs.`,
    h("div", { className: text ? "" : "tiles" }, ...rows),
  );
  made.classList.add("examples", "whole");
  return made;
}

function pairs({ pairs }: Head): HTMLElement | null {
  if (!pairs.length) return null;
  const rows = pairs.map(([query, key, count, chance, p]) => {
    const ratio = chance > 0 ? count / chance : NaN;
    return h("tr", { className: p <= 0.05 ? "marked" : "" },
      h("td", { className: "pair" }, `${tokenLabel(query)} → ${tokenLabel(key)}`), numberCell(count, String(count)), numberCell(chance, chance.toFixed(1)),
      numberCell(ratio, chance > 0 ? `${formatNumber(ratio)}×` : ""));
  });
  return card("Tokens that it connects", "How often a token attends most to another one, beside chance. Not to the first key or special tokens.",
    sortable(table(["from → to", "times", "by chance", "ratio"], rows)));
}

/** A cell of a number, by which its table sorts. */
function numberCell(value: number, said: string): HTMLElement {
  const cell = h("td", {}, said);
  cell.dataset["value"] = String(value);
  return cell;
}

function sortable(made: HTMLTableElement): HTMLTableElement {
  new SortableTable(made);
  return made;
}

/** A table whose first column is text. */
function table(names: string[], rows: HTMLElement[]): HTMLTableElement {
  const heads = names.map((name, n) => (name ? h("th", { scope: "col", className: n ? "" : "text" }, name) : h("td")));
  for (const row of rows) row.firstElementChild!.classList.add("text");
  return h("table", { className: "table" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows));
}

function offsets(found: Offsets | null): HTMLElement | null {
  if (!found) return null;
  return found.reach === undefined ? displacement(found) : bars(found, found.reach);
}

/** Bars by offset, with a line where equal weights would end. */
function bars({ weight, chance }: Offsets, reach: number): HTMLElement {
  const most = Math.max(...weight.map((value) => value ?? 0), ...chance.map((value) => value ?? 0), 1e-9);
  const [step, height] = [18, 110];
  const names = ["…", ...range(2 * reach + 1).map((n) => (n === reach ? "0" : formatSigned(n - reach))), "…"];
  const marks = weight.flatMap((value, n) => {
    const tall = ((value ?? 0) / most) * height;
    const level = height - ((chance[n] ?? 0) / most) * height;
    const where = n === 0 ? "farther back" : n === weight.length - 1 ? "farther ahead" : `offset ${names[n]}`;
    return [
      s("rect", { x: n * step + 2, y: height - tall, width: step - 4, height: tall }, s("title", {}, `${where}: ${percent(value)}, by chance ${percent(chance[n] ?? null)}`)),
      s("path", { class: "chance", d: `M${n * step + 1} ${level.toFixed(1)}h${step - 2}` }),
      ...(n % 2 ? [] : [s("text", { x: n * step + step / 2, y: height + 15, "text-anchor": "middle" }, names[n]!)]),
    ];
  });
  return card("Where its keys are", `Mean weight by offset of the key from the query, in tokens; lines: equal weights. The highest bar is ${percent(most)}.`,
    s("svg", { class: "bars", viewBox: `0 0 ${names.length * step} ${height + 20}`, role: "img", "aria-label": "Mean weight by offset" }, ...marks));
}

/** Weights by displacement of the patch that is attended to, the query in the middle. */
function displacement({ weight, rows = 1, cols = 1 }: Offsets): HTMLElement {
  const most = Math.max(...weight.map((value) => value ?? 0), 1e-9);
  const [down, across] = [2 * rows - 1, 2 * cols - 1];
  const cells = weight.map((value, n) =>
    s("rect", { x: n % across, y: Math.floor(n / across), width: 1.02, height: 1.02, fill: "var(--accent)", opacity: Math.sqrt((value ?? 0) / most).toFixed(3) },
      s("title", {}, `${Math.floor(n / across) - rows + 1} down, ${(n % across) - cols + 1} right: ${percent(value)}`)));
  return card("Where its keys are", `Mean weight by displacement in patches; the query is the outlined middle. The strongest is ${percent(most)}.`,
    s("svg", { viewBox: `0 0 ${across} ${down}`, role: "img", "aria-label": "Mean weight by displacement" }, ...cells,
      s("rect", { x: cols - 1, y: rows - 1, width: 1, height: 1, fill: "none", stroke: "var(--text)", "stroke-width": 0.15 })));
}

/** From classes of tokens (rows) to classes (columns). */
function classes({ classes }: Head): HTMLElement | null {
  if (!classes.length) return null;
  const from = [...new Set(classes.map(([query]) => query))];
  const to = [...new Set(classes.map(([, key]) => key))];
  const weight = new Map(classes.map(([query, key, value, chance]) => [`${query} ${key}`, [value, chance] as const]));
  const rows = from.map((query) =>
    h("tr", {}, h("th", { scope: "row" }, patternTitle(query)), ...to.map((key) => {
      const [value, chance] = weight.get(`${query} ${key}`) ?? [0, 0];
      const level = Math.round(value * LEVELS);
      return h("td", { className: level ? `for-${level}` : "", title: `from ${patternTitle(query)} to ${patternTitle(key)}: ${percent(value)}, by chance ${percent(chance)}` }, percent(value));
    })));
  const made = table(["from ↓ to →", ...to.map(patternTitle)], rows);
  made.classList.add("classes-of");
  return card("What it attends to", "Mean weight from classes of tokens to classes of tokens.", h("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "weights of classes" }, made));
}

function effects({ off }: Head): HTMLElement | null {
  if (!off) return null;
  const rows: [string, (effect: Effect) => string[]][] = [
    ["accuracy", (effect) => interval(effect.accuracy_change, effect.accuracy_change_low, effect.accuracy_change_high, 100, " points")],
    ["loss", (effect) => interval(effect.loss_change, effect.loss_change_low, effect.loss_change_high)],
    ["predictions that change", ({ flips }) => [percent(flips)]],
    ["divergence", ({ divergence }) => [formatNumber(divergence)]],
  ];
  const { pair } = off;
  const names = ["without", "the head", ...(pair ? [`and ${pair.layer_b}.${pair.head_b}`] : [])];
  const shown = rows.filter(([, said]) => said(off).length);
  const cell = (effect: Effect, said: (effect: Effect) => string[]) => {
    const [value, ends] = said(effect);
    return h("td", {}, value, ends && h("small", {}, ends));
  };
  return card("Without it", `Changes on ${off.inputs.toLocaleString("en")} inputs, with 95% intervals${pair ? "; also without its nearest head, which may stand in for it" : ""}.`,
    table(names, shown.map(([name, said]) => h("tr", {}, h("td", {}, name), cell(off, said), pair && cell(pair, said)))));
}

/** A change and its interval; nothing where there is none. */
function interval(value?: Maybe, low?: Maybe, high?: Maybe, times = 1, unit = ""): string[] {
  if (value === undefined || value === null) return [];
  const ends = low === null || low === undefined ? [] : [`${formatSigned(low * times)} to ${formatSigned((high ?? 0) * times)}`];
  return [`${formatSigned(value * times)}${unit}`, ...ends];
}

function neighbours({ near }: Head): HTMLElement | null {
  if (!near.length) return null;
  return card("Heads that attend alike", "The nearest heads: Hellinger distance of their attention, from 0 (equal) to 1.",
    sortable(table(["head", "distance"], near.map(([layer, head, distance]) => {
      const name = numberCell(layer * 1000 + head, "");
      name.append(h("a", { href: `#head=${layer}.${head}` }, `${layer}.${head}`));
      return h("tr", {}, name, numberCell(distance, formatNumber(distance)));
    }))));
}

function statistics({ stats }: Head): HTMLElement {
  return card("Statistics", "Means over the inputs with 95% intervals, and the middle half of the inputs.",
    table(["", "mean", "interval", "25 to 75%"], stats.map(([name, mean, low, high, , q25, , q75]) =>
      h("tr", {}, h("td", {}, statisticTitle(name)), h("td", {}, number(mean)), h("td", {}, `${number(low)} to ${number(high)}`), h("td", {}, `${number(q25)} to ${number(q75)}`)))));
}

function number(value: Maybe | undefined): string {
  return value === null || value === undefined ? "–" : formatNumber(value);
}
