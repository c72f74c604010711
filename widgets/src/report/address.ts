// What a report's address holds after its #: an input's section, and what is selected there.
//
//   #layer=5&head=9&query=4        of the only input
//   #part-1&layer=5&head=2,3       of one of several; #part-1 alone is a link to it

import { tokenLabel } from "../drawing/token_label";
import { fragmentOf, replaceFragment, resting, valuesOf } from "../page/fragment";
import type { TraceHeader } from "../protocol/headers";
import { h } from "../ui/dom";
import type { PageModel } from "./page_model";

/** Selections of a section by name, and the view's number and trait that hold each; linked views follow. */
export type SectionState = Record<string, [view: number, trait: string]>;

/** Marks what scripts add to the page, which a saved page is without. */
export const ADDED = "data-added";

/** Milliseconds that a button says what it did. */
const SAID = 2000;

export class Address {
  /** Of the sections. */
  readonly ids: string[];

  constructor(
    private readonly sections: Record<string, SectionState>,
    private readonly models: PageModel[],
    private readonly root: Document,
  ) {
    this.ids = Object.keys(sections);
    this.open(location.hash.slice(1));
    addEventListener("hashchange", () => this.open(location.hash.slice(1)));
    for (const id of this.ids) {
      const writeSoon = resting(() => replaceFragment(this.fragment(id)));
      for (const [view, trait] of Object.values(sections[id]!))
        models[view]!.on(`change:${trait}`, writeSoon);
      this.lineOf(id)?.append(h("span", { [ADDED]: "" }, " · ", this.copyButton(id)));
    }
  }

  /** The line of facts about a section. */
  lineOf(id: string): Element | null {
    return this.root.querySelector(`#${id} > .about`);
  }

  /** What is selected in a section, in words. */
  words(id: string): string {
    const values = Object.entries(this.sections[id]!).map(([name, [view, trait]]) => [name, this.models[view]!, this.models[view]!.get(trait)] as const);
    const set = values.filter(([, , value]) => value !== null && String(value) !== "");
    const layer = Number(values.find(([name]) => name === "layer")?.[2] ?? 0);
    const names = set.map(([name, model, value]) => `${name} ${tokenName(model, name, layer, value) ?? [value].flat().join(" and ")}`);
    return [...(this.ids.length > 1 ? [`input ${this.ids.indexOf(id) + 1}`] : []), ...names].join(", ");
  }

  /** The fragment that opens a section with what is selected there. */
  fragment(id: string): string {
    const values = Object.entries(this.sections[id]!).map(([name, [view, trait]]) => [name, this.models[view]!.get(trait)] as const);
    const set = fragmentOf(Object.fromEntries(values.map(([name, value]) => [name, String(value ?? "")])));
    return [...(this.ids.length > 1 ? [id] : []), ...(set ? [set] : [])].join("&");
  }

  /** Selects what a fragment names, as far as it is there. */
  open(fragment: string): void {
    const parts = fragment.split("&");
    const id = parts.find((part) => this.ids.includes(part)) ?? this.ids[0];
    const values = valuesOf(fragment);
    if (id === undefined || values.size === 0) return;
    this.select(id, values);
    if (parts.includes(id)) this.root.getElementById(id)?.scrollIntoView();
  }

  /** Selects values by name in a section; a name that is missing among them is selected no longer, if it can be. */
  private select(id: string, values: Map<string, string>): void {
    const section = this.sections[id]!;
    const place = section["layer"] ? Number(values.get("layer") ?? this.models[section["layer"][0]]!.get(section["layer"][1])) : 0;
    for (const [name, [view, trait]] of Object.entries(section)) {
      const numbers = (values.get(name) ?? "").split(",").filter((text) => /^\d+$/.test(text)).map(Number);
      const count = countOf(this.models[view]!, name, place);
      const there = numbers.filter((number) => number < count);
      const isList = Array.isArray(this.models[view]!.get(trait));
      if (there.length) this.models[view]!.set(trait, isList ? [...new Set(there)].sort((a, b) => a - b) : there[0]);
      else if (name === "query" || name === "key") this.models[view]!.set(trait, null);
    }
  }

  private copyButton(id: string): HTMLElement {
    const button = plain("copy link", "Copy the address of this page with what is selected", async () => {
      replaceFragment(this.fragment(id));
      const address = `${location.href.split("#")[0]}#${this.fragment(id)}`;
      const copied = await navigator.clipboard.writeText(address).then(() => true, () => false);
      button.textContent = copied ? "copied" : "not allowed: copy it from the address bar";
      setTimeout(() => (button.textContent = "copy link"), SAID);
    });
    return button;
  }
}

/** A button that looks like a link in a line of text. */
export function plain(text: string, title: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", className: "plain", title, onclick }, text);
}

/** The text of a selected token, where the view knows it. */
function tokenName(model: PageModel, name: string, layer: number, position: number): string | null {
  const trace = model.get("trace") as TraceHeader | undefined;
  if (name !== "query" && name !== "key") return null;
  const side = trace?.layers[layer]?.[name];
  const text = side === "input" || side === "output" ? trace!.tokens[side].text[position] : undefined;
  return text === undefined ? null : `“${tokenLabel(text)}”`;
}

/** How many of that name a view has: layers, heads of a layer, tokens. */
function countOf(model: PageModel, name: string, layer: number): number {
  const layers: { heads: number; queries: number; keys: number }[] | undefined = model.get("trace")?.layers;
  const sizes: [heads: number, rows: number, cols: number][] | undefined = model.get("sizes");
  if (name === "layer") return (layers ?? sizes)?.length ?? 0;
  if (name === "head") return layers?.[layer]?.heads ?? sizes?.[layer]?.[0] ?? 0;
  return layers ? Math.max(...layers.map((one) => (name === "query" ? one.queries : one.keys))) : Infinity;
}
