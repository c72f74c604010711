// @vitest-environment jsdom
import { request as ask } from "../../src/protocol/requests";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { startPage, type PageContents } from "../../src/report/index";
import { bytesOfElement, interleaveBytes, unpackText } from "../../src/report/packed_bytes";
import { linkTraits, PageModel, type PlacedView } from "../../src/report/page_model";

/** As `packing.pack(..., compress=False)` writes bytes that are few: planes apart, seven bits to a character. */
function packed(bytes: number[]): string {
  const planes = [...bytes.filter((_, i) => i % 2 === 0), ...bytes.filter((_, i) => i % 2 === 1)];
  let bits = planes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  bits = bits.padEnd(Math.ceil(bits.length / 56) * 56, "0");
  return (bits.match(/.{7}/g) ?? [])
    .map((digit) => parseInt(digit, 2))
    .map((code) => String.fromCharCode([0, 10, 13, 60].includes(code) ? code + 192 : code))
    .join("");
}

const layer = { name: "0", kind: "self", query: "input", key: "input", heads: 1, queries: 2, keys: 2, detail: true, bytes: 16, scale: 0.5 };

function placed(more: Partial<PlacedView> = {}): PlacedView {
  return {
    bundle: 0,
    state: { layer: 0, heads: [1], trace: { remote: false, layers: [{ ...layer, parts: [["query", "f2", [1, 2, 2]], ["key", "f2", [1, 2, 2]]] }] } },
    bytes: { layer_0: 0, thumbnails: 1 },
    ...more,
  };
}

/** 1, 2, 3, 4 as queries; 5, 6, 7, 8 as keys, in float16. */
const HALVES = new Uint16Array([0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800]);
const bytes = vi.fn(async (element: number) => new DataView(element === 0 ? HALVES.buffer.slice(0) : new ArrayBuffer(4)));
const made = (more: Partial<PlacedView> = {}) => new PageModel(placed(more), bytes);
const asked = (model: PageModel, question: string, given: object) => ask(model, question, { ...given }, new AbortController().signal);

beforeEach(() => bytes.mockClear());

describe("bytes", () => {
  test("come out of seven bits to a character", () => {
    for (const length of [0, 1, 2, 6, 7, 8, 15, 64]) {
      const given = Array.from({ length }, (_, i) => (i * 37 + 250) % 256);
      const found = interleaveBytes(unpackText(packed(given)).subarray(0, length));
      expect([...found]).toEqual(given);
    }
  });

  test("that HTML would change are written higher", () => {
    expect(packed([0, 0, 0, 0, 0, 0, 0])).toBe("\u00c0".repeat(8));
    expect([...unpackText("\u00c0\u00ca\u00cd\u00fc\u00c0\u00c0\u00c0\u00c0")]).toEqual([0, 40, 107, 192, 0, 0, 0]);
  });
});

describe("the model of a page", () => {
  test("tells of a change once, and of none where nothing changed", () => {
    const model = made();
    const changed = vi.fn();
    model.on("change:heads", changed);
    model.set("heads", [1]);
    expect(changed).not.toHaveBeenCalled();
    model.set("heads", [2]);
    expect(changed).toHaveBeenCalledOnce();
    model.off("change:heads", changed);
    model.set("heads", [3]);
    expect(changed).toHaveBeenCalledOnce();
  });

  test("is one with another in linked traits, in both directions", () => {
    const [a, b] = [made(), made({ state: { layer: 3, chosen: [] } })];
    linkTraits(a, "layer", b, "layer");
    linkTraits(a, "heads", b, "chosen");
    expect([b.get("layer"), b.get("chosen")]).toEqual([0, [1]]);
    b.set("layer", 2);
    b.set("chosen", [5, 6]);
    expect([a.get("layer"), a.get("heads")]).toEqual([2, [5, 6]]);
    a.set("heads", [0]);
    expect(b.get("chosen")).toEqual([0]);
  });

  test("has small bytes before a view is drawn, a layer's when it is asked for, and each once", async () => {
    const model = made();
    await model.loadInitial();
    expect(bytes.mock.calls).toEqual([[1]]);
    expect(model.get("layer_0")).toBeUndefined();
    await asked(model, "layer", { layer: 0 });
    await asked(model, "layer", { layer: 0 });
    expect(bytes.mock.calls).toEqual([[1], [0]]);
    expect((model.get("layer_0") as DataView).byteLength).toBe(16);
  });

  test("answers for layers with a prefix", async () => {
    const model = made({ bytes: { b_layer_4: 0 } });
    await asked(model, "b_layer", { layer: 4 });
    expect(model.get("b_layer_4")).toBeInstanceOf(DataView);
  });
});

