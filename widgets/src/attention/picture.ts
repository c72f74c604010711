// AttentionView's pictures: lines between tokens, or a matrix.

import { attentionRamp } from "../drawing/colour";
import { Lines } from "../drawing/lines";
import { Matrix } from "../drawing/matrix";
import type { SavedFigure } from "../drawing/svg";
import type { LineSegment } from "../drawing/line_segments";
import { quoted, traceTitle } from "../drawing/titles";
import type { Tokens } from "../protocol/headers";
import type { Axis, Selection, TraceSource } from "../protocol/trace_source";
import { meanOf } from "../protocol/weights";
import type { Frame } from "../ui/view";
import { describeCell, describeHeads, describeLine, linesDrawing, loneToken, toggledToken, type TokenPlace } from "./attention_model";
import { describePattern } from "./pattern";
import type { AttentionState } from "./state";

/** A trace, its number among those that were shown, and the selected heads and tokens. */
export interface ShownTrace {
  source: TraceSource;
  number: number;
  selection: Selection;
}

export class AttentionPicture {
  readonly lines: Lines;
  readonly matrix: Matrix;
  private pointed: TokenPlace | null = null;
  /** Counts drawings: the result of a superseded one is discarded. */
  private drawings = 0;
  /** What the matrix shows, and why some of it is missing; tiles that arrive later do not hide that. */
  private matrixName = "";
  private failure = "";
  private shown: ShownTrace | null = null;
  /** What the readout says where no line is pointed at. */
  private lineInWords = "";

  constructor(private readonly frame: Frame<AttentionState>) {
    const { model, signal } = frame;
    this.lines = new Lines({
      pointed: (axis, position) => this.point(axis, position),
      selected: (axis, position) => frame.set(toggledToken({ query: model.get("query"), key: model.get("key") }, { axis, position })),
      linePointed: (line) => this.sayLine(line),
      lineSelected: (query, key) => frame.set({ query, key }),
    }, signal);
    this.matrix = new Matrix({
      pointed: (query, key, weight, pooled) => {
        const { source, selection } = this.shown!;
        frame.say(describeCell(tokensOfBoth(source, selection.layer), selection, query, key, weight, pooled, source.header.stacks));
      },
      left: () => frame.say(""),
      selected: (query, key) => {
        const same = model.get("query") === query && model.get("key") === key;
        frame.set(same ? { query: null, key: null } : { query, key });
      },
      failed: (error) => frame.notify((this.failure = error.message)),
      pending: (count) => {
        if (!this.failure) frame.notify(count && this.shown?.source.remote ? "Computing …" : "", "busy");
      },
    }, signal);
  }

  /** The token that is pointed at in the lines, else the selected one. */
  get alone(): TokenPlace | null {
    const { model } = this.frame;
    return loneToken(this.pointed, { query: model.get("query"), key: model.get("key") });
  }

  private point(axis: Axis, position: number | null): void {
    if (position === null ? !this.pointed : this.pointed?.axis === axis && this.pointed.position === position) return;
    this.pointed = position === null ? null : { axis, position };
    this.frame.redraw();
  }

  /** Says which weight a line that is pointed at stands for. */
  private sayLine(line: LineSegment | null): void {
    if (!line) return this.frame.say(this.lineInWords);
    const { source, selection } = this.shown!;
    const { rows, cols } = source.positions(selection);
    const heads = this.frame.model.get("mean") ? selection.heads : [selection.heads[line.colour]!];
    this.frame.say(describeCell(
      tokensOfBoth(source, selection.layer), { ...selection, heads }, rows[line.from]!, cols[line.to]!, line.weight, null, source.header.stacks));
  }

  /** Forgets what was pointed at, where keys move on. */
  release(): void {
    this.pointed = null;
  }

  /** Shows the picture of the chosen mode, or none where no token is left. */
  draw(shown: ShownTrace, empty: boolean): void {
    this.shown = shown;
    const isLines = this.frame.model.get("mode") === "lines";
    const focused = this.frame.root.activeElement;
    const [current, other] = isLines ? [this.lines.element, this.matrix.element] : [this.matrix.element, this.lines.element];
    current.hidden = empty;
    other.hidden = true;
    // The key that changed the picture leaves the focus to the new one.
    if (focused === other) current.focus({ preventScroll: true });
    const drawing = ++this.drawings;
    if (empty) this.frame.title("");
    else void this.showHeadline(shown, drawing);
    if (empty) this.frame.say("");
    else if (isLines) this.showLines(shown, drawing);
    else this.showMatrix(shown);
  }

