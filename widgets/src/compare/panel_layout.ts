// How large the three panels are: side by side where they fit, else below each other.

import type { MatrixMargins } from "../drawing/matrix_painter";
import type { PanelName } from "./state";

const MARGINS: MatrixMargins = { plot: 260, left: 74, top: 74, legend: 12 };
const SMALLEST_PLOT = 165;
/** Pixels at the left of a panel without labels. */
const NO_LABELS = 10;
/** Pixels of a panel with a legend. */
const LEGEND = 80;
/** Pixels between the panels. */
const GAPS = 28;

/** Margins of a panel in a view of that width; where the tokens are parallel, only the first panel has labels at the left. */
export function panelMargins(panel: PanelName, width: number, parallel: boolean): MatrixMargins {
  const labels = parallel ? MARGINS.left + 2 * NO_LABELS : 3 * MARGINS.left;
  const fitting = Math.floor((width - labels - 2 * LEGEND - MARGINS.legend - GAPS) / 3);
  const sideBySide = fitting >= SMALLEST_PLOT; // otherwise each panel has room for labels of its own
  return {
    ...MARGINS,
    left: sideBySide && panel !== "a" && parallel ? NO_LABELS : MARGINS.left,
    plot: sideBySide ? Math.min(MARGINS.plot, fitting) : MARGINS.plot,
    legend: panel === "a" ? MARGINS.legend : LEGEND,
  };
}
