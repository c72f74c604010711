// PatchView: an image with attention over its patches, and beside it other maps of the patches.

import { formatNumber } from "../drawing/number_format";
import { OverlayPaint, type ImageGround } from "../drawing/overlay";
import type { SavedFigure, SvgPicture } from "../drawing/svg";
import { traceTitle } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { AttentionRows } from "../protocol/attention_rows";
import { TraceSource } from "../protocol/trace_source";
import { listen } from "../protocol/widget_model";
import { h } from "../ui/dom";
import { runKey, type KeyActions } from "../ui/keyboard";
import { view, type Frame, type ViewContent } from "../ui/view";
import { PatchesControls } from "./controls";
import { figureSvg, scaleElement } from "./figure_svg";
import { LargePicture, type AttentionRow } from "./large_picture";
import { MapScores, type NotedScores } from "./map_scores";
import { MapPanels, type PanelDrawing } from "./panels";
import css from "./patches.css";
import { headsOrAll, headsText, PatchGrid, steppedHeads } from "./patch_grid";
import { Playback } from "./playback";
import { mapUpTo, scaledMaps, scaleOf, scoreText, strongest, strongestPatch, type ScaledMaps } from "./score_kinds";
import type { PatchesState } from "./state";

const KEYS =
  "Point at a patch to see its attention; click keeps it, then pointing reads the numbers. Arrows move the patch, Shift with them " +
  "reads, [ and ] change the layer, comma and period the head, space plays the layers, Escape goes back.";

const SHOWN: (keyof PatchesState)[] = ["layer", "heads", "query", "blend", "panels", "shared", "target", "maps", "scores"];

/** One image: another one may have another grid and needs another instance. */
class PatchesView {
  private readonly source: TraceSource;
  private readonly grid: PatchGrid;
  private readonly ground: ImageGround;
  private readonly rows: AttentionRows;
  private readonly scores: MapScores;
  private readonly playback: Playback;
  private readonly controls: PatchesControls;
  private readonly large: LargePicture;
  private readonly panels: MapPanels;
  private readonly scales = h("span", { className: "scales" });
  private readonly foot: HTMLElement;
  /** The patch of the large picture that is pointed at, while none is kept: its attention is shown. */
  private attending: number | null = null;
  /** The patch whose numbers are read. */
  private pointed: number | null = null;
  private current: { row: AttentionRow; maps: Map<string, NotedScores> } | null = null;
  /** Counts drawings: the result of a superseded one is discarded. */
  private drawings = 0;

  constructor(private readonly frame: Frame<PatchesState>, private readonly signal: AbortSignal) {
    const { model } = frame;
    this.source = new TraceSource(model, signal);
    this.grid = new PatchGrid(this.source.header);
    this.ground = this.grid.ground(model.get("size"));
    this.rows = new AttentionRows(this.source, (name, fields) => frame.request(name, fields));
    this.scores = new MapScores(frame, this.grid.patches, signal);
    this.playback = new Playback(frame, this.grid.layers, signal);
    this.controls = new PatchesControls(frame, this.playback, (name) => this.switchPanel(name));
    this.large = new LargePicture(this.grid, this.ground, {
      pointed: (patch) => this.point(patch, true),
      clicked: (patch) => this.keep(this.grid.leading + patch),
      chosen: (position) => {
        this.point(null, true);
        frame.set({ query: position });
      },
    }, signal);
    this.panels = new MapPanels(this.ground, { pointed: (patch) => this.point(patch, false) }, signal);
    const shared = h("label", { title: "Otherwise each panel is on its own scale" }, this.controls.shared, "one scale for maps of the same unit");
    this.foot = h("div", { className: "foot" }, shared, this.scales);
    this.layOut();
  }

  private layOut(): void {
    const { frame, signal } = this;
    frame.stage.classList.add("patches");
    frame.stage.append(this.large.element, h("div", { className: "right" }, this.panels.element, this.foot));
    frame.root.addEventListener("keydown", (event) => this.onKey(event as KeyboardEvent), { signal });
    listen(frame.model, SHOWN, frame.redraw, signal);
  }

  // -- state ----------------------------------------------------------------------------------------------

  private get headCount(): number {
    return this.source.header.layers[this.frame.model.get("layer")]!.heads;
  }

  private get heads(): number[] {
    return headsOrAll(this.frame.model.get("heads"), this.headCount);
  }

  /** The position whose attention is shown: pointed at, kept, or the class token; null for the mean over all. */
  private get query(): number | null {
    const { leading } = this.grid;
    return this.attending !== null ? leading + this.attending : this.frame.model.get("query") ?? (leading ? 0 : null);
  }

