// How large the three panels are: in one row where they are large enough, else two in a row or below each other.

import type { MatrixMargins } from "../drawing/matrix_painter";
import type { PanelName } from "./state";

/** Pixels of a plot at most, at least in a row of three, and at least in a row of two. */
const [LARGEST, OF_THREE, OF_TWO] = [440, 236, 165];
/** Pixels for labels and the name of an axis at most, and of a panel whose labels stand beside another one. */
const MOST_LABELS = 108;
const NO_LABELS = 10;
/** Pixels of a panel with a legend and without. */
const [LEGEND, NO_LEGEND] = [86, 12];
/** Pixels between two panels. */
const GAP = 12;

/** The tokens of all panels: pixels for their labels, and whether they are the same everywhere. */
export interface PanelLabels {
  left: number;
  top: number;
  same: boolean;
}

/** Pixels for the labels of a panel that is not the first of its row: none where its tokens are those of the first. */
const furtherLabels = ({ left, same }: PanelLabels) => (same ? NO_LABELS : Math.min(MOST_LABELS, left));

/** Pixels of a plot where so many panels stand in a row; of two, the first has the difference with its legend below it. */
function plotSide(across: number, width: number, labels: PanelLabels): number {
  const beside = Math.min(MOST_LABELS, labels.left) + (across - 1) * furtherLabels(labels);
  const legends = across * LEGEND - (across === 3 ? LEGEND - NO_LEGEND : 0);
  return Math.floor((width - beside - legends - (across - 1) * GAP) / across);
}

/** How many panels stand in a row of a view of that width. */
export function panelsAcross(width: number, labels: PanelLabels): 1 | 2 | 3 {
  return plotSide(3, width, labels) >= OF_THREE ? 3 : plotSide(2, width, labels) >= OF_TWO ? 2 : 1;
}

export function panelMargins(panel: PanelName, width: number, labels: PanelLabels): MatrixMargins {
  const across = panelsAcross(width, labels);
  const first = across === 1 || panel === "a" || (across === 2 && panel === "difference");
  return {
    plot: Math.min(LARGEST, plotSide(across, width, labels)),
    left: first ? Math.min(MOST_LABELS, labels.left) : furtherLabels(labels),
    top: Math.min(MOST_LABELS, labels.top),
    legend: panel === "a" && across > 1 ? NO_LEGEND : LEGEND,
  };
}
