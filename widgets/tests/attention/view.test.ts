// @vitest-environment jsdom
// AttentionView in a page without pictures: what it says, sets and asks.

import { beforeAll, expect, test } from "vitest";
import attention from "../../src/attention/index";
import { formatNumber as number } from "../../src/drawing/number_format";
import { FakeModel, layerOf, NO_TOKENS, shown, stubBrowser, TOKENS } from "../fake";

beforeAll(stubBrowser);

const causal = layerOf("causal");
const full = layerOf("factors");

function state(given: object = {}, trace: object = {}) {
  return {
    trace: {
      model: "tiny", prediction: null, tokens: { input: TOKENS, output: NO_TOKENS }, patches: null,
      layers: [full.header, causal.header], remote: false, ...trace,
    },
    layer_0: full.bytes, layer_1: causal.bytes,
    layer: 0, heads: [1], mean: false, mode: "lines", query: null, key: null, pair: "all",
    hide_special: false, threshold: 0, log: false, pool: "max",
    ...given,
  };
}

const texts = (tokens: HTMLElement[]) => tokens.map((token) => token.textContent);
const weight = (query: number, key: number, head = 1) => full.weights[head * 49 + query * 7 + key]!;

test("queries stand on the left, keys on the right, as text", async () => {
  const { all } = await shown(attention, new FakeModel(state()));
  expect(texts(all(".token.query"))).toEqual(TOKENS.text);
  expect(texts(all(".token.key"))).toEqual(TOKENS.text);
  expect(all(".token.query.special").length).toBe(3);
  expect(all(".token b").length).toBe(0);
});

test("a token that is pointed at says whom it looks at, one on the right who looks at it", async () => {
  const { all, settle, readout } = await shown(attention, new FakeModel(state()));
  all(".token.query")[1]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  const best = [...TOKENS.text.keys()].sort((a, b) => weight(1, b) - weight(1, a))[0]!;
  expect(readout()).toContain(`“a” looks at “${TOKENS.text[best]}” ${number(weight(1, best))}`);
  all(".token.key")[4]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  const most = [...TOKENS.text.keys()].sort((a, b) => weight(b, 4) - weight(a, 4))[0]!;
  expect(readout()).toContain(`“d” is looked at by “${TOKENS.text[most]}” ${number(weight(most, 4))}`);
});

test("a click keeps a token, a second one lets it go", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(attention, model);
  all(".token.query")[2]!.click();
  expect([model.get("query"), model.get("key")]).toEqual([2, null]);
  await settle();
  expect(all(".token.query")[2]!.getAttribute("aria-selected")).toBe("true");
  all(".token.query")[2]!.click();
  expect(model.get("query")).toBe(null);
});

test("hidden special tokens are gone from both sides, and rows sum to one without them", async () => {
  const { all, settle, readout } = await shown(attention, new FakeModel(state({ hide_special: true, query: 1 })));
  expect(texts(all(".token.key"))).toEqual(["a", "<b>", "d", "##ing"]);
  await settle();
  const left = [1, 2, 4, 5].map((key) => weight(1, key));
  const sum = left.reduce((a, b) => a + b);
  const best = Math.max(...left);
  expect(readout()).toContain(number(best / sum));
});

test("of two texts one can look at the other alone", async () => {
  const model = new FakeModel(state({ pair: "b-a" }));
  const { all, one, settle } = await shown(attention, model);
  expect(texts(all(".token.query"))).toEqual(["d", "##ing", "[SEP]"]);
  expect(texts(all(".token.key"))).toEqual(["[CLS]", "a", "<b>", "[SEP]"]);
  expect(one<HTMLSelectElement>("[aria-label='Which texts']").value).toBe("b-a");
  model.set("trace", { ...model.get("trace"), tokens: { input: { ...TOKENS, segment: [] }, output: NO_TOKENS } });
  model.set("pair", "all");
  await settle();
  expect(one("[aria-label='Which texts']").parentElement!.hidden).toBe(true);
});

