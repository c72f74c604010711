// @vitest-environment jsdom
// HeadsView in a page without pictures: the grid, what a click and a key select, statistics, and the end.

import { beforeAll, expect, test, vi } from "vitest";
import heads from "../../src/heads/index";
import { FakeModel, shown, stubBrowser } from "../fake";

beforeAll(stubBrowser);

function state(given: object = {}) {
  return {
    thumbnails: new DataView(new ArrayBuffer(2 * (2 * 9 + 3 * 4))),
    sizes: [[2, 3, 3], [3, 2, 2]],
    stats: { entropy: [[0.5, 1.5], [null, 0.25, 3]] },
    columns: ["entropy", "max_weight"],
    meanings: { entropy: "of the row", max_weight: "the largest" }, stacks: ["", ""],
    rows: "query", about: "tiny · a text", strongest: null, layer: 0, heads: [], by: "", cells: "value", sort: false,
    ...given,
  };
}

const names = (tiles: HTMLElement[]) => tiles.map((tile) => tile.getAttribute("aria-label"));
const selected = (tiles: HTMLElement[]) => tiles.filter((tile) => tile.getAttribute("aria-selected") === "true");

test("there is a square for every head of every layer, however many each has", async () => {
  const { all, one } = await shown(heads, new FakeModel(state()));
  expect(names(all(".tile"))).toEqual([
    "layer 0, head 0", "layer 0, head 1", "layer 1, head 0", "layer 1, head 1", "layer 1, head 2",
  ]);
  expect(all("[role=row]").length).toBe(2);
  expect(one(".how").textContent).toContain("queries run down");
});

test("a line says which head attends most to one token, while the patterns are shown", async () => {
  const strongest = { layer: 1, head: 2, query: "[CLS]", key: "<b>dull", weight: 0.54 };
  const model = new FakeModel(state({ strongest }));
  const { one, settle } = await shown(heads, model);
  expect(one(".headline").textContent).toBe("Layer 1, head 2: of all heads the one whose “[CLS]” puts most weight on one ordinary token, 0.54 on “<b>dull”");
  model.set("by", "entropy");
  await settle();
  expect(one(".headline").textContent).toMatch(/^Entropy: highest/);
  const patch = { layer: 1, head: 2, query: "[CLS]", key: "patch (6, 4)", weight: 0.54 };
  const ofImage = await shown(heads, new FakeModel(state({ strongest: patch })));
  expect(ofImage.one(".headline").textContent).toContain("puts most weight on one patch, 0.54 on patch (6, 4)");
  expect((await shown(heads, new FakeModel(state()))).one(".headline").hidden).toBe(true);
});

test("of a heat map without room for numbers the ends are marked, in the squares and in words", async () => {
  const sizes = [[40, 1, 1]];
  const stats = { entropy: [Array.from({ length: 40 }, (_, n) => (n === 7 ? 9 : n === 21 ? -3 : n / 100))] };
  const many = { sizes, stats, thumbnails: new DataView(new ArrayBuffer(2 * 40)), by: "entropy", stacks: [""] };
  const { all, one } = await shown(heads, new FakeModel(state(many)));
  const marked = all(".tile").map((tile, n) => [n, tile.textContent]).filter(([, text]) => text !== "");
  expect(marked).toEqual([[7, "▲"], [21, "▼"]]);
  expect(one(".headline").textContent).toBe("Entropy: ▲ highest in layer 0, head 7 (9), ▼ lowest in layer 0, head 21 (−3)");
});

test("a click selects one head, with Shift one more of its layer, and never none", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(heads, model);
  all(".tile")[3]!.click();
  expect([model.get("layer"), model.get("heads")]).toEqual([1, [1]]);
  const shift = (n: number) => all(".tile")[n]!.dispatchEvent(new MouseEvent("click", { shiftKey: true }));
  shift(2);
  expect(model.get("heads")).toEqual([0, 1]);
  shift(3);
  shift(2);
  expect(model.get("heads")).toEqual([0]);
  shift(1); // of another layer: that one alone
  expect([model.get("layer"), model.get("heads")]).toEqual([0, [1]]);
  await settle();
  expect(names(selected(all(".tile")))).toEqual(["layer 0, head 1"]);
  expect(model.saved).toBe(5);
});

test("what Python selects is seen", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(heads, model);
  model.set("layer", 1);
  model.set("heads", [0, 2]);
  await settle();
  expect(names(selected(all(".tile")))).toEqual(["layer 1, head 0", "layer 1, head 2"]);
});

test("arrows go from head to head; one head is a stop of the Tab key", async () => {
  const { all, press, root, readout } = await shown(heads, new FakeModel(state({ heads: [1] })));
  const tabbed = () => all(".tile").filter((tile) => tile.tabIndex === 0).map((tile) => tile.getAttribute("aria-label"));
  expect(tabbed()).toEqual(["layer 0, head 1"]);
  all(".tile")[1]!.focus();
  await press("ArrowDown", all(".tile")[1]!);
  expect(root.activeElement?.getAttribute("aria-label")).toBe("layer 1, head 1");
  await press("ArrowRight", all(".tile")[3]!);
  expect(tabbed()).toEqual(["layer 1, head 2"]);
  expect(readout()).toBe("layer 1, head 2");
});

test("a statistic colours the heads, says its numbers, and ranks the heads", async () => {
  const model = new FakeModel(state({ by: "entropy" }));
  const { all, one, settle } = await shown(heads, model);
  expect(names(all(".tile"))[1]).toBe("layer 0, head 1: entropy 1.5");
  expect(names(all(".tile"))[2]).toBe("layer 1, head 0");
  expect(one(".legend").textContent).toBe("entropy in nats: 0.25 focused3 spread");
  expect(one(".headline").textContent).toBe("Entropy: highest in layer 1, head 2 (3), lowest in layer 1, head 1 (0.25)");
  expect(one(".how").textContent).toContain("Entropy: of the row.");
  model.set("sort", true);
  await settle();
  expect(all("figcaption").map((one) => one.textContent)).toEqual(["1·2", "0·1", "0·0", "1·1", "1·0"]);
});

