// @vitest-environment jsdom
// The controls that views are operated with.

import { describe, expect, test, vi } from "vitest";
import {
  button, checkbox, fillNumbers, group, headChips, Options, press, segments, select, slider, toggleHead, zoomButtons,
} from "../../src/ui/controls";
import { h } from "../../src/ui/dom";
import { HOSTILE } from "../fake";

describe("the selection of heads", () => {
  test("is one head after a plain click", () => {
    expect(toggleHead([1, 3], 2, false, 1)).toEqual([2]);
    expect(toggleHead([2], 2, false, 1)).toEqual([2]);
  });

  test("grows and shrinks in order", () => {
    expect(toggleHead([1, 3], 2, true, 1)).toEqual([1, 2, 3]);
    expect(toggleHead([1, 2, 3], 1, true, 1)).toEqual([2, 3]);
    expect(toggleHead([9], 10, true, 1)).toEqual([9, 10]);
  });

  test("keeps its last head where one has to stay", () => {
    expect(toggleHead([2], 2, true, 1)).toEqual([2]);
    expect(toggleHead([2], 2, true, 0)).toEqual([]);
  });

  test("leaves the list that it was made from", () => {
    const heads = [3, 1];
    toggleHead(heads, 2, true, 1);
    expect(heads).toEqual([3, 1]);
  });
});

describe("controls", () => {
  test("set what they show", () => {
    const [checked, value, chosen] = [vi.fn(), vi.fn(), vi.fn()];
    const box = document.body.appendChild(checkbox(checked));
    box.click();
    const range = slider({ label: "Smallest weight", max: 0.5, step: 0.005 }, value);
    range.value = "0.25";
    range.dispatchEvent(new Event("input"));
    const list = select("Method", [["a", "A"], ["b", "B"]], chosen);
    list.value = "b";
    list.dispatchEvent(new Event("change"));
    expect([checked.mock.calls, value.mock.calls, chosen.mock.calls]).toEqual([[[true]], [[0.25]], [["b"]]]);
    expect([range.max, range.step, range.getAttribute("aria-label")]).toEqual(["0.5", "0.005", "Smallest weight"]);
  });

  test("that are seldom needed are behind a button, which says what is in use", () => {
    const options = new Options(h("label", {}, "log"));
    const [head, controls] = options.elements as [HTMLElement, HTMLElement];
    const opener = head.querySelector("button")!;
    const state = () => [controls.hidden, opener.getAttribute("aria-expanded")];
    expect(state()).toEqual([true, "false"]);
    opener.click();
    expect(state()).toEqual([false, "true"]);
    opener.click();
    expect(state()).toEqual([true, "false"]);
    options.draw(["log", HOSTILE]);
    expect(head.textContent).toBe(`optionslog, ${HOSTILE}`);
    options.draw([]);
    expect(head.textContent).toBe("options");
  });

  test("show names as text", () => {
    const list = select("Class", [[HOSTILE, HOSTILE]], () => {});
    expect(list.options[0]!.textContent).toBe(HOSTILE);
    expect(list.querySelector("img")).toBe(null);
    expect(group(HOSTILE, list).querySelector("img")).toBe(null);
  });

  test("list numbers, and keep the list where their count is the same", () => {
    const list = h("select");
    fillNumbers(list, 3);
    const [first] = list.options;
    fillNumbers(list, 3);
    expect(list.options[0]).toBe(first);
    fillNumbers(list, 2);
    expect([...list.options].map((option) => option.value)).toEqual(["0", "1"]);
  });

  test("are pressed or not", () => {
    const act = vi.fn();
    const lines = button("lines", act);
    press(lines, true);
    expect(lines.getAttribute("aria-pressed")).toBe("true");
    press(lines, false);
    expect(lines.getAttribute("aria-pressed")).toBe("false");
    lines.click();
    expect(act).toHaveBeenCalledOnce();
    expect(segments("Picture", [lines]).getAttribute("aria-label")).toBe("Picture");
  });

  test("zoom whatever is there when they are pressed", () => {
    const [first, second] = [{ zoom: vi.fn(), fit: vi.fn() }, { zoom: vi.fn(), fit: vi.fn() }];
    let target = first;
    const buttons = [...zoomButtons(() => target).querySelectorAll("button")];
    buttons[0]!.click();
    target = second;
    buttons[1]!.click();
    buttons[2]!.click();
    expect(first.zoom.mock.calls).toEqual([[1.6]]);
    expect(second.zoom.mock.calls).toEqual([[1 / 1.6]]);
    expect(second.fit).toHaveBeenCalledOnce();
  });

  test("select heads, more of them with Shift", () => {
    const toggle = vi.fn();
    const chips = headChips(3, toggle);
    expect(chips.map((chip) => chip.getAttribute("aria-label"))).toEqual(["head 0", "head 1", "head 2"]);
    chips[1]!.click();
    chips[2]!.dispatchEvent(new MouseEvent("click", { shiftKey: true }));
    expect(toggle.mock.calls).toEqual([[1, false], [2, true]]);
  });
});
