// @vitest-environment jsdom
// CompareView in a page without pictures: partners, pickers, and the end.

import { beforeAll, expect, test } from "vitest";
import compare from "../../src/compare/index";
import { FakeModel, layerOf, NO_TOKENS, shown, stubBrowser, TOKENS } from "../fake";

beforeAll(stubBrowser);

const one = layerOf("causal");
const other = layerOf("factors");

function trace(layers: unknown[]) {
  return { model: "tiny", prediction: null, tokens: { input: TOKENS, output: NO_TOKENS }, patches: null, layers, remote: false };
}

function state(given: object = {}) {
  return {
    a_trace: trace([one.header, one.header]), b_trace: trace([other.header, other.header]),
    a_layer_0: one.bytes, a_layer_1: one.bytes, b_layer_0: other.bytes, b_layer_1: other.bytes,
    alignment: new DataView(Int32Array.from([0, 0, 1, 2, 3, 3]).buffer),
    partners: [[[0.5, 0, 0], [0.25, 1, 3], null, [null, 0, 3]], [[1, 1, 0], [0, 1, 1], [0, 1, 2], [0, 1, 3]]],
    metric: "hellinger", note: "",
    layer: 0, head: 0, other_layer: 0, other_head: 0, query: null, key: null, log: false,
    ...given,
  };
}

test("the map says how far each head is from its partner, and which that is", async () => {
  const { all } = await shown(compare, new FakeModel(state()));
  expect(all(".distances button").slice(0, 4).map((cell) => cell.getAttribute("aria-label"))).toEqual([
    "layer 0, head 0: distance 0.5",
    "layer 0, head 1 beside layer 1, head 3 of b: distance 0.25",
    "layer 0, head 2: not compared",
    "layer 0, head 3: distance unknown",
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
