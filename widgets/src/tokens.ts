// TokensView: an attribution over its text, as running tokens or ranked; explained anew as one types.

import { LatestRequest as Wishes } from "./protocol/latest_request";
import { listen } from "./protocol/widget_model";
import css from "./tokens.css";
import { h, view, type Frame } from "./dom";
import { diverging, needsWhite, type Ramp } from "./colour";
import { interpolateRgbBasis } from "d3-interpolate";
import { label, number } from "./label";
import { sheet, signed } from "./tokensheet";

type Level = "token" | "word" | "sentence";
type Text = string | [string, string];
type Target = string | number | null;

/** One level of a text; `first` are the tokens at which its parts begin, `space` what stands before each. */
interface Parts {
  level: Level;
  text: string[];
  special: number[];
  segment: number[];
  first: number[];
  space: number[];
}

/** An attribution without its scores; `asked` are the targets and methods that it answers. */
interface Result {
  text: number;
  asked: [target: Target, method: string][];
  target: string;
  question: string;
  how: string;
  unit: string;
  model: string;
  value: number | null;
  change: number | null;
  sum: number | null;
  signed: boolean;
  converged: boolean | null;
  complete: boolean;
  gap: number | null;
  verdict: string;
  prediction: [label: string, probability: number | null] | null;
}

export interface State {
  shown: { texts: Parts[][]; results: Result[] };
  scores: DataView;
  choices: { live: boolean; targets: string[]; methods: string[]; titles: string[] };
  text: Text;
  target: Target;
  method: string;
  number: number;
  level: Level;
  sort: boolean;
  token: number | null;
}

/** What is drawn: one result at one level. */
interface Picture {
  result: Result;
  parts: Parts;
  scores: Float32Array;
  /** The strongest score, at which the colours end. */
  most: number;
  colour: Ramp;
}

interface Wish {
  text: Text;
  target: Target;
  method: string;
}

const KEYS = "Point at a part for its score; arrows move, Escape clears.";
const HOW = {
  signed: `Blue speaks for the class, red against it, strong colours the most. ${KEYS}`,
  unsigned: `Strong colours are important; the method tells neither for nor against. ${KEYS}`,
};

const IDLE = "Change the text: it is explained anew as you type.";

/** How long a text rests before it is read: fast typing is one question. */
const REST = 400;

/** Parts that the list shows. */
const RANKED = 24;

/** A bar is told from the paper by its length, so that its colour need not be faint. */
const FAINTEST = 0.35;

/** Letters of a part in the running text; a sentence may be long. */
const LONGEST: Record<Level, number> = { token: 40, word: 60, sentence: 1200 };

const LEVELS: Level[] = ["token", "word", "sentence"];

const PREDICTED = "\u0000";

