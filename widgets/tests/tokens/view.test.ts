// @vitest-environment jsdom
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { formatSigned } from "../../src/drawing/number_format";
import tokens from "../../src/tokens/index";
import { barBounds } from "../../src/tokens/scored_text";
import type { TokensState } from "../../src/tokens/state";
import { replaced } from "../../src/tokens/token_edit";
import { FakeModel, stubBrowser } from "../fake";

beforeAll(stubBrowser);
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const HOSTILE = "</script><img src=x onerror=boom>";

function state(): TokensState {
  const words = ["[CLS]", "un", "##kind", HOSTILE, "[SEP]"];
  const numbers = [0, 0.5, -0.25, -1, 0, 0, 0.25, -1, 0];
  const scores = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((value, i) => scores.setFloat32(4 * i, value, true));
  return {
    shown: {
      texts: [[
        { level: "token", text: words, special: [0, 4], segment: [], first: [0, 1, 2, 3, 4], space: [1, 1, 0, 1, 1], span: [null, [0, 2], [2, 6], [7, 40], null] },
        { level: "word", text: ["[CLS]", "unkind", HOSTILE, "[SEP]"], special: [0, 3], segment: [], first: [0, 1, 3, 4], space: [1, 1, 1, 1], span: [null, [0, 6], [7, 40], null] },
      ]],
      results: [{
        text: 0, asked: [[null, "gradient"], ["negative", "gradient"]], target: { label: "negative", index: 0, against: null, against_index: null, unit: "logit", side: null, position: null, output: null }, question: "negative",
        how: "gradient from pad", unit: "logit", model: "tiny", value: 1.5, change: -0.75, sum: -0.75, signed: true,
        converged: true, complete: true, gap: 0, verdict: "completeness gap 0.0%", prediction: ["negative", 0.9],
      }],
    },
    scores,
    choices: { live: true, targets: ["negative", "positive"], methods: ["gradient", "shapley"], titles: [], mask: "[MASK]" },
    text: "unkind", before: null, target: null, method: "gradient", number: 0, level: "token", sort: false, token: null,
  };
}

/** A model, and what Python would do with what it sends. */
function fake(held = state()) {
  const model = new FakeModel(held as unknown as Record<string, unknown>);
  const answer = (question: Record<string, unknown>, said: object) => {
    model.emit("msg:custom", { id: question["id"], ...said });
    return vi.advanceTimersByTimeAsync(20);
  };
  return { model, sent: model.sent, answer, listeners: () => model.listeners() };
}

function shown(held = state()) {
  const python = fake(held);
  const el = document.body.appendChild(document.createElement("div"));
  const end = tokens.render({ model: python.model as never, el });
  const find = <E extends HTMLElement>(what: string) => el.shadowRoot!.querySelector<E>(what)!;
  const all = (what: string) => [...el.shadowRoot!.querySelectorAll<HTMLElement>(what)];
  const type = (text: string) => {
    find<HTMLTextAreaElement>("textarea").value = text;
    find("textarea").dispatchEvent(new Event("input"));
  };
  const settle = (ms = 20) => vi.advanceTimersByTimeAsync(ms);
  return { ...python, el, end, find, all, type, settle };
}

