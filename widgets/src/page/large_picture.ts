// Pictures that open: a press shows one as large as the window, Escape or a click beside it closes it.

import { h } from "../ui/dom";

/** A button with the picture in it, which shows it large above a caption. */
export function openable(picture: SVGElement, caption: string): HTMLButtonElement {
  return h("button", { type: "button", className: "opens", title: "Show large", onclick: () => showLarge(picture, caption) }, picture);
}

function showLarge(picture: SVGElement, caption: string): void {
  const copy = picture.cloneNode(true) as SVGElement;
  for (const element of copy.querySelectorAll("[id]")) element.removeAttribute("id");
  const dialog = h(
    "dialog", { "aria-label": caption, onclick: (event: MouseEvent) => event.target === dialog && dialog.close(), onclose: () => dialog.remove() },
    copy, h("p", {}, h("span", { className: "small" }, caption), h("button", { type: "button", className: "button", onclick: () => dialog.close() }, "close")),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** Makes every picture of the page open; its label is the caption. */
export function startPictures(root: Document): void {
  for (const picture of root.querySelectorAll<SVGElement>("svg.picture")) {
    const place = h("span");
    picture.before(place);
    place.replaceWith(openable(picture, picture.getAttribute("aria-label") ?? ""));
  }
}
