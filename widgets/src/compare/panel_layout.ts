// How large the three panels are: in one row where they are large enough, else two in a row or below each other.

import type { MatrixMargins } from "../drawing/matrix_painter";
import type { PanelName } from "./state";

/** Pixels of a plot at most, at least in a row of three, and at least in a row of two. */
const [LARGEST, OF_THREE, OF_TWO] = [440, 290, 165];
/** Pixels for labels and the name of an axis, and of a panel whose labels stand beside another one. */
const LABELS = 84;
const NO_LABELS = 10;
/** Pixels of a panel with a legend and without. */
const [LEGEND, NO_LEGEND] = [80, 12];
/** Pixels between two panels. */
const GAP = 12;

/** Margins of a panel in a view of that width; where the tokens are parallel, only the first panel of a row has labels at the left. */
export function panelMargins(panel: PanelName, width: number, parallel: boolean): MatrixMargins {
  const further = parallel ? NO_LABELS : LABELS;
  const three = Math.floor((width - LABELS - 2 * further - NO_LEGEND - 2 * LEGEND - 2 * GAP) / 3);
  const two = Math.floor((width - LABELS - further - NO_LEGEND - LEGEND - GAP) / 2);
  const across = three >= OF_THREE ? 3 : two >= OF_TWO ? 2 : 1;
  const first = across === 1 || panel === "a" || (across === 2 && panel === "difference");
  return {
    plot: Math.min(LARGEST, across === 3 ? three : across === 2 ? two : width - LABELS - LEGEND),
    left: first ? LABELS : further,
    top: LABELS,
    legend: panel === "a" && across > 1 ? NO_LEGEND : LEGEND,
  };
}
