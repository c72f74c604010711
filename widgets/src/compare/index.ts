// CompareView: two traces side by side, head beside head, and their difference.

import { attentionRamp, signedRamp } from "../drawing/colour";
import { labelMargins, type MatrixDrawing, type MatrixMargins } from "../drawing/matrix_painter";
import { formatNumber } from "../drawing/number_format";
import type { SavedFigure } from "../drawing/svg";
import { quoted, traceTitle, type HeadPlace } from "../drawing/titles";
import type { LayerHeader, Tokens } from "../protocol/headers";
import { TILE_SIDE, type Tile, type TileCutter } from "../protocol/tiles";
import { cached, TraceSource, type Axis, type Selection } from "../protocol/trace_source";
import { listen } from "../protocol/widget_model";
import { h } from "../ui/dom";
import { view, type Frame } from "../ui/view";
import { Alignment, sameAxes, subtractTiles, type AlignedCell } from "./alignment";
import css from "./compare.css";
import { CompareControls, HEAD_TRAITS, type HeadTrait } from "./controls";
import { describePair, describeRank, DistanceMap, metricTitle } from "./distance_map";
import { panelMargins, panelsAcross, type PanelLabels } from "./panel_layout";
import { ComparePanels } from "./panels";
import { scoreRows, scoreTable } from "./score_table";
import { changedTokens, sideCard } from "./side_card";
import type { CompareState, PanelName, TraceSide } from "./state";

const HOW =
  "Queries run down, keys across; a and b are on one scale. The difference is b minus a over the tokens that stand beside each " +
  "other, a word beside the one that replaces it: blue where weights are larger in b, red where they are smaller; tokens of one " +
  "text alone are left out. The map above shows how far apart the heads are.";
const HOW_LONG = " Of a long text a cell is the largest of the weights that it stands for; zoom in for single ones.";
const HOW_REMOTE =
  " Of a long text a cell of a and b is the largest of the weights that it stands for, one of b − a the difference of those two; " +
  "zoom in for single weights.";

/** Tokens of which several may share a pixel. */
const LONG = 256;
/** Milliseconds after which a pointer rests. */
const RESTING = 120;

class CompareView {
  private readonly sources: Record<TraceSide, TraceSource>;
  private readonly alignment: Alignment;
  private readonly controls: CompareControls;
  private readonly map: DistanceMap;
  private readonly panels: ComparePanels;
  /** The texts, and the map of heads. */
  private readonly top = h("div", { className: "top" });
  private scores: HTMLElement | null = null;
  private readonly differences = new Map<string, Promise<TileCutter>>();
  /** Counts cells that were pointed at: an older one is not reported. */
  private pointings = 0;
  /** Counts headlines, likewise. */
  private headlines = 0;

  constructor(private readonly frame: Frame<CompareState>) {
    const { model, signal } = frame;
    this.sources = { a: new TraceSource(model, signal, "a_"), b: new TraceSource(model, signal, "b_") };
    this.alignment = new Alignment(model.get("alignment"));
    this.controls = new CompareControls(frame, (trait, value) => this.change(trait, value), () => this.panels.matrices.a);
    this.map = new DistanceMap(model.get("partners"), model.get("metric"), {
      chosen: (layer, head) => this.choose(layer, head),
      described: (text) => frame.say(text),
    });
    this.panels = new ComparePanels({ a: this.controls.caption("a"), b: this.controls.caption("b") }, this.alignment, {
      pointed: (a, b) => {
        this.report(a, b).catch((error: Error) => !signal.aborted && frame.notify(error.message));
      },
      left: () => {
        this.pointings++;
        frame.say("");
      },
      selected: (query, key) => {
        const same = model.get("query") === query && model.get("key") === key;
        frame.set(same ? { query: null, key: null } : { query, key });
      },
      scaled: frame.redraw,
      failed: (error) => frame.notify(error.message),
    }, signal);
    this.layOut();
  }

