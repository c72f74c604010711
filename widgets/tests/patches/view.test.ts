// @vitest-environment jsdom
// PatchView in a page without pictures: what it says, sets and asks.

import { type LayerHeader } from "../../src/protocol/headers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import patches from "../../src/patches/index";
import type { PatchesState } from "../../src/patches/state";
import { FakeModel, half, singles } from "../fake";

/** Two layers of two heads over a class token and 2 x 3 patches; no two weights of a row are the same. */
const [ROWS, COLS, LEADING, HEADS, LAYERS] = [2, 3, 1, 2, 2];
const SIZE = LEADING + ROWS * COLS;

/** A weight as float32 in an additive way that tests can repeat: rows sum to one. */
function weight(layer: number, head: number, query: number, key: number): number {
  const raw = (k: number) => 1 + ((layer + 2 * head + 3 * query + 5 * k) % 11);
  return raw(key) / [...Array(SIZE).keys()].reduce((sum, k) => sum + raw(k), 0);
}

function layerBytes(layer: number): DataView {
  const bytes = new DataView(new ArrayBuffer(Math.ceil((2 * HEADS * SIZE * SIZE) / 4) * 4));
  let at = 0;
  for (let head = 0; head < HEADS; head++)
    for (let query = 0; query < SIZE; query++)
      for (let key = 0; key < SIZE; key++, at += 2) bytes.setUint16(at, half(weight(layer, head, query, key)), true);
  return bytes;
}

function header(name: string, side = "input"): LayerHeader {
  const [queries, keys] = [SIZE, SIZE];
  return {
    name, kind: "self", query: side, key: side, heads: HEADS, queries, keys, detail: false,
    parts: [["weights", "f2", [HEADS, SIZE, SIZE]]], bytes: Math.ceil((2 * HEADS * SIZE * SIZE) / 4) * 4,
  };
}

const labels = ["[CLS]", ...[...Array(ROWS * COLS).keys()].map((n) => `${Math.floor(n / COLS)},${n % COLS}`)];
const nothing = { text: [], special: [], segment: [] };

function state(given: Partial<Record<keyof PatchesState | string, unknown>> = {}): Record<string, unknown> {
  return {
    trace: {
      model: "tiny", prediction: "cat (0.84)", tokens: { input: { text: labels, special: [0], segment: [] }, output: nothing },
      patches: { rows: ROWS, cols: COLS, leading: LEADING, image: "data:image/png;base64,AAAA" },
      layers: [...Array(LAYERS).keys()].map((n) => header(`layer.${n}`)), stacks: [], remote: false,
    },
    size: [20, 30], offered: ["image", "attention", "rollout", "relevance"], labels: ["cat", "dog"],
    maps: {}, scores: singles(), layer: 1, heads: [], query: null, blend: 0.5, panels: ["attention"], shared: true, target: "cat",
    layer_0: layerBytes(0), layer_1: layerBytes(1),
    ...given,
  };
}

let ending: (() => void)[] = [];

async function shown(given: Parameters<typeof state>[0] = {}) {
  const model = new FakeModel(state(given));
  const el = document.createElement("div");
  document.body.append(el);
  const end = patches.render({ model: model as any, el });
  ending.push(() => (end(), el.remove()));
  const root = el.shadowRoot!;
  await settled();
  const one = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector)!;
  const button = (name: string) => [...root.querySelectorAll("button")].find((one) => one.textContent === name || one.getAttribute("aria-label") === name)!;
  const press = async (key: string, more: KeyboardEventInit = {}) => {
    one(".asked").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true, ...more }));
    await settled();
  };
  return { model, root, end, one, button, press, readout: () => one(".readout").textContent! };
}

const settled = async () => {
  for (let turn = 0; turn < 4; turn++) await vi.advanceTimersByTimeAsync(20);
};

