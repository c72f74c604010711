// CompareView: two traces side by side, head beside head, and their difference.

import { listen } from "./protocol/widget_model";
import { type TraceHeader, type Tokens } from "./protocol/headers";
import { tileCutter as cutter, TILE_SIDE as SIDE, type Tile, type TileCutter as Tiles } from "./protocol/tiles";
import { TraceSource as Source, type Selection as Shown } from "./protocol/trace_source";
import css from "./compare.css";
import { escaped, gradient, h, view } from "./dom";
import { diverging, sequential } from "./colour";
import { label, number } from "./label";
import { Matrix, type MatrixDrawing, type MatrixSize } from "./matrix";

export interface State {
  a_trace: TraceHeader;
  b_trace: TraceHeader;
  alignment: DataView;
  partners: ([distance: number | null, layer: number, head: number] | null)[][];
  metric: string;
  note: string;
  layer: number;
  head: number;
  other_layer: number;
  other_head: number;
  query: number | null;
  key: number | null;
  log: boolean;
}

const HOW =
  "Queries run down, keys across; a and b are on one scale. The difference is b minus a over the tokens that stand beside each " +
  "other: blue where b looks more, red where it looks less. The map above says how far apart the heads are.";
const HOW_LONG = " Of a long text a cell is the strongest of those that it stands for; zoom in for single ones.";
const HOW_REMOTE =
  " Of a long text a cell of a and b is the largest of the weights that it stands for, one of b − a the difference of those two; " +
  "zoom in for single weights.";

const ROOM: MatrixSize = { plot: 260, left: 74, top: 74, legend: 12 };
const SMALLEST_PLOT = 165;
const NO_LABELS = 10;
const LEGEND = 80;
/** Tokens of which several may share a pixel. */
const LONG = 256;
/** Milliseconds after which a pointer rests. */
const RESTING = 120;

type Side = "a" | "b" | "difference";
interface Cell {
  row: number;
  col: number;
}

