// @vitest-environment jsdom
// The frame of every view: theme, messages, traits, downloads, and its end.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { rolesOf } from "../../src/drawing/palette";
import { view, type Frame, type ViewContent } from "../../src/ui/view";
import { FakeModel, HOSTILE, shown, stubBrowser } from "../fake";

interface TestState {
  layer: number;
}

let frame: Frame<TestState>;
const draw = vi.fn();
let content: ViewContent = { draw };
const testView = view<TestState>("Test view", ".x {}", (filled) => {
  frame = filled;
  filled.stage.append("stage");
  return content;
});

const sheets: string[] = [];
const observers: { callback(): void; disconnected: boolean }[] = [];

beforeEach(() => {
  stubBrowser();
  draw.mockClear();
  content = { draw };
  sheets.length = observers.length = 0;
  vi.stubGlobal("CSSStyleSheet", class { replaceSync(css: string) { sheets.push(css); } });
  vi.stubGlobal("ResizeObserver", class {
    private readonly entry: (typeof observers)[number];
    constructor(callback: () => void) {
      this.entry = { callback, disconnected: false };
      observers.push(this.entry);
    }
    observe() {}
    disconnect() { this.entry.disconnected = true; }
  });
  document.body.replaceChildren();
  document.body.removeAttribute("data-jp-theme-light");
  document.body.style.background = "";
});

let endings: (() => void)[] = [];
afterEach(() => {
  endings.forEach((end) => end());
  endings = [];
  vi.unstubAllGlobals();
});

async function render(model = new FakeModel({ layer: 0 })) {
  const rendered = await shown(testView, model);
  endings.push(rendered.end);
  return rendered;
}