describe("the running text", () => {
  it("shows every token with its score, what is for the class blue and what is against it red", () => {
    const { all } = shown();
    const parts = all(".part");
    expect(parts.map((part) => part.textContent)).toEqual(["[CLS]", "un", "##kind", HOSTILE, "[SEP]"]);
    expect(parts[1]!.getAttribute("aria-label")).toBe("“un”: +0.5 logit");
    const [red, , blue] = parts[1]!.style.background.match(/\d+/g)!.map(Number);
    expect(blue).toBeGreaterThan(red!);
    const [more, , less] = parts[3]!.style.background.match(/\d+/g)!.map(Number);
    expect(more).toBeGreaterThan(less!);
    expect(parts[0]!.style.background).toBe("");
    expect(parts[2]!.classList).toContain("glued");
  });

  it("lets go of the colours of a special token whose score falls to nothing", async () => {
    const held = state();
    held.scores.setFloat32(0, -1, true);
    const { model, all, settle } = shown(held);
    expect(all(".part")[0]!.classList).toContain("against");
    model.set("scores", state().scores);
    await settle();
    const { style, classList } = all(".part")[0]!;
    expect([style.background, style.color, classList.contains("against")]).toEqual(["", "", false]);
  });

  it("never makes a token into HTML", () => {
    const { el } = shown();
    expect(el.shadowRoot!.querySelector("img, script")).toBeNull();
  });

  it("sums by word, and a selected token selects the word that holds it", async () => {
    const { model, all, settle } = shown();
    model.set("level", "word");
    model.set("token", 2);
    await settle();
    expect(all(".part").map((part) => part.textContent)).toEqual(["[CLS]", "unkind", HOSTILE, "[SEP]"]);
    expect(all('[aria-selected="true"]').map((part) => part.getAttribute("aria-label"))).toEqual(["“unkind”: +0.25 logit"]);
  });

  it("says what is explained and how well the scores add up", () => {
    const { find } = shown();
    expect(find(".asked").textContent).toContain("predicted negative 90%");
    expect(find(".sums").textContent).toContain("−0.75");
    expect(find(".verdict").textContent).toBe("Completeness gap 0.0%");
    expect(find(".verdict").dataset["kind"]).toBe("");
  });

  it("warns where the method did not converge", () => {
    const held = state();
    Object.assign(held.shown.results[0]!, { converged: false, verdict: "completeness gap 40.0%, did not converge" });
    expect(shown(held).find(".verdict").dataset["kind"]).toBe("warn");
  });
});

describe("keys", () => {
  const press = (element: HTMLElement, key: string) => element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));

  it("move from part to part and let go", async () => {
    const { model, all, settle } = shown();
    press(all(".part")[1]!, "ArrowRight");
    expect(model.get("token")).toBe(2);
    await settle();
    expect(all(".part").map((part) => part.tabIndex)).toEqual([-1, -1, 0, -1, -1]);
    press(all(".part")[2]!, "End");
    expect(model.get("token")).toBe(4);
    press(all(".part")[4]!, "ArrowRight");
    expect(model.get("token")).toBe(4);
    press(all(".part")[4]!, "Escape");
    expect(model.get("token")).toBeNull();
  });

  it("that are typed into the text stay in it", () => {
    const { find } = shown();
    const heard = vi.fn();
    document.body.addEventListener("keydown", heard);
    find("textarea").dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true, composed: true }));
    document.body.removeEventListener("keydown", heard);
    expect(heard).not.toHaveBeenCalled();
  });
});

describe("the list", () => {
  it("goes from most for to most against, without special tokens", () => {
    const { all } = shown({ ...state(), sort: true });
    expect(all(".rank .word").map((word) => word.textContent)).toEqual(["un", "##kind", expect.stringContaining("</script>")]);
    expect(all(".rank .figure").map((figure) => figure.textContent)).toEqual(["+0.50", "−0.25", "−1.00"]);
    const bars = all(".rank i").map((bar) => [bar.style.left, bar.style.width].map(parseFloat));
    expect(bars[0]![0]).toBeCloseTo(66.67, 1);
    expect(bars[2]![1]).toBeCloseTo(66.67, 1);
  });
});

