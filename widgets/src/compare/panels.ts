// CompareView's panels: the matrix of a, that of b, and their difference, which move and point together.

import { Matrix } from "../drawing/matrix";
import type { MatrixDrawing } from "../drawing/matrix_painter";
import { escapeXml, svgInset, type SvgPicture } from "../drawing/svg";
import type { Cell, Sight } from "../drawing/viewport";
import type { Roles } from "../drawing/palette";
import { h } from "../ui/dom";
import type { Alignment, AlignedCell } from "./alignment";
import type { PanelName, TraceSide } from "./state";

const PANELS: PanelName[] = ["a", "b", "difference"];
const TITLES: Record<PanelName, string> = { a: "a", b: "b", difference: "b − a" };

export interface PanelsEvents {
  /** A cell is pointed at, in both traces. */
  pointed(a: AlignedCell, b: AlignedCell): void;
  left(): void;
  selected(query: number | null, key: number | null): void;
  /** The largest weights of a panel are known now. */
  scaled(): void;
  failed(error: Error): void;
}

export class ComparePanels {
  readonly element: HTMLElement;
  readonly matrices: Record<PanelName, Matrix>;
  private readonly figures: Record<PanelName, HTMLElement>;
  private parallel = false;

  constructor(
    captions: Record<TraceSide, HTMLElement>,
    private readonly alignment: Alignment,
    private readonly events: PanelsEvents,
    private readonly signal: AbortSignal,
  ) {
    this.matrices = { a: this.matrix("a"), b: this.matrix("b"), difference: this.matrix("difference") };
    const difference = h("figcaption", {}, h("b", {}, TITLES.difference));
    const figure = (panel: PanelName, caption: HTMLElement) => h("figure", {}, caption, this.matrices[panel].element);
    this.figures = { a: figure("a", captions.a), b: figure("b", captions.b), difference: figure("difference", difference) };
    this.element = h("div", { className: "panels" }, ...PANELS.map((panel) => this.figures[panel]));
  }

  private matrix(panel: PanelName): Matrix {
    return new Matrix({
      pointed: (query, key) => this.point(panel, query, key),
      left: () => {
        this.events.left();
        for (const other of this.others(panel)) other.mark(null);
      },
      selected: (query, key) => {
        const { a } = this.alignment.both(panel, query, key);
        this.events.selected(a.query ?? null, a.key ?? null);
      },
      moved: (sight) => this.follow(panel, sight),
      scaled: () => this.events.scaled(),
      failed: (error) => this.events.failed(error),
      pending: () => {},
    }, this.signal);
  }

  private others(panel: PanelName): Matrix[] {
    return PANELS.filter((other) => other !== panel).map((other) => this.matrices[other]);
  }

  /** Panels of parallel tokens show the same part. */
  private follow(panel: PanelName, sight: Sight): void {
    if (this.parallel) for (const other of this.others(panel)) other.follow(sight);
  }

  /** Outlines the cell in the other panels. */
  private point(panel: PanelName, query: number, key: number): void {
    const { a, b } = this.alignment.both(panel, query, key);
    const cells = { a: toCell(a), b: toCell(b), difference: this.alignment.inDifference(a) };
    for (const other of PANELS) if (other !== panel) this.matrices[other].mark(cells[other]);
    this.events.pointed(a, b);
  }

  draw(drawing: (panel: PanelName) => MatrixDrawing, hasDifference: boolean, parallel: boolean, width: number): void {
    this.parallel = parallel;
    this.figures.difference.hidden = !hasDifference;
    for (const panel of PANELS)
      if (panel !== "difference" || hasDifference) this.matrices[panel].show(drawing(panel), width);
  }

  /** The largest weight of a and b, 0 until one is known. */
  get strongest(): number {
    return Math.max(this.matrices.a.strongest, this.matrices.b.strongest);
  }

  /** The visible panels side by side. */
  svg(roles: Roles): SvgPicture {
    let [x, height] = [0, 0];
    const parts = PANELS.filter((panel) => !this.figures[panel].hidden).map((panel) => {
      const picture = this.matrices[panel].svg();
      const part = `<text x="${x + 8}" y="16" font-weight="bold">${escapeXml(TITLES[panel])}</text>${svgInset(picture, x, 0)}`;
      x += picture.width + 12;
      height = Math.max(height, picture.height);
      return part;
    });
    const attributes = `font-family="sans-serif" font-size="13" fill="${roles.text}"`;
    return { width: x, height, attributes, body: parts.join("") };
  }
}

function toCell({ query, key }: AlignedCell): Cell | null {
  return query === undefined || key === undefined ? null : { row: query, col: key };
}
