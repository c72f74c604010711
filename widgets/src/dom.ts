// Elements made in one line, and the frame that every view stands in: shadow root, theme, status, how to read it.

import { request as askPython, type Reply as Answer } from "./protocol/requests";
import { type WidgetModel as Model } from "./protocol/widget_model";
import css from "./style.css";

type Given = Record<string, unknown>;
type Child = Node | string | null | undefined | false;

/** An element; names that begin with "on" are listeners, what the element has as a property is set, the rest attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  given: Given = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && name !== "role" && name !== "list") (element as unknown as Given)[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return element;
}

export interface Frame<State> {
  model: Model<State>;
  root: ShadowRoot;
  /** Ends when the view is removed: every listener and question ends with it. */
  signal: AbortSignal;
  /** Where controls go, where the picture goes. */
  bar: HTMLElement;
  stage: HTMLElement;
  dark(): boolean;
  /** Pixels across the stage; while the view is hidden, those that it had. */
  width(): number;
  /** One line about what is pointed at; read out to screen readers. */
  say(text: string): void;
  /** How to read what is shown. */
  explain(text: string): void;
  /** A lasting message: of an error, a note, or work under way, which takes no room; "" takes it away. */
  tell(text: string, kind?: "error" | "note" | "busy"): void;
  ask(question: string, given?: Given): Promise<Answer>;
  /** Sets traits as a user's act: they reach Python and every other view of the widget. */
  set(values: Partial<State>): void;
  /** Draws again at the next animation frame, however often it is called until then. */
  redraw(): void;
}

export interface Rendering<State> {
  model: Model<State>;
  el: HTMLElement;
  signal?: AbortSignal;
}

export interface View<State> {
  render(given: Rendering<State>): () => void;
}

/** Pixels across a stage that was never seen. */
const USUAL = 640;

/** A view out of what it is called, its own style, and what fills its frame: `draw` runs at every redraw. */
export function view<State>(
  name: string,
  style: string,
  fill: (frame: Frame<State>) => { draw(): void; picture?: () => string },
): View<State> {
  const made: View<State> = {
    render({ model, el, signal }) {
      const ending = new AbortController();
      signal?.addEventListener("abort", () => ending.abort(), { once: true });
      const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css + style);
      root.adoptedStyleSheets = [sheet];

      const bar = h("div", { className: "bar", role: "toolbar", "aria-label": `${name}: controls` });
      const stage = h("div", { className: "stage" });
      const readout = h("output", { className: "readout", "aria-live": "polite" });
      const notice = h("div", { className: "notice", role: "status", hidden: true });
      const explained = h("p", { className: "how" });
      const downloads = h("span", { className: "downloads" });
      const main = h(
        "section",
        { className: "view", role: "group", "aria-label": name },
        bar,
        notice,
        stage,
        h("footer", {}, readout, explained, downloads),
      );
      root.replaceChildren(main);

      let filled: ReturnType<typeof fill> | undefined;
      let scheduled = 0;
      let known = USUAL;
      const frame: Frame<State> = {
        model,
        root,
        signal: ending.signal,
        bar,
        stage,
        dark: () => main.dataset["theme"] === "dark",
        width: () => (known = stage.clientWidth || known),
        say: (text) => {
          readout.textContent = text;
        },
        explain: (text) => {
          explained.textContent = text;
        },
        tell: (text, kind = "error") => {
          notice.hidden = text === "";
          notice.textContent = text;
          notice.dataset["kind"] = kind;
        },
        ask: (question, given = {}) => askPython(model, question, given, ending.signal),
        set: (values) => {
          for (const [key, value] of Object.entries(values)) model.set(key as any, value as any);
          model.save_changes();
        },
        redraw: () => {
          scheduled ||= requestAnimationFrame(() => {
            scheduled = 0;
            if (!ending.signal.aborted) filled?.draw();
          });
        },
      };
      keepKeys(el, ending.signal);
      main.dataset["theme"] = theme(el);
      filled = fill(frame);
      const { picture } = filled;
      if (picture) downloads.append(...downloadButtons(name, picture, frame));
      watchTheme(el, ending.signal, (found) => {
        if (main.dataset["theme"] === found) return;
        main.dataset["theme"] = found;
        frame.redraw();
      });
      const size = new ResizeObserver(() => frame.redraw());
      size.observe(stage);
      ending.signal.addEventListener("abort", () => {
        size.disconnect();
        cancelAnimationFrame(scheduled);
        root.replaceChildren();
      });
      filled.draw();
      return () => ending.abort();
    },
  };
  // A report is one page without modules: it has left a place where views make themselves known.
  (globalThis as { attnlensViews?: Map<string, unknown> }).attnlensViews?.set(name, made);
  return made;
}