test("a statistic is a heat map of its values, or tints the patterns", async () => {
  const model = new FakeModel(state({ by: "entropy" }));
  const { all, settle } = await shown(heads, model);
  const values = () => all(".tile .value").map((value) => value.textContent);
  const filled = () => all(".tile").map((tile) => tile.style.background !== "");
  expect(values()).toEqual([".50", "1.50", "", ".25", "3.00"]);
  expect(filled()).toEqual([true, true, true, true, true]);
  expect(all(".tile canvas").every((canvas) => canvas.hidden)).toBe(true);
  all("button").find((button) => button.textContent === "pattern")!.click();
  await settle();
  expect(model.get("cells")).toBe("pattern");
  expect([...values(), ...filled()]).toEqual(["", "", "", "", "", false, false, false, false, false]);
  expect(all(".tile canvas").some((canvas) => canvas.hidden)).toBe(false);
});

test("a model of two stacks names them beside the layers and in what is said", async () => {
  const { all, one } = await shown(heads, new FakeModel(state({ stacks: ["encoder", "cross"] })));
  expect(all(".axis.row").map((label) => label.textContent)).toEqual(["layer \\ head", "encoder 0", "cross 1"]);
  expect(one(".tile:last-child").getAttribute("aria-label")).toBe("cross-attention layer 1, head 2");
});

test("where more heads than fit are there, that is said", async () => {
  const count = 64;
  const given = { sizes: [[count, 1, 1]], thumbnails: new DataView(new ArrayBuffer(2 * count)), stats: {}, columns: [], stacks: [""] };
  const width = vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(640);
  const { one } = await shown(heads, new FakeModel(state(given)));
  width.mockRestore();
  expect(one(".more").textContent).toMatch(/^33 of 64 heads are in sight/);
  expect(one(".more").hidden).toBe(false);
  const { one: few } = await shown(heads, new FakeModel(state()));
  expect(few(".more").hidden).toBe(true);
});

test("a statistic that is not here is asked for once; what fails is said", async () => {
  const model = new FakeModel(state({ stats: {}, by: "entropy" }));
  const { one, settle } = await shown(heads, model);
  model.emit("change:layer");
  await settle();
  expect(model.sent.map(({ ask }) => ask)).toEqual(["stats"]);
  expect(one(".notice").textContent).toContain("Computing");
  model.emit("msg:custom", { id: model.sent[0].id, error: "no such trace" });
  await settle(5);
  expect(one(".notice").textContent).toBe("no such trace");
});

test("another trace brings other thumbnails", async () => {
  const model = new FakeModel(state());
  const { all, settle } = await shown(heads, model);
  Object.assign(model.state, { sizes: [[1, 2, 2]], rows: "patch" });
  model.set("thumbnails", new DataView(new ArrayBuffer(8)));
  await settle();
  expect(names(all(".tile"))).toEqual(["layer 0, head 0"]);
});

test("nothing is left when the view ends", async () => {
  const model = new FakeModel(state());
  const { end, root, settle } = await shown(heads, model);
  expect(model.listeners()).toBeGreaterThan(0);
  end();
  expect(model.listeners()).toBe(0);
  expect(root.childElementCount).toBe(0);
  model.set("layer", 1);
  await settle();
});

test("a statistic is chosen from the list, and its heads are ranked on request", async () => {
  const model = new FakeModel(state());
  const { change, one, settle } = await shown(heads, model);
  expect([...one<HTMLSelectElement>("select").options].map((option) => option.textContent)).toEqual(["pattern of each head", "entropy", "max weight"]);
  expect(one<HTMLInputElement>("input").disabled).toBe(true);
  change("select", "entropy");
  expect(model.get("by")).toBe("entropy");
  await settle();
  one("input").click();
  expect(model.get("sort")).toBe(true);
});

test("arrows go through a ranking in its order", async () => {
  const { all, press, root } = await shown(heads, new FakeModel(state({ by: "entropy", sort: true })));
  all(".tile")[0]!.focus();
  await press("ArrowRight", all(".tile")[0]!);
  expect(root.activeElement?.getAttribute("aria-label")).toBe("layer 0, head 1: entropy 1.5");
  await press("Enter", all(".tile")[1]!);
  expect(root.activeElement).toBe(all(".tile")[1]);
});

test("the focus stays on its head where the squares are laid out anew", async () => {
  const model = new FakeModel(state({ by: "entropy" }));
  const { all, root, settle } = await shown(heads, model);
  all(".tile")[1]!.focus();
  model.set("sort", true);
  await settle();
  expect(root.activeElement?.getAttribute("aria-label")).toBe("layer 0, head 1: entropy 1.5");
});

test("a head that is pointed at is named, and no other one afterwards", async () => {
  const { all, readout } = await shown(heads, new FakeModel(state({ by: "entropy" })));
  all(".tile")[1]!.dispatchEvent(new Event("pointerenter"));
  expect(readout()).toBe("layer 0, head 1: entropy 1.5");
  all(".tile")[1]!.dispatchEvent(new Event("pointerleave"));
  expect(readout()).toBe("");
});

test("the pictures of images are explained as such", async () => {
  const { one } = await shown(heads, new FakeModel(state({ rows: "patch" })));
  expect(one(".how").textContent).toContain("A square is the image");
});