  private get paint(): OverlayPaint {
    return new OverlayPaint(this.frame.model.get("blend"), this.frame.dark, this.ground.image !== null);
  }

  private get layerText(): string {
    return `layer ${this.frame.model.get("layer")}, ${headsText(this.heads, this.headCount)}`;
  }

  // -- drawing --------------------------------------------------------------------------------------------

  draw(): void {
    const names = this.frame.model.get("panels");
    this.controls.draw();
    this.explain();
    this.panels.layOut(names);
    this.foot.hidden = names.length === 0;
    const drawing = ++this.drawings;
    this.drawMaps(names, drawing).then(
      () => {
        if (drawing !== this.drawings) return;
        this.frame.notify("");
        this.playback.continue();
      },
      (error: unknown) => {
        if (this.signal.aborted || drawing !== this.drawings) return;
        this.playback.halt();
        this.controls.draw();
        this.frame.notify(error instanceof Error ? error.message : String(error));
      },
    );
  }

  private explain(): void {
    const { grid, frame } = this;
    const query = frame.model.get("query");
    const whose = grid.patchAt(query) !== null ? "the outlined patch" : query === null && !grid.leading ? "every position, on average" : "the class token";
    frame.explain(`${grid.omission}In the large picture: the brighter a patch, the larger the weight on it of ${whose}. Patches are named (row, column), from 0.`, KEYS);
  }

  private async drawMaps(names: string[], drawing: number): Promise<void> {
    const { frame, grid, query } = this;
    const { model } = frame;
    const rowOf = (from: number | null) => this.rows.of(model.get("layer"), this.heads, from);
    const [weights, ofClass] = await Promise.all([
      rowOf(query),
      names.includes("attention") ? rowOf(grid.leading ? 0 : null) : null,
    ]);
    if (drawing !== this.drawings) return;
    const maps = new Map<string, NotedScores>();
    for (const name of names) {
      const scores = name === "image" ? null : name === "attention" ? ofClass && this.attentionScores(ofClass) : this.scores.of(name);
      if (scores) maps.set(name, scores);
    }
    const row = { query, weights };
    this.current = { row, maps };
    const [paint, scaled] = [this.paint, scaledMaps(maps, model.get("shared"), grid.leading)];
    this.large.draw(row, this.pointed, paint, this.layerText);
    const panels = names.map((name) => this.panelDrawing(name, maps.get(name), scaled));
    this.panels.draw(panels, this.pointed ?? this.attending, paint);
    this.scales.replaceChildren(...scaled.shared.map((scale) => scaleElement(paint, scale)));
    const text = this.pointed !== null ? grid.describePatch(query, this.pointed, weights) : this.attending !== null ? grid.describeRow(query, weights) : "";
    frame.say(text && `${text} · ${this.layerText}`);
    // Only of what is kept: above the picture that is pointed at, text that comes and goes would move it.
    if (this.attending === null) frame.title(this.layerText, grid.describeMost(query, weights));
  }

  private attentionScores(row: Float32Array): NotedScores {
    const { leading } = this.grid;
    const note = `${leading ? `of ${this.grid.nameOf(0)}` : "received"}, layer ${this.frame.model.get("layer")}`;
    return { values: row.subarray(leading), kind: "share", note };
  }

  private panelDrawing(name: string, scores: NotedScores | undefined, scaled: ScaledMaps): PanelDrawing {
    const [map, scale] = [scaled.maps.get(name) ?? null, scaled.own.get(name) ?? null];
    const how = this.frame.model.get("maps")[name]?.how;
    const failure = this.scores.failureOf(name);
    if (name !== "image") return { name, how, map, scale, value: scores ? this.valueText(scores) : "", note: scores?.note ?? "", failure };
    const { width, height } = this.ground;
    const value = tokenLabel(this.source.header.prediction ?? "as the model sees it");
    return { name, how, map, scale, value, note: `${width} × ${height} pixels`, failure };
  }

  /** The number of the patch that is pointed at, else the largest. */
  private valueText(scores: NotedScores): string {
    const pointed = this.pointed ?? this.attending;
    const patch = pointed ?? strongestPatch(scores);
    const even = scores.kind === "share" ? `, uniform ${formatNumber(1 / (scores.values.length + this.grid.leading))}` : "";
    return `${pointed === null ? "most " : ""}${this.grid.coordinates(patch)}: ${scoreText(scores, patch)}${even}`;
  }

