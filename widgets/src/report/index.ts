// The script of a report: a self-contained page of views, with their state and their bytes.
//
// It runs before the bundles, which register their views in `attnlensViews` in the order of the page.

import type { View } from "../ui/view";
import { Address, type SectionState } from "./address";
import { bytesOfElement } from "./packed_bytes";
import { Notes } from "./notes";
import { linkTraits, PageModel, type PlacedView } from "./page_model";

/** What Python wrote about the page, `report._Page`. */
export interface PageContents {
  views: PlacedView[];
  /** Traits that are equal: a view's number and its trait, and another's. */
  links: [from: number, trait: string, to: number, trait: string][];
  /** What the address holds of each section, by the section's id. */
  sections: Record<string, SectionState>;
}

/** Views are drawn when they come that near to what is seen. */
const AHEAD = "600px 0px";

/** Makes the models and draws each view when it comes near what is seen; returns the models. */
export function startPage(contents: PageContents, views: View<any>[], root: Document = document): PageModel[] {
  const readBytes = (element: number) => bytesOfElement(root.getElementById(`bytes-${element}`)!);
  const models = contents.views.map((placed) => new PageModel(placed, readBytes));
  for (const [from, name, to, other] of contents.links) linkTraits(models[from]!, name, models[to]!, other);
  const mount = async (el: HTMLElement) => {
    const number = Number(el.dataset["view"]);
    await models[number]!.loadInitial();
    views[contents.views[number]!.bundle]!.render({ model: models[number]!, el });
  };
  mountWhenSeen(root.querySelectorAll<HTMLElement>("[data-view]"), mount);
  new Notes(new Address(contents.sections, models, root), root); // scrolls: each view has its height now
  return models;
}

/**
 * Mounts each element once, when it comes near what is seen, else when the browser is idle; an error is shown in its place.
 *
 * Printing does not wait for the bytes of a view to be decompressed, so that all views are mounted before it.
 */
function mountWhenSeen(elements: Iterable<HTMLElement>, mount: (el: HTMLElement) => Promise<void>): void {
  const waiting = new Set(elements);
  const mountOnce = async (el: HTMLElement) => {
    if (!waiting.delete(el)) return;
    observer.unobserve(el);
    try {
      await mount(el);
    } catch (error) {
      el.textContent = error instanceof Error ? error.message : String(error);
      el.classList.add("failed");
    }
    el.style.minHeight = "";
  };
  const observer = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && mountOnce(entry.target as HTMLElement)),
    { rootMargin: AHEAD },
  );
  for (const el of waiting) {
    el.style.minHeight = `${el.dataset["height"]}px`;
    observer.observe(el);
  }
  const mountNext = async () => {
    const [el] = waiting;
    if (!el) return;
    await mountOnce(el);
    whenIdle(mountNext);
  };
  whenIdle(mountNext);
  addEventListener("beforeprint", () => waiting.forEach((el) => void mountOnce(el)));
}

/** Not every browser says when it is idle. */
function whenIdle(act: () => void): void {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(act);
  else setTimeout(act, 100);
}

const registered = new Map<string, View<any>>();
(globalThis as { attnlensViews?: Map<string, View<any>> }).attnlensViews = registered;
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.getElementById("contents");
  if (contents) startPage(JSON.parse(contents.textContent!) as PageContents, [...registered.values()]);
});
