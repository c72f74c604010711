// The script of a report: one page that holds views, their state and their bytes, and needs neither kernel nor network.
//
// It runs before the bundles, which leave their views in `attnlensViews` in the order in which they stand in the page.
// What a notebook's kernel would answer it answers from the page's own bytes, as far as they go.

import { halvesAt as halves } from "./protocol/float16";
import { type WidgetModel as Model } from "./protocol/widget_model";
import { type TraceHeader } from "./protocol/headers";
import { TILE_SIDE as SIDE, coarsestLevel as topLevel } from "./protocol/tiles";
import type { View } from "./dom";

/** What Python wrote about the page, `report._Page`. */
export interface Contents {
  views: Placed[];
  /** Traits that are one: a view's number and its trait, and another's. */
  links: [from: number, trait: string, to: number, trait: string][];
}

export interface Placed {
  /** The number of its bundle. */
  bundle: number;
  state: Record<string, unknown>;
  /** Traits that are bytes, and the number of the element that holds each. */
  bytes: Record<string, number>;
}

export type Bytes = (element: number) => Promise<DataView>;
type Callback = (...given: any[]) => void;
type Question = { id: string; ask: string } & Record<string, any>;
type Found = { answer?: Record<string, unknown>; buffers?: DataView[] };

/** Bytes of these traits wait until they are asked for; those of all others come before the view is drawn. */
const LATER = /(^|_)(layer|tiles)_\d+$/;

const COARSE =
  "This text is long: the report holds each head, and the mean of all, as a map of the largest weights. " +
  "For finer detail, rows and other choices open the trace in a notebook.";

// -- bytes ------------------------------------------------------------------------------------------------

/**
 * Seven bits to a character, eight characters to seven bytes. The four characters that HTML would change or read
 * (NUL, line feed, carriage return, <) stand 192 higher.
 */
export function unpacked(text: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array((text.length / 8) * 7);
  const digit = (at: number) => {
    const code = text.charCodeAt(at);
    return code < 128 ? code : code - 192;
  };
  let to = 0;
  for (let at = 0; at < text.length; at += 8) {
    let left = digit(at);
    for (let n = 1; n < 8; n++) {
      const next = digit(at + n);
      out[to++] = (left << n) | (next >> (7 - n));
      left = next;
    }
  }
  return out;
}

/** All low bytes, then all high ones, as they belong together. */
export function woven(planes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(planes.length);
  const half = Math.ceil(planes.length / 2);
  for (let i = 0; i < half; i++) out[2 * i] = planes[i]!;
  for (let i = half, to = 1; i < planes.length; i++, to += 2) out[to] = planes[i]!;
  return out;
}

async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes that an element holds: `data-bytes` of them, `data-deflated` where they are compressed. */
export async function bytesOf(element: HTMLElement): Promise<DataView> {
  const damaged = new Error("This report is damaged: part of it was changed or cut off on its way. Make or fetch it again.");
  const text = element.textContent ?? "";
  if (text.length % 8 !== 0) throw damaged;
  const { deflated, bytes } = element.dataset;
  const packed = unpacked(text);
  const found = deflated ? await inflated(packed.subarray(0, Number(deflated))).catch(() => { throw damaged; }) : packed.subarray(0, Number(bytes));
  if (found.length !== Number(bytes)) throw damaged;
  return new DataView(woven(found).buffer);
}

// -- what stands in for a widget's model ------------------------------------------------------------------

/** A widget's state without a kernel: it tells of changes, and answers from its own bytes. */
export class PageModel implements Model<any> {
  private readonly listeners = new Map<string, Set<Callback>>();
  private readonly state: Record<string, unknown>;

  constructor(private readonly placed: Placed, private readonly bytes: Bytes) {
    this.state = { ...placed.state };
  }

  get(name: string): any {
    return this.state[name];
  }

  set(name: string, value: unknown): void {
    if (same(this.state[name], value)) return;
    this.state[name] = value;
    this.tell(`change:${name}`);
  }

  save_changes(): void {}

  on(event: string, callback: Callback): void {
    const found = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, found.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.listeners.get(event)?.delete(callback);
  }

