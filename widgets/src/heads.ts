// HeadsView: every head of a trace as a thumbnail, in a grid of layers and heads or ranked by a statistic.

import { decodeHalves as floats, halvesAt as halves } from "./protocol/float16";
import { listen } from "./protocol/widget_model";
import css from "./heads.css";
import { gradient, h, view, type Frame } from "./dom";
import { headColour, scale, sequential } from "./colour";
import { number } from "./label";
import { rgb } from "d3-color";

export interface State {
  thumbnails: DataView;
  sizes: [heads: number, rows: number, cols: number][];
  stats: Record<string, (number | null)[][]>;
  columns: string[];
  rows: "query" | "patch";
  layer: number;
  heads: number[];
  by: string;
  sort: boolean;
}

interface Place {
  layer: number;
  head: number;
}

const HOW = {
  query: "In a square the query runs down and the key across; strong is much attention, each square on its own scale.",
  patch: "A square is the image: where the class token looks; strong is much attention, each square on its own scale.",
};
const KEYS = "Click a head to select it, Shift adds one; arrow keys move.";

/** A statistic is on one scale over all heads; this is how far its weakest colour is from the paper. */
const FAINTEST = 0.15;

export default view<State>("Attention heads", css, (frame) => {
  const { model, signal, bar, stage } = frame;
  const tiles = new Map<string, HTMLButtonElement>();
  let thumbnails = readThumbnails(model.get("thumbnails"), model.get("sizes"));
  let drawn = "";
  const explain = () => frame.explain(`Rows are layers, columns heads. ${HOW[model.get("rows")]} ${KEYS}`);

  const by = h("select", {
    "aria-label": "Statistic that colours the heads",
    onchange: () => frame.set({ by: by.value }),
  });
  const listColumns = () =>
    by.replaceChildren(h("option", { value: "" }, "own colour"), ...model.get("columns").map((name) => h("option", { value: name }, words(name))));
  listColumns();
  const sort = h("input", { type: "checkbox", onchange: () => frame.set({ sort: sort.checked }) });
  const legend = h("span", { className: "legend" });
  bar.append(
    h("label", {}, h("span", { className: "name" }, "Colour"), by),
    h("label", {}, sort, "rank, largest first"),
    legend,
  );
  listen(model, ["layer", "heads", "by", "sort", "stats"], frame.redraw, signal);
  listen(model, ["thumbnails"], () => {
    thumbnails = readThumbnails(model.get("thumbnails"), model.get("sizes"));
    drawn = "";
    listColumns();
    frame.redraw();
  }, signal);

  /** The number of a head under the chosen statistic; null where there is none. */
  const statistic = ({ layer, head }: Place) => model.get("stats")[model.get("by")]?.[layer]?.[head] ?? null;

  function select(place: Place, more: boolean): void {
    const [layer, heads] = [model.get("layer"), model.get("heads")];
    const together = more && place.layer === layer;
    const others = heads.filter((head) => head !== place.head);
    const chosen = together ? (others.length < heads.length && others.length ? others : [...others, place.head]) : [place.head];
    frame.set({ layer: place.layer, heads: chosen.sort((a, b) => a - b) });
  }

  function tile(place: Place, size: number): HTMLButtonElement {
    const button = h("button", {
      type: "button",
      className: "tile",
      role: "gridcell",
      tabIndex: -1,
      style: { width: `${size}px`, height: `${size}px` },
      onclick: (event: MouseEvent) => select(place, event.shiftKey || event.metaKey || event.ctrlKey),
      onpointerenter: () => frame.say(describe(place)),
      onpointerleave: () => frame.say(""),
      onfocus: () => {
        frame.say(describe(place));
        for (const other of tiles.values()) other.tabIndex = other === button ? 0 : -1;
      },
      onkeydown: (event: KeyboardEvent) => move(event, place),
    });
    button.append(h("canvas", {}));
    tiles.set(`${place.layer},${place.head}`, button);
    return button;
  }

  function describe(place: Place): string {
    const found = statistic(place);
    const said = found === null ? "" : `: ${words(model.get("by"))} ${number(found)}`;
    return `layer ${place.layer}, head ${place.head}${said}`;
  }

  function move(event: KeyboardEvent, { layer, head }: Place): void {
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
    };
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has keys of its own
    if (ranked()) {
      const order = [...tiles.keys()];
      const next = order.indexOf(`${layer},${head}`) + step[0] + step[1];
      tiles.get(order[next] ?? "")?.focus();
    } else tiles.get(`${layer + step[0]},${head + step[1]}`)?.focus();
  }

  const ranked = () => model.get("sort") && model.get("by") !== "" && places().some((place) => statistic(place) !== null);

  const places = (): Place[] =>
    model.get("sizes").flatMap(([heads], layer) => Array.from({ length: heads }, (_, head) => ({ layer, head })));

  function layOut(): void {
    const focused = [...tiles].find(([, button]) => button === frame.root.activeElement)?.[0];
    tiles.clear();
    const most = Math.max(...model.get("sizes").map(([heads]) => heads));
    const size = Math.max(16, Math.min(56, Math.floor((frame.width() - 40) / most) - 4));
    stage.replaceChildren(ranked() ? ranking(size) : grid(most, size));
    if (focused) tiles.get(focused)?.focus();
  }

  function ranking(size: number): HTMLElement {
    const order = places().sort((a, b) => (statistic(b) ?? -Infinity) - (statistic(a) ?? -Infinity));
    return h("div", { role: "grid", "aria-label": "Heads, largest first" },
      h("div", { className: "ranked", role: "row" }, ...order.map((place) =>
        h("figure", { role: "presentation" }, tile(place, size), h("figcaption", { role: "presentation" }, `${place.layer}·${place.head}`)))));
  }

  function grid(most: number, size: number): HTMLElement {
    // Each square says its layer and head itself.
    const axis = (said: string | number, className = "axis") => h("span", { className, "aria-hidden": "true" }, String(said));
    const numbers = Array.from({ length: most }, (_, head) => head);
    return h("div", {
      className: "grid",
      role: "grid",
      "aria-label": "Heads: rows are layers",
      "aria-multiselectable": "true",
      style: { gridTemplateColumns: `auto repeat(${most}, ${size}px)` },
    },
      axis("layer", "axis row"), ...numbers.map((head) => axis(head)),
      ...model.get("sizes").map(([heads], layer) => h("div", { role: "row", style: { display: "contents" } },
        axis(layer, "axis row"), ...numbers.map((head) => (head < heads ? tile({ layer, head }, size) : h("span"))))));
  }

  function draw(): void {
    explain();
    by.value = model.get("by");
    sort.checked = model.get("sort");
    sort.disabled = model.get("by") === "";
    if (model.get("by") && !(model.get("by") in model.get("stats"))) fetchStats();
    const layout = JSON.stringify([ranked() && [model.get("by")], frame.width()]);
    if (layout !== drawn) layOut();
    drawn = layout;
    const dark = frame.dark();
    const values = places().map(statistic).filter((value): value is number => value !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const ramp = sequential(dark);
    const shade = (share: number) => ramp(FAINTEST + (1 - FAINTEST) * share);
    const tint = (value: number) => shade(high > low ? (value - low) / (high - low) : 1);
    legend.replaceChildren(...(values.length ? [number(low), gradient(shade), number(high)] : []));
    for (const place of places()) {
      const button = tiles.get(`${place.layer},${place.head}`)!;
      const found = statistic(place);
      const colour = model.get("by") === "" ? headColour(place.head, dark) : found === null ? "rgb(128,128,128)" : tint(found);
      paint(button.firstChild as HTMLCanvasElement, thumbnails[place.layer]!, place.head, colour);
      const selected = place.layer === model.get("layer") && model.get("heads").includes(place.head);
      button.setAttribute("aria-selected", String(selected));
      button.setAttribute("aria-label", describe(place));
    }
    if (![...tiles.values()].some((button) => button.tabIndex === 0)) {
      const first = tiles.get(`${model.get("layer")},${model.get("heads")[0] ?? 0}`) ?? [...tiles.values()][0];
      if (first) first.tabIndex = 0;
    }
  }

  let asking = false;
  function fetchStats(): void {
    if (asking) return;
    asking = true;
    frame.tell("Computing the statistics of all heads …", "busy");
    frame.ask("stats").then(
      () => frame.tell(""),
      (error: Error) => !signal.aborted && frame.tell(error.message),
    ).finally(() => (asking = false));
  }

  return { draw, picture: () => picture(frame, thumbnails, (place) => {
    const canvas = tiles.get(`${place.layer},${place.head}`)?.firstChild;
    return canvas instanceof HTMLCanvasElement ? canvas : null;
  }) };
});