describe("typing", () => {
  it("asks once, when the text rests", async () => {
    const { sent, type, settle } = shown();
    type("a");
    await settle(300);
    type("ab");
    await settle(399);
    expect(sent).toEqual([]);
    await settle(2);
    expect(sent).toMatchObject([{ ask: "explain", text: "ab", target: null, method: "gradient" }]);
  });

  it("asks for the newest alone, and draws nothing that is older", async () => {
    const { model, sent, answer, type, settle, all, find } = shown();
    type("first");
    await settle(401);
    type("second");
    await settle(401);
    type("third");
    await settle(401);
    expect(sent).toHaveLength(1);
    const older = state().shown;
    older.texts[0]![0]!.text[1] = "older";
    model.set("shown", older);
    model.set("text", "first");
    await answer(sent[0]!, { answer: {} });
    expect(sent.slice(1)).toMatchObject([{ text: "third" }]);
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("third");
    await answer(sent[1]!, { answer: {} });
    await settle();
    expect(sent).toHaveLength(2);
    expect(all(".part")[1]!.textContent).toBe("older");
    expect(find(".scored").getAttribute("aria-busy")).toBe("false");
  });

  it("does not draw an older answer while a newer text waits", async () => {
    const { model, sent, answer, type, settle, all } = shown();
    type("first");
    await settle(401);
    type("second");
    const older = state().shown;
    older.texts[0]![0]!.text[1] = "older";
    model.set("shown", older);
    await answer(sent[0]!, { answer: {} });
    await settle(100);
    expect(all(".part")[1]!.textContent).toBe("un");
  });

  it("shows an error in words and keeps what was drawn and what was typed", async () => {
    const { sent, answer, type, settle, all, find } = shown();
    type("");
    await settle(401);
    await answer(sent[0]!, { error: "the text is empty" });
    await settle();
    expect(find(".note").textContent).toBe("the text is empty");
    expect(find(".note").dataset["kind"]).toBe("error");
    expect(all(".part")).toHaveLength(5);
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("");
  });

  it("shows the text that Python sets", async () => {
    const { model, find } = shown();
    model.set("text", "set in Python");
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("set in Python");
  });
});

describe("picking", () => {
  const pick = (element: HTMLSelectElement, value: string) => {
    element.value = value;
    element.dispatchEvent(new Event("change"));
  };

  it("asks Python for another class", async () => {
    const { sent, find, settle } = shown();
    pick(find('[aria-label="Class that is explained"]'), "positive");
    await settle();
    expect(sent).toMatchObject([{ ask: "explain", text: "unkind", target: "positive", method: "gradient" }]);
  });

  it("asks nobody for what is there already", async () => {
    const { model, sent, find, settle } = shown();
    pick(find('[aria-label="Class that is explained"]'), "negative");
    await settle();
    expect(sent).toEqual([]);
    expect(model.get("target")).toBe("negative");
  });

  it("goes back to what is shown where Python refuses", async () => {
    const { sent, answer, find, settle } = shown();
    pick(find('[aria-label="Method"]'), "shapley");
    await settle();
    await answer(sent[0]!, { error: "no" });
    await settle();
    expect(find<HTMLSelectElement>('[aria-label="Method"]').value).toBe("gradient");
  });

  it("offers the given attributions by their titles, and no text to type", () => {
    const held = state();
    held.shown.results.push({ ...held.shown.results[0]!, how: "other" });
    held.scores = new DataView(new ArrayBuffer(4 * 18));
    held.choices = { live: false, targets: [], methods: [], titles: ["one", "two"], mask: "" };
    const { model, find } = shown(held);
    expect(find(".texts").hidden).toBe(true);
    pick(find('[aria-label="Attribution"]'), "1");
    expect(model.get("number")).toBe(1);
  });
});

