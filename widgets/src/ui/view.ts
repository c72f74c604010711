// The frame of every view: shadow root, theme, messages, how to read it, downloads, and its end.

import { customProperties, rolesOf, type Roles } from "../drawing/palette";
import { figureDocument, fileName, type SavedFigure } from "../drawing/svg";
import { capitalized } from "../drawing/titles";
import { request, type Reply, type RequestFields } from "../protocol/requests";
import type { WidgetModel } from "../protocol/widget_model";
import { h } from "./dom";
import { downloadButtons } from "./downloads";
import { suppressShortcuts } from "./keyboard";
import { watchPrinting } from "./printing";
import css from "./style.css";
import { themeOf, watchTheme } from "./theme";

/** What a view puts into its frame: `draw` runs at every redraw, `figure` returns what is saved. */
export interface ViewContent {
  draw(): void;
  figure?: () => SavedFigure;
}

/** What anywidget passes to `render`. */
export interface RenderContext<State> {
  model: WidgetModel<State>;
  el: HTMLElement;
  signal?: AbortSignal;
}

export interface View<State> {
  /** Returns the function that removes the view. */
  render(context: RenderContext<State>): () => void;
}

export type NoticeKind = "error" | "note" | "busy";

/** Pixels across a stage that was never visible. */
const DEFAULT_WIDTH = 640;

export class Frame<State> {
  readonly root: ShadowRoot;
  /** Where controls go. */
  readonly bar: HTMLElement;
  /** What the picture shows, above it. */
  readonly headline = h("p", { className: "headline", hidden: true });
  /** Where the picture goes. */
  readonly stage = h("div", { className: "stage" });
  private readonly readout = h("output", { className: "readout", "aria-live": "polite" });
  private readonly notice = h("div", { className: "notice", role: "status", hidden: true });
  private readonly explanation = h("p", { className: "how" });
  private readonly shortcuts = h("p", { className: "keys", id: "keys", hidden: true });
  private readonly shortcutsButton = h("button", {
    type: "button", className: "quiet", hidden: true, "aria-expanded": "false", "aria-controls": "keys", onclick: () => this.switchShortcuts(),
  }, "Shortcuts");
  private readonly downloads = h("span", { className: "downloads" });
  private readonly section: HTMLElement;
  private content: ViewContent | null = null;
  private scheduled = 0;
  private lastWidth = DEFAULT_WIDTH;

  /** The signal aborts when the view is removed: every listener and request ends with it. */
  constructor(
    name: string,
    readonly model: WidgetModel<State>,
    private readonly element: HTMLElement,
    style: string,
    readonly signal: AbortSignal,
  ) {
    this.root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(customProperties() + css + style);
    this.root.adoptedStyleSheets = [sheet];
    this.bar = h("div", { className: "bar", role: "toolbar", "aria-label": `${name}: controls` });
    const footer = h("footer", {}, this.readout, this.explanation, h("span", {}, this.shortcutsButton, this.downloads), this.shortcuts);
    this.section = h(
      "div", { className: "view", role: "group", "aria-label": name },
      this.bar, this.notice, this.headline, this.stage, footer,
    );
    this.section.dataset["theme"] = themeOf(element);
    this.root.replaceChildren(this.section);
    suppressShortcuts(element, signal);
  }

  /** Draws the content, now and whenever theme or size change. */
  show(content: ViewContent): void {
    this.content = content;
    const failed = () => this.notify("The picture could not be saved.");
    const { figure } = content;
    const picture = (saved: SavedFigure) => ({ ...figureDocument(saved, this.roles), file: fileName("attnlens", saved.file) });
    if (figure) this.downloads.append(...downloadButtons(() => picture(figure()), failed));
    watchTheme(this.element, this.signal, (theme) => {
      if (this.section.dataset["theme"] === theme || this.printing) return;
      this.section.dataset["theme"] = theme;
      this.redraw();
    });
    watchPrinting(this.signal, (printing) => this.preparePrint(printing));
    const observer = new ResizeObserver(this.redraw);
    observer.observe(this.stage);
    this.signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.scheduled);
      this.root.replaceChildren();
    });
    content.draw();
  }

  private get printing(): boolean {
    return this.section.dataset["printing"] !== undefined;
  }

  /** Draws at once, since the browser prints what there is now: light, and as wide as paper. */
  private preparePrint(printing: boolean): void {
    this.section.toggleAttribute("data-printing", printing);
    this.section.dataset["theme"] = printing ? "light" : themeOf(this.element);
    this.content?.draw();
  }

  get dark(): boolean {
    return this.section.dataset["theme"] === "dark";
  }

  /** The palette in the view's theme. */
  get roles(): Roles {
    return rolesOf(this.dark);
  }

  /** Pixels across the stage; while the view is hidden, its last width. */
  get width(): number {
    return (this.lastWidth = this.stage.clientWidth || this.lastWidth);
  }

  /** Shows one line about what the pointer is on; screen readers read it out. */
  say(text: string): void {
    this.readout.textContent = text;
  }

  /** Shows what is seen, and what that says; "" shows nothing. */
  title(name: string, said = ""): void {
    this.headline.hidden = name === "";
    this.headline.replaceChildren(h("b", {}, capitalized(name)), said ? `: ${said}` : "");
  }

  /** Shows how to read the picture; a button shows how to move in it by mouse and keys. */
  explain(text: string, shortcuts = ""): void {
    this.explanation.textContent = text;
    this.shortcuts.textContent = shortcuts;
    this.shortcutsButton.hidden = shortcuts === "";
  }

  private switchShortcuts(): void {
    this.shortcuts.hidden = !this.shortcuts.hidden;
    this.shortcutsButton.setAttribute("aria-expanded", String(!this.shortcuts.hidden));
  }

  /** Shows a lasting message: an error, a note, or work in progress, which takes no room; "" removes it. */
  notify(text: string, kind: NoticeKind = "error"): void {
    this.notice.hidden = text === "";
    this.notice.textContent = text;
    this.notice.dataset["kind"] = kind;
  }

  /** Sends a request to Python, until the view is removed. */
  request(name: string, fields: RequestFields = {}): Promise<Reply> {
    return request(this.model, name, fields, this.signal);
  }

  /** Sets traits on behalf of the user: they reach Python and every other view of the widget. */
  set(values: Partial<State>): void {
    for (const [name, value] of Object.entries(values)) this.model.set(name as any, value as any);
    this.model.save_changes();
  }

  /** Draws at the next animation frame, however often it is called before. */
  readonly redraw = (): void => {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      if (!this.signal.aborted) this.content?.draw();
    });
  };
}

/** A view with a name and a style of its own; `fill` puts the controls and the picture into its frame. */
export function view<State>(name: string, style: string, fill: (frame: Frame<State>) => ViewContent): View<State> {
  const definition: View<State> = {
    render({ model, el, signal }) {
      const ending = new AbortController();
      signal?.addEventListener("abort", () => ending.abort(), { once: true });
      const frame = new Frame(name, model, el, style, ending.signal);
      frame.show(fill(frame));
      return () => ending.abort();
    },
  };
  // A report is one page without modules: it provides a map in which views register.
  (globalThis as { attnlensViews?: Map<string, unknown> }).attnlensViews?.set(name, definition);
  return definition;
}
