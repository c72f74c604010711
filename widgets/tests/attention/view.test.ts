// @vitest-environment jsdom
// AttentionView in a page without pictures: what it says, sets and asks.

import { beforeAll, expect, test } from "vitest";
import attention from "../../src/attention/index";
import { formatNumber as number } from "../../src/drawing/number_format";
import { FakeModel, HOSTILE, layerOf, NO_TOKENS, shown, stubBrowser, TOKENS } from "../fake";

beforeAll(stubBrowser);

const causal = layerOf("causal");
const full = layerOf("factors");

function state(given: object = {}, trace: object = {}) {
  return {
    trace: {
      model: "tiny", prediction: null, tokens: { input: TOKENS, output: NO_TOKENS }, patches: null,
      layers: [full.header, causal.header], stacks: ["", ""], remote: false, ...trace,
    },
    layer_0: full.bytes, layer_1: causal.bytes,
    layer: 0, layers: [], heads: [1], mean: false, mode: "lines", query: null, key: null, pair: "all",
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

test("a token that is pointed at names the tokens it attends to, one on the right those that attend to it", async () => {
  const { all, settle, readout } = await shown(attention, new FakeModel(state()));
  all(".token.query")[1]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  const best = [...TOKENS.text.keys()].sort((a, b) => weight(1, b) - weight(1, a))[0]!;
  expect(readout()).toContain(`“a” attends to “${TOKENS.text[best]}” ${number(weight(1, best))}`);
  all(".token.key")[4]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  const most = [...TOKENS.text.keys()].sort((a, b) => weight(b, 4) - weight(a, 4))[0]!;
  expect(readout()).toContain(`“d” is attended to by “${TOKENS.text[most]}” ${number(weight(most, 4))}`);
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

test("of two texts one can attend to the other alone", async () => {
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

test("a layer that arrives too late is not drawn over the one that is shown", async () => {
  const model = new FakeModel(state({ layer: 1, query: 2, layer_1: new DataView(new ArrayBuffer(0)) }));
  const { settle, readout } = await shown(attention, model);
  model.set("layer", 0);
  await settle();
  const text = readout();
  expect(text).toContain("layer 0");
  model.set("layer_1", causal.bytes);
  model.reply({}, [], 0);
  await settle();
  expect(readout()).toBe(text);
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
  expect(readout()).toContain("“[SEP]” attends to “[CLS]” 0.5, “a” 0.25");
});

test("nothing is left when the view ends, not even a question", async () => {
  const model = new FakeModel(state({ layer: 1, layer_1: new DataView(new ArrayBuffer(0)) }));
  const { end, root, settle } = await shown(attention, model);
  end();
  await settle();
  expect(model.listeners()).toBe(0);
  expect(root.childElementCount).toBe(0);
});

test("a cell shows the product behind its score, in sentences that add up", async () => {
  const { one, all } = await shown(attention, new FakeModel(state({ mode: "matrix", query: 2, key: 1 })));
  expect(one(".detail").hidden).toBe(false);
  expect(all(".detail th").map((name) => name.textContent)).toEqual(["query of “<b>”", "key of “a”", "product"]);
  expect(one(".detail p").textContent).toMatch(/^Sum of the products × [\d.]+ = score -?[\d.]+; after the softmax [\d.e-]+\.$/);
  expect(one(".detail p").textContent).toContain(`after the softmax ${number(weight(2, 1))}.`);
});

test("a cell without vectors says how to record them", async () => {
  const { one } = await shown(attention, new FakeModel(state({ query: 2, key: 1 }, { layers: [{ ...full.header, detail: false }, causal.header] })));
  expect(one(".detail").textContent).toContain('store="factors"');
});

test("several heads have no product", async () => {
  const { one } = await shown(attention, new FakeModel(state({ query: 2, key: 1, heads: [0, 1] })));
  expect(one(".detail").hidden).toBe(true);
});

test("of a long trace the product is requested once, and its error is said", async () => {
  const model = new FakeModel(state({ mode: "matrix", query: 2, key: 1, layer_0: undefined }, { remote: true }));
  const { one, settle } = await shown(attention, model);
  model.emit("change:log");
  await settle();
  const requests = model.sent.filter(({ ask }) => ask === "detail");
  expect(requests).toMatchObject([{ layer: 0, head: 1, query: 2, key: 1 }]);
  model.refuse("the vectors are gone", model.sent.indexOf(requests[0]));
  await settle();
  expect(one(".detail").textContent).toBe("the vectors are gone");
});

test("a matrix is operated by keys, and says what each cell is", async () => {
  const model = new FakeModel(state({ mode: "matrix" }));
  const { one, press, readout } = await shown(attention, model);
  const matrix = one("canvas.matrix");
  await press("ArrowDown", matrix);
  await press("ArrowRight", matrix);
  expect(readout()).toContain(`“a” → “a”: ${number(weight(1, 1))} · layer 0, head 1 · query 1, key 1`);
  await press("Enter", matrix);
  expect([model.get("query"), model.get("key")]).toEqual([1, 1]);
  await press("Enter", matrix);
  expect([model.get("query"), model.get("key")]).toEqual([null, null]);
});

test("the focus goes on with the picture that a key changed", async () => {
  const { one, press, root } = await shown(attention, new FakeModel(state()));
  one(".lines").focus();
  await press("m", one(".lines"));
  expect(root.activeElement).toBe(one("canvas.matrix"));
  await press("m", one("canvas.matrix"));
  expect(root.activeElement).toBe(one(".lines"));
});

test("arrows move a token and change its side", async () => {
  const model = new FakeModel(state({ query: 2 }));
  const { one, press } = await shown(attention, model);
  const selected = () => [model.get("query"), model.get("key")];
  await press("ArrowDown", one(".lines"));
  expect(selected()).toEqual([3, null]);
  await press("ArrowRight", one(".lines"));
  expect(selected()).toEqual([null, 3]);
  for (let n = 0; n < 9; n++) await press("ArrowUp", one(".lines"));
  expect(selected()).toEqual([null, 0]);
  await press("Escape", one(".lines"));
  expect(selected()).toEqual([null, null]);
});

test("controls follow the state, and hide where they do not apply", async () => {
  const model = new FakeModel(state({ threshold: 0.125, heads: [1, 2] }));
  const { all, settle } = await shown(attention, model);
  const hidden = (text: string) => all(".group, label").find((group) => group.textContent!.startsWith(text))!.hidden;
  expect(all(".chip[aria-pressed=true]").map((chip) => chip.textContent)).toEqual(["1", "2"]);
  expect(all(".bar .name").some((name) => name.textContent === "0.125")).toBe(true);
  expect([hidden("Cell"), hidden("Show"), hidden("hide special"), hidden("mean")]).toEqual([true, false, false, false]);
  model.set("heads", [1]);
  await settle();
  expect(hidden("mean")).toBe(true); // of one head there is none
  model.set("heads", [1, 2]);
  model.set("mode", "matrix");
  await settle();
  expect(hidden("mean")).toBe(true); // a matrix always is one
  expect(hidden("Cell")).toBe(true); // seven tokens are never pooled
});

test("a headline says what is shown and what it does", async () => {
  const model = new FakeModel(state());
  const { one, settle } = await shown(attention, model);
  expect(one(".headline").textContent).toMatch(/^Layer 0, head 1: (\d of 7 tokens attend most to|attention is spread)/);
  model.set("heads", [0, 1]);
  await settle();
  expect(one(".headline").textContent).toMatch(/^Layer 0, 2 heads: on average /);
  model.set("mode", "matrix");
  await settle();
  expect(one(".headline").textContent).toMatch(/^Layer 0, mean of 2 heads: /);
  model.set("trace", { ...model.get("trace"), stacks: ["cross", "decoder"] });
  await settle();
  expect(one(".headline").textContent).toMatch(/^Cross-attention layer 0, /);
});

test("a head is shown while it is pointed at, and kept by a click", async () => {
  const model = new FakeModel(state());
  const { one, all, settle } = await shown(attention, model);
  expect(all(".chip canvas").map((canvas) => canvas.hidden)).toEqual([false, false, false, false]);
  const chip = all(".chip")[3]!;
  chip.dispatchEvent(Object.assign(new Event("pointerenter"), { pointerType: "mouse" }));
  await settle();
  expect([one(".headline b").textContent, model.get("heads")]).toEqual(["Layer 0, head 3", [1]]);
  chip.dispatchEvent(new Event("pointerleave"));
  await settle();
  expect(one(".headline b").textContent).toBe("Layer 0, head 1");
  chip.click();
  await settle();
  expect([one(".headline b").textContent, model.get("heads")]).toEqual(["Layer 0, head 3", [3]]);
});

test("layers that are typed are averaged, head by head", async () => {
  const other = layerOf("factors");
  const model = new FakeModel(state({ layer_1: other.bytes }, { layers: [full.header, other.header] }));
  const { one, all, settle, readout } = await shown(attention, model);
  const field = all<HTMLInputElement>("label input[type=text]")[0]!;
  field.value = "0-1";
  field.dispatchEvent(new Event("change"));
  expect([model.get("layers"), model.get("layer")]).toEqual([[0, 1], 0]);
  await settle();
  expect(one(".headline b").textContent).toBe("Mean of layers 0-1, head 1");
  all(".token.query")[1]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  const best = Math.max(...TOKENS.text.map((_, key) => weight(1, key)));
  expect(readout()).toContain(` ${number(best)}`); // both layers are the same here
  field.value = "2";
  field.dispatchEvent(new Event("change"));
  expect(one(".notice").textContent).toContain("numbers from 0 to 1");
  field.value = "";
  field.dispatchEvent(new Event("change"));
  expect(model.get("layers")).toEqual([]);
});

test("a line is said with its weight, and a click selects its cell", async () => {
  const model = new FakeModel(state());
  const { one, settle, readout } = await shown(attention, model);
  const lines = one(".lines");
  const rows = [...TOKENS.text.keys()].flatMap((from) => TOKENS.text.map((_, to) => ({ from, to, w: weight(from, to) })));
  const best = rows.reduce((a, b) => (b.w > a.w ? b : a));
  const middle = (best.from + best.to) / 2 + 0.5;
  const there = { clientX: 320, clientY: 28 + 22 * middle };
  lines.dispatchEvent(new MouseEvent("pointermove", there));
  await settle();
  expect(readout()).toContain(`query ${best.from}, key ${best.to}`);
  expect(readout()).toContain(number(best.w));
  lines.dispatchEvent(new MouseEvent("click", there));
  expect([model.get("query"), model.get("key")]).toEqual([best.from, best.to]);
});

test("all heads are selected at once", async () => {
  const model = new FakeModel(state());
  const { all } = await shown(attention, model);
  all("button.quiet").find((button) => button.textContent === "all")!.click();
  expect(model.get("heads")).toEqual([0, 1, 2, 3]);
});

test("without tokens the view says so", async () => {
  const special = { ...TOKENS, special: TOKENS.text.map((_, n) => n) };
  const { one } = await shown(attention, new FakeModel(state({ hide_special: true }, { tokens: { input: special, output: NO_TOKENS } })));
  expect([one(".lines").hidden, one("canvas.matrix").hidden]).toEqual([true, true]);
  expect(one(".stage > .how").textContent).toContain("No tokens are left");
});

test("another trace is shown from its own layers", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(attention, model);
  const trace = { ...model.get("trace"), layers: [causal.header], tokens: { input: { ...TOKENS, text: TOKENS.text.map((text: string) => `${text}!`) }, output: NO_TOKENS } };
  model.state["layer_0"] = causal.bytes;
  model.set("trace", trace);
  await settle();
  expect(texts(all(".token.query"))[1]).toBe("a!");
  expect(all("select[aria-label=Layer] option").length).toBe(1);
});

test("a hostile token stays text in every sentence", async () => {
  const tokens = { input: { ...TOKENS, text: [HOSTILE, ...TOKENS.text.slice(1)] }, output: NO_TOKENS };
  const { root, all, settle, readout } = await shown(attention, new FakeModel(state({ mode: "lines", query: 0, key: 0 }, { tokens })));
  all(".token.key")[0]!.dispatchEvent(new Event("pointerenter"));
  await settle();
  expect(root.querySelector("img, script")).toBe(null);
  expect(readout()).toContain("<img src=x");
});