/** "dark" where the host's own background is dark: JupyterLab's theme, a page's colours, or the system's. */
export function theme(element: HTMLElement): "light" | "dark" {
  const lab = document.body?.dataset["jpThemeLight"];
  if (lab !== undefined) return lab === "false" ? "dark" : "light";
  for (let at: HTMLElement | null = element; at; at = at.parentElement ?? hostOf(at)) {
    const parts = getComputedStyle(at).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (parts.length >= 3 && (parts[3] ?? 1) > 0.5)
      return 0.299 * parts[0]! + 0.587 * parts[1]! + 0.114 * parts[2]! < 128 ? "dark" : "light";
  }
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function hostOf(element: HTMLElement): HTMLElement | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? (root.host as HTMLElement) : null;
}

function watchTheme(element: HTMLElement, signal: AbortSignal, found: (theme: "light" | "dark") => void): void {
  const look = () => found(theme(element));
  globalThis.matchMedia?.("(prefers-color-scheme: dark)").addEventListener("change", look, { signal });
  const observer = new MutationObserver(look);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  signal.addEventListener("abort", () => observer.disconnect());
  // A view is drawn before it is put into the page, where no background is known yet.
  requestAnimationFrame(() => !signal.aborted && look());
}

/** A letter typed in a view is no command of the notebook's, where two of them delete a cell; keys with Ctrl still are. */
function keepKeys(element: HTMLElement, signal: AbortSignal): void {
  globalThis.addEventListener("keydown", (event) => {
    if (!event.composedPath().includes(element)) return;
    const runs = event.shiftKey && event.key === "Enter";
    const commands = event.ctrlKey || event.metaKey || event.altKey || runs;
    element.toggleAttribute("data-lm-suppress-shortcuts", !commands); // JupyterLab looks for it at every key
  }, { capture: true, signal });
}

function downloadButtons<State>(name: string, picture: () => string, frame: Frame<State>): HTMLElement[] {
  const file = `attnlens-${name.toLowerCase().replaceAll(" ", "-")}`;
  const button = (kind: string, made: (svg: string) => Blob | Promise<Blob>) => {
    const act = async () => save(await made(picture()), `${file}.${kind.toLowerCase()}`);
    const failed = () => frame.tell("The picture could not be saved.");
    return h("button", { type: "button", className: "quiet", title: `Save as ${kind}`, onclick: () => void act().catch(failed) }, kind);
  };
  return [button("PNG", png), button("SVG", (svg) => new Blob([svg], { type: "image/svg+xml" }))];
}

function save(blob: Blob, file: string): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The SVG at twice its size: sharp on paper too. */
async function png(svg: string): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture")))),
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A canvas's context at the screen's own resolution, cleared; coordinates are CSS pixels. */
export function canvasContext(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = globalThis.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** A ramp of colours as a small bar, from 0 to 1. */
export function gradient(ramp: (share: number) => string, width = 80): HTMLCanvasElement {
  const canvas = h("canvas");
  const context = canvasContext(canvas, width, 10);
  for (let x = 0; x < width; x++) {
    context.fillStyle = ramp(x / (width - 1));
    context.fillRect(x, 0, 1, 10);
  }
  return canvas;
}

/** Text for SVG and HTML made as strings. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}
