// AttentionView: one head, several or their mean, as lines between tokens or as a matrix.

import { meanOf as mean } from "./protocol/weights";
import { type Layer } from "./protocol/layer";
import { listen } from "./protocol/widget_model";
import { type LayerHeader, type TraceHeader } from "./protocol/headers";
import { TraceSource as Source, type TextPair as Pair, type Selection as Shown } from "./protocol/trace_source";
import css from "./attention.css";
import { h, view } from "./dom";
import { headColour, needsWhite, diverging, sequential } from "./colour";
import { label, number } from "./label";
import { Lines } from "./lines";
import { Matrix } from "./matrix";
import type { Coarse } from "./mosaic";

export interface State {
  trace: TraceHeader;
  layer: number;
  heads: number[];
  mean: boolean;
  mode: "lines" | "matrix";
  query: number | null;
  key: number | null;
  pair: Pair;
  hide_special: boolean;
  threshold: number;
  log: boolean;
  pool: "max" | "mean";
}

const HOW = {
  lines:
    "Queries on the left look at keys on the right; the stronger the line, the more. Point at a token to see it alone, " +
    "click to keep it. Keys: [ ] change the layer, comma and period the head, arrows the token; m shows the matrix.",
  matrix:
    "The query runs down, the key across; strong is much attention. Drag to move, double-click or + and - to zoom, 0 for " +
    "all. Keys: [ ] change the layer, comma and period the head, arrows the cell; m shows the lines.",
};

const PAIRS: Record<Pair, string> = {
  all: "both texts", "a-a": "A → A", "a-b": "A → B", "b-a": "B → A", "b-b": "B → B",
};

