// PatchView's panels: the image and other maps beside the large picture.

import { Overlay, type ImageGround, type OverlayPaint, type PatchMap } from "../drawing/overlay";
import { h } from "../ui/dom";
import { scaleElement, type PanelFigure } from "./figure_svg";
import { methodTitle } from "../drawing/titles";
import type { ColourScale, ScaledMaps } from "./score_kinds";

/** What one panel shows. */
export interface PanelDrawing {
  name: string;
  /** How the scores were computed. */
  how: string | undefined;
  map: PatchMap | null;
  /** The map's own scale; null where panels share one. */
  scale: ColourScale | null;
  value: string;
  note: string;
  /** Why there is no map. */
  failure: string | undefined;
}

export interface PanelEvents {
  /** A patch is pointed at; null where none. */
  pointed(patch: number | null): void;
}

class MapPanel {
  readonly figure: HTMLElement;
  readonly overlay: Overlay;
  private readonly title = h("span", { className: "title" });
  private readonly value = h("span", { className: "note value" });
  private readonly note = h("span", { className: "note" });
  private readonly scale = h("div", { className: "scales" });
  private readonly waiting = h("div", { className: "waiting", role: "status" });

  constructor(ground: ImageGround, events: PanelEvents, signal: AbortSignal) {
    this.overlay = new Overlay(ground);
    const { element } = this.overlay;
    element.append(this.waiting);
    element.addEventListener("pointermove", (event) => events.pointed(this.overlay.at(event)), { signal });
    element.addEventListener("pointerleave", () => events.pointed(null), { signal });
    this.figure = h("figure", {}, this.title, element, h("figcaption", {}, this.scale, this.value, this.note));
  }

  draw({ name, how, map, scale, value, note, failure }: PanelDrawing, pointed: number | null, paint: OverlayPaint): void {
    this.title.textContent = methodTitle(name);
    this.title.title = how ?? methodTitle(name);
    this.overlay.show(map, paint, { query: null, pointed });
    this.waiting.hidden = map !== null || name === "image";
    this.waiting.textContent = map ? "" : failure ?? "Computing …";
    this.waiting.classList.toggle("failed", failure !== undefined && !map);
    this.scale.replaceChildren(...(scale && map ? [scaleElement(paint, scale)] : []));
    this.value.textContent = value;
    this.note.textContent = note;
    this.figure.setAttribute("aria-label", [methodTitle(name), note, failure].filter(Boolean).join(", "));
  }

  get words(): { value: string; note: string } {
    return { value: this.value.textContent ?? "", note: this.note.textContent ?? "" };
  }
}

export class MapPanels {
  readonly element = h("div", { className: "beside" });
  private readonly panels = new Map<string, MapPanel>();

  constructor(
    private readonly ground: ImageGround,
    private readonly events: PanelEvents,
    private readonly signal: AbortSignal,
  ) {}

  /** Puts the panels of these names side by side. */
  layOut(names: string[]): void {
    const figures = names.map((name) => this.panel(name).figure);
    const { children } = this.element;
    if (figures.length !== children.length || figures.some((figure, n) => figure !== children[n]))
      this.element.replaceChildren(...figures);
    this.element.dataset["count"] = String(figures.length);
    this.element.style.setProperty("--panels", String(figures.length));
  }

  private panel(name: string): MapPanel {
    let panel = this.panels.get(name);
    if (!panel) this.panels.set(name, (panel = new MapPanel(this.ground, this.events, this.signal)));
    return panel;
  }

  draw(drawings: PanelDrawing[], pointed: number | null, paint: OverlayPaint): void {
    for (const drawing of drawings) this.panel(drawing.name).draw(drawing, pointed, paint);
  }

  /** The panels as a saved figure shows them. */
  figures(names: string[], { maps, own }: ScaledMaps): PanelFigure[] {
    return names.map((name) => ({
      title: methodTitle(name),
      map: maps.get(name) ?? null,
      scale: own.get(name) ?? null,
      ...(this.panels.get(name)?.words ?? { value: "", note: "" }),
    }));
  }
}