describe("a selected token", () => {
  const selected = (more: object = {}) => shown({ ...state(), text: `unkind ${HOSTILE}`, token: 3, ...more });
  const click = (all: (what: string) => HTMLElement[], name: string) => all(".edit button").find((button) => button.textContent === name)!.click();

  it("is masked, removed or replaced in its text, which is explained at once", async () => {
    const { sent, all, find, settle, model } = selected();
    expect(find(".edit .name").textContent).toBe(`“${HOSTILE}”`);
    click(all, "mask");
    await settle();
    expect(sent).toMatchObject([{ ask: "explain", text: "unkind [MASK]" }]);
    expect([model.get("before"), model.get("token")]).toEqual([`unkind ${HOSTILE}`, null]);
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("unkind [MASK]");
  });

  it("shows the answer before and after, and the way back", async () => {
    const held = { ...state(), text: `unkind ${HOSTILE}`, token: 3 };
    const { sent, all, find, settle, model, answer } = shown(held);
    click(all, "remove");
    await settle();
    expect(sent[0]).toMatchObject({ text: "unkind" });
    const now = { ...held.shown.results[0]!, prediction: ["positive", 0.75] as [string, number], value: 0.5 };
    model.set("shown", { ...held.shown, results: [now] });
    model.set("text", "unkind");
    await answer(sent[0]!, { answer: {} });
    await settle();
    expect(find(".outcome").textContent).toContain("negative 90% → positive 75%, its logit by −1");
    expect(find(".outcome").textContent).toMatch(/^without “/);
    model.set("token", 1);
    await settle();
    click(all, "mask");
    await settle();
    expect(find(".outcome").textContent).not.toContain("[MASK]"); // until the model has answered
    model.set("text", "[MASK]kind");
    await answer(sent[1]!, { answer: {} });
    await settle();
    expect(find(".outcome").textContent).toMatch(/^without “.*”, “un” → “\[MASK\]”: negative 90% → /);
    click(all, "undo");
    await settle();
    expect(model.get("before")).toBe(null);
    expect(sent[2]).toMatchObject({ text: `unkind ${HOSTILE}` });
  });

  it("names no change that was refused, nor one from before the page was loaded", async () => {
    const { sent, all, find, settle, model, answer } = selected({ token: 1 });
    click(all, "mask");
    await settle();
    await answer(sent[0]!, { error: "too long" });
    model.set("token", 3);
    await settle();
    click(all, "remove");
    await settle();
    model.set("text", "unkind");
    await answer(sent[1]!, { answer: {} });
    await settle();
    expect(find(".outcome").textContent).toMatch(/^without “<\/script>[^,]*: /);
    const other = selected({ token: 1, before: "was" });
    click(other.all, "mask");
    await other.settle();
    other.model.set("text", `[MASK]kind ${HOSTILE}`);
    await other.settle();
    expect(other.find(".outcome").textContent).toMatch(/^Changed: /);
  });

  it("is not offered where it is special, and typing anew is no change of a token", async () => {
    expect(selected({ token: 0 }).find(".edit").hidden).toBe(true);
    const { model, type, settle } = selected({ before: "was" });
    type("another text");
    await settle();
    expect(model.get("before")).toBe(null);
  });

  it("says what it takes where no model runs", () => {
    const { find, all } = selected({ choices: { live: false, targets: [], methods: [], titles: ["one"], mask: "" } });
    expect(find(".edit").textContent).toContain("the model has to run");
    expect(all(".edit button")).toEqual([]);
  });

  it("is counted in characters, as Python counts them", () => {
    expect(replaced("😀 good film", 0, [2, 6], "[MASK]")).toBe("😀 [MASK] film");
    expect(replaced("a good film", 0, [2, 6], "")).toBe("a film");
    expect(replaced("good film", 0, [0, 4], "")).toBe("film");
    expect(replaced("a film.", 0, [6, 7], "")).toBe("a film");
    expect(replaced("a film, good", 0, [6, 7], "")).toBe("a film good");
    expect(replaced("unkind", 0, [2, 6], "")).toBe("un");
    expect(replaced("一部好电影", 0, [2, 3], "")).toBe("一部电影");
    expect(replaced("one\ntwo\nthree", 0, [4, 7], "")).toBe("one\n\nthree");
    expect(replaced("one two\nthree", 0, [4, 7], "")).toBe("one\nthree");
    expect(replaced("  one  two three", 0, [7, 10], "")).toBe("  one  three");
    expect(replaced(["a", "good film"], 1, [0, 4], "bad")).toEqual(["a", "bad film"]);
  });
});

it("leaves nothing behind when it ends", () => {
  const { el, end, listeners } = shown();
  expect(listeners()).toBeGreaterThan(0);
  end();
  expect(listeners()).toBe(0);
  expect(el.shadowRoot!.childElementCount).toBe(0);
});

it("signs numbers with a true minus", () => {
  expect([formatSigned(0.5), formatSigned(-0.25), formatSigned(0), formatSigned(NaN)]).toEqual(["+0.5", "−0.25", "0", "–"]);
});

it("keeps zero among the bars' bounds", () => {
  expect(barBounds([1, 3])).toEqual({ low: 0, span: 3 });
  expect(barBounds([-1, 3, NaN])).toEqual({ low: -1, span: 4 });
  expect(barBounds([])).toEqual({ low: 0, span: 1 });
});