export default view<State>("Comparison", css, (frame) => {
  const { model, signal, bar, stage } = frame;
  const sources = { a: new Source(model, signal, "a_"), b: new Source(model, signal, "b_") };
  const pairs = readPairs(model.get("alignment"));
  const partnerOf = new Map(pairs);
  const aOf = new Map(pairs.map(([a, b]) => [b, a] as const));
  const cuts = new Map<string, Promise<Tiles>>();
  const remote = sources.a.remote || sources.b.remote;
  const long = [sources.a, sources.b].some(({ header }) => header.layers.some(({ queries, keys }) => Math.max(queries, keys) > LONG));
  frame.explain(HOW + (remote ? HOW_REMOTE : long ? HOW_LONG : ""));

  const log = h("input", { type: "checkbox", onchange: () => frame.set({ log: log.checked }) });
  const zoom = h("span", { className: "segments" },
    h("button", { type: "button", title: "Nearer", onclick: () => matrices.a.zoom(1.6) }, "+"),
    h("button", { type: "button", title: "Farther", onclick: () => matrices.a.zoom(1 / 1.6) }, "−"),
    h("button", { type: "button", title: "Show all", onclick: () => matrices.a.fit() }, "all"),
  );
  const legend = h("span", { className: "legend" });
  bar.append(h("label", {}, log, "log"), zoom, legend);

  const pick = { layer: layersOf(model.get("a_trace")), head: h("select"), other_layer: layersOf(model.get("b_trace")), other_head: h("select") };
  for (const [name, select] of Object.entries(pick)) {
    select.setAttribute("aria-label", name.replace("other_", "other ").replace("_", " "));
    select.addEventListener("change", () => change(name as keyof typeof pick, Number(select.value)), { signal });
  }
  const map = h("div");
  const matrices = { a: matrix("a"), b: matrix("b"), difference: matrix("difference") };
  const figures = {
    a: h("figure", {}, h("figcaption", {}, h("b", {}, "a"), "layer", pick.layer, "head", pick.head), matrices.a.element),
    b: h("figure", {}, h("figcaption", {}, h("b", {}, "b"), "layer", pick.other_layer, "head", pick.other_head), matrices.b.element),
    difference: h("figure", {}, h("figcaption", {}, h("b", {}, "b − a")), matrices.difference.element),
  };
  stage.append(map, h("div", { className: "panels" }, figures.a, figures.b, figures.difference));
  if (model.get("note")) frame.tell(model.get("note"), "note");
  listen(model, ["layer", "head", "other_layer", "other_head", "query", "key", "log"], frame.redraw, signal);

  function layersOf(trace: TraceHeader): HTMLSelectElement {
    const select = h("select");
    select.append(...trace.layers.map((layer, n) => h("option", { value: String(n) }, layer.kind === "self" ? String(n) : `${n} (${layer.kind})`)));
    return select;
  }

  /** A head of a brings its partner; one of b is chosen for itself. */
  function change(name: keyof typeof pick, value: number): void {
    if (name === "other_layer" || name === "other_head") return frame.set({ [name]: value });
    choose(name === "layer" ? value : model.get("layer"), name === "head" ? value : model.get("head"));
  }

  function choose(layer: number, head: number): void {
    head = Math.min(head, model.get("a_trace").layers[layer]!.heads - 1);
    const found = model.get("partners")[layer]?.[head];
    frame.set({ layer, head, ...(found ? { other_layer: found[1], other_head: found[2] } : {}) });
  }

  // -- what the panels show -------------------------------------------------------------------------------

  function shown(side: "a" | "b"): Shown {
    const [layer, head] = side === "a" ? [model.get("layer"), model.get("head")] : [model.get("other_layer"), model.get("other_head")];
    const { heads } = sources[side].header.layers[layer]!;
    return { layer, heads: [Math.min(head, heads - 1)], pair: "all", hide_special: false, pool: "max" };
  }

  const everyone = (tokens: Tokens) => [...tokens.text.keys()];
  const tokens = (side: "a" | "b", axis: "query" | "key") => sources[side].tokens(shown(side).layer, axis);

  /** Whether the shown layers attend between the tokens that stand beside each other. */
  function compared(): boolean {
    const partner = model.get("partners")[model.get("layer")]?.[shown("a").heads[0]!];
    if (!partner) return false;
    const layers = sources.b.header.layers;
    const [known, picked] = [layers[partner[1]]!, layers[model.get("other_layer")]!];
    return known.query === picked.query && known.key === picked.key && known.queries === picked.queries && known.keys === picked.keys;
  }

  /** Whether every token has the token of the same number beside it. */
  function parallel(): boolean {
    const [a, b] = [tokens("a", "query").text.length, tokens("b", "query").text.length];
    return a === b && pairs.length === a && pairs.every(([i, j]) => i === j);
  }

  function comparable(): boolean {
    return pairs.length > 0 && compared() && (!remote || parallel());
  }

  async function differenceTile(level: number, row: number, col: number): Promise<Tile> {
    const [a, b] = [shown("a"), shown("b")];
    if (remote) {
      const [one, other] = await Promise.all([sources.a.tile(a, level, row, col), sources.b.tile(b, level, row, col)]);
      return { ...one, weights: one.weights.map((weight, n) => other.weights[n]! - weight) };
    }
    const key = JSON.stringify([a, b]);
    let found = cuts.get(key);
    if (!found) {
      found = Promise.all([sources.a.matrices(a), sources.b.matrices(b)]).then(([[one], [other]]) => {
        const [wide, otherWide] = [tokens("a", "key").text.length, tokens("b", "key").text.length];
        const out = new Float32Array(pairs.length ** 2);
        pairs.forEach(([i, k], n) => pairs.forEach(([j, l], m) => {
          out[n * pairs.length + m] = other![k * otherWide + l]! - one![i * wide + j]!;
        }));
        return cutter(out, pairs.length, pairs.length, "max");
      });
      cuts.clear();
      cuts.set(key, found);
    }
    return (await found)(level, row, col);
  }

  function drawing(side: Side): MatrixDrawing {
    const dark = frame.dark();
    const [query, key] = [model.get("query"), model.get("key")];
    const common = {
      threshold: 0,
      log: model.get("log"),
      ink: getComputedStyle(stage).color,
      quiet: dark ? "#98a1ae" : "#68707d",
      accent: dark ? "#fdba74" : "#c2410c",
    };
    const labels = parallel() ? ROOM.left + 2 * NO_LABELS : 3 * ROOM.left;
    const fitting = Math.floor((frame.width() - labels - 2 * LEGEND - ROOM.legend - 28) / 3);
    const beside = fitting >= SMALLEST_PLOT; // otherwise the panels stand below each other, with room for labels
    const left = beside && side !== "a" && parallel() ? NO_LABELS : ROOM.left;
    const size = { ...ROOM, left, plot: beside ? Math.min(ROOM.plot, fitting) : ROOM.plot };
    if (side === "difference") {
      const [queries, keys] = [tokens("a", "query"), tokens("a", "key")];
      const places = pairs.map(([a]) => a);
      const name = JSON.stringify([shown("a"), shown("b")]);
      const room = { ...size, legend: LEGEND };
      return { ...common, name, queries, keys, rows: places, cols: places, signed: true, ramp: diverging(dark), room, selected: { query, key }, tile: differenceTile };
    }
    const what = shown(side);
    const [queries, keys] = [tokens(side, "query"), tokens(side, "key")];
    const mine = (position: number | null) => (position === null ? null : side === "a" ? position : (partnerOf.get(position) ?? null));
    const most = Math.max(matrices.a.strongest, matrices.b.strongest);
    return {
      ...common,
      name: JSON.stringify(what),
      queries,
      keys,
      rows: everyone(queries),
      cols: everyone(keys),
      ...(most > 0 ? { most } : {}),
      ramp: sequential(dark),
      room: { ...size, legend: side === "b" ? LEGEND : ROOM.legend },
      selected: { query: mine(query), key: mine(key) },
      tile: (level, row, col) => sources[side].tile(what, level, row, col),
    };
  }

  // -- linked pointing ------------------------------------------------------------------------------------

  function matrix(side: Side): Matrix {
    const made: Matrix = new Matrix({
      point: (query, key) => point(side, query, key),
      left: () => {
        told++;
        frame.say("");
        for (const other of ["a", "b", "difference"] as const) if (other !== side) matrices[other].mark(null);
      },
      select: (query, key) => {
        const [i, j] = side === "b" ? [aOf.get(query) ?? null, aOf.get(key) ?? null] : [query, key];
        const same = model.get("query") === i && model.get("key") === j;
        frame.set(same ? { query: null, key: null } : { query: i, key: j });
      },
      moved: (sight) => {
        if (parallel()) for (const other of ["a", "b", "difference"] as const) if (other !== side) matrices[other].follow(sight);
      },
      known: frame.redraw,
      failed: (error) => frame.tell(error.message),
      busy: () => {},
    }, signal);
    return made;
  }

  function point(side: Side, query: number, key: number): void {
    const [i, j] = side === "b" ? [aOf.get(query), aOf.get(key)] : [query, key];
    const [k, l] = side === "b" ? [query, key] : [partnerOf.get(query), partnerOf.get(key)];
    const place = (a: number | undefined, b: number | undefined): Cell | null => (a === undefined || b === undefined ? null : { row: a, col: b });
    const inPairs = (position: number | undefined) => pairs.findIndex(([a]) => a === position);
    if (side !== "a") matrices.a.mark(place(i, j));
    if (side !== "b") matrices.b.mark(place(k, l));
    if (side !== "difference") {
      const [row, col] = [inPairs(i), inPairs(j)];
      matrices.difference.mark(row < 0 || col < 0 ? null : { row, col });
    }
    tell(i, j, k, l).catch((error: Error) => !signal.aborted && frame.tell(error.message));
  }

  let told = 0;
  async function tell(i?: number, j?: number, k?: number, l?: number): Promise<void> {
    const turn = ++told;
    if (remote) await new Promise((rested) => setTimeout(rested, RESTING));
    if (turn !== told || signal.aborted) return;
    const one = i !== undefined && j !== undefined ? await valueOf("a", i, j) : null;
    const other = k !== undefined && l !== undefined ? await valueOf("b", k, l) : null;
    if (turn !== told) return;
    const side = one === null ? "b" : "a";
    const name = (axis: "query" | "key", position?: number) => `“${label(tokens(side, axis).text[position ?? 0] ?? "?")}”`;
    const said = [`${name("query", side === "a" ? i : k)} → ${name("key", side === "a" ? j : l)}`];
    said.push(one === null ? "no partner in a" : `a ${number(one)}`, other === null ? "no partner in b" : `b ${number(other)}`);
    if (one !== null && other !== null) said.push(`b − a ${number(other - one)}`);
    frame.say(said.join(" · "));
  }

  /** A single weight, whatever the picture shows of it. */
  async function valueOf(side: "a" | "b", query: number, key: number): Promise<number> {
    const tile = await sources[side].tile(shown(side), 0, Math.floor(query / SIDE), Math.floor(key / SIDE));
    return tile.weights[(query % SIDE) * tile.cols + (key % SIDE)]!;
  }

  // -- the map of distances -------------------------------------------------------------------------------

  const partners = model.get("partners");
  const farthest = Math.max(0, ...partners.flat().map((one) => one?.[0] ?? 0));
  const cells = farthest > 0 ? layOutMap() : [];

  /** A button for each head of a, built once so that the keyboard's focus stays where it is. */
  function layOutMap(): HTMLButtonElement[][] {
    const heads = Math.max(...partners.map((row) => row.length));
    const axis = (said: string | number) => h("span", { className: "axis", "aria-hidden": "true" }, String(said));
    const made = partners.map((row, layer) => row.map((found, head) => h("button", {
      type: "button",
      role: "gridcell",
      tabIndex: -1,
      disabled: !found,
      "aria-label": describe(layer, head),
      title: describe(layer, head),
      onclick: () => choose(layer, head),
      onpointerenter: () => frame.say(describe(layer, head)),
      onpointerleave: () => frame.say(""),
      onfocus: () => frame.say(describe(layer, head)),
      onkeydown: (event: KeyboardEvent) => move(event, layer, head),
    })));
    map.append(h("div", {
      className: "distances", role: "grid", "aria-label": `${model.get("metric").replace("_", "-")} distance of the heads: rows are layers`,
      style: { gridTemplateColumns: `auto repeat(${heads}, 20px)` },
    },
      axis("layer"), ...Array.from({ length: heads }, (_, n) => axis(n)),
      ...made.map((row, layer) => h("div", { role: "row", style: { display: "contents" } },
        axis(layer), ...row, ...Array.from({ length: heads - row.length }, () => h("span")))),
    ));
    return made;
  }

  function move(event: KeyboardEvent, layer: number, head: number): void {
    const steps: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
    let [row, col] = [layer + step[0], head + step[1]];
    while (cells[row]?.[col]?.disabled) [row, col] = [row + step[0], col + step[1]];
    cells[row]?.[col]?.focus();
  }

  function drawMap(): void {
    map.hidden = farthest === 0;
    if (map.hidden) return;
    const ramp = sequential(frame.dark());
    const selected = cells[model.get("layer")]?.[model.get("head")];
    const entry = selected && !selected.disabled ? selected : cells.flat().find((cell) => !cell.disabled);
    cells.forEach((row, layer) => row.forEach((cell, head) => {
      const distance = partners[layer]?.[head]?.[0];
      cell.style.background = distance == null ? "" : ramp(0.08 + (0.92 * distance) / farthest);
      cell.setAttribute("aria-selected", String(cell === selected));
      cell.tabIndex = cell === entry ? 0 : -1;
    }));
    legend.replaceChildren(`${model.get("metric").replace("_", "-")} distance: 0`, gradient(ramp), number(farthest));
  }

  function describe(layer: number, head: number): string {
    const found = model.get("partners")[layer]?.[head];
    if (!found) return `layer ${layer}, head ${head}: not compared`;
    const [distance, other, otherHead] = found;
    const beside = other === layer && otherHead === head ? "" : ` beside layer ${other}, head ${otherHead} of b`;
    return `layer ${layer}, head ${head}${beside}: distance ${distance === null ? "unknown" : number(distance)}`;
  }

  function drawPickers(): void {
    for (const [side, name] of [["a", "head"], ["b", "other_head"]] as const) {
      const count = sources[side].header.layers[shown(side).layer]!.heads;
      if (pick[name].childElementCount !== count)
        pick[name].replaceChildren(...Array.from({ length: count }, (_, n) => h("option", { value: String(n) }, String(n))));
      pick[name].value = String(shown(side).heads[0]);
    }
    pick.layer.value = String(model.get("layer"));
    pick.other_layer.value = String(model.get("other_layer"));
    log.checked = model.get("log");
  }

  function draw(): void {
    drawMap();
    drawPickers();
    const wide = frame.width();
    matrices.a.show(drawing("a"), wide);
    matrices.b.show(drawing("b"), wide);
    figures.difference.hidden = !comparable();
    if (comparable()) matrices.difference.show(drawing("difference"), wide);
  }

  return { draw, picture: () => picture(frame.dark(), comparable() ? matrices : { a: matrices.a, b: matrices.b }) };
});

