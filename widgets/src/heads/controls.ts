// HeadsView's controls: the statistic that colours the heads, ranking, and the legend.

import { gradientBar } from "../drawing/canvas";
import type { Ramp } from "../drawing/colour";
import { statisticTitle } from "../drawing/titles";
import { button, checkbox, options, press, segments, select } from "../ui/controls";
import { h } from "../ui/dom";
import type { Frame } from "../ui/view";
import { scaleEnds, statisticWithUnit, type HeadStatistic } from "./heads_model";
import type { HeadsState } from "./state";

export class HeadsControls {
  private readonly by: HTMLSelectElement;
  private readonly sort: HTMLInputElement;
  private readonly cells: HTMLButtonElement[];
  private readonly cellsGroup: HTMLElement;
  private readonly legend = h("span", { className: "legend" });

  constructor(private readonly frame: Frame<HeadsState>) {
    this.by = select("Statistic that colours the heads", [], (by) => frame.set({ by }));
    this.cells = (["value", "pattern"] as const).map((cells) => button(cells, () => frame.set({ cells })));
    this.cellsGroup = segments("What a square shows", this.cells);
    this.sort = checkbox((sort) => frame.set({ sort }));
    this.listColumns();
    frame.bar.append(
      h("label", {}, h("span", { className: "name" }, "Show"), this.by),
      this.cellsGroup,
      h("label", {}, this.sort, "rank, largest first"),
      this.legend,
    );
  }

  listColumns(): void {
    const columns = this.frame.model.get("columns").map((name): [string, string] => [name, statisticTitle(name)]);
    this.by.replaceChildren(...options([["", "pattern of each head"], ...columns]));
  }

  draw(statistic: HeadStatistic, ramp: Ramp): void {
    const { model } = this.frame;
    this.by.value = model.get("by");
    this.cellsGroup.hidden = model.get("by") === "";
    for (const cells of this.cells) press(cells, cells.textContent === model.get("cells"));
    this.sort.checked = model.get("sort");
    this.sort.disabled = model.get("by") === "";
    const { extent } = statistic;
    const [low = "", high = ""] = extent ? scaleEnds(model.get("by"), extent) : [];
    this.legend.replaceChildren(...(extent ? [`${statisticWithUnit(model.get("by"))}: ${low}`, gradientBar(ramp), high] : []));
  }
}
