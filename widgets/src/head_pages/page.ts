// A page of heads: an overview of all, and one head in full. Its address names the head, what is drawn, and the table:
//
//   #head=2.3&by=entropy&across=distance&up=loss_change&table=all&sort=entropy

import { PageAddress, type KeptPart } from "../page/fragment";
import { startTables } from "../page/tables";
import { h } from "../ui/dom";
import { nameOf, type Content } from "./content";
import { HeatMap } from "./heat_map";
import { Scatter } from "./overview";
import { headPanel } from "./panel";

export function startHeadPages(root: Document = document): void {
  const content = JSON.parse(root.getElementById("heads")!.textContent!) as Content;
  const address = new PageAddress();
  address.keep(new Heads(content, root, address.write));
  startTables(root, address);
}

class Heads implements KeptPart {
  private readonly room: HTMLElement;
  private readonly scatter: Scatter;
  private readonly map: HeatMap;
  /** What the page begins with, which its address does not repeat. */
  private readonly first: [across: string, up: string];
  private number = -1;
  /** Whether the page's first address was opened: from then on an address leads to its head. */
  private isOpen = false;

  constructor(private readonly content: Content, private readonly root: Document, private readonly changed: () => void) {
    this.room = root.getElementById("head")!;
    const choose = (number: number) => {
      this.choose(number);
      this.room.scrollIntoView();
    };
    this.scatter = new Scatter(content, choose, changed);
    this.map = new HeatMap(content, choose, changed);
    this.first = this.scatter.axes;
    root.getElementById("overview")!.replaceChildren(h("div", { className: "cards overview" }, this.map.element, this.scatter.element));
    this.map.start();
    this.show(telling(content));
  }

  values(): Record<string, string> {
    const [across, up] = this.scatter.axes;
    const other = (name: string, n: 0 | 1) => (name === this.first[n] ? "" : name);
    return { head: nameOf(this.content.heads[this.number]!), by: this.map.shown, across: other(across, 0), up: other(up, 1) };
  }

  open(values: ReadonlyMap<string, string>): void {
    if (values.has("by")) this.map.show(values.get("by")!);
    this.scatter.show(values.get("across"), values.get("up"));
    const number = this.content.heads.findIndex((head) => nameOf(head) === values.get("head"));
    if (number >= 0) this.show(number);
    if (number >= 0 && this.isOpen) this.room.scrollIntoView();
    this.isOpen = true;
  }

  private choose(number: number): void {
    this.show(number);
    this.changed();
  }

  private show(number: number): void {
    const { heads } = this.content;
    this.number = (number + heads.length) % heads.length;
    this.room.replaceChildren(headPanel(this.content, heads[this.number]!, (by) => this.choose(this.number + by)));
    this.scatter.select(this.number);
    this.map.select(this.number);
    const link = `#head=${nameOf(heads[this.number]!)}`;
    for (const row of this.root.querySelectorAll("#all tbody tr"))
      row.classList.toggle("chosen", row.querySelector("a")?.getAttribute("href") === link);
  }
}

/** The head that the page opens at: the one that is missed most, else the one with the clearest pattern. */
function telling({ heads }: Content): number {
  const most = (value: (head: Content["heads"][number]) => number) => {
    const all = heads.map(value);
    return all.indexOf(Math.max(...all));
  };
  return heads[0]?.off ? most(({ off }) => off!.divergence) : most(({ pattern }) => pattern.score ?? 0);
}