  private layOut(): void {
    const { frame } = this;
    const { model, signal } = frame;
    const all = [...model.get("a_trace").layers, ...model.get("b_trace").layers];
    const long = all.some(({ queries, keys }) => Math.max(queries, keys) > LONG);
    frame.explain(HOW + (this.remote ? HOW_REMOTE : long ? HOW_LONG : ""));
    const [a, b] = [model.get("a_trace"), model.get("b_trace")];
    const cards = (["a", "b"] as const).map((side) =>
      sideCard(side, this.sources[side].header, changedTokens(side, this.alignment, a, b)));
    this.top.append(h("div", { className: "sides" }, ...cards), this.map.element);
    frame.stage.append(this.top, this.panels.element);
    const pair = model.get("attributions");
    if (pair) this.scores = scoreTable(pair, scoreRows(pair, this.alignment, a, b));
    if (model.get("note")) frame.notify(model.get("note"), "note");
    listen(model, ["layer", "head", "other_layer", "other_head", "query", "key", "log"], frame.redraw, signal);
  }

  private get remote(): boolean {
    return this.sources.a.remote || this.sources.b.remote;
  }

  // -- which heads ----------------------------------------------------------------------------------------

  private layer(side: TraceSide): LayerHeader {
    return this.sources[side].header.layers[this.frame.model.get(HEAD_TRAITS[side][0])]!;
  }

  /** The shown head, within the layer. */
  private head(side: TraceSide): number {
    return Math.min(this.frame.model.get(HEAD_TRAITS[side][1]), this.layer(side).heads - 1);
  }

  private selection(side: TraceSide): Selection {
    const layer = this.frame.model.get(HEAD_TRAITS[side][0]);
    return { layer, heads: [this.head(side)], pair: "all", hide_special: false, pool: "max" };
  }

  private tokens(side: TraceSide, axis: Axis): Tokens {
    return this.sources[side].tokens(this.selection(side).layer, axis);
  }

  /** A head of a brings its partner; one of b is chosen alone. */
  private change(trait: HeadTrait, value: number): void {
    const { model } = this.frame;
    if (trait === "other_layer" || trait === "other_head") this.frame.set({ [trait]: value });
    else this.choose(trait === "layer" ? value : model.get("layer"), trait === "head" ? value : model.get("head"));
  }

  private choose(layer: number, wanted: number): void {
    const { model } = this.frame;
    const head = Math.min(wanted, model.get("a_trace").layers[layer]!.heads - 1);
    const partner = model.get("partners")[layer]?.[head];
    this.frame.set({ layer, head, ...(partner ? { other_layer: partner[1], other_head: partner[2] } : {}) });
  }

  // -- what can be subtracted -----------------------------------------------------------------------------

  private get parallel(): boolean {
    return this.alignment.isParallel(this.tokens("a", "query").text.length, this.tokens("b", "query").text.length);
  }

  /** The labels of the panels; of a and b with the same tokens one panel's serve all. */
  private get labels(): PanelLabels {
    const shown = (axis: Axis) => [...this.tokens("a", axis).text, ...this.tokens("b", axis).text, ...this.sharedTokens(axis).text];
    const text = (side: TraceSide, axis: Axis) => this.tokens(side, axis).text;
    const same = this.parallel && (["query", "key"] as const).every((axis) => text("a", axis).every((token, n) => token === text("b", axis)[n]));
    return { ...labelMargins(shown("query"), shown("key")), same };
  }

  /** Whether the shown layers attend between the tokens that stand beside each other. */
  private get comparable(): boolean {
    const { model } = this.frame;
    const partner = model.get("partners")[model.get("layer")]?.[this.head("a")];
    if (!partner || this.alignment.pairs.length === 0) return false;
    return sameAxes(this.sources.b.header.layers[partner[1]]!, this.layer("b")) && (!this.remote || this.parallel);
  }