interface Thumbnails {
  heads: number;
  rows: number;
  cols: number;
  values: Float32Array;
}

function readThumbnails(bytes: DataView, sizes: State["sizes"]): Thumbnails[] {
  let start = 0;
  return sizes.map(([heads, rows, cols]) => {
    const count = heads * rows * cols;
    const values = floats(halves(bytes, start, count));
    start += 2 * count;
    return { heads, rows, cols, values };
  });
}

/** One head in shades of its colour; the square root keeps weak attention visible. */
function paint(canvas: HTMLCanvasElement, { rows, cols, values }: Thumbnails, head: number, colour: string): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const part = values.subarray(head * rows * cols, (head + 1) * rows * cols);
  const share = scale(part.reduce((a, b) => Math.max(a, b), 0), false);
  const { r, g, b } = rgb(colour);
  const image = context.createImageData(cols, rows);
  part.forEach((weight, i) => image.data.set([r, g, b, 255 * Math.sqrt(share(weight))], 4 * i));
  context.putImageData(image, 0, 0);
}

/** The grid as SVG, each head a small picture in it. */
function picture(frame: Frame<State>, thumbnails: Thumbnails[], canvas: (place: Place) => HTMLCanvasElement | null): string {
  const [size, gap, edge] = [56, 6, 44];
  const most = Math.max(...thumbnails.map(({ heads }) => heads));
  const [width, height] = [edge + most * (size + gap), edge + thumbnails.length * (size + gap)];
  const style = getComputedStyle(frame.stage);
  const [ink, paper] = [style.color, frame.dark() ? "#15181e" : "#ffffff"];
  const text = (x: number, y: number, said: string | number) => `<text x="${x}" y="${y}" text-anchor="middle">${said}</text>`;
  const out = [text(edge - 22, edge - 12, "layer")];
  for (let head = 0; head < most; head++) out.push(text(edge + head * (size + gap) + size / 2, edge - 12, head));
  thumbnails.forEach(({ heads }, layer) => {
    const y = edge + layer * (size + gap);
    out.push(text(edge - 22, y + size / 2 + 4, layer));
    for (let head = 0; head < heads; head++) {
      const place = `x="${edge + head * (size + gap)}" y="${y}" width="${size}" height="${size}"`;
      const url = canvas({ layer, head })?.toDataURL();
      out.push(`<rect ${place} fill="none" stroke="${ink}" stroke-opacity="0.2"/>`);
      if (url) out.push(`<image ${place} preserveAspectRatio="none" style="image-rendering:pixelated" href="${url}"/>`);
    }
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="${ink}">` +
    `<rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`
  );
}

function words(name: string): string {
  return name.replaceAll("_", " ");
}
