// @vitest-environment jsdom
// CompareView in a page without pictures: partners, pickers, and the end.

import { beforeAll, expect, test } from "vitest";
import { formatNumber } from "../../src/drawing/number_format";
import { Alignment } from "../../src/compare/alignment";
import compare from "../../src/compare/index";
import { FakeModel, layerOf, NO_TOKENS, recordingContext, shown, stubBrowser, TOKENS } from "../fake";

beforeAll(stubBrowser);

const one = layerOf("causal");
const other = layerOf("factors");

function trace(layers: unknown[]) {
  return { model: "tiny", prediction: null, tokens: { input: TOKENS, output: NO_TOKENS }, patches: null, layers, stacks: layers.map(() => ""), remote: false };
}

function state(given: object = {}) {
  return {
    a_trace: trace([one.header, one.header]), b_trace: trace([other.header, other.header]),
    a_layer_0: one.bytes, a_layer_1: one.bytes, b_layer_0: other.bytes, b_layer_1: other.bytes,
    alignment: new DataView(Int32Array.from([0, 0, 1, 2, 3, 3]).buffer),
    partners: [[[0.5, 0, 0], [0.25, 1, 3], null, [null, 0, 3]], [[1, 1, 0], [0, 1, 1], [0, 1, 2], [0, 1, 3]]],
    metric: "hellinger", note: "", attributions: null,
    layer: 0, head: 0, other_layer: 0, other_head: 0, query: null, key: null, log: false,
    ...given,
  };
}

test("the map says how far each head is from its partner, and which that is", async () => {
  const { all } = await shown(compare, new FakeModel(state()));
  expect(all(".distances button").slice(0, 4).map((cell) => cell.getAttribute("aria-label"))).toEqual([
    "layer 0, head 0: Hellinger distance 0.5",
    "layer 0, head 1 beside layer 1, head 3 of b: Hellinger distance 0.25",
    "layer 0, head 2: not compared",
    "layer 0, head 3: Hellinger distance unknown",
  ]);
});

test("a head of a brings its partner, one of b is chosen for itself", async () => {
  const model = new FakeModel(state());
  const { all, one: find } = await shown(compare, model);
  all(".distances button")[1]!.click();
  const chosen = () => ["layer", "head", "other_layer", "other_head"].map((name) => model.get(name));
  expect(chosen()).toEqual([0, 1, 1, 3]);
  const pick = find<HTMLSelectElement>("[aria-label='other head']");
  pick.value = "2";
  pick.dispatchEvent(new Event("change"));
  expect(chosen()).toEqual([0, 1, 1, 2]);
});

test("where nothing stands beside anything there is no difference, and why is said", async () => {
  const nothing = { alignment: new DataView(new ArrayBuffer(0)), partners: [[null], [null]], note: "no token of a stands beside one of b" };
  const { all, one: find } = await shown(compare, new FakeModel(state(nothing)));
  expect(all("figure").map((figure) => figure.hidden)).toEqual([false, false, true]);
  expect(find(".notice").textContent).toContain("no token of a");
  expect(all(".distances").length).toBe(0);
});

test("nothing is left when the view ends", async () => {
  const model = new FakeModel(state());
  const { end } = await shown(compare, model);
  end();
  expect(model.listeners()).toBe(0);
});

const matricesOf = (all: (selector: string) => HTMLElement[]) => all("canvas.matrix");
const weightOf = ({ weights }: typeof one, query: number, key: number, head = 0) => weights[head * 49 + query * 7 + key]!;

test("a headline says how the head stands among all, and which weight changes most", async () => {
  const model = new FakeModel(state());
  const { one: find, settle } = await shown(compare, model);
  await settle();
  const [name, rank, query, key, a, b] =
    find(".headline").textContent!.match(/^(.*?): (.*); “(.*)” attends to “(.*)” with (\S+) in a, (\S+) in b$/)!.slice(1);
  expect([name, rank]).toEqual(["Layer 0, head 0", "Hellinger distance 0.5, rank 2 of 6"]);
  const pairs = new Alignment(model.get("alignment")).pairs;
  const changes = pairs.flatMap(([i, k]) => pairs.map(([j, l]) => ({ i, j, from: weightOf(one, i, j), to: weightOf(other, k, l) })));
  const named = (position: number) => (position === 1 ? `${TOKENS.text[1]}→${TOKENS.text[2]}` : TOKENS.text[position]);
  const most = changes.reduce((best, next) => (Math.abs(next.to - next.from) > Math.abs(best.to - best.from) ? next : best));
  expect([query, key, a, b]).toEqual([named(most.i), named(most.j), formatNumber(most.from), formatNumber(most.to)]);
});

