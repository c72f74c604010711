// The controls that views are operated with.

import { h, range } from "./dom";
import { addsToSelection } from "./keyboard";

type Children = (Node | string)[];

/** Controls behind a name. */
export function group(name: string, ...children: Children): HTMLElement {
  return h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
}

/** Controls behind a button; beside it stands which of them are in use. */
export class Options {
  private readonly controls: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly inUse = h("span");

  constructor(...controls: HTMLElement[]) {
    this.controls = h("span", { className: "options", hidden: true }, ...controls);
    this.button = button("options", () => this.show(this.controls.hidden === true));
    this.button.classList.add("quiet");
    this.show(false);
  }

  /** The button, and what it shows. */
  get elements(): HTMLElement[] {
    return [h("span", { className: "chosen" }, this.button, this.inUse), this.controls];
  }

  /** Says what is in use, in words. */
  draw(inUse: string[]): void {
    this.inUse.textContent = inUse.join(", ");
  }

  private show(shown: boolean): void {
    this.controls.hidden = !shown;
    this.button.setAttribute("aria-expanded", String(shown));
  }
}

/** Buttons of which one or none is pressed, in one piece. */
export function segments(label: string, buttons: HTMLElement[]): HTMLElement {
  return h("span", { className: "segments", role: "group", "aria-label": label }, ...buttons);
}

export function button(text: string, act: () => void): HTMLButtonElement {
  return h("button", { type: "button", onclick: act }, text);
}

export function checkbox(act: (checked: boolean) => void): HTMLInputElement {
  const box = h("input", { type: "checkbox", onchange: () => act(box.checked) });
  return box;
}

export interface SliderOptions {
  label: string;
  max: number;
  step: number;
}

export function slider({ label, max, step }: SliderOptions, act: (value: number) => void): HTMLInputElement {
  const input = h("input", {
    type: "range", min: "0", max: String(max), step: String(step), "aria-label": label,
    oninput: () => act(Number(input.value)),
  });
  return input;
}

/** Options as pairs of value and text. */
export function options(entries: [value: string, text: string][]): HTMLOptionElement[] {
  return entries.map(([value, text]) => h("option", { value }, text));
}

export function select(label: string, entries: [value: string, text: string][], act: (value: string) => void): HTMLSelectElement {
  const list = h("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options(entries));
  return list;
}

/** Options 0, 1, ..., count - 1, where a list has another number of them. */
export function fillNumbers(list: HTMLSelectElement, count: number): void {
  if (list.childElementCount !== count) list.replaceChildren(...options(range(count).map((n) => [String(n), String(n)])));
}

/** What zoom buttons move. */
export interface Zoomable {
  zoom(factor: number): void;
  fit(): void;
}

export function zoomButtons(target: () => Zoomable): HTMLElement {
  const titled = (title: string, text: string, act: () => void) => h("button", { type: "button", title, onclick: act }, text);
  return h("span", { className: "segments" },
    titled("Zoom in", "+", () => target().zoom(1.6)),
    titled("Zoom out", "−", () => target().zoom(1 / 1.6)),
    titled("Show all", "all", () => target().fit()),
  );
}

/** A button for each head; Shift, Ctrl or Meta add to the selection. */
export function headChips(count: number, toggle: (head: number, adds: boolean) => void): HTMLButtonElement[] {
  return range(count).map((head) => h("button", {
    type: "button", className: "chip", title: "Shift adds or removes", "aria-label": `head ${head}`,
    onclick: (event: MouseEvent) => toggle(head, addsToSelection(event)),
  }, String(head)));
}

export function press(element: Element, pressed: boolean): void {
  element.setAttribute("aria-pressed", String(pressed));
}

/** The selected heads after a click; `least` heads stay selected. */
export function toggleHead(heads: number[], head: number, adds: boolean, least: 0 | 1): number[] {
  if (!adds) return [head];
  const others = heads.filter((other) => other !== head);
  const removed = others.length < heads.length && others.length >= least;
  return (removed ? others : [...others, head]).sort((a, b) => a - b);
}
