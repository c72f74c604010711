// What a view needs of its surroundings: a model that remembers, and what jsdom lacks of a browser.

import { type LayerHeader } from "../src/protocol/headers";
import { vi } from "vitest";
import layers from "./fixtures/layers.json";

/** A model as anywidget gives it: traits, their changes, and what was sent. */
export class Fake {
  readonly sent: any[] = [];
  saved = 0;
  private readonly heard = new Map<string, Set<(...given: any[]) => void>>();

  constructor(readonly state: Record<string, unknown>) {}

  get(name: string): any {
    return this.state[name];
  }

  set(name: string, value: unknown): void {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value) && !(value instanceof DataView)) return;
    this.state[name] = value;
    this.tell(`change:${name}`);
  }

  save_changes(): void {
    this.saved++;
  }

  on(event: string, callback: (...given: any[]) => void): void {
    this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: (...given: any[]) => void): void {
    this.heard.get(event)?.delete(callback);
  }

  send(message: unknown): void {
    this.sent.push(message);
  }

  /** What comes from Python: a change, or the answer to a question. */
  tell(event: string, ...given: unknown[]): void {
    [...(this.heard.get(event) ?? [])].forEach((callback) => callback(...given));
  }

  listeners(): number {
    return [...this.heard.values()].reduce((sum, one) => sum + one.size, 0);
  }
}

/** Style sheets, observers and animation frames, which jsdom has not; canvases stay blank. */
export function stubBrowser(): void {
  vi.stubGlobal("CSSStyleSheet", class { replaceSync() {} });
  vi.stubGlobal("ResizeObserver", class { observe() {} disconnect() {} });
  vi.stubGlobal("Path2D", class { moveTo() {} lineTo() {} });
  vi.stubGlobal("requestAnimationFrame", (act: () => void) => setTimeout(act, 0));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  const pen = new Proxy({}, {
    get: (_, name) => (name === "createImageData" ? (w: number, h: number) => ({ data: new Uint8ClampedArray(4 * w * h) }) : () => undefined),
    set: () => true,
  });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(pen as never);
}

/** A view in a page: its element, and what is in its shadow. */
export async function shown(view: { render(given: any): () => void }, model: Fake) {
  const el = document.body.appendChild(document.createElement("div"));
  const end = view.render({ model, el });
  const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));
  await settle();
  const root = el.shadowRoot!;
  const one = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector)!;
  const all = <E extends HTMLElement>(selector: string) => [...root.querySelectorAll<E>(selector)];
  const press = async (key: string, from = one(".view"), more: KeyboardEventInit = {}) => {
    from.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, ...more }));
    await settle();
  };
  return { el, root, end, one, all, press, settle, readout: () => one(".readout").textContent };
}

interface Fixture {
  header: LayerHeader;
  bytes: string;
  weights: string;
}

/** Layers as Python writes them, and the weights that they stand for. */
export const fixtures = layers as unknown as Fixture[];

export function bytesOf(text: string, shift = 0): DataView {
  const held = Buffer.from(text, "base64");
  const block = new Uint8Array(held.length + shift);
  block.set(held, shift);
  return new DataView(block.buffer, shift);
}

export function floatsOf(text: string): Float32Array {
  const view = bytesOf(text);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** A fixture by name: its header as of a layer over the input, its bytes, its weights. */
export function layerOf(name: string) {
  const { header, bytes, weights } = fixtures.find((one) => one.header.name === name)!;
  return { header, bytes: bytesOf(bytes), weights: floatsOf(weights) };
}

/** Tokens of a short pair of texts with special ones. */
export const TOKENS = {
  text: ["[CLS]", "a", "<b>", "[SEP]", "d", "##ing", "[SEP]"],
  special: [0, 3, 6],
  segment: [0, 0, 0, 0, 1, 1, 1],
};
export const NO_TOKENS = { text: [], special: [], segment: [] };