describe("a view", () => {
  test("has its name, its style over the shared one, and draws once", async () => {
    const { one } = await render();
    expect(one(".view").getAttribute("aria-label")).toBe("Test view");
    expect(one(".bar").getAttribute("aria-label")).toBe("Test view: controls");
    expect(sheets[0]).toMatch(/--background: #ffffff;[^]*\.readout[^]*\.x \{\}$/);
    expect(draw).toHaveBeenCalledOnce();
  });

  test("draws once for many changes, at the next frame", async () => {
    const { settle } = await render();
    for (let n = 0; n < 5; n++) frame.redraw();
    expect(draw).toHaveBeenCalledTimes(1);
    await settle();
    expect(draw).toHaveBeenCalledTimes(2);
  });

  test("is light while it is printed, drawn at once", async () => {
    document.body.style.background = "rgb(10, 10, 10)";
    const { one, settle } = await render();
    await settle();
    expect(frame.dark).toBe(true);
    const before = draw.mock.calls.length;
    dispatchEvent(new Event("beforeprint"));
    expect([frame.dark, one(".view").dataset["printing"], draw.mock.calls.length]).toEqual([false, "", before + 1]);
    document.body.dataset["theme"] = "other"; // nothing else changes it meanwhile
    await settle();
    expect(frame.dark).toBe(false);
    dispatchEvent(new Event("afterprint"));
    expect([frame.dark, one(".view").dataset["printing"]]).toEqual([true, undefined]);
    delete document.body.dataset["theme"];
  });

  test("draws where its size changed", async () => {
    const { settle } = await render();
    observers[0]!.callback();
    await settle();
    expect(draw).toHaveBeenCalledTimes(2);
  });

  test("sets traits together, and saves them once", async () => {
    const model = new FakeModel({ layer: 0 });
    await render(model);
    frame.set({ layer: 3 });
    expect([model.get("layer"), model.saved]).toEqual([3, 1]);
  });

  test("remembers its width while it is hidden", async () => {
    await render();
    expect(frame.width).toBe(640);
    Object.defineProperty(frame.stage, "clientWidth", { value: 500, configurable: true });
    expect(frame.width).toBe(500);
    Object.defineProperty(frame.stage, "clientWidth", { value: 0, configurable: true });
    expect(frame.width).toBe(500);
  });

  test("is rendered again into the same element", async () => {
    const { el, end, root } = await render();
    end();
    expect(root.childElementCount).toBe(0);
    endings.push(testView.render({ model: new FakeModel({ layer: 0 }) as any, el }));
    expect(el.shadowRoot!.querySelectorAll(".view").length).toBe(1);
  });

  test("registers where a report collects views", () => {
    const registered = new Map<string, unknown>();
    vi.stubGlobal("attnlensViews", registered);
    const other = view<TestState>("Other view", "", () => ({ draw() {} }));
    expect([...registered]).toEqual([["Other view", other]]);
  });
});

describe("messages", () => {
  test("are text, whatever they hold", async () => {
    const { root, one } = await render();
    frame.say(HOSTILE);
    frame.title(HOSTILE, HOSTILE);
    frame.explain(HOSTILE, HOSTILE);
    frame.notify(HOSTILE);
    expect(root.querySelector("img, script")).toBe(null);
    for (const selector of [".readout", ".how", ".keys", ".notice"]) expect(one(selector).textContent).toBe(HOSTILE);
    expect(one(".headline").textContent).toBe(`${HOSTILE}: ${HOSTILE}`);
  });

  test("say what kind they are, and disappear", async () => {
    const { one } = await render();
    expect(one(".notice").hidden).toBe(true);
    frame.notify("wrong");
    expect([one(".notice").hidden, one(".notice").dataset["kind"]]).toEqual([false, "error"]);
    frame.notify("working", "busy");
    expect(one(".notice").dataset["kind"]).toBe("busy");
    frame.notify("");
    expect(one(".notice").hidden).toBe(true);
  });
});

describe("the theme", () => {
  test("is that of the page around the view", async () => {
    document.body.style.background = "rgb(20, 20, 20)";
    const { one } = await render();
    expect(one(".view").dataset["theme"]).toBe("dark");
    expect([frame.dark, frame.roles]).toEqual([true, rolesOf(true)]);
  });

  test("follows the page, and draws again", async () => {
    const { one, settle } = await render();
    expect(frame.dark).toBe(false);
    document.body.dataset["jpThemeLight"] = "false";
    await settle(40);
    expect(one(".view").dataset["theme"]).toBe("dark");
    expect(draw).toHaveBeenCalledTimes(2);
    document.body.setAttribute("class", "other");
    await settle(40);
    expect(draw).toHaveBeenCalledTimes(2);
  });
});

describe("downloads", () => {
  const picture = { width: 30, height: 20, attributes: "", body: "<g/>" };
  const figure = () => ({ picture, title: "title", subtitle: "", caption: "", file: "heads-layer-3" });

  test("as PDF print the picture on a page of its size, and leave nothing behind", async () => {
    URL.createObjectURL = () => "blob:1";
    URL.revokeObjectURL = () => undefined;
    Image.prototype.decode = async () => undefined;
    const printed: string[] = [];
    const frames = vi.spyOn(HTMLIFrameElement.prototype, "contentWindow", "get").mockImplementation(function (this: HTMLIFrameElement) {
      const inside = document.implementation.createHTMLDocument();
      const sheets: string[] = [];
      class Sheet { replaceSync(css: string) { sheets.push(css); } }
      return { document: inside, CSSStyleSheet: Sheet, print: () => printed.push(inside.title, sheets.join(), String(inside.body.childElementCount)) } as any;
    });
    content = { draw, figure };
    const { all, settle } = await render();
    all(".downloads button")[2]!.click();
    await settle();
    expect(printed[0]).toBe("attnlens-heads-layer-3");
    expect(printed[1]).toMatch(/@page { size: 460px \d+px; margin: 0 }/);
    expect(printed[2]).toBe("1");
    expect(document.querySelector("iframe")).toBe(null);
    frames.mockRestore();
  });

  test("are offered where there is a picture", async () => {
    const { all } = await render();
    expect(all(".downloads button")).toEqual([]);
    content = { draw, figure };
    const { all: withPicture } = await render();
    expect(withPicture(".downloads button").map((button) => button.textContent)).toEqual(["PNG", "SVG", "PDF"]);
  });

  test("have a name after the view, and release what they saved", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const [links, blobs, revoked]: [string[], Blob[], string[]] = [[], [], []];
    URL.createObjectURL = (blob) => (blobs.push(blob as Blob), "blob:1");
    URL.revokeObjectURL = (url) => void revoked.push(url);
    const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      links.push(this.download);
    });
    content = { draw, figure };
    const el = document.body.appendChild(document.createElement("div"));
    endings.push(testView.render({ model: new FakeModel({}) as any, el }));
    el.shadowRoot!.querySelectorAll<HTMLElement>(".downloads button")[1]!.click();
    await vi.advanceTimersByTimeAsync(0);
    expect(links).toEqual(["attnlens-heads-layer-3.svg"]);
    expect(blobs[0]!.type).toBe("image/svg+xml");
    expect(blobs[0]!.size).toBeGreaterThan("<svg><g/></svg>".length);
    expect(revoked).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(revoked).toEqual(["blob:1"]);
    click.mockRestore();
    vi.useRealTimers();
  });

  test("that fail say so", async () => {
    content = { draw, figure: () => { throw new Error("no canvas"); } };
    const { all, one, settle } = await render();
    all(".downloads button")[1]!.click();
    await settle();
    expect(one(".notice").textContent).toBe("The picture could not be saved.");
  });
});

describe("the end", () => {
  test("is that of the host's signal too", async () => {
    const ending = new AbortController();
    const el = document.body.appendChild(document.createElement("div"));
    testView.render({ model: new FakeModel({}) as any, el, signal: ending.signal });
    expect(frame.signal.aborted).toBe(false);
    ending.abort();
    expect(frame.signal.aborted).toBe(true);
    expect(el.shadowRoot!.childElementCount).toBe(0);
  });

  test("stops observers, frames and requests", async () => {
    const model = new FakeModel({ layer: 0 });
    const { end, settle } = await render(model);
    const request = frame.request("stats");
    frame.redraw();
    end();
    await expect(request).rejects.toThrow();
    await settle();
    expect(observers[0]!.disconnected).toBe(true);
    expect(draw).toHaveBeenCalledTimes(1);
    expect(model.listeners()).toBe(0);
    frame.redraw();
    await settle();
    expect(draw).toHaveBeenCalledTimes(1);
  });
});
