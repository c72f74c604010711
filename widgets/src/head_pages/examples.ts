// Inputs that show what a head does: a text whose tokens are tinted by the attention of one of them, or a picture.

import { formatNumber } from "../drawing/number_format";
import { rolesOf } from "../drawing/palette";
import { statisticTitle } from "../drawing/titles";
import { tokenLabel } from "../drawing/token_label";
import { openable } from "../page/large_picture";
import { h, range, s } from "../ui/dom";
import { LEVELS, weightsOf, type Example, type Input } from "./content";

const SIDE = 180;

/** Over a picture the inks are the same in light and dark. */
const INK = rolesOf(false);

/** An example with its place among all inputs. */
export function exampleRow(example: Example, input: Input, by: string): HTMLElement {
  const place = example.decile === "top" ? "largest" : `decile ${example.decile}`;
  const classes = [input.prediction && `predicted ${input.prediction}`, input.label && `true class ${input.label}`].filter(Boolean);
  const said = [example.from && `attention of ${tokenLabel(example.from)}`, `input ${input.key}`, ...classes].filter(Boolean).join(" · ");
  return h(
    "div", { className: "example" },
    h("div", { className: "place" }, h("b", { title: statisticTitle(by) }, formatNumber(example.score)), place),
    h("div", {}, input.tokens ? new TokenRow(example, example.keys ?? input.tokens).element : patches(example, input, said), h("div", { className: "small" }, said)),
  );
}

/** The tokens of a text, tinted by the attention of one, which a press on another changes where its weights are there. */
class TokenRow {
  readonly element = h("div", { className: "tokens" });
  private readonly weights: number[];
  private readonly tokens: HTMLButtonElement[];

  constructor(
    private readonly example: Example,
    tokens: [text: string, kind: number][],
  ) {
    this.weights = weightsOf(example);
    this.tokens = tokens.map(([text, kind], at) =>
      h("button", {
        type: "button", className: `token${["", " special", " piece"][kind]}`, disabled: !example.whole && at !== example.query,
        onclick: () => this.draw(at),
      }, tokenLabel(text)),
    );
    this.element.append(...this.tokens);
    this.draw(example.query);
  }

  private draw(query: number): void {
    const count = this.tokens.length;
    const row = this.example.whole ? this.weights.slice(query * count, (query + 1) * count) : this.weights;
    this.tokens.forEach((token, at) => {
      const weight = row[at] ?? 0;
      for (const name of [...token.classList]) if (name.startsWith("for-")) token.classList.remove(name);
      const level = Math.round(weight * LEVELS);
      if (level) token.classList.add(`for-${level}`);
      token.setAttribute("aria-pressed", String(at === query));
      token.title = `${at === query ? "attends; " : ""}weight ${formatNumber(weight)}`;
    });
  }
}

/** A picture with the attention of one query over its patches, as the strength of a dark veil that is lifted. */
function patches(example: Example, { picture, rows = 1, cols = 1, leading = 0 }: Input, named: string): HTMLElement {
  const all = weightsOf(example);
  const count = leading + rows * cols;
  const row = example.whole ? all.slice(example.query * count, (example.query + 1) * count) : all;
  const seen = row.slice(leading);
  const most = Math.max(...seen, 1e-9);
  const [width, height] = [SIDE / cols, SIDE / cols];
  const cells = range(seen.length && rows * cols).map((n) =>
    s("rect", {
      x: (n % cols) * width, y: Math.floor(n / cols) * height, width, height, fill: INK.halo,
      opacity: (0.6 * (1 - Math.sqrt((seen[n] ?? 0) / most))).toFixed(3),
    }, s("title", {}, `weight ${formatNumber(seen[n] ?? 0)}`)),
  );
  const at = example.query - leading;
  const marked = at < 0 || !seen.length ? [] : [s("rect", { x: (at % cols) * width, y: Math.floor(at / cols) * height, width, height, fill: "none", stroke: INK.query, "stroke-width": 3 })];
  const from = at < 0 ? "the class token" : "the outlined patch";
  const said = seen.length ? `Attention of ${from}: bright patches receive most, up to ${formatNumber(most)}` : "The picture; this layer cuts it otherwise";
  const drawn = s(
    "svg", { class: "picture patches", viewBox: `0 0 ${SIDE} ${height * rows}`, role: "img", "aria-label": said },
    s("image", { href: picture ?? "", width: SIDE, height: height * rows, preserveAspectRatio: "none", class: "coarse" }), ...cells, ...marked,
  );
  return openable(drawn, `${named}. ${said}.`);
}
