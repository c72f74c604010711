// @vitest-environment jsdom

import { beforeEach, expect, test, vi } from "vitest";
import { startPictures } from "../../src/page/large_picture";

beforeEach(() => {
  HTMLDialogElement.prototype.showModal = vi.fn(function (this: HTMLDialogElement) { this.open = true; });
  HTMLDialogElement.prototype.close = function () { this.open = false; this.dispatchEvent(new Event("close")); };
  document.body.innerHTML = `<p><svg class="picture" aria-label="key &lt;b&gt; 7"><image id="one"/></svg> and <svg class="cells"></svg></p>`;
  startPictures(document);
});

test("a picture opens above its label, and is there once", () => {
  const button = document.querySelector("p")!.firstElementChild as HTMLButtonElement;
  expect(button.className).toBe("opens");
  button.click();
  const dialog = document.querySelector("dialog")!;
  expect(dialog.showModal).toHaveBeenCalled();
  expect(dialog.querySelector("span")!.textContent).toBe("key <b> 7");
  expect(document.querySelectorAll("#one")).toHaveLength(1);
  expect(document.querySelectorAll("svg.picture")).toHaveLength(2);
});

test("closes by its button and by a click beside it, and is gone then", () => {
  for (const place of ["dialog .button", "dialog"]) {
    document.querySelector<HTMLElement>(".opens")!.click();
    document.querySelector<HTMLElement>("dialog svg")!.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(document.querySelectorAll("dialog")).toHaveLength(1);
    document.querySelector<HTMLElement>(place)!.click();
    expect(document.querySelector("dialog")).toBeNull();
  }
});
