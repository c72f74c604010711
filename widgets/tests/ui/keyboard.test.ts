// @vitest-environment jsdom
// Keys in a view and in the notebook around it; the theme of the page; elements made in one line.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { h, range } from "../../src/ui/dom";
import { addsToSelection, guardField, runKey, suppressShortcuts } from "../../src/ui/keyboard";
import { themeOf, watchTheme } from "../../src/ui/theme";
import { HOSTILE } from "../fake";

const NO_SHORTCUTS = "data-lm-suppress-shortcuts";
let ending: AbortController;

beforeEach(() => {
  ending = new AbortController();
  document.body.replaceChildren();
  document.body.removeAttribute("style");
  document.body.removeAttribute("data-jp-theme-light");
});
afterEach(() => {
  ending.abort();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const key = (name: string, more: KeyboardEventInit = {}) =>
  new KeyboardEvent("keydown", { key: name, bubbles: true, composed: true, cancelable: true, ...more });

describe("a key", () => {
  test("runs its action and stays in the view", () => {
    const [act, notebook] = [vi.fn(), vi.fn()];
    const el = document.body.appendChild(h("div"));
    document.body.addEventListener("keydown", notebook, { signal: ending.signal });
    el.addEventListener("keydown", (event) => runKey(event, { m: act }));
    const event = key("m");
    el.dispatchEvent(event);
    expect([act.mock.calls.length, notebook.mock.calls.length, event.defaultPrevented]).toEqual([1, 0, true]);
  });

  test("without an action, or with a modifier, is left alone", () => {
    const act = vi.fn();
    for (const event of [key("x"), key("m", { ctrlKey: true }), key("m", { metaKey: true }), key("m", { altKey: true })]) {
      expect(runKey(event, { m: act })).toBe(false);
      expect(event.defaultPrevented).toBe(false);
    }
    expect(act).not.toHaveBeenCalled();
  });

  test("may be pressed with Shift", () => {
    const act = vi.fn();
    expect(runKey(key("ArrowUp", { shiftKey: true }), { ArrowUp: act })).toBe(true);
  });

  test("that an object has by itself is no action", () => {
    expect(runKey(key("m"), {})).toBe(false);
  });
});

describe("a click", () => {
  test("adds to the selection with Shift, Ctrl or Meta", () => {
    const adds = (init: MouseEventInit) => addsToSelection(new MouseEvent("click", init));
    expect([adds({}), adds({ shiftKey: true }), adds({ ctrlKey: true }), adds({ metaKey: true }), adds({ altKey: true })]).toEqual([
      false, true, true, true, false,
    ]);
  });
});

describe("shortcuts of the notebook", () => {
  test("are off for letters typed in the view, on for keys with modifiers and for running a cell", () => {
    const el = document.body.appendChild(h("div", {}, h("button")));
    suppressShortcuts(el, ending.signal);
    const suppressed = (event: KeyboardEvent) => {
      el.firstElementChild!.dispatchEvent(event);
      return el.hasAttribute(NO_SHORTCUTS);
    };
    expect(suppressed(key("d"))).toBe(true);
    expect(suppressed(key("s", { ctrlKey: true }))).toBe(false);
    expect(suppressed(key("d"))).toBe(true);
    expect(suppressed(key("Enter", { shiftKey: true }))).toBe(false);
    expect(suppressed(key("A", { shiftKey: true }))).toBe(true);
  });

  test("are left as they are for keys elsewhere, and when the view has ended", () => {
    const el = document.body.appendChild(h("div"));
    suppressShortcuts(el, ending.signal);
    document.body.dispatchEvent(key("d"));
    expect(el.hasAttribute(NO_SHORTCUTS)).toBe(false);
    ending.abort();
    el.dispatchEvent(key("d"));
    expect(el.hasAttribute(NO_SHORTCUTS)).toBe(false);
  });

  test("are off as long as a text field has the focus", () => {
    const [host, notebook] = [h("div"), vi.fn()];
    const field = host.appendChild(h("textarea"));
    document.body.append(host);
    document.body.addEventListener("keydown", notebook, { signal: ending.signal });
    guardField(field, host, ending.signal);
    field.focus();
    expect(host.getAttribute(NO_SHORTCUTS)).toBe("true");
    field.dispatchEvent(key("Enter", { ctrlKey: true }));
    expect(notebook).not.toHaveBeenCalled();
    field.blur();
    expect(host.hasAttribute(NO_SHORTCUTS)).toBe(false);
  });
});

describe("the theme", () => {
  const at = (style: string) => {
    const outer = document.body.appendChild(h("div"));
    outer.setAttribute("style", style);
    return outer.appendChild(h("div"));
  };

  test("is dark on a dark background of any parent", () => {
    expect(themeOf(at("background-color: rgb(10, 20, 30)"))).toBe("dark");
    expect(themeOf(at("background-color: rgb(240, 240, 230)"))).toBe("light");
  });

  test("passes over a background that one sees through", () => {
    document.body.style.backgroundColor = "rgb(0, 0, 0)";
    expect(themeOf(at("background-color: rgba(255, 255, 255, 0.2)"))).toBe("dark");
  });

  test("follows colours of every notation that browsers compute", () => {
    const el = document.body.appendChild(h("div"));
    const over = (backgroundColor: string) => {
      vi.spyOn(globalThis, "getComputedStyle").mockReturnValue({ backgroundColor } as CSSStyleDeclaration);
      return themeOf(el);
    };
    vi.stubGlobal("matchMedia", () => ({ matches: true })); // dark: what is not understood is not light by chance
    const light = ["rgb(250, 250, 250)", "color(srgb 1 1 1)", "color(display-p3 0.9 0.95 1 / 0.8)", "oklch(0.98 0.01 240)",
      "oklab(0.95 -0.01 1e-5)", "lab(97 0 0)"];
    expect(light.map(over)).toEqual(light.map(() => "light"));
    vi.stubGlobal("matchMedia", undefined);
    const dark = ["rgb(17, 17, 17)", "color(srgb 0.09 0.1 0.11)", "oklch(0.2 0.01 240)", "lab(9 0 0)"];
    expect(dark.map(over)).toEqual(dark.map(() => "dark"));
    expect(["color(srgb 0 0 0 / 0.1)", "rgba(0, 0, 0, 0)", "transparent"].map(over)).toEqual(Array(3).fill("light"));
  });

  test("is found through shadow roots", () => {
    const host = at("background-color: rgb(10, 20, 30)");
    const inside = host.attachShadow({ mode: "open" }).appendChild(document.createElement("div"));
    expect(themeOf(inside)).toBe("dark");
  });

  test("is JupyterLab's where that has one", () => {
    document.body.dataset["jpThemeLight"] = "false";
    expect(themeOf(at("background-color: rgb(255, 255, 255)"))).toBe("dark");
    document.body.dataset["jpThemeLight"] = "true";
    expect(themeOf(at("background-color: rgb(0, 0, 0)"))).toBe("light");
  });

  test("is the system's where nothing has a background", () => {
    const el = document.body.appendChild(h("div"));
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    expect(themeOf(el)).toBe("dark");
    vi.stubGlobal("matchMedia", undefined);
    expect(themeOf(el)).toBe("light");
  });

  test("is watched until the view ends", async () => {
    const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
    vi.stubGlobal("requestAnimationFrame", (act: () => void) => setTimeout(act, 0));
    const themes: string[] = [];
    watchTheme(document.body.appendChild(h("div")), ending.signal, (theme) => themes.push(theme));
    await settle();
    document.body.style.backgroundColor = "rgb(0, 0, 0)";
    await settle();
    ending.abort();
    document.body.style.backgroundColor = "rgb(255, 255, 255)";
    await settle();
    expect(themes).toEqual(["light", "dark"]);
  });
});

describe("an element", () => {
  test("has properties, attributes, styles and listeners", () => {
    const act = vi.fn();
    const button = h("button", { type: "button", className: "chip", "aria-label": "head 1", style: { width: "3px" }, onclick: act, title: null }, "1");
    button.click();
    expect(button.outerHTML).toBe('<button type="button" class="chip" aria-label="head 1" style="width: 3px;">1</button>');
    expect(act).toHaveBeenCalledOnce();
  });

  test("omits children that are not there", () => {
    expect(h("p", {}, "a", null, false, undefined, h("b")).childNodes.length).toBe(2);
  });

  test("has text for text, never HTML", () => {
    const element = h("p", { title: HOSTILE }, HOSTILE);
    expect([element.childElementCount, element.textContent, element.title]).toEqual([0, HOSTILE, HOSTILE]);
  });

  test("may be made for each number", () => {
    expect([range(0), range(3)]).toEqual([[], [0, 1, 2]]);
  });
});
