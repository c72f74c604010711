// The fields for the text, and the requests to explain it anew.

import { LatestRequest } from "../protocol/latest_request";
import { listen } from "../protocol/widget_model";
import { h } from "../ui/dom";
import { guardField } from "../ui/keyboard";
import type { Frame } from "../ui/view";
import { resultFor } from "./scored_text";
import type { ExplainRequest, InputText, TokensState } from "./state";

const IDLE = "Change the text: it is explained again as you type.";

/** Milliseconds that a text rests before it is explained: fast typing is one request. */
const REST = 400;

export class Explainer {
  readonly fields: HTMLElement;
  readonly note: HTMLElement;
  private readonly requests: LatestRequest<ExplainRequest>;
  private boxes: HTMLTextAreaElement[] = [];
  private readonly live: boolean;

  constructor(private readonly frame: Frame<TokensState>) {
    const { model, signal, root } = frame;
    this.live = model.get("choices").live;
    this.fields = h("div", { className: "texts", hidden: !this.live });
    this.note = h("div", { className: "note", role: "status", hidden: !this.live });
    this.requests = new LatestRequest<ExplainRequest>((request) => this.explain(request), {
      changed: frame.redraw,
      done: () => this.say(IDLE),
      failed: (reason) => this.say(reason, "error"),
    }, signal);
    this.showText();
    this.say(IDLE);
    listen(model, ["text"], () => {
      // What is being typed is newer than what has been explained.
      if (!this.typing) this.showText();
    }, signal);
    guardField(this.fields, root.host, signal);
  }

  /** Whether a request waits: what Python sends meanwhile is older. */
  get typing(): boolean {
    return this.requests.waiting !== null;
  }

  get busy(): boolean {
    return this.requests.latest !== null;
  }

  get failed(): boolean {
    return this.note.dataset["kind"] === "error";
  }

  /** The latest request, else what is shown. */
  get latest(): ExplainRequest {
    const { model } = this.frame;
    return this.requests.latest ?? { text: model.get("text"), target: model.get("target"), method: model.get("method") };
  }

  /** Requests what has changed, after a while where it may change again; `shows` writes the text into the fields too. */
  request(change: Partial<ExplainRequest>, rest = 0, shows = false): void {
    if (shows && change.text !== undefined) this.showText(change.text);
    const text = this.live ? { text: this.typedText } : {};
    this.requests.submit({ ...this.latest, ...text, ...change }, rest);
  }

  /** Shows a result that is here already, or requests it from Python. */
  private async explain(request: ExplainRequest): Promise<void> {
    const { frame } = this;
    const number = resultFor(request, { text: frame.model.get("text"), shown: frame.model.get("shown") });
    if (number < 0) await frame.request("explain", { ...request });
    else frame.set({ target: request.target, method: request.method, number });
  }

  say(text: string, kind: "error" | "busy" = "busy"): void {
    this.note.textContent = text;
    this.note.dataset["kind"] = kind;
  }

  private get typedText(): InputText {
    const texts = this.boxes.map((box) => box.value);
    return texts.length === 2 ? [texts[0]!, texts[1]!] : (texts[0] ?? "");
  }

  private showText(text = this.frame.model.get("text")): void {
    const texts = typeof text === "string" ? [text] : text;
    if (this.boxes.length !== texts.length) {
      this.boxes = texts.map((_, n) => this.textBox(texts.length === 1 ? "Text" : `Text ${n + 1} of the pair`));
      this.fields.replaceChildren(...this.boxes);
    }
    this.boxes.forEach((box, n) => {
      if (box.value !== texts[n]) box.value = texts[n]!;
    });
  }

  private textBox(name: string): HTMLTextAreaElement {
    return h("textarea", {
      rows: 1, spellcheck: false, dir: "auto", "aria-label": `${name}: explained again as you type`, oninput: () => {
        this.frame.set({ before: null }); // another text, and not a change of one token
        this.request({}, REST);
      },
    });
  }
}