/** The mean weight over heads as the view writes it, up to what float16 leaves of it. */
const near = (text: string, expected: number) => expect(Number(text)).toBeCloseTo(expected, 3);
const averaged = (layer: number, query: number, key: number) => (weight(layer, 0, query, key) + weight(layer, 1, query, key)) / 2;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame"] });
  HTMLCanvasElement.prototype.getContext = (() => null) as any;
  CSSStyleSheet.prototype.replaceSync = () => {};
  globalThis.ResizeObserver = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
});

afterEach(() => {
  ending.forEach((end) => end());
  ending = [];
  vi.useRealTimers();
  delete (globalThis as any).matchMedia;
});

describe("the view", () => {
  it("names what the class token attends to, strongest first", async () => {
    const { one, root } = await shown();
    const best = [...Array(SIZE).keys()].sort((a, b) => averaged(1, 0, b) - averaged(1, 0, a));
    const name = best[0] === 0 ? "itself" : `patch (${Math.floor((best[0]! - 1) / COLS)}, ${(best[0]! - 1) % COLS})`;
    const said = one(".headline").textContent!;
    expect(said).toMatch(new RegExp(`^Layer 1, mean of 2 heads: \\[CLS\\] attends most to ${name.replace(/[()]/g, "\\$&")}, 0\\.`));
    near(said.match(/0\.\d+/)![0], averaged(1, 0, best[0]!));
    expect(one(".large .title").textContent).toBe("Attention of [CLS]");
    near(root.querySelector(".leading .number")!.textContent!, averaged(1, 0, 0));
  });

  it("moves the patch with arrows, within the grid, and goes back with Escape", async () => {
    const { model, press } = await shown();
    await press("ArrowRight");
    expect(model.get("query")).toBe(LEADING + 1); // begins in the middle
    await press("ArrowRight");
    await press("ArrowRight");
    await press("ArrowDown");
    expect(model.get("query")).toBe(LEADING + 5);
    await press("Escape");
    expect(model.get("query")).toBe(null);
  });

  it("reads the numbers of another patch with Shift and arrows", async () => {
    const { press, readout, one } = await shown({ query: 4 });
    await press("ArrowRight", { shiftKey: true });
    await press("ArrowRight", { shiftKey: true });
    const [, to, value] = readout().match(/^Patch \(0, (\d)\) gets from patch \(1, 0\) ([\d.]+)/)!;
    near(value!, averaged(1, 4, LEADING + Number(to)));
    const [, own, uniform] = one(".beside .value").textContent!.match(/: ([\d.]+), uniform ([\d.]+)$/)!;
    near(own!, averaged(1, 0, LEADING + Number(to)));
    near(uniform!, 1 / (LEADING + ROWS * COLS));
  });

  it("changes layer and head by keys, the heads by way of their mean", async () => {
    const { model, press } = await shown();
    await press("]");
    expect(model.get("layer")).toBe(0);
    await press("[");
    expect(model.get("layer")).toBe(1);
    const seen = [];
    for (let n = 0; n < 3; n++) (await press("."), seen.push(model.get("heads")));
    expect(seen).toEqual([[0], [1], []]);
    await press(",");
    expect(model.get("heads")).toEqual([1]);
  });

  it("follows what Python sets", async () => {
    const { model, one } = await shown();
    model.set("query", 3);
    model.set("heads", [1]);
    await settled();
    expect(one(".large .title").textContent).toBe("Attention of patch (0, 2)");
    expect(one(".headline b").textContent).toBe("Layer 1, head 1");
    expect(one<SVGElement & HTMLElement>(".large .query").getAttribute("x")).toBe("2");
  });

  it("passes over layers whose positions are not the patches, and says so", async () => {
    const trace = { ...(state()["trace"] as any), layers: [header("a"), header("b", "other"), header("c")] };
    const { model, press, one } = await shown({ trace, layer: 0, layer_2: layerBytes(0) });
    await press("]");
    expect(model.get("layer")).toBe(2);
    await press("]");
    expect(model.get("layer")).toBe(0);
    expect(one(".how").textContent).toMatch(/^Layer 1 is left out/);
  });

  it("shows what each patch receives where there is no class token", async () => {
    const trace = state()["trace"] as any;
    const patches = { rows: 1, cols: SIZE, leading: 0, image: null };
    const { one } = await shown({ trace: { ...trace, patches }, size: [1, SIZE] });
    expect(one(".large .title").textContent).toBe("What each patch receives");
    const received = (key: number) => [...Array(SIZE).keys()].reduce((sum, query) => sum + averaged(1, query, key), 0) / SIZE;
    near(one(".headline").textContent!.match(/0\.\d+/)![0], Math.max(...[...Array(SIZE).keys()].map(received)));
  });

  it("asks Python for a row of a trace that is too large, and for the scores of a panel", async () => {
    const trace = { ...(state()["trace"] as any), remote: true };
    const { model } = await shown({ trace, panels: ["rollout"], query: 2 });
    const line = model.sent.find((one) => one.ask === "line");
    expect(line).toMatchObject({ layer: 1, heads: [0, 1], axis: "query", position: 2 });
  });

  it("asks for a panel once when it is switched on, and shows it when it comes", async () => {
    const { model, button, one } = await shown();
    button("relevance").click();
    await settled();
    expect(model.get("panels")).toEqual(["attention", "relevance"]);
    expect(model.sent.map((one) => [one.ask, one.name])).toEqual([["map", "relevance"]]);
    expect(one(".beside figure:last-child .waiting").textContent).toBe("Computing …");
    model.state["scores"] = singles(0, 0, 3, 1, 0, 0);
    model.set("maps", { relevance: { kind: "rank", target: "cat", how: "relevance", verdict: "no unit", place: 0 } });
    await settled();
    expect(one(".beside figure:last-child .waiting").hidden).toBe(true);
    expect(one(".beside figure:last-child figcaption").textContent).toBe("most (0, 2): 75%for “cat” · no unit");
    expect(model.sent.length).toBe(1);
  });

  it("reads each panel's own scores, in whatever order a saved notebook has their names", async () => {
    const told = { target: "cat", how: "", verdict: "no unit" };
    const maps = { relevance: { kind: "rank", place: 1, ...told }, rollout: { kind: "share", place: 0, ...told } };
    const { one } = await shown({ panels: ["rollout", "relevance"], maps, scores: singles(1, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0) });
    expect(one(".beside figure:first-child figcaption").textContent).toContain("most (0, 0)");
    expect(one(".beside figure:last-child figcaption").textContent).toContain("most (0, 2)");
  });

  it("asks again for another class", async () => {
    const maps = { relevance: { kind: "rank", target: "cat", how: "", verdict: "no unit", place: 0 } };
    const { model } = await shown({ panels: ["relevance"], maps, scores: singles(1, 2, 3, 4, 5, 6) });
    expect(model.sent).toEqual([]);
    model.set("target", "dog");
    await settled();
    expect(model.sent.map((one) => one.ask)).toEqual(["map"]);
  });

  it("shows in a panel why it could not be computed, and asks again when it is switched on again", async () => {
    const { model, button, one } = await shown();
    button("rollout").click();
    await settled();
    model.emit("msg:custom", { id: model.sent[0].id, error: "<img src=x onerror=alert(1)> cannot be followed" });
    await settled();
    const waiting = one(".beside figure:last-child .waiting");
    expect(waiting.textContent).toContain("<img src=x");
    expect(waiting.childElementCount).toBe(0);
    expect(model.sent.length).toBe(1);
    button("rollout").click();
    await settled();
    button("rollout").click();
    await settled();
    expect(model.sent.length).toBe(2);
  });

  it("plays the layers to the last one and stops", async () => {
    const { model, button, press } = await shown({ layer: 0 });
    await press(" ");
    expect(model.get("layer")).toBe(1);
    expect(button("Pause")).toBeDefined();
    await vi.advanceTimersByTimeAsync(2000);
    expect(model.get("layer")).toBe(1);
    expect(button("Pause")).toBeUndefined();
  });

  it("shows one more layer at each press where nothing may move by itself", async () => {
    (globalThis as any).matchMedia = (query: string) => ({ matches: query.includes("reduced-motion"), addEventListener() {} });
    const { model, button } = await shown();
    button("Next layer").click();
    await vi.advanceTimersByTimeAsync(3000);
    expect(model.get("layer")).toBe(0);
  });

  it("says what went wrong once, and does not go on trying", async () => {
    const { model, one } = await shown({ layer_1: undefined });
    model.emit("msg:custom", { id: model.sent[0].id, error: "the layer is gone" });
    await settled();
    await vi.advanceTimersByTimeAsync(1000);
    expect(one(".notice").textContent).toBe("the layer is gone");
    expect(model.sent.length).toBe(1);
  });

  it("follows another image, whose grid may be another", async () => {
    const { model, one, root, press } = await shown({ query: 4 });
    const trace = { ...(state()["trace"] as any), patches: { rows: 3, cols: 2, leading: 1, image: null } };
    const listeners = model.listeners();
    Object.assign(model.state, { size: [3, 2], query: null });
    model.set("trace", trace);
    await settled();
    expect(one("svg").getAttribute("viewBox")).toBe("0 0 2 3");
    expect(root.querySelectorAll(".large, .how, input[type=checkbox]").length).toBe(3);
    expect(model.listeners()).toBe(listeners);
    await press("ArrowDown");
    await press("ArrowDown");
    expect(model.get("query")).toBe(LEADING + 4);
    await press(".");
    expect(model.get("heads")).toEqual([0]); // one step: the first image's keys have ended
  });

  it("shows the patch under the pointer, until a key moves on from there", async () => {
    const { model, one, press } = await shown();
    const overlay = one(".large .overlay");
    overlay.getBoundingClientRect = () => ({ left: 0, top: 0, width: 30, height: 20 }) as DOMRect;
    overlay.dispatchEvent(new MouseEvent("pointermove", { clientX: 25, clientY: 5 }));
    await settled();
    expect(one(".large .title").textContent).toBe("Attention of patch (0, 2)");
    await press("ArrowDown");
    expect(model.get("query")).toBe(LEADING + 5);
    expect(one(".large .title").textContent).toBe("Attention of patch (1, 2)");
  });

  it("keeps a patch that is clicked, and then reads the numbers of others", async () => {
    const { model, one, readout } = await shown();
    const overlay = one(".large .overlay");
    overlay.getBoundingClientRect = () => ({ left: 0, top: 0, width: 30, height: 20 }) as DOMRect;
    const at = (type: string, clientX: number) => overlay.dispatchEvent(new MouseEvent(type, { clientX, clientY: 5 }));
    at("click", 15);
    expect(model.get("query")).toBe(LEADING + 1);
    at("pointermove", 25);
    await settled();
    expect(one(".large .title").textContent).toBe("Attention of patch (0, 1)");
    expect(readout()).toMatch(/^Patch \(0, 2\) gets from patch \(0, 1\)/);
    expect(one(".headline").textContent).toMatch(/: patch \(0, 1\) attends most to /);
    at("click", 15);
    expect(model.get("query")).toBe(null);
  });

  it("shows the attention of a token before the patches", async () => {
    const { model, one, root } = await shown({ query: 3 });
    root.querySelector<HTMLElement>(".leading button")!.click();
    await settled();
    expect(model.get("query")).toBe(null);
    expect(one(".leading button").getAttribute("aria-pressed")).toBe("true");
  });

  it("leaves nothing behind when it is removed", async () => {
    const { model, root, end } = await shown();
    expect(model.listeners()).toBeGreaterThan(0);
    end();
    expect(model.listeners()).toBe(0);
    expect(root.childElementCount).toBe(0);
  });
});