describe("answers", () => {
  test("refuse the vectors where only weights are here", async () => {
    const state = { trace: { layers: [{ ...layer, parts: [["weights", "f2", [2, 2, 2]]] }] } };
    await expect(asked(made({ state }), "detail", { layer: 0, head: 0, query: 0, key: 0 })).rejects.toThrow("not its queries and keys");
  });

  test("refuse what only a model could say", async () => {
    await expect(asked(made(), "explain", { text: "other" })).rejects.toThrow("report without a model");
    await expect(asked(made(), "layer", { layer: 9 })).rejects.toThrow("report without a model");
  });

  test("show a long head by its coarse map, larger on finer levels, but make up no single weight", async () => {
    const long = { ...layer, heads: 2, queries: 513, keys: 513, parts: [] };
    const side = 129; // level 2
    const whole = Uint16Array.from({ length: 2 * side * side }, (_, i) => i % 60000);
    const model = new PageModel(placed({ state: { trace: { layers: [long] } }, bytes: { tiles_0: 7 } }), async () => new DataView(whole.buffer));
    const question = { layer: 0, heads: [0, 1], pair: "all", hide_special: false, pool: "max", level: 2, row: 0, col: 0 };
    const cells = (answer: { buffers: DataView[] }) => new Uint16Array(answer.buffers[0]!.buffer as ArrayBuffer);
    const top = await asked(model, "tile", question);
    expect(top["shape"]).toEqual([side, side]);
    expect(cells(top)[side + 1]).toBe(whole[side + 1]);
    expect(cells(await asked(model, "tile", { ...question, heads: [0] }))[0]).toBe(whole[side * side]);
    const finer = await asked(model, "tile", { ...question, level: 1, row: 1, col: 0 });
    expect(finer["shape"]).toEqual([1, 256]);
    expect([...cells(finer).subarray(0, 4)]).toEqual([0, 0, 1, 1].map((col) => whole[128 * side + col]));
    for (const other of [{ layers: [0, 1] }, { heads: [1] }, { level: 0 }, { pool: "mean" }, { hide_special: true }, { pair: "a-b" }])
      await expect(asked(model, "tile", { ...question, ...other })).rejects.toThrow("in a notebook");
    await expect(asked(model, "line", question)).rejects.toThrow("in a notebook");
  });
});

describe("a head that is held of a long trace", () => {
  const vectors = { parts: [["query", "f2", [1, 2, 2]], ["key", "f2", [1, 2, 2]]] };
  const map = (more: object) => ({ level: 2, rows: 129, cols: 129, start: 0, scale: 0.25, hide_special: false, pool: "max", ...more });
  const head = { ...layer, ...vectors, overviews: [map({}), map({ level: 1, rows: 257, cols: 257, pool: "mean", start: 2 * 129 ** 2 })] };
  const long = { ...layer, heads: 3, queries: 513, keys: 513, parts: [], held: { 1: head } };
  const cells = Uint16Array.from({ length: 129 ** 2 + 257 ** 2 }, (_, i) => i % 60000);
  const lse = Float32Array.from({ length: 2 * 513 }, (_, i) => i);
  const held: Record<number, ArrayBuffer> = { 0: HALVES.buffer.slice(0), 1: cells.buffer, 2: lse.buffer, 3: new ArrayBuffer(2 * 4 * 129 ** 2) };
  const model = () => new PageModel(
    placed({ state: { trace: { layers: [long] } }, bytes: { factors_0_1: 0, overview_0_1: 1, lse_0_1: 2, tiles_0: 3 } }),
    async (element) => new DataView(held[element]!),
  );
  const question = { layer: 0, heads: [1], pair: "all", hide_special: false, pool: "max", level: 2, row: 0, col: 0 };

  test("is sent as a layer of one head, with each query's log-sum-exp", async () => {
    const { header, buffers } = await asked(model(), "factors", { layer: 0, head: 1 });
    expect(header).toEqual(head);
    expect(buffers[0]!.byteLength).toBe(16);
    for (const [hide_special, first] of [[false, 0], [true, 513]] as const) {
      const reply = await asked(model(), "lse", { layer: 0, head: 1, hide_special });
      expect([reply.buffers[0]!.byteLength, reply.buffers[0]!.getFloat32(4, true)]).toEqual([4 * 513, first + 1]);
    }
  });

  test("has maps of its own, and leaves the rest to be computed", async () => {
    const top = await asked(model(), "tile", question);
    expect(top).toMatchObject({ shape: [129, 129], scale: 0.25 });
    const edge = await asked(model(), "tile", { ...question, pool: "mean", level: 1, row: 1, col: 0 });
    expect(edge["shape"]).toEqual([1, 256]);
    expect(edge.buffers[0]!.getUint16(2, true)).toBe(cells[129 ** 2 + 256 * 257 + 1]);
    for (const other of [{ layers: [0, 1] }, { level: 1 }, { level: 0 }, { pool: "mean" }, { hide_special: true }, { pair: "a-b" }, { heads: [1, 2] }])
      await expect(asked(model(), "tile", { ...question, ...other })).rejects.toThrow("Of this layer it holds head 1 in every detail");
    expect((await asked(model(), "tile", { ...question, heads: [2] }))["shape"]).toEqual([129, 129]);
  });

  test("has the product behind a score", async () => {
    const { scale, buffers } = await asked(model(), "detail", { layer: 0, head: 1, query: 1, key: 0 });
    const numbers = [0, 1, 2, 3].map((n) => buffers[0]!.getFloat32(4 * n, true));
    expect([scale, numbers]).toEqual([0.5, [3, 4, 5, 6]]);
    await expect(asked(model(), "detail", { layer: 0, head: 0, query: 1, key: 0 })).rejects.toThrow("not its queries and keys");
  });
});