export default view<State>("Token attribution", css, (frame) => {
  const { model, signal, bar, stage } = frame;
  const choices = model.get("choices");
  let elements: HTMLElement[] = [];
  let drawn = "";
  let pointed = -1;
  let picture: Picture;

  // -- what is asked for ----------------------------------------------------------------------------------

  const wishes = new Wishes<Wish>((wish) => {
    const known = findHeld(wish);
    if (known < 0) return frame.ask("explain", { ...wish });
    frame.set({ target: wish.target, method: wish.method, number: known });
    return Promise.resolve();
  }, {
    changed: frame.redraw,
    done: () => say(IDLE),
    failed: (reason) => say(reason, "error"),
  }, signal);

  const boxes: HTMLTextAreaElement[] = [];
  const textBoxes = h("div", { className: "texts", hidden: !choices.live });
  const note = h("div", { className: "note", role: "status", hidden: !choices.live });

  const held = (): Wish => ({ text: model.get("text"), target: model.get("target"), method: model.get("method") });
  const wished = () => wishes.latest ?? held();
  const wish = (change: Partial<Wish>, rest = 0) =>
    wishes.submit({ ...wished(), ...(choices.live ? { text: typed() } : {}), ...change }, rest);

  /** The number of a result that answers already; -1 where Python has to be asked. */
  function findHeld({ text, target, method }: Wish): number {
    if (!same(text, model.get("text"))) return -1;
    return model.get("shown").results.findIndex(({ asked }) => asked.some((one) => one[0] === target && one[1] === method));
  }

  function say(text: string, kind: "error" | "busy" = "busy"): void {
    note.textContent = text;
    note.dataset["kind"] = kind;
  }

  function typed(): Text {
    const texts = boxes.map((box) => box.value);
    return texts.length === 2 ? [texts[0]!, texts[1]!] : (texts[0] ?? "");
  }

  function showText(): void {
    const text = model.get("text");
    const texts = typeof text === "string" ? [text] : text;
    if (boxes.length !== texts.length) {
      boxes.splice(0, boxes.length, ...texts.map((_, n) =>
        h("textarea", {
          rows: 1, spellcheck: false, dir: "auto",
          "aria-label": texts.length === 1 ? "Text: explained anew as you type" : `Text ${n + 1} of the pair: explained anew as you type`,
          oninput: () => wish({}, REST),
        }),
      ));
      textBoxes.replaceChildren(...boxes);
    }
    boxes.forEach((box, n) => {
      if (box.value !== texts[n]) box.value = texts[n]!;
    });
  }
  showText();
  say(IDLE);
  listen(model, ["text"], () => {
    // What is being typed is newer than what has been read.
    if (!wishes.waiting) showText();
  }, signal);
  guardKeys(textBoxes, frame);

  // -- controls -------------------------------------------------------------------------------------------

  const listed = choices.targets.length > 0;
  const target = h("select", { "aria-label": "Class that is explained", onchange: () => wish({ target: target.value === PREDICTED ? null : target.value }) });
  const predicted = h("option", { value: PREDICTED }, "predicted");
  target.append(predicted, ...choices.targets.map((name) => h("option", { value: name }, label(name))));
  const typedTarget = h("input", {
    type: "text", size: 18, "aria-label": "Class that is explained: its name or number; empty for the predicted one",
    onchange: () => wish({ target: typedTarget.value === "" ? null : typedTarget.value }),
  });
  const method = h("select", { "aria-label": "Method", onchange: () => wish({ method: method.value }) });
  method.append(...choices.methods.map((name) => h("option", { value: name }, words(name))));
  const given = h("select", { "aria-label": "Attribution", onchange: () => frame.set({ number: Number(given.value) }) });
  given.append(...choices.titles.map((title, n) => h("option", { value: String(n) }, label(title, 90))));
  const levels = LEVELS.map((level) => h("button", { type: "button", onclick: () => frame.set({ level }) }, level));
  const sorts = [false, true].map((sort) => h("button", { type: "button", onclick: () => frame.set({ sort }) }, sort ? "ranked" : "text"));
  const named = (name: string, shown: boolean, ...children: (Node | string)[]) =>
    h("label", { hidden: !shown }, h("span", { className: "name" }, name), ...children);
  bar.append(
    named("Why", choices.live, listed ? target : typedTarget),
    named("Method", choices.live, method),
    named("Show", choices.titles.length > 1, given),
    h("span", { className: "segments", role: "group", "aria-label": "What a score belongs to" }, ...levels),
    h("span", { className: "segments", role: "group", "aria-label": "Picture" }, ...sorts),
  );
  guardKeys(typedTarget, frame);

  const asked = h("div", { className: "asked" });
  const scored = h("div", { className: "scored" });
  const tip = h("div", { className: "tip", hidden: true, "aria-hidden": "true" });
  const body = h("div", {});
  scored.append(body, tip);
  const scale = h("div", { className: "scale" });
  const sums = h("p", { className: "sums" });
  const verdict = h("p", { className: "verdict", role: "note" });
  stage.append(textBoxes, note, asked, scored, h("div", { className: "under" }, scale, sums, verdict));

  listen(model, ["shown", "scores", "target", "method", "number", "level", "sort", "token"], frame.redraw, signal);

  function drawControls(): void {
    const now = wished();
    const name = picture.result.prediction?.[0] ?? "";
    const isClass = name !== "" && (!listed || choices.targets.includes(name));
    predicted.textContent = typedTarget.placeholder = isClass ? `predicted: ${label(name)}` : "predicted";
    target.value = now.target === null ? PREDICTED : String(now.target);
    if (frame.root.activeElement !== typedTarget) typedTarget.value = now.target === null ? "" : String(now.target);
    method.value = now.method;
    given.value = String(model.get("number"));
    levels.forEach((button, n) => {
      button.setAttribute("aria-pressed", String(LEVELS[n] === picture.parts.level));
      button.disabled = !levelsOf(picture.result).some(({ level }) => level === LEVELS[n]);
    });
    sorts.forEach((button, n) => button.setAttribute("aria-pressed", String((n === 1) === model.get("sort"))));
    const busy = wishes.latest !== null;
    scored.setAttribute("aria-busy", String(busy || note.dataset["kind"] === "error"));
    if (busy) say("Reading …");
  }

  const levelsOf = (result: Result) => model.get("shown").texts[result.text]!;

  // -- the picture ----------------------------------------------------------------------------------------

  function read(): Picture {
    const { texts, results } = model.get("shown");
    const number = Math.min(model.get("number"), results.length - 1);
    const result = results[number]!;
    const levels = texts[result.text]!;
    const parts = levels.find(({ level }) => level === model.get("level")) ?? levels[0]!;
    const before = results.slice(0, number).flatMap(({ text }) => texts[text]!).concat(levels.slice(0, levels.indexOf(parts)));
    const start = before.reduce((sum, { text }) => sum + text.length, 0);
    const bytes = model.get("scores");
    const scores = Float32Array.from(parts.text, (_, i) => bytes.getFloat32(4 * (start + i), true));
    const most = scores.reduce((most, score) => Math.max(most, Number.isFinite(score) ? Math.abs(score) : 0), 0);
    return { result, parts, scores, most, colour: result.signed ? diverging(frame.dark()) : importance(frame.dark()) };
  }

  /** The colour of a part; one without a number is as one that counts nothing. */
  function colourOf(part: number, faintest = 0): string {
    const { scores, most, colour } = picture;
    const share = most > 0 && Number.isFinite(scores[part]) ? scores[part]! / most : 0;
    return colour(Math.sign(share) * Math.max(Math.abs(share), faintest));
  }

  function text(part: number): string {
    const { parts } = picture;
    const given = parts.text[part]!;
    return label(given.trim() || given, LONGEST[parts.level]);
  }

  function spoken(part: number): string {
    const { parts, scores, result } = picture;
    const said = result.signed ? `${signed(scores[part]!)} ${result.unit}` : number(scores[part]!);
    return `“${label(parts.text[part]!)}”${parts.special.includes(part) ? " (special)" : ""}: ${said}`;
  }

  function describe(part: number): string {
    const { parts, scores, result } = picture;
    const rank = scores.reduce((rank, other) => rank + Number(Math.abs(other) > Math.abs(scores[part]!)), 1);
    const side = !result.signed || !scores[part] ? "" : scores[part]! > 0 ? ` for ${label(result.question, 60)}` : ` against ${label(result.question, 60)}`;
    return `${spoken(part)}${side} · rank ${rank} of ${parts.text.length} · ${parts.level} ${part}`;
  }

  /** The part that holds the selected token. */
  function selected(): number {
    const token = model.get("token");
    return token === null ? -1 : picture.parts.first.findLastIndex((first) => first <= token);
  }

  const select = (part: number) => frame.set({ token: part < 0 ? null : picture.parts.first[part]! });

  /** An element that stands for a part: it is pointed at, chosen and reached by keys. */
  function standing(element: HTMLElement, part: number): HTMLElement {
    element.setAttribute("role", "option");
    element.setAttribute("aria-label", spoken(part));
    element.tabIndex = -1;
    element.dataset["part"] = String(part);
    elements[part] = element;
    return element;
  }

  function layOut(): void {
    elements = [];
    const { parts } = picture;
    if (model.get("sort")) return layRanks();
    const special = new Set(parts.special);
    const texts: HTMLElement[] = [];
    let segment = -1;
    parts.text.forEach((_, part) => {
      // A special token ends the text before it, or begins the first.
      if (texts.length === 0 || (!special.has(part) && segment >= 0 && (parts.segment[part] ?? 0) !== segment))
        texts.push(h("p", { className: "running", dir: "auto", role: "presentation" }));
      if (!special.has(part)) segment = parts.segment[part] ?? 0;
      const paragraph = texts.at(-1)!;
      if (parts.space[part] === 2) paragraph.append(h("br"));
      else if (parts.space[part] === 1) paragraph.append(" ");
      const shown = text(part);
      const marked = shown.startsWith("##") && shown.length > 2;
      const element = h("span", { className: "part" }, marked && h("span", { className: "mark" }, "##"), marked ? shown.slice(2) : shown);
      element.classList.toggle("special", special.has(part));
      element.classList.toggle("glued", parts.space[part] === 0);
      paragraph.append(standing(element, part));
    });
    body.replaceChildren(h("div", { role: "listbox", "aria-label": "Text with scores", "aria-orientation": "horizontal" }, ...texts));
  }

  /** The strongest parts, from most for to most against. */
  function ranked(): number[] {
    const { parts, scores } = picture;
    const places = [...parts.text.keys()].filter((part) => !parts.special.includes(part));
    return places
      .sort((a, b) => Math.abs(scores[b]!) - Math.abs(scores[a]!))
      .slice(0, RANKED)
      .sort((a, b) => scores[b]! - scores[a]!);
  }

  function layRanks(): void {
    const { parts, scores } = picture;
    const order = ranked();
    const rows = order.map((part) =>
      standing(h("div", { className: "rank" },
        h("span", { className: "word", dir: "auto" }, text(part)),
        h("span", { className: "track" }, h("i", {})),
        h("span", { className: "figure" }, column(scores[part]!, picture)),
      ), part),
    );
    const others = [...parts.text.keys()].filter((part) => !order.includes(part) && !parts.special.includes(part));
    const rest = others.reduce((sum, part) => sum + scores[part]!, 0);
    const summed = picture.result.signed ? `; together ${signed(rest)}` : "";
    body.replaceChildren(
      h("div", { className: "ranks", role: "listbox", "aria-label": "Strongest scores" }, ...rows),
      h("p", { className: "rest", hidden: others.length === 0 }, `${others.length} weaker ${parts.level}s are not listed${summed}.`),
    );
  }

  function paint(): void {
    const { parts, scores, most } = picture;
    const special = new Set(parts.special);
    const { low, span } = bounds(ranked().map((part) => scores[part]!));
    const chosen = selected();
    elements.forEach((element, part) => {
      const barred = element.querySelector("i");
      const colour = colourOf(part, barred ? FAINTEST : 0);
      if (barred) {
        const [from, to] = [Math.min(0, scores[part]! || 0), Math.max(0, scores[part]! || 0)];
        Object.assign(barred.style, { left: `${((from - low) / span) * 100}%`, width: `${((to - from) / span) * 100}%`, background: colour });
        barred.parentElement!.style.setProperty("--zero", `${(-low / span) * 100}%`);
      } else if (!special.has(part) || Math.abs(scores[part]!) > most / 1e3) {
        Object.assign(element.style, { background: colour, color: inkOn(colour) });
      }
      element.setAttribute("aria-selected", String(part === chosen));
    });
    const reachable = elements[chosen] ? chosen : elements.findIndex((element) => element);
    elements.forEach((element, part) => (element.tabIndex = part === reachable ? 0 : -1));
  }

  // -- pointing -------------------------------------------------------------------------------------------

  const partOf = (event: Event) => {
    const found = (event.target as Element).closest?.("[data-part]");
    return found instanceof HTMLElement ? Number(found.dataset["part"]) : -1;
  };
  body.addEventListener("pointerover", (event) => point(partOf(event)), { signal });
  body.addEventListener("pointerleave", () => point(-1), { signal });
  body.addEventListener("focusin", (event) => point(partOf(event)), { signal });
  body.addEventListener("focusout", () => point(-1), { signal });
  body.addEventListener("click", (event) => {
    const part = partOf(event);
    if (part < 0) return;
    select(part === selected() ? -1 : part);
    elements[part]!.focus({ preventScroll: true });
  }, { signal });
  body.addEventListener("keydown", onKey, { signal });

  /** The readout and the number beside the part; the selected one where none is pointed at. */
  function point(part: number): void {
    pointed = part;
    const one = elements[part] ? part : selected();
    frame.say(one >= 0 ? describe(one) : "");
    const element = elements[part]; // none where another text has fewer
    tip.hidden = !element || model.get("sort");
    if (!element) return;
    const { scores, result } = picture;
    tip.textContent = result.signed ? signed(scores[part]!) : number(scores[part]!);
    const [outer, inner] = [scored.getBoundingClientRect(), (element.getClientRects()[0] ?? element.getBoundingClientRect())];
    tip.style.left = `${Math.max(0, Math.min(inner.left - outer.left, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${inner.bottom - outer.top + 5}px`;
  }

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const order = model.get("sort") ? ranked() : [...elements.keys()];
    const at = order.indexOf(partOf(event));
    const back = body.querySelector(".running") && getComputedStyle(body.querySelector(".running")!).direction === "rtl" ? 1 : -1;
    const places: Record<string, number> = {
      ArrowLeft: at + back, ArrowRight: at - back, ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: order.length - 1,
    };
    if (event.key === "Escape") select(-1);
    else if (event.key === "Enter" || event.key === " ") select(order[at] === selected() ? -1 : (order[at] ?? -1));
    else if (event.key in places) {
      const next = order[Math.max(0, Math.min(order.length - 1, places[event.key]!))];
      if (next === undefined) return;
      select(next);
      elements[next]!.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
  }

  // -- what is said ---------------------------------------------------------------------------------------

  function drawWords(): void {
    const { result, most, colour } = picture;
    const fact = (name: string, ...said: (Node | string)[]) => h("span", {}, h("span", { className: "name" }, `${name} `), ...said);
    const strong = (said: string) => h("b", { dir: "auto" }, label(said, 80));
    const [predicted, chance] = result.prediction ?? ["", null];
    asked.replaceChildren(
      ...(predicted ? [fact("predicted", strong(predicted), chance === null ? "" : ` ${percent(chance)}`)] : []),
      fact("explained", strong(result.question), result.value === null ? "" : ` ${result.unit} ${signed(result.value)}`),
      fact("by", label(result.how, 120)),
      ...(result.model ? [fact("model", label(result.model, 60))] : []),
    );
    const ramp = h("span", { className: "ramp", style: { background: gradient(colour, result.signed) } });
    const side = (said: string) => h("span", { className: "side" }, said);
    const end = number(most);
    if (result.signed) scale.replaceChildren(side("against"), `−${end}`, ramp, `+${end}`, side(`for ${label(result.question, 60)}`));
    else scale.replaceChildren("0", ramp, end, side("importance"));
    const { change, sum } = result;
    sums.hidden = change === null || sum === null;
    if (change !== null && sum !== null)
      sums.replaceChildren(
        h("span", { className: "name" }, "The scores add up to "), signed(sum),
        h("span", { className: "name" }, `; from the baseline to the text the ${result.unit} changes by `), signed(change),
      );
    verdict.textContent = result.verdict.charAt(0).toUpperCase() + result.verdict.slice(1);
    verdict.dataset["kind"] = result.converged === false ? "warn" : "";
  }

  const heading = () => [...asked.children].map((fact) => fact.textContent).join("  ·  ");

  /** Below a picture: the verdict, and what the colours mean. */
  function ending(): string {
    const { result, most } = picture;
    const meaning = result.signed ? `blue for ${label(result.question, 60)}, red against it, up to ±${number(most)}` : `strong colours are important, up to ${number(most)}`;
    return `${verdict.textContent}  ·  ${meaning}`;
  }

  function draw(): void {
    // Between two wishes nothing is drawn: what comes is older than what is asked for.
    if (!wishes.waiting || drawn === "") {
      picture = read();
      const { parts, result } = picture;
      const layout = JSON.stringify([parts, model.get("sort") && [...picture.scores], result.signed]);
      const focused = body.contains(frame.root.activeElement);
      const anew = layout !== drawn;
      if (anew) layOut();
      drawn = layout;
      elements.forEach((element, part) => element.setAttribute("aria-label", spoken(part)));
      paint();
      drawWords();
      frame.explain(HOW[result.signed ? "signed" : "unsigned"]);
      if (focused && anew) elements.find((element) => element?.tabIndex === 0)?.focus({ preventScroll: true });
      if (!focused) point(pointed);
    }
    drawControls();
  }

  return { draw, picture: () => sheet(body, elements, heading(), ending(), frame.dark()) };
});

