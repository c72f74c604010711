// A page of heads: an overview of all, and one head in full, which the address names: #head=2.3.

import { h } from "../ui/dom";
import { nameOf, type Content } from "./content";
import { Grid, Scatter } from "./overview";
import { headPanel } from "./panel";

export function startHeadPages(root: Document = document): void {
  const content = JSON.parse(root.getElementById("heads")!.textContent!) as Content;
  const room = root.getElementById("head")!;
  const go = (number: number) => {
    location.hash = `head=${nameOf(content.heads[(number + content.heads.length) % content.heads.length]!)}`;
  };
  const choose = (number: number) => {
    go(number);
    room.scrollIntoView({ block: "start" });
  };
  const overview = [new Scatter(content, choose), new Grid(content, choose)];
  root.getElementById("overview")!.replaceChildren(h("div", { className: "overview part" }, ...overview.map(({ element }) => element)));
  const open = () => {
    const named = /head=(\d+\.\d+)/.exec(location.hash)?.[1];
    const number = Math.max(0, named === undefined ? telling(content) : content.heads.findIndex((head) => nameOf(head) === named));
    room.replaceChildren(headPanel(content, content.heads[number]!, (by) => go(number + by)));
    for (const part of overview) part.select(number);
  };
  window.addEventListener("hashchange", open);
  open();
}

/** The head that the page opens at: the one that is missed most, else the one with the clearest pattern. */
function telling({ heads }: Content): number {
  const most = (value: (head: Content["heads"][number]) => number) => {
    const all = heads.map(value);
    return all.indexOf(Math.max(...all));
  };
  return heads[0]?.off ? most(({ off }) => off!.divergence) : most(({ pattern }) => pattern.score ?? 0);
}
