// Elements made in one line.

type Attributes = Record<string, unknown>;
type Child = Node | string | null | undefined | false;

/** An element. Names that begin with "on" are listeners, properties of the element are set, the rest are attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && name !== "role" && name !== "list") (element as unknown as Attributes)[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return element;
}

/** An element of SVG; names that begin with "on" are listeners. */
export function s(tag: string, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** 0, 1, ..., count - 1. */
export function range(count: number): number[] {
  return [...Array(count).keys()];
}