/** Keys belong to a field in which one types, not to the notebook around it. */
function guardKeys(element: HTMLElement, { root, signal }: Pick<Frame<State>, "root" | "signal">): void {
  element.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  element.addEventListener("focusin", () => root.host.setAttribute("data-lm-suppress-shortcuts", "true"), { signal });
  element.addEventListener("focusout", () => root.host.removeAttribute("data-lm-suppress-shortcuts"), { signal });
}

/** For scores that only rank: no colour that speaks for or against. */
function importance(dark: boolean): Ramp {
  return interpolateRgbBasis(dark ? ["#1b1f27", "#2d2745", "#4d3f7e", "#7a68b5", "#a99ddb", "#dcd5f5"] : ["#f7f6fa", "#e4e1f0", "#c4bfe0", "#9b93c9", "#7259ad", "#4a2384"]);
}

function gradient(colour: Ramp, signed: boolean): string {
  const stops = Array.from({ length: 11 }, (_, i) => colour(signed ? i / 5 - 1 : i / 10));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** Where the bars begin and how wide the numbers are, zero among them. */
export function bounds(values: number[]): { low: number; span: number } {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return { low, span: high - low || 1 };
}

/** A number as it stands in a column: all with as many decimals as give the strongest three figures. */
function column(value: number, { most, result }: Picture): string {
  if (!Number.isFinite(value)) return "–";
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most || 1))));
  const said = Math.abs(value).toFixed(decimals);
  return result.signed && Number(said) !== 0 ? `${value > 0 ? "+" : "−"}${said}` : said;
}

function percent(share: number): string {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)} %` : `${Math.round(100 * share)} %`;
}

const inkOn = (colour: string) => (needsWhite(colour) ? "#ffffff" : "#000000");

function same(a: Text, b: Text): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}