  figure(): SavedFigure {
    const { frame, grid } = this;
    const { model } = frame;
    const { query } = this;
    return {
      picture: this.svg(),
      title: `${this.large.heading}: ${grid.describeRow(query, this.current?.row.weights ?? new Float32Array(grid.patches + grid.leading))}`,
      subtitle: [traceTitle(this.source.header), model.get("trace").prediction].filter(Boolean).join(" · "),
      caption: "The brighter a patch, the larger the weight on it, on a square-root scale.",
      file: ["patches", "layer", model.get("layer"), "head", this.heads.length === this.headCount ? "mean" : this.heads.join("-"), query ?? "mean"].join("-"),
    };
  }

  private svg(): SvgPicture {
    const { frame, grid, current } = this;
    const scaled = scaledMaps(current?.maps ?? new Map(), frame.model.get("shared"), grid.leading);
    const ofPatches = current?.row.weights.subarray(grid.leading) ?? new Float32Array(grid.patches);
    const top = strongest(ofPatches, "share", grid.leading);
    return figureSvg({
      ground: this.ground,
      paint: this.paint,
      roles: frame.roles,
      large: { map: mapUpTo(ofPatches, top), query: grid.patchAt(this.query), scale: scaleOf("share", top, 1 / (grid.patches + grid.leading)) },
      panels: this.panels.figures(frame.model.get("panels"), scaled),
      scales: scaled.shared,
    });
  }

  // -- what the user does ---------------------------------------------------------------------------------

  /** A patch under the pointer: on the large picture its attention is shown, unless a patch is kept; elsewhere its numbers are read. */
  private point(patch: number | null, onLarge: boolean): void {
    const [attending, pointed] = onLarge && this.frame.model.get("query") === null ? [patch, null] : [null, patch];
    if (attending === this.attending && pointed === this.pointed) return;
    [this.attending, this.pointed] = [attending, pointed];
    this.frame.redraw();
  }

  /** Keeps a position, or releases it where it was kept. */
  private keep(position: number): void {
    this.point(null, true);
    this.frame.set({ query: this.frame.model.get("query") === position ? null : position });
  }

  private switchPanel(name: string): void {
    const { model } = this.frame;
    this.scores.reset(name);
    const panels = new Set(model.get("panels"));
    if (!panels.delete(name)) panels.add(name);
    this.frame.set({ panels: model.get("offered").filter((other) => panels.has(other)) });
  }

  /** Moves the patch that attends, or the one whose numbers are read. */
  private move(down: number, across: number, reads: boolean): void {
    const { grid, frame } = this;
    const from = reads ? this.pointed : grid.patchAt(frame.model.get("query")) ?? this.attending;
    const patch = grid.neighbour(from, down, across);
    this.attending = null;
    this.pointed = reads ? patch : null;
    if (!reads) frame.set({ query: grid.leading + patch });
    frame.redraw();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.target instanceof HTMLSelectElement) return;
    const inPicture = event.target === this.large.focusable;
    runKey(event, { ...this.keys, ...(inPicture ? this.keysOfPicture(event.shiftKey) : {}) });
  }

  private get keys(): KeyActions {
    const { frame, playback } = this;
    const stepHead = (by: number) => frame.set({ heads: steppedHeads(frame.model.get("heads"), by, this.headCount) });
    return {
      "[": () => playback.step(-1),
      "]": () => playback.step(1),
      ",": () => stepHead(-1),
      ".": () => stepHead(1),
      Escape: () => {
        playback.stop();
        this.point(null, true);
        frame.set({ query: null });
      },
    };
  }

  private keysOfPicture(reads: boolean): KeyActions {
    return {
      ArrowUp: () => this.move(-1, 0, reads),
      ArrowDown: () => this.move(1, 0, reads),
      ArrowLeft: () => this.move(0, -1, reads),
      ArrowRight: () => this.move(0, 1, reads),
      " ": () => this.playback.toggle(),
    };
  }
}

function patchesContent(frame: Frame<PatchesState>): ViewContent {
  let ending = new AbortController();
  frame.signal.addEventListener("abort", () => ending.abort());
  let patches = new PatchesView(frame, ending.signal);
  listen(frame.model, ["trace"], () => {
    ending.abort();
    ending = new AbortController();
    frame.bar.replaceChildren();
    frame.stage.replaceChildren();
    patches = new PatchesView(frame, ending.signal);
    frame.redraw();
  }, frame.signal);
  return { draw: () => patches.draw(), figure: () => patches.figure() };
}

export default view<PatchesState>("Patches", css, patchesContent);