describe("the page", () => {
  let seen: (entries: { isIntersecting: boolean; target: Element }[]) => void;
  const idle: (() => void)[] = [];
  const contents = (): PageContents => ({ views: [placed({ bytes: {} }), placed({ bytes: {}, bundle: 1 })], links: [[0, "layer", 1, "layer"]], sections: {} });

  beforeEach(() => {
    document.body.innerHTML = `<div data-view="0" data-height="300"></div><div data-view="1" data-height="400"></div>`;
    vi.stubGlobal("IntersectionObserver", class {
      constructor(callback: typeof seen) { seen = callback; }
      observe() {}
      unobserve() {}
    });
    idle.length = 0;
    vi.stubGlobal("requestIdleCallback", (act: () => void) => idle.push(act));
  });

  test("draws each view once, when it is seen, by its own bundle", async () => {
    const views = [{ render: vi.fn() }, { render: vi.fn() }];
    const models = startPage(contents(), views as any);
    const [first, second] = [...document.querySelectorAll<HTMLElement>("[data-view]")];
    expect(second!.style.minHeight).toBe("400px");
    expect(views[0]!.render).not.toHaveBeenCalled();
    for (let times = 0; times < 2; times++) seen([{ isIntersecting: true, target: second! }, { isIntersecting: false, target: first! }]);
    await vi.waitFor(() => expect(views[1]!.render).toHaveBeenCalledOnce());
    expect(views[1]!.render.mock.calls[0]![0]).toEqual({ model: models[1], el: second });
    expect(second!.style.minHeight).toBe("");
    expect(views[0]!.render).not.toHaveBeenCalled();
  });

  test("draws one view after the other when the browser is idle, and all before it prints", async () => {
    const views = [{ render: vi.fn() }, { render: vi.fn() }];
    startPage(contents(), views as any);
    idle.pop()!();
    await vi.waitFor(() => expect(idle.length).toBe(1));
    expect(views.map(({ render }) => render.mock.calls.length)).toEqual([1, 0]);
    dispatchEvent(new Event("beforeprint"));
    await vi.waitFor(() => expect(views[1]!.render).toHaveBeenCalledOnce());
    idle.pop()!();
    expect(idle).toEqual([]);
    expect(views[0]!.render).toHaveBeenCalledOnce();
  });

  test("says in its place that a view failed, as text", async () => {
    const failing = { render: () => { throw new Error("<b>broken</b>"); } };
    startPage(contents(), [failing, failing] as any);
    const first = document.querySelector("[data-view]")!;
    seen([{ isIntersecting: true, target: first }]);
    await vi.waitFor(() => expect(first.textContent).toBe("<b>broken</b>"));
    expect(first.querySelector("b")).toBeNull();
  });
});

describe("an element's bytes", () => {
  function element(bytes: number[], attributes: Record<string, string> = {}): HTMLElement {
    const script = document.createElement("script");
    script.textContent = packed(bytes);
    Object.assign(script.dataset, { bytes: String(bytes.length), ...attributes });
    return script;
  }
  const read = async (script: HTMLElement) => [...new Uint8Array((await bytesOfElement(script)).buffer)];

  test("are those that Python packed, of even and odd number", async () => {
    for (const length of [0, 1, 2, 7, 8, 9, 100]) {
      const bytes = Array.from({ length }, (_, i) => (i * 91 + 7) % 256);
      expect(await read(element(bytes))).toEqual(bytes);
    }
  });

  test("that were changed or cut off are refused", async () => {
    const cut = element([1, 2, 3, 4, 5, 6, 7, 8]);
    cut.textContent = cut.textContent!.slice(0, -1);
    await expect(read(cut)).rejects.toThrow("This report is damaged");
    await expect(read(element([1, 2], { bytes: "9" }))).rejects.toThrow("This report is damaged");
    await expect(read(element([1, 2, 3], { deflated: "3" }))).rejects.toThrow("This report is damaged");
  });
});

describe("the listeners of a model", () => {
  test("may come and go while they are called", () => {
    const model = made();
    const second = vi.fn();
    const first = vi.fn(() => {
      model.off("change:layer", first);
      model.on("change:layer", second);
    });
    model.on("change:layer", first);
    model.set("layer", 1);
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 0]);
    model.set("layer", 2);
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 1]);
  });

  test("of one view do not hear of another one's state", () => {
    const [a, b] = [made(), made()];
    const changed = vi.fn();
    b.on("change:layer", changed);
    a.set("layer", 5);
    expect(changed).not.toHaveBeenCalled();
    expect(b.get("layer")).toBe(0);
  });
});