export default view<State>("Attention", css, (frame) => {
  const { model, signal, bar, stage } = frame;
  let source = new Source(model, signal);
  let { layers } = source.header;
  let shownTrace = 0;
  let hovered: { axis: "query" | "key"; position: number } | null = null;
  let drawn = 0;
  let detailed = "";
  /** What the matrix shows, and why some of it is missing; other tiles that come do not hide that. */
  let pictured = "";
  let failure = "";

  // -- controls -------------------------------------------------------------------------------------------

  const layer = h("select", { "aria-label": "Layer", onchange: () => setLayer(Number(layer.value)) });
  const listLayers = () =>
    layer.replaceChildren(...layers.map((one, n) => h("option", { value: String(n) }, one.kind === "self" ? String(n) : `${n} (${one.kind})`)));
  listLayers();
  const chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  const all = h("button", { type: "button", className: "quiet", onclick: () => frame.set({ heads: range(header().heads) }) }, "all");
  const averaged = h("input", { type: "checkbox", onchange: () => frame.set({ mean: averaged.checked }) });
  const modes = (["lines", "matrix"] as const).map((mode) =>
    h("button", { type: "button", onclick: () => frame.set({ mode }) }, mode),
  );
  const pair = h("select", { "aria-label": "Which texts", onchange: () => frame.set({ pair: pair.value as Pair }) });
  pair.append(...Object.entries(PAIRS).map(([value, name]) => h("option", { value }, name)));
  const special = h("input", { type: "checkbox", onchange: () => frame.set({ hide_special: special.checked }) });
  const threshold = h("input", {
    type: "range", min: "0", max: "0.5", step: "0.005", "aria-label": "Smallest weight that is drawn",
    oninput: () => frame.set({ threshold: Number(threshold.value) }),
  });
  const floor = h("span", { className: "name" });
  const log = h("input", { type: "checkbox", onchange: () => frame.set({ log: log.checked }) });
  const pool = h("select", { "aria-label": "What a cell of several weights shows", onchange: () => frame.set({ pool: pool.value as State["pool"] }) });
  pool.append(h("option", { value: "max" }, "largest"), h("option", { value: "mean" }, "mean"));
  const zoom = h("span", { className: "segments" },
    h("button", { type: "button", title: "Nearer", onclick: () => matrix.zoom(1.6) }, "+"),
    h("button", { type: "button", title: "Farther", onclick: () => matrix.zoom(1 / 1.6) }, "−"),
    h("button", { type: "button", title: "Show all", onclick: () => matrix.fit() }, "all"),
  );
  const named = (name: string, ...children: (Node | string)[]) => h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
  const pooling = named("Cell", pool);
  const texts = named("Show", pair);
  const specials = h("label", {}, special, "hide special tokens");
  bar.append(
    named("Layer", layer),
    named("Heads", chips, all),
    h("label", {}, averaged, "mean"),
    h("span", { className: "segments", role: "group", "aria-label": "Picture" }, ...modes),
    texts,
    specials,
    h("label", {}, h("span", { className: "name" }, "hide below"), threshold, floor),
    h("label", {}, log, "log"),
    pooling,
    zoom,
  );

  const header = () => layers[model.get("layer")]!;

  /** The selected heads as far as the layer has them; never none. */
  function headsOf({ heads: count }: LayerHeader): number[] {
    const heads = model.get("heads").filter((head) => head < count);
    return heads.length ? heads : [0];
  }

  function setLayer(number: number): void {
    const next = layers[(number + layers.length) % layers.length]!;
    frame.set({ layer: layers.indexOf(next), heads: headsOf(next) });
  }

  function toggle(head: number, more: boolean): void {
    const heads = model.get("heads");
    if (!more) return frame.set({ heads: [head] });
    const others = heads.filter((one) => one !== head);
    frame.set({ heads: (others.length < heads.length && others.length ? others : [...others, head]).sort((a, b) => a - b) });
  }

  // -- pictures -------------------------------------------------------------------------------------------

  const select = (axis: "query" | "key", position: number) => {
    const same = model.get(axis) === position;
    frame.set(axis === "query" ? { query: same ? null : position, key: null } : { key: same ? null : position, query: null });
  };
  const lines = new Lines({
    point: (axis, position) => {
      if (hovered?.axis === axis && hovered.position === position) return;
      hovered = position === null ? null : { axis, position };
      frame.redraw();
    },
    select,
  }, signal);
  const matrix = new Matrix({
    point: tellCell,
    left: () => frame.say(""),
    select: (query, key) => {
      const same = model.get("query") === query && model.get("key") === key;
      frame.set(same ? { query: null, key: null } : { query, key });
    },
    failed: (error) => {
      failure = error.message;
      frame.tell(failure);
    },
    busy: (pending) => {
      if (!failure) frame.tell(pending && source.remote ? "Computing …" : "", "busy");
    },
  }, signal);
  const detail = h("div", { className: "detail", hidden: true });
  const empty = h("p", { className: "how", hidden: true }, "No tokens are left to show: bring back the special ones, or both texts.");
  stage.append(empty, lines.element, matrix.element, detail);

  listen(model, ["layer", "heads", "mean", "mode", "query", "key", "pair", "hide_special", "threshold", "log", "pool"], frame.redraw, signal);
  listen(model, ["trace"], () => {
    source = new Source(model, signal);
    ({ layers } = source.header);
    shownTrace++;
    hovered = null;
    listLayers();
    frame.redraw();
  }, signal);
  frame.root.addEventListener("keydown", (event) => onKey(event as KeyboardEvent), { signal });

  const shown = (): Shown => ({
    layer: model.get("layer"),
    heads: headsOf(header()),
    pair: model.get("pair"),
    hide_special: model.get("hide_special"),
    pool: model.get("pool"),
  });

  function tokenOf(axis: "query" | "key", position: number): string {
    return `“${label(source.tokens(model.get("layer"), axis).text[position] ?? "?")}”`;
  }

  function whose({ layer, heads }: Shown): string {
    return `layer ${layer}, ${heads.length === 1 ? `head ${heads[0]}` : `mean of ${heads.length} heads`}`;
  }

  function tellCell(query: number, key: number, weight: number | null, coarse: Coarse | null): void {
    const what = shown();
    const said = [
      `${tokenOf("query", query)} → ${tokenOf("key", key)}${weight === null ? "" : `: ${number(weight)}`}`,
      whose(what),
      `query ${query}, key ${key}`,
    ];
    if (coarse) said.push(`${what.pool === "max" ? "largest" : "mean"} of ${coarse.size} × ${coarse.size} there: ${number(coarse.weight)}`);
    frame.say(said.join(" · "));
  }

  /** The token that is shown alone: pointed at, or selected. */
  function alone(): { axis: "query" | "key"; position: number } | null {
    if (hovered) return hovered;
    const [query, key] = [model.get("query"), model.get("key")];
    return query !== null ? { axis: "query", position: query } : key !== null ? { axis: "key", position: key } : null;
  }

  async function drawLines(turn: number): Promise<void> {
    const what = shown();
    const { rows, cols } = source.positions(what);
    const one = alone();
    const here = one && (one.axis === "query" ? rows : cols).includes(one.position) ? one : null;
    const matrices = source.remote ? null : await source.matrices(what);
    const weights = here ? await source.line(what, here.axis, here.position) : null;
    if (turn !== drawn) return;
    const dark = frame.dark();
    const together = model.get("mean") && what.heads.length > 1;
    lines.show({
      queries: source.tokens(what.layer, "query"),
      keys: source.tokens(what.layer, "key"),
      rows,
      cols,
      colours: together ? [dark ? "#7ab8f0" : "#1c5c9f"] : what.heads.map((head) => headColour(head, dark)),
      matrices: matrices && (together ? [mean(matrices)] : matrices),
      alone: here && weights && { ...here, weights: together ? [mean(weights)] : weights },
      selected: { query: model.get("query"), key: model.get("key") },
      threshold: model.get("threshold"),
      log: model.get("log"),
      ink: getComputedStyle(stage).color,
    });
    if (here && weights) tellLine(here, mean(weights), here.axis === "query" ? cols : rows);
    else frame.say(source.remote ? "Point at a token to see where it looks." : "");
  }

  function tellLine({ axis, position }: { axis: "query" | "key"; position: number }, weights: Float32Array, places: number[]): void {
    const other = axis === "query" ? "key" : "query";
    const best = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]!).slice(0, 5);
    const said = best.map((n) => `${tokenOf(other, places[n]!)} ${number(weights[n]!)}`).join(", ");
    frame.say(`${tokenOf(axis, position)} ${axis === "query" ? "looks at" : "is looked at by"} ${said} · ${whose(shown())}`);
  }

  function drawMatrix(): void {
    const what = shown();
    const style = getComputedStyle(stage);
    const dark = frame.dark();
    const name = JSON.stringify([shownTrace, what]);
    if (name !== pictured) frame.tell((failure = ""));
    pictured = name;
    matrix.show({
      name,
      queries: source.tokens(what.layer, "query"),
      keys: source.tokens(what.layer, "key"),
      ...source.positions(what),
      tile: (level, row, col) => source.tile(what, level, row, col),
      threshold: model.get("threshold"),
      log: model.get("log"),
      ramp: sequential(dark),
      ink: style.color,
      quiet: dark ? "#98a1ae" : "#68707d",
      accent: dark ? "#fdba74" : "#c2410c",
      selected: { query: model.get("query"), key: model.get("key") },
    }, frame.width());
  }

  // -- query-key detail -----------------------------------------------------------------------------------

  /** The product behind the weight of the selected cell; asked for once, whatever else is drawn anew. */
  function drawDetail(): void {
    const [query, key] = [model.get("query"), model.get("key")];
    const { layer, heads } = shown();
    const { queries, keys, detail: recorded } = header();
    const here = query !== null && key !== null && query < queries && key < keys && heads.length === 1;
    const wanted = here ? JSON.stringify([shownTrace, layer, heads, query, key, frame.dark()]) : "";
    if (wanted === detailed) return;
    detailed = wanted;
    detail.hidden = !here;
    detail.replaceChildren();
    if (!here) return;
    if (!recorded)
      detail.append(h("p", { className: "how" }, "Query and key vectors were not kept: trace with store=\"factors\" to see the product behind a score."));
    else
      behind(layer, heads[0]!, query, key).then(
        (found) => wanted === detailed && detail.replaceChildren(...product(query, key, found)),
        (error: Error) => {
          if (wanted === detailed && !signal.aborted) detail.replaceChildren(h("p", { className: "how" }, error.message));
        },
      );
  }

  /** The product behind a score: out of the factors that are here, else of Python. */
  async function behind(layer: number, head: number, query: number, key: number): Promise<ReturnType<Layer["product"]>> {
    const held = source.remote ? null : await source.layer(layer);
    if (held?.factors) return held.product(head, query, key);
    const { scale, weight, buffers } = await frame.ask("detail", { layer, head, query, key });
    const bytes = buffers[0]!;
    const size = bytes.byteLength / 8;
    const read = (start: number) => Float32Array.from({ length: size }, (_, i) => bytes.getFloat32(4 * (start + i), true));
    return { q: read(0), k: read(size), scale: scale as number, weight: weight as number };
  }

  function product(query: number, key: number, { q, k, scale, weight }: ReturnType<Layer["product"]>): HTMLElement[] {
    const products = q.map((value, i) => value * k[i]!);
    const score = products.reduce((a, b) => a + b, 0) * scale;
    const whole = model.get("hide_special") ? " over all keys" : "";
    return [
      h("table", {}, ...[
        strip(`query of ${tokenOf("query", query)}`, q),
        strip(`key of ${tokenOf("key", key)}`, k),
        strip("product", products),
      ]),
      h("p", { className: "how" }, `Sum of the products × ${number(scale)} = score ${number(score)}; after the softmax${whole} ${number(weight)}.`),
    ];
  }

  /** A vector as a row of cells: blue above zero, red below. */
  function strip(name: string, values: Float32Array): HTMLElement {
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
    const canvas = h("canvas", { width: values.length, height: 1, style: { width: `${Math.min(512, values.length * 8)}px`, height: "16px", imageRendering: "pixelated" } });
    const context = canvas.getContext("2d");
    const ramp = diverging(frame.dark());
    values.forEach((value, i) => {
      if (!context) return;
      context.fillStyle = ramp(value / most);
      context.fillRect(i, 0, 1, 1);
    });
    return h("tr", {}, h("th", {}, name), h("td", {}, canvas), h("td", {}, h("span", { className: "how" }, `  ±${number(most)}`)));
  }

  // -- keys -----------------------------------------------------------------------------------------------

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const { heads } = shown();
    const step = (by: number) => frame.set({ heads: [((heads[0] ?? 0) + by + header().heads) % header().heads] });
    const acts: Record<string, () => void> = {
      "[": () => setLayer(model.get("layer") - 1),
      "]": () => setLayer(model.get("layer") + 1),
      ",": () => step(-1),
      ".": () => step(1),
      m: () => frame.set({ mode: model.get("mode") === "lines" ? "matrix" : "lines" }),
      Escape: () => frame.set({ query: null, key: null }),
    };
    if (event.target === lines.element) Object.assign(acts, {
      ArrowUp: () => moveToken(-1), ArrowDown: () => moveToken(1), ArrowLeft: () => changeSide("query"), ArrowRight: () => changeSide("key"),
    });
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
    act();
  }

  function moveToken(by: number): void {
    const { axis, position } = alone() ?? { axis: "query" as const, position: -1 };
    const places = lines.places(axis);
    const next = places[Math.max(0, Math.min(places.length - 1, places.indexOf(position) + by))];
    if (next === undefined) return;
    hovered = null;
    frame.set(axis === "query" ? { query: next, key: null } : { key: next, query: null });
    lines.reveal(axis, next);
  }

  function changeSide(axis: "query" | "key"): void {
    const position = alone()?.position ?? 0;
    hovered = null;
    if (lines.places(axis).includes(position)) frame.set(axis === "query" ? { query: position, key: null } : { key: position, query: null });
  }

  // -- all together ---------------------------------------------------------------------------------------

  function drawControls(): void {
    const { heads: count } = header();
    const { heads } = shown();
    const dark = frame.dark();
    layer.value = String(model.get("layer"));
    if (chips.childElementCount !== count)
      chips.replaceChildren(...range(count).map((head) =>
        h("button", {
          type: "button", className: "chip", title: "Shift adds or takes away",
          onclick: (event: MouseEvent) => toggle(head, event.shiftKey || event.metaKey || event.ctrlKey),
        }, String(head)),
      ));
    [...chips.children].forEach((chip, head) => {
      const colour = headColour(head, dark);
      (chip as HTMLElement).style.setProperty("--chip", colour);
      (chip as HTMLElement).style.setProperty("--on-chip", needsWhite(colour) ? "#fff" : "#111");
      chip.setAttribute("aria-pressed", String(heads.includes(head)));
      chip.setAttribute("aria-label", `head ${head}`);
    });
    const lined = model.get("mode") === "lines";
    modes.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === model.get("mode"))));
    averaged.checked = model.get("mean") || !lined;
    averaged.disabled = !lined || heads.length < 2;
    pair.value = model.get("pair");
    const two = (["query", "key"] as const).some((axis) => source.tokens(model.get("layer"), axis).segment.length);
    texts.hidden = !two && model.get("pair") === "all";
    special.checked = model.get("hide_special");
    specials.hidden = source.tokens(model.get("layer"), "key").special.length === 0;
    threshold.value = String(model.get("threshold"));
    floor.textContent = model.get("threshold").toFixed(3);
    log.checked = model.get("log");
    pool.value = model.get("pool");
    zoom.hidden = lined;
    pooling.hidden = lined || Math.max(header().queries, header().keys) <= 256;
    const nothing = isEmpty();
    empty.hidden = !nothing;
    const focused = frame.root.activeElement;
    lines.element.hidden = nothing || !lined;
    matrix.element.hidden = nothing || lined;
    // Who changed the picture by a key goes on with keys in the other one.
    if (focused === (lined ? matrix : lines).element) (lined ? lines : matrix).element.focus({ preventScroll: true });
  }

  /** Whether nothing is left to draw: of a text that is not there, or of special tokens alone. */
  function isEmpty(): boolean {
    const { rows, cols } = source.positions(shown());
    return rows.length === 0 || cols.length === 0;
  }

  function draw(): void {
    drawControls();
    frame.explain(HOW[model.get("mode")]);
    const turn = ++drawn;
    const failed = (error: unknown) => {
      if (!signal.aborted && turn === drawn) frame.tell(error instanceof Error ? error.message : String(error));
    };
    if (isEmpty()) frame.say("");
    else if (model.get("mode") === "lines") drawLines(turn).then(() => turn === drawn && frame.tell(""), failed);
    else drawMatrix();
    drawDetail();
  }

  return {
    draw,
    picture: () => {
      const paper = frame.dark() ? "#15181e" : "#ffffff";
      return model.get("mode") === "lines" ? lines.svg(paper) : matrix.svg(paper);
    },
  };
});

function range(count: number): number[] {
  return [...Array(count).keys()];
}
