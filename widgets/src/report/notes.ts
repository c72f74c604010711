// Notes on what is selected in a report, which are saved with the page: in its own file, as JSON that is never executed.

import { h } from "../ui/dom";
import { ADDED, plain, type Address } from "./address";

interface Note {
  /** The fragment of the address that opens what the note is about, and that in words. */
  state: string;
  about: string;
  text: string;
}

export class Notes {
  private readonly notes: Note[];
  private readonly list = h("ul");
  private readonly saved = h("span", { className: "about", role: "status" });
  private readonly element: HTMLElement;

  constructor(private readonly address: Address, private readonly root: Document) {
    this.notes = JSON.parse(this.store(root)?.textContent ?? "[]") as Note[];
    this.element = h(
      "section", { className: "part notes", [ADDED]: "" }, h("h2", {}, "Notes"), this.list,
      h("p", {}, plain("save page", "Save this page with its notes as a file", () => this.save()), " ", this.saved),
    );
    root.querySelector("main > footer")?.before(this.element);
    for (const id of address.ids)
      address.lineOf(id)?.append(h("span", { [ADDED]: "" }, " · ", plain("add note", "Note something about what is selected", () => this.add(id))));
    this.draw();
  }

  private store(root: ParentNode): Element | null {
    return root.querySelector("script#notes");
  }

  private add(id: string): void {
    this.notes.push({ state: this.address.fragment(id), about: this.address.words(id), text: "" });
    this.changed();
    this.draw();
    this.list.querySelector<HTMLElement>("li:last-child [role=textbox]")?.focus();
  }

  private changed(): void {
    this.saved.textContent = "Not saved yet: notes are lost when the page is closed.";
  }

  private draw(): void {
    this.element.hidden = this.notes.length === 0 && this.saved.textContent === "";
    this.list.replaceChildren(...this.notes.map((note) => this.item(note)));
  }

  private item(note: Note): HTMLElement {
    const text = h("div", { role: "textbox", "aria-label": `Note on ${note.about}`, "aria-multiline": "true" }, note.text);
    text.setAttribute("contenteditable", "plaintext-only");
    text.addEventListener("input", () => {
      note.text = text.innerText;
      this.changed();
    });
    const remove = () => {
      this.notes.splice(this.notes.indexOf(note), 1);
      this.changed();
      this.draw();
    };
    const button = plain("remove", "Remove this note", remove);
    button.classList.add("remove");
    return h("li", {}, plain(note.about, "Select that again", () => this.address.open(note.state)), " ", button, text);
  }

  /** The page as it was written, with the notes. */
  source(): string {
    const copy = this.root.documentElement.cloneNode(true) as HTMLElement;
    for (const added of copy.querySelectorAll(`[${ADDED}]`)) added.remove();
    for (const view of copy.querySelectorAll("[data-view]")) {
      view.removeAttribute("style");
      view.removeAttribute("class");
    }
    this.store(copy)!.textContent = JSON.stringify(this.notes).replaceAll("<", "\\u003c");
    return `<!DOCTYPE html>\n${copy.outerHTML}\n`;
  }

  private save(): void {
    const url = URL.createObjectURL(new Blob([this.source()], { type: "text/html" }));
    h("a", { href: url, download: decodeURIComponent(location.pathname.split("/").pop() || "report.html") }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.saved.textContent = "Saved.";
  }
}