/** The panels beside each other in one SVG. */
function picture(dark: boolean, matrices: Partial<Record<Side, Matrix>>): string {
  const paper = dark ? "#15181e" : "#ffffff";
  let x = 0;
  let high = 0;
  const parts = Object.entries(matrices).map(([side, matrix]) => {
    const svg = matrix.svg(paper);
    const [width, height] = [/ width="([\d.]+)"/, / height="([\d.]+)"/].map((found) => Number(found.exec(svg)![1])) as [number, number];
    const name = escaped(side === "difference" ? "b − a" : side);
    const part = `<text x="${x + 8}" y="16" font-weight="bold">${name}</text>${svg.replace("<svg ", `<svg x="${x}" y="0" `).replace(/<rect width="100%" height="100%"[^>]*>/, "")}`;
    x += width + 12;
    high = Math.max(high, height);
    return part;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${x}" height="${high}" font-family="sans-serif" font-size="13" fill="${dark ? "#e6e9ee" : "#1d2430"}">` +
    `<rect width="100%" height="100%" fill="${paper}"/>${parts.join("")}</svg>`
  );
}

function readPairs(bytes: DataView): [number, number][] {
  return Array.from({ length: bytes.byteLength / 8 }, (_, n) => [bytes.getInt32(8 * n, true), bytes.getInt32(8 * n + 4, true)]);
}