  /** Which heads are shown and, where their weights are in the browser, which tokens they attend to. */
  private async showHeadline({ source, selection }: ShownTrace, drawing: number): Promise<void> {
    const apart = this.frame.model.get("mode") === "lines" && !this.frame.model.get("mean") && selection.heads.length > 1;
    const name = describeHeads(selection, source.header.stacks, apart);
    const { rows, cols } = source.positions(selection);
    const matrices = source.remote ? null : await source.matrices(selection).catch(() => null);
    if (drawing !== this.drawings) return;
    const { query, key } = source.header.layers[selection.layer]!;
    const tokens = tokensOfBoth(source, selection.layer);
    const pattern = matrices && describePattern({ weights: meanOf(matrices), rows, cols, tokens, same: query === key && query !== "other", patches: query === "input" ? source.header.patches : null });
    this.frame.title(name, pattern ? `${apart ? "on average " : ""}${pattern}` : "");
  }

  private showLines(shown: ShownTrace, drawing: number): void {
    const { frame } = this;
    this.drawLines(shown, drawing).then(
      () => drawing === this.drawings && frame.notify(""),
      (error: unknown) => {
        if (!frame.signal.aborted && drawing === this.drawings) frame.notify(error instanceof Error ? error.message : String(error));
      },
    );
  }

  private async drawLines({ source, selection }: ShownTrace, drawing: number): Promise<void> {
    const { frame, alone: token } = this;
    const { rows, cols } = source.positions(selection);
    const alone = token && (token.axis === "query" ? rows : cols).includes(token.position) ? token : null;
    const matrices = source.remote ? null : await source.matrices(selection);
    const line = alone ? await source.line(selection, alone.axis, alone.position) : null;
    if (drawing !== this.drawings) return;
    const { query: queries, key: keys } = tokensOfBoth(source, selection.layer);
    const weights = { rows, cols, queries, keys, matrices, alone, line };
    this.lines.show(linesDrawing(this.state, selection.heads, weights, frame.roles, frame.dark));
    const others = alone?.axis === "query" ? cols : rows;
    this.lineInWords = alone && line
      ? describeLine({ query: queries, key: keys }, selection, alone, meanOf(line), others, source.header.stacks)
      : source.remote ? "Point at a token to see its attention." : "";
    frame.say(this.lineInWords);
  }

  private get state() {
    const { model } = this.frame;
    return {
      mean: model.get("mean"), query: model.get("query"), key: model.get("key"), threshold: model.get("threshold"), log: model.get("log"),
    };
  }

  private showMatrix({ source, number, selection }: ShownTrace): void {
    const { frame } = this;
    const { query, key, threshold, log } = this.state;
    const name = JSON.stringify([number, selection]);
    if (name !== this.matrixName) frame.notify((this.failure = ""));
    this.matrixName = name;
    const { query: queries, key: keys } = tokensOfBoth(source, selection.layer);
    this.matrix.show({
      name, queries, keys, threshold, log,
      ...source.positions(selection),
      tile: (level, row, col) => source.tile(selection, level, row, col),
      ramp: attentionRamp(frame.dark),
      roles: frame.roles,
      selected: { query, key },
    }, frame.width);
  }

  /** What is seen, with what is selected. */
  figure(): SavedFigure {
    const { source, selection } = this.shown!;
    const { query, key } = this.state;
    const lines = this.frame.model.get("mode") === "lines";
    const selected = [...(query === null ? [] : ["query", query]), ...(key === null ? [] : ["key", key])];
    return {
      picture: (lines ? this.lines : this.matrix).svg(),
      title: this.frame.headline.textContent ?? "",
      subtitle: [traceTitle(source.header), query === null && key === null ? "" : this.selectionInWords()].filter(Boolean).join("   "),
      caption: (lines ? "Attention weights: from each query on the left to its keys on the right, a thicker and darker line for a larger weight."
        : "Attention weights: queries run down, keys across; a darker colour is a larger weight.").replace("darker", this.frame.dark ? "brighter" : "darker"),
      file: ["attention", "layer", ...(selection.layers ?? [selection.layer]), "head", ...selection.heads.slice(0, 4), ...selected].join("-"),
    };
  }

  private selectionInWords(): string {
    const { source, selection } = this.shown!;
    const { query, key } = this.state;
    const tokens = tokensOfBoth(source, selection.layer);
    const named = (axis: Axis, position: number | null) => (position === null ? [] : [`${axis} ${position} ${quoted(tokens[axis], position)}`]);
    return `selected: ${[...named("query", query), ...named("key", key)].join(", ")}`;
  }
}

function tokensOfBoth(source: TraceSource, layer: number): Record<Axis, Tokens> {
  return { query: source.tokens(layer, "query"), key: source.tokens(layer, "key") };
}