test("a cell of a is said with its counterpart in b, and the difference", async () => {
  const { all, press, settle, readout } = await shown(compare, new FakeModel(state()));
  await press("ArrowDown", matricesOf(all)[0]!);
  await press("ArrowUp", matricesOf(all)[0]!);
  await settle();
  const [a, b] = [weightOf(one, 0, 0), weightOf(other, 0, 0)];
  expect(readout()).toBe(`“[CLS]” → “[CLS]” · a ${formatNumber(a)} · b ${formatNumber(b)} · b − a ${formatNumber(b - a)}`);
});

test("a cell without a counterpart says so", async () => {
  const { all, press, settle, readout } = await shown(compare, new FakeModel(state()));
  const [a, b] = matricesOf(all);
  await press("ArrowRight", a!);
  await press("ArrowRight", a!); // key 2 stands beside nothing
  await settle();
  expect(readout()).toContain("no partner in b");
  await press("ArrowDown", b!); // query 1 of b stands beside nothing
  await settle();
  expect(readout()).toMatch(/no partner in a · b [\d.]+$/);
});

test("a cell of b is selected by its counterpart in a", async () => {
  const model = new FakeModel(state());
  const { all, press } = await shown(compare, model);
  const [, b] = matricesOf(all);
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"]) await press(key, b!);
  expect([model.get("query"), model.get("key")]).toEqual([1, 1]);
  await press("Enter", b!);
  expect([model.get("query"), model.get("key")]).toEqual([null, null]);
});

test("the lists follow the chosen heads", async () => {
  const model = new FakeModel(state({ layer: 1, head: 2, other_layer: 1, other_head: 3 }));
  const { all, one: find, settle } = await shown(compare, model);
  const values = () => all<HTMLSelectElement>("figcaption select").map((list) => list.value);
  expect(values()).toEqual(["1", "2", "1", "3"]);
  model.set("head", 0);
  await settle();
  expect(values()).toEqual(["1", "0", "1", "3"]);
  expect(find<HTMLSelectElement>("[aria-label='other layer']").options.length).toBe(2);
});

test("the difference names a word and the one that replaces it", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(compare, model);
  const { context, of } = recordingContext();
  (matricesOf(all)[2] as HTMLCanvasElement).getContext = (() => context) as never;
  model.set("log", true);
  await settle();
  const labels = of("fillText").map(({ values }) => String(values[0]));
  expect(labels.filter((label) => label.includes("→"))).toEqual(["a→<b>", "a→<b>"]);
  expect(labels).toContain("[CLS]");
});

test("heads over other tokens have no difference", async () => {
  const shorter = { ...other.header, keys: 5, queries: 5 };
  const layers = { b_trace: trace([other.header, shorter]), b_layer_1: undefined };
  const model = new FakeModel(state({ ...layers, other_layer: 1 }));
  const { all } = await shown(compare, model);
  expect(all("figure")[2]!.hidden).toBe(true);
});

test("weights in Python are requested of both traces, and subtracted there", async () => {
  const pairs = Int32Array.from([...Array(7).keys()].flatMap((n) => [n, n]));
  const remote = { ...trace([one.header, one.header]), remote: true };
  const model = new FakeModel(state({ a_trace: remote, b_trace: { ...remote }, alignment: new DataView(pairs.buffer) }));
  const { one: find } = await shown(compare, model);
  expect(new Set(model.sent.map(({ ask }) => ask))).toEqual(new Set(["a_tile", "b_tile"]));
  expect(find(".how").textContent).toContain("the difference of those two");
});

test("weights in Python are not subtracted where tokens do not stand beside those of their position", async () => {
  const remote = { ...trace([one.header, one.header]), remote: true };
  const { all } = await shown(compare, new FakeModel(state({ a_trace: remote, b_trace: { ...remote } })));
  expect(all("figure").map((figure) => figure.hidden)).toEqual([false, false, true]);
});

test("why a tile is missing is said", async () => {
  const model = new FakeModel(state({ a_layer_0: undefined }));
  const { one: find, settle } = await shown(compare, model);
  model.refuse("the trace is gone", 0);
  await settle();
  expect(find(".notice").textContent).toBe("the trace is gone");
});