  private async differenceTile(level: number, row: number, col: number): Promise<Tile> {
    const { sources, alignment } = this;
    const [a, b] = [this.selection("a"), this.selection("b")];
    if (this.remote) return subtractTiles(...await Promise.all([sources.a.tile(a, level, row, col), sources.b.tile(b, level, row, col)]));
    const keys = { a: this.tokens("a", "key").text.length, b: this.tokens("b", "key").text.length };
    const cut = await cached(this.differences, JSON.stringify([a, b]), 1, async () => {
      const [ofA, ofB] = await Promise.all([sources.a.matrices(a), sources.b.matrices(b)]);
      return alignment.difference(ofA[0]!, ofB[0]!, keys);
    });
    return cut(level, row, col);
  }

  // -- drawing --------------------------------------------------------------------------------------------

  draw(): void {
    const { model, dark, width } = this.frame;
    this.map.draw(model.get("layer"), model.get("head"), dark);
    const head = (side: TraceSide) => ({ count: this.layer(side).heads, shown: this.head(side) });
    this.controls.draw({ a: head("a"), b: head("b") });
    void this.drawHeadline();
    const { labels } = this;
    const margins = (panel: PanelName) => panelMargins(panel, width, labels);
    const drawing = (panel: PanelName) => (panel === "difference" ? this.differenceDrawing(margins(panel)) : this.traceDrawing(panel, margins(panel)));
    this.panels.draw(drawing, this.comparable, this.parallel, width);
    this.placeScores(panelsAcross(width, labels));
  }

  /** Which head this is among those that differ, and which weight changes most. */
  private async drawHeadline(): Promise<void> {
    const headline = ++this.headlines;
    const { model } = this.frame;
    const [a, b] = [this.selection("a"), this.selection("b")];
    const name = describePair(this.place("a"), this.place("b"), model.get("a_trace").stacks);
    const rank = describeRank(model.get("partners"), this.place("a"), this.place("b"), model.get("metric"));
    const change = this.remote || !this.comparable ? null : await this.largestChange(a, b).catch(() => null);
    if (headline === this.headlines) this.frame.title(name, [rank, change].filter(Boolean).join("; "));
  }

  private place(side: TraceSide): HeadPlace {
    return { layer: this.selection(side).layer, head: this.head(side) };
  }

  private async largestChange(a: Selection, b: Selection): Promise<string | null> {
    const [ofA, ofB] = await Promise.all([this.sources.a.matrices(a), this.sources.b.matrices(b)]);
    const keys = { a: this.tokens("a", "key").text.length, b: this.tokens("b", "key").text.length };
    const change = this.alignment.largestChange(ofA[0]!, ofB[0]!, keys);
    const name = (axis: Axis, position: number) => quoted(this.sharedTokens(axis), position);
    return change && `${name("query", change.query)} attends to ${name("key", change.key)} with ${formatNumber(change.a)} in a, ${formatNumber(change.b)} in b`;
  }

  /** Puts the attributions where there is room: beside the texts, or after the panels. */
  private placeScores(across: number): void {
    const { scores, top, panels } = this;
    panels.element.dataset["across"] = String(across);
    if (!scores) return;
    if (across < 3) {
      if (scores.parentElement !== panels.element) panels.element.append(scores);
    } else if (scores.parentElement !== top) top.insertBefore(scores, this.map.element);
  }

  private get common() {
    const { model, roles } = this.frame;
    return { threshold: 0, log: model.get("log"), roles };
  }

  private traceDrawing(side: TraceSide, margins: MatrixMargins): MatrixDrawing {
    const { model, dark } = this.frame;
    const selection = this.selection(side);
    const [queries, keys] = [this.tokens(side, "query"), this.tokens(side, "key")];
    const inSide = (position: number | null) =>
      position === null || side === "a" ? position : (this.alignment.ofB(position) ?? null);
    const most = this.panels.strongest;
    return {
      ...this.common,
      margins,
      name: JSON.stringify(selection),
      queries,
      keys,
      rows: [...queries.text.keys()],
      cols: [...keys.text.keys()],
      ...(most > 0 ? { most } : {}),
      ramp: attentionRamp(dark),
      selected: { query: inSide(model.get("query")), key: inSide(model.get("key")) },
      tile: (level, row, col) => this.sources[side].tile(selection, level, row, col),
    };
  }