test("keys change the layer, the head and the picture, and stay in the view", async () => {
  const model = new FakeModel(state());
  const { el, press } = await shown(attention, model);
  let outside = 0;
  el.addEventListener("keydown", () => outside++);
  await press("]");
  await press(".");
  expect([model.get("layer"), model.get("heads")]).toEqual([1, [2]]);
  await press("[");
  await press("[");
  await press(",");
  await press(",");
  await press(",");
  expect([model.get("layer"), model.get("heads")]).toEqual([1, [3]]);
  await press("m");
  expect(model.get("mode")).toBe("matrix");
  expect(outside).toBe(0);
  await press("z");
  expect(outside).toBe(1);
});

test("heads are added with Shift, and one always stays", async () => {
  const model = new FakeModel(state());
  const { all } = await shown(attention, model);
  const chip = (n: number, shiftKey: boolean) => all(".chip")[n]!.dispatchEvent(new MouseEvent("click", { shiftKey }));
  chip(3, true);
  expect(model.get("heads")).toEqual([1, 3]);
  chip(1, true);
  chip(3, true);
  expect(model.get("heads")).toEqual([3]);
  chip(0, false);
  expect(model.get("heads")).toEqual([0]);
});

test("a layer that is not here is asked for, and drawn when it came", async () => {
  const model = new FakeModel(state({ layer: 1, layer_1: new DataView(new ArrayBuffer(0)) }));
  const { all, settle } = await shown(attention, model);
  expect(model.sent).toMatchObject([{ ask: "layer", layer: 1 }]);
  expect(all(".token").length).toBe(0);
  model.set("layer_1", causal.bytes);
  model.emit("msg:custom", { id: model.sent[0].id, answer: {} });
  await settle();
  expect(all(".token.query").length).toBe(7);
});

test("an answer that comes too late is not drawn", async () => {
  const model = new FakeModel(state({ layer: 1, layer_1: new DataView(new ArrayBuffer(0)) }, { layers: [full.header, { ...causal.header, queries: 7 }] }));
  const { all, settle, one } = await shown(attention, model);
  model.set("layer", 0);
  await settle();
  model.emit("msg:custom", { id: model.sent[0].id, error: "too late" });
  await settle();
  expect(all(".token.query").length).toBe(7);
  expect(one(".notice").hidden).toBe(true);
});

test("what Python refuses is said", async () => {
  const model = new FakeModel(state({ layer: 1, layer_1: new DataView(new ArrayBuffer(0)) }));
  const { one, settle } = await shown(attention, model);
  model.emit("msg:custom", { id: model.sent[0].id, error: "the trace is gone" });
  await settle();
  expect(one(".notice").textContent).toBe("the trace is gone");
});

test("of a long trace the lines of a token are asked of Python, with what is shown", async () => {
  const model = new FakeModel(state({ query: 3, layer_0: undefined }, { remote: true }));
  const { settle, readout } = await shown(attention, model);
  expect(model.sent).toMatchObject([{ ask: "line", axis: "query", position: 3, layer: 0, heads: [1], hide_special: false }]);
  const halves = Uint16Array.of(0x3800, 0x3400, 0, 0, 0, 0, 0); // 0.5, 0.25
  model.emit("msg:custom", { id: model.sent[0].id, answer: { shape: [1, 7] } }, [new DataView(halves.buffer)]);
  await settle();
  expect(readout()).toContain("“[SEP]” looks at “[CLS]” 0.5, “a” 0.25");
});

test("nothing is left when the view ends, not even a question", async () => {
  const model = new FakeModel(state({ layer: 1, layer_1: new DataView(new ArrayBuffer(0)) }));
  const { end, root, settle } = await shown(attention, model);
  end();
  await settle();
  expect(model.listeners()).toBe(0);
  expect(root.childElementCount).toBe(0);
});
