// What a view needs of its surroundings: a model that remembers, what jsdom lacks of a browser, and data to show.

import { vi } from "vitest";
import type { LayerHeader, TraceHeader } from "../src/protocol/headers";
import layers from "./fixtures/layers.json";

type Callback = (...values: any[]) => void;

/** A model as anywidget provides it: traits, their changes, and what was sent. */
export class FakeModel {
  readonly sent: any[] = [];
  saved = 0;
  private readonly callbacks = new Map<string, Set<Callback>>();

  constructor(readonly state: Record<string, unknown>) {}

  get(name: string): any {
    return this.state[name];
  }

  set(name: string, value: unknown): void {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value) && !(value instanceof DataView)) return;
    this.state[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.saved++;
  }

  on(event: string, callback: Callback): void {
    this.callbacks.set(event, (this.callbacks.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Callback): void {
    this.callbacks.get(event)?.delete(callback);
  }

  send(message: unknown): void {
    this.sent.push(message);
  }

  /** What comes from Python: a change, or a reply. */
  emit(event: string, ...values: unknown[]): void {
    [...(this.callbacks.get(event) ?? [])].forEach((callback) => callback(...values));
  }

  /** Replies to the request of that number; the latest by default. */
  reply(answer: object, buffers: DataView[] = [], number = this.sent.length - 1): void {
    this.emit("msg:custom", { id: this.sent[number].id, answer }, buffers);
  }

  refuse(error: string, number = this.sent.length - 1): void {
    this.emit("msg:custom", { id: this.sent[number].id, error });
  }

  listeners(): number {
    return [...this.callbacks.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  }
}

/** Style sheets, observers and animation frames, which jsdom lacks; canvases stay blank. */
export function stubBrowser(): void {
  vi.stubGlobal("CSSStyleSheet", class { replaceSync() {} });
  vi.stubGlobal("ResizeObserver", class { observe() {} disconnect() {} });
  vi.stubGlobal("Path2D", class { moveTo() {} lineTo() {} bezierCurveTo() {} });
  vi.stubGlobal("requestAnimationFrame", (act: () => void) => setTimeout(act, 0));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(blankContext() as never);
  vi.spyOn(HTMLCanvasElement.prototype, "toDataURL").mockReturnValue("data:image/png;base64,AAAA");
}

function imageData(width: number, height: number) {
  return { width, height, data: new Uint8ClampedArray(4 * width * height) };
}

function blankContext(): object {
  return new Proxy({}, {
    get: (_, name) => (name === "createImageData" ? imageData : () => undefined),
    set: () => true,
  });
}

/** Ends what pages of earlier tests listen to: a window has one page. */
export function leavePages(): void {
  for (const [name, listener] of listening!.mock.calls) removeEventListener(name, listener);
  listening!.mockClear();
}

const listening = "addEventListener" in globalThis ? vi.spyOn(globalThis, "addEventListener") : null;

/** One call of a canvas's context, with the styles that it was made with. */
export interface RecordedCall {
  name: string;
  values: any[];
  fill: string;
  stroke: string;
  alpha: number;
  font: string;
}

/** A canvas's context that records what is painted. */
export function recordingContext() {
  const calls: RecordedCall[] = [];
  const styles: Record<string, any> = { fillStyle: "", strokeStyle: "", globalAlpha: 1, font: "" };
  const record = (name: string) => (...values: any[]) => {
    calls.push({ name, values, fill: styles["fillStyle"], stroke: styles["strokeStyle"], alpha: styles["globalAlpha"], font: styles["font"] });
    return name === "createImageData" ? imageData(values[0], values[1]) : undefined;
  };
  const context = new Proxy({}, {
    get: (_, name: string) => (name in styles ? styles[name] : record(name)),
    set: (_, name: string, value) => ((styles[name] = value), true),
  }) as CanvasRenderingContext2D;
  return { context, calls, of: (name: string) => calls.filter((call) => call.name === name) };
}

/** A view in a page: its element, and what is in its shadow. */
export async function shown(view: { render(context: any): () => void }, model: FakeModel) {
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
  const change = (selector: string, value: string) => {
    const control = one<HTMLSelectElement>(selector);
    control.value = value;
    control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input"));
  };
  return { el, root, end, one, all, press, change, settle, readout: () => one(".readout").textContent };
}

interface LayerFixture {
  header: LayerHeader;
  bytes: string;
  weights: string;
  /** One head alone, with the log-sum-exp of its rows. */
  single?: { head: number; header: LayerHeader; bytes: string; lse: string };
}

/** Layers as Python writes them, and the weights that they stand for. */
export const fixtures = layers as unknown as LayerFixture[];

export function bytesOf(text: string, shift = 0): DataView {
  const packed = Buffer.from(text, "base64");
  const block = new Uint8Array(packed.length + shift);
  block.set(packed, shift);
  return new DataView(block.buffer, shift);
}

export function floatsOf(text: string): Float32Array {
  const view = bytesOf(text);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** A fixture by name: its header as of a layer over the input, its bytes, its weights. */
export function layerOf(name: string) {
  const { header, bytes, weights } = fixtures.find((fixture) => fixture.header.name === name)!;
  return { header, bytes: bytesOf(bytes), weights: floatsOf(weights) };
}

/** float32 values as bytes. */
export function singles(...values: number[]): DataView {
  return new DataView(Float32Array.from(values).buffer);
}

/** The bit pattern of a float16, for positive numbers. */
export function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(-14, Math.floor(Math.log2(value)));
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024);
}

/** float16 values as bytes. */
export function halves(...values: number[]): DataView {
  return new DataView(Uint16Array.from(values, half).buffer);
}

/** Tokens of a short pair of texts with special ones. */
export const TOKENS = {
  text: ["[CLS]", "a", "<b>", "[SEP]", "d", "##ing", "[SEP]"],
  special: [0, 3, 6],
  segment: [0, 0, 0, 0, 1, 1, 1],
};
export const NO_TOKENS = { text: [], special: [], segment: [] };

/** A trace over TOKENS. */
export function traceOf(layers: LayerHeader[], more: Partial<TraceHeader> = {}): TraceHeader {
  return { model: "tiny", prediction: null, tokens: { input: TOKENS, output: NO_TOKENS }, patches: null, layers, stacks: layers.map(() => ""), remote: false, ...more };
}

/** A text that must never become HTML. */
export const HOSTILE = `</script><img src=x onerror="boom()">&amp;'\u202e\u0000`;