  /** The tokens of a, those that others replace with these. */
  private sharedTokens(axis: Axis): Tokens {
    const [a, b] = [this.tokens("a", axis), this.tokens("b", axis)];
    const beside = (text: string, position: number) => {
      const other = b.text[this.alignment.ofB(position) ?? -1];
      return other === undefined || other === text ? text : `${text}→${other}`;
    };
    return { ...a, text: a.text.map(beside) };
  }

  private differenceDrawing(margins: MatrixMargins): MatrixDrawing {
    const { model, dark } = this.frame;
    const { shared } = this.alignment;
    return {
      ...this.common,
      margins,
      name: JSON.stringify([this.selection("a"), this.selection("b")]),
      queries: this.sharedTokens("query"),
      keys: this.sharedTokens("key"),
      rows: shared,
      cols: shared,
      signed: true,
      ramp: signedRamp(dark),
      selected: { query: model.get("query"), key: model.get("key") },
      tile: (level, row, col) => this.differenceTile(level, row, col),
    };
  }

  figure(): SavedFigure {
    const { model, roles } = this.frame;
    const named = (side: TraceSide) => `layer ${model.get(HEAD_TRAITS[side][0])}, head ${this.head(side)}`;
    const partner = model.get("partners")[model.get("layer")]?.[this.head("a")];
    const distance = partner && partner[0] !== null ? `; ${metricTitle(model.get("metric"))} ${formatNumber(partner[0])}` : "";
    return {
      picture: this.panels.svg(roles),
      title: `a: ${named("a")} beside b: ${named("b")}${distance}`,
      subtitle: (["a", "b"] as const).map((side) => `${side}: ${traceTitle(this.sources[side].header)}`).join("   "),
      caption: "Queries run down, keys across; a and b are on one scale. b − a: blue where weights are larger in b, red where they are smaller.",
      file: ["compare", "layer", model.get("layer"), "head", this.head("a")].join("-"),
    };
  }

  // -- the cell that is pointed at ------------------------------------------------------------------------

  private async report(a: AlignedCell, b: AlignedCell): Promise<void> {
    const pointing = ++this.pointings;
    if (this.remote) await new Promise((rested) => setTimeout(rested, RESTING));
    if (pointing !== this.pointings || this.frame.signal.aborted) return;
    const [ofA, ofB] = [await this.weight("a", a), await this.weight("b", b)];
    if (pointing !== this.pointings) return;
    const [side, cell]: [TraceSide, AlignedCell] = ofA === null ? ["b", b] : ["a", a];
    const name = (axis: Axis) => quoted(this.tokens(side, axis), cell[axis] ?? 0);
    this.frame.say([
      `${name("query")} → ${name("key")}`,
      ofA === null ? "no partner in a" : `a ${formatNumber(ofA)}`,
      ofB === null ? "no partner in b" : `b ${formatNumber(ofB)}`,
      ...(ofA !== null && ofB !== null ? [`b − a ${formatNumber(ofB - ofA)}`] : []),
    ].join(" · "));
  }

  /** A single weight, however coarse the picture is; null where the trace has no such cell. */
  private async weight(side: TraceSide, { query, key }: AlignedCell): Promise<number | null> {
    if (query === undefined || key === undefined) return null;
    const tile = await this.sources[side].tile(this.selection(side), 0, Math.floor(query / TILE_SIDE), Math.floor(key / TILE_SIDE));
    return tile.weights[(query % TILE_SIDE) * tile.cols + (key % TILE_SIDE)]!;
  }
}

export default view<CompareState>("Comparison", css, (frame) => {
  const compare = new CompareView(frame);
  return { draw: () => compare.draw(), figure: () => compare.figure() };
});