  private tell(event: string, ...given: unknown[]): void {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...given);
  }

  send(content: unknown): void {
    const question = content as Question;
    const { id } = question;
    answer(this, question).then(
      ({ answer = {}, buffers = [] }) => this.tell("msg:custom", { id, answer }, buffers),
      (error: Error) => this.tell("msg:custom", { id, error: error.message }, []),
    );
  }

  /** Puts a trait's bytes into the state; false where the page has none of that name. */
  async take(name: string): Promise<boolean> {
    const element = this.placed.bytes[name];
    if (element === undefined) return false;
    this.state[name] ??= await this.bytes(element);
    return true;
  }

  /** All that a view must have before it is drawn. */
  async begin(): Promise<void> {
    await Promise.all(Object.keys(this.placed.bytes).filter((name) => !LATER.test(name)).map((name) => this.take(name)));
  }
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Two traits become one; the first one's value holds. */
export function link(a: PageModel, nameA: string, b: PageModel, nameB: string): void {
  b.set(nameB, a.get(nameA));
  a.on(`change:${nameA}`, () => b.set(nameB, a.get(nameA)));
  b.on(`change:${nameB}`, () => a.set(nameA, b.get(nameB)));
}

// -- answers ----------------------------------------------------------------------------------------------

/** What Python would say; rejects in words where only Python could. */
async function answer(model: PageModel, question: Question): Promise<Found> {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line)$/.exec(question.ask) ?? [];
  if (kind === "layer" && (await model.take(`${prefix}layer_${question["layer"]}`))) return {};
  if (kind === "detail") throw new Error("This report holds the layer's weights, not its queries and keys.");
  if (kind === "tile") return tile(model, prefix!, question);
  if (kind === "line") throw new Error(COARSE);
  throw new Error("This is a report: there is no model behind it to ask. Open the view in a notebook.");
}

/**
 * A tile of one head, or of the mean of all, of what is too long to be here weight by weight: what is here is the one
 * tile of the top level, and finer ones show its cells larger. Single weights (level 0) are not made up.
 */
async function tile(model: PageModel, prefix: string, question: Question): Promise<Found> {
  const { layer, heads: asked, level, row, col, pair, hide_special, pool } = question;
  const { heads, queries, keys } = (model.get(`${prefix}trace`) as TraceHeader).layers[layer]!;
  const top = topLevel(queries, keys);
  const name = `${prefix}tiles_${layer}`;
  const plain = pair === "all" && !hide_special && pool === "max" && (level > 0 || top === 0);
  if (!plain || !(await model.take(name))) throw new Error(COARSE);
  const [high, wide] = [queries, keys].map((count) => Math.ceil(count / 2 ** top)) as [number, number];
  const bytes = model.get(name) as DataView;
  // The mean of all heads comes first, then each head where there was room.
  const number = asked.length === heads ? 0 : asked.length === 1 ? 1 + asked[0] : Infinity;
  if (number * high * wide * 2 >= bytes.byteLength) throw new Error(COARSE);
  const whole = halves(bytes, number * high * wide * 2, high * wide);
  const [rows, cols] = [[queries, row], [keys, col]].map(([count, at]) => Math.min(SIDE, Math.ceil(count / 2 ** level) - at * SIDE)) as [number, number];
  const found = new Uint16Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++)
      found[i * cols + j] = whole[((row * SIDE + i) >> (top - level)) * wide + ((col * SIDE + j) >> (top - level))]!;
  return { answer: { shape: [rows, cols] }, buffers: [new DataView(found.buffer)] };
}

// -- the page ---------------------------------------------------------------------------------------------

/** Makes the models and draws each view when it comes near what is seen; returns them for whoever asks. */
export function start(contents: Contents, views: View<any>[], root: Document = document): PageModel[] {
  const held = (element: number) => bytesOf(root.getElementById(`bytes-${element}`)!);
  const models = contents.views.map((placed) => new PageModel(placed, held));
  for (const [from, name, to, other] of contents.links) link(models[from]!, name, models[to]!, other);

  const waiting = new Set(root.querySelectorAll<HTMLElement>("[data-view]"));
  const mount = async (el: HTMLElement): Promise<void> => {
    if (!waiting.delete(el)) return;
    seen.unobserve(el);
    const number = Number(el.dataset["view"]);
    const model = models[number]!;
    try {
      await model.begin();
      views[contents.views[number]!.bundle]!.render({ model, el });
      el.style.minHeight = "";
    } catch (error) {
      el.style.minHeight = "";
      el.textContent = error instanceof Error ? error.message : String(error);
      el.classList.add("failed");
    }
  };
  const seen = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && mount(entry.target as HTMLElement)),
    { rootMargin: "600px 0px" },
  );
  for (const el of waiting) {
    el.style.minHeight = `${el.dataset["height"]}px`;
    seen.observe(el);
  }
  addEventListener("beforeprint", () => waiting.forEach((el) => void mount(el)));
  return models;
}

const registered = new Map<string, View<any>>();
(globalThis as { attnlensViews?: Map<string, View<any>> }).attnlensViews = registered;
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.getElementById("contents");
  if (contents) start(JSON.parse(contents.textContent!) as Contents, [...registered.values()]);
});
