// Generated from widgets/src/head_pages/ by `npm run build`; do not edit. Sources: sha256 78f7fe1bdbe9f7fa6a7892cf155b105e20af831055d7be2f17c200a7c2b1406f

// src/audit/index.ts
function makeSortable(table2) {
  const heads2 = [...table2.tHead.rows[0].cells];
  heads2.forEach((head, column) => {
    const button2 = document.createElement("button");
    button2.type = "button";
    button2.append(...head.childNodes);
    head.append(button2);
    button2.addEventListener("click", () => {
      const descending = head.ariaSort !== "descending";
      for (const other of heads2) other.ariaSort = null;
      head.ariaSort = descending ? "descending" : "ascending";
      sortRows(table2.tBodies[0], column, descending);
    });
  });
}
function sortRows(body, column, descending) {
  const sign = descending ? -1 : 1;
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
  rows.sort((a, b) => sign * compareValues(a.value, b.value));
  body.append(...rows.map(({ row }) => row));
}
function valueOf(cell) {
  const written = cell.dataset["value"];
  return written === void 0 ? shownText(cell) : Number(written);
}
function shownText(cell) {
  return (cell.querySelector("summary") ?? cell).textContent.trim();
}
function compareValues(a, b) {
  if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a - b;
}
function makeFilter(form, table2) {
  const output = form.querySelector("output");
  const rows = [...table2.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
  const apply = () => {
    const typed = form.querySelector("input").value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of rows) {
      const fits = chosen.every(({ name, value }) => row.dataset[name] === value);
      row.hidden = !fits || !texts.get(row).includes(typed);
    }
    output.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
function startAudit(root = document) {
  for (const table2 of root.querySelectorAll("table.sortable")) makeSortable(table2);
  for (const form of root.querySelectorAll("form[data-table]"))
    makeFilter(form, root.getElementById(form.dataset["table"]));
}
startAudit();

// src/ui/dom.ts
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === void 0 || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && name !== "role" && name !== "list") element[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}
function range(count) {
  return [...Array(count).keys()];
}

// src/head_pages/content.ts
function nameOf({ layer, head }) {
  return `${layer}.${head}`;
}
function weightsOf(example) {
  return [...atob(example.weights)].map((byte) => (byte.charCodeAt(0) / 255) ** 2);
}

// src/drawing/number_format.ts
function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
function formatSigned(value) {
  const magnitude = formatNumber(Math.abs(value));
  return magnitude === "0" || magnitude === "–" ? magnitude : `${value > 0 ? "+" : "−"}${magnitude}`;
}
function formatPercent(share) {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)} %` : `${Math.round(100 * share)} %`;
}

// src/ui/controls.ts
function button(text, act) {
  return h("button", { type: "button", onclick: act }, text);
}
function options(entries) {
  return entries.map(([value, text]) => h("option", { value }, text));
}
function select(label, entries, act) {
  const list = h("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options(entries));
  return list;
}

// src/head_pages/svg.ts
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === void 0) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}
function ticks(low, high) {
  if (!(high > low)) return [low];
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((one) => one >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}

// src/head_pages/overview.ts
var WIDTH = 520;
var HEIGHT = 360;
var MARGIN = { left: 58, right: 14, top: 14, bottom: 44 };
var LEVELS = 10;
var STOPS = 11;
var Scatter = class {
  constructor(content, choose) {
    this.content = content;
    this.choose = choose;
    const names = content.columns.map(({ name }) => name);
    const first = (...wanted) => Math.max(0, names.indexOf(wanted.find((name) => names.includes(name)) ?? ""));
    this.x = first("distance", "entropy");
    this.y = first("loss_change", "divergence", "weight");
    const field = (label, value, set) => {
      const list = select(label, names.map((name, at) => [String(at), title(name)]), (chosen) => {
        set(Number(chosen));
        this.draw();
      });
      list.value = String(value);
      return h("label", {}, label, list);
    };
    this.element = h(
      "section",
      { className: "card" },
      h("h2", {}, "Every head"),
      h("div", { className: "fields" }, field("across", this.x, (x) => this.x = x), field("up", this.y, (y) => this.y = y), layerLegend(content)),
      this.picture,
      this.meaning
    );
    this.draw();
  }
  content;
  choose;
  element;
  x;
  y;
  chosen = -1;
  picture = h("div", { className: "scatter" });
  meaning = h("p", { className: "meaning" });
  select(number2) {
    this.chosen = number2;
    this.draw();
  }
  draw() {
    const { heads: heads2, columns } = this.content;
    const points = heads2.map((head, number2) => ({ head, number: number2, x: head.values[this.x] ?? null, y: head.values[this.y] ?? null })).filter((point) => point.x !== null && point.y !== null);
    const across = scale(points.map(({ x: x2 }) => x2), MARGIN.left, WIDTH - MARGIN.right);
    const up = scale(points.map(({ y: y2 }) => y2), HEIGHT - MARGIN.bottom, MARGIN.top);
    const layers = Math.max(...heads2.map(({ layer }) => layer)) + 1;
    const order = [...points].sort((a, b) => Number(a.number === this.chosen) - Number(b.number === this.chosen));
    const [x, y] = [columns[this.x], columns[this.y]];
    this.picture.replaceChildren(
      s(
        "svg",
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Heads by ${title(x.name)} and ${title(y.name)}` },
        ...across.ticks.map((value) => tick(across.at(value), HEIGHT - MARGIN.bottom + 16, "middle", value)),
        ...up.ticks.map((value) => tick(MARGIN.left - 6, up.at(value) + 4, "end", value)),
        s("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}` }),
        ...up.low < 0 && up.high > 0 ? [s("path", { class: "ideal", d: `M${MARGIN.left} ${up.at(0)}H${WIDTH - MARGIN.right}` })] : [],
        s("text", { class: "title", x: (MARGIN.left + WIDTH) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, title(x.name)),
        s("text", { class: "title", x: 14, y: HEIGHT / 2 - 15, "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2 - 15})` }, title(y.name)),
        ...order.map(({ head, number: number2, x: x2, y: y2 }) => this.point(head, number2, across.at(x2), up.at(y2), layers, [x2, y2]))
      )
    );
    this.meaning.textContent = `${title(x.name)}: ${x.meaning}. ${title(y.name)}: ${y.meaning}.`;
  }
  point(head, number2, cx, cy, layers, [x, y]) {
    const { columns } = this.content;
    const said = `head ${nameOf(head)}${head.pattern.pattern ? ` (${head.pattern.pattern})` : ""}: ${title(columns[this.x].name)} ${formatNumber(x)}, ${title(columns[this.y].name)} ${formatNumber(y)}`;
    const act = () => this.choose(number2);
    return s(
      "circle",
      {
        cx: cx.toFixed(1),
        cy: cy.toFixed(1),
        r: number2 === this.chosen ? 8 : 5.5,
        tabindex: 0,
        role: "button",
        "aria-label": said,
        class: number2 === this.chosen ? "chosen" : "",
        fill: layerColour(head.layer, layers),
        onclick: act,
        onkeydown: ((event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            act();
          }
        })
      },
      s("title", {}, said)
    );
  }
};
var PATTERN = -1;
var Grid = class {
  constructor(content, choose) {
    this.content = content;
    this.choose = choose;
    const names = content.columns.map(({ name }, at) => [String(at), title(name)]);
    const list = select("colour", [[String(PATTERN), "pattern"], ...names], (value) => {
      this.column = Number(value);
      this.draw();
    });
    list.value = String(this.column);
    this.element = h(
      "section",
      { className: "card" },
      h("h2", {}, "Layer by head"),
      h("div", { className: "fields" }, h("label", {}, "colour", list)),
      h("div", { className: "across" }, this.table),
      this.meaning
    );
    this.draw();
  }
  content;
  choose;
  element;
  column = PATTERN;
  chosen = -1;
  table = h("table", { className: "heads" });
  meaning = h("p", { className: "meaning" });
  select(number2) {
    this.chosen = number2;
    this.draw();
  }
  draw() {
    const { heads: heads2 } = this.content;
    const values = heads2.map((head) => this.column === PATTERN ? head.pattern.score : head.values[this.column] ?? null);
    const known = values.filter((value) => value !== null);
    const signed = known.some((value) => value < 0);
    const [low, high] = this.column === PATTERN ? [0, 1] : [signed ? 0 : Math.min(...known), Math.max(...known.map(Math.abs))];
    const width = Math.max(...heads2.map(({ head }) => head)) + 1;
    const rows = /* @__PURE__ */ new Map();
    heads2.forEach((head, number2) => {
      const value = values[number2] ?? null;
      const share = value === null || high === low ? 0 : (Math.abs(value) - low) / (high - low);
      rows.set(head.layer, [...rows.get(head.layer) ?? [], h("td", {}, this.cell(head, number2, value, Math.round(share * LEVELS)))]);
    });
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "layer"), ...range(width).map((n) => h("th", { scope: "col" }, String(n))))),
      h("tbody", {}, ...[...rows].map(([layer, cells]) => h("tr", {}, h("th", { scope: "row" }, String(layer)), ...cells)))
    );
    this.meaning.textContent = this.explained(known, signed);
  }
  cell(head, number2, value, level) {
    const isPattern = this.column === PATTERN;
    const name = isPattern ? head.pattern.pattern || "no pattern" : title(this.content.columns[this.column].name);
    const said = `head ${nameOf(head)}: ${name} ${value === null ? "" : formatNumber(value)}`;
    const text = value === null ? "" : isPattern ? SHORT[head.pattern.pattern] ?? head.pattern.pattern : short(value);
    return h("button", {
      type: "button",
      title: said,
      "aria-label": said,
      "aria-pressed": String(number2 === this.chosen),
      onclick: () => this.choose(number2),
      className: level ? `${value < 0 ? "against" : "for"}-${level}` : ""
    }, text);
  }
  explained(known, signed) {
    if (this.column === PATTERN)
      return "The pattern that a head follows more than heads of the same model with random parameters; the stronger the colour, the more of its attention.";
    const { name, meaning } = this.content.columns[this.column];
    const colours = signed ? " Red is below zero, blue above." : "";
    return `${title(name)}: ${meaning}; from ${formatNumber(Math.min(...known))} to ${formatNumber(Math.max(...known))}.${colours}`;
  }
};
var SHORT = { previous: "prev", separator: "sep", punctuation: "punc", duplicate: "dup", induction: "ind" };
function title(name) {
  return name.replaceAll("_", " ");
}
function short(value) {
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2);
  return text.replace(/^(-?)0\./, "$1.");
}
function layerColour(layer, layers) {
  return `var(--layer-${layers < 2 ? 0 : Math.round(layer / (layers - 1) * (STOPS - 1))})`;
}
function layerLegend(content) {
  const last = Math.max(...content.heads.map(({ layer }) => layer));
  const steps = range(STOPS).map((n) => s("rect", { x: n * 10, width: 10, height: 10, fill: `var(--layer-${n})` }));
  return h("label", {}, "layer 0", s("svg", { class: "legend", viewBox: `0 0 ${STOPS * 10} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...steps), `${last}`);
}
function scale(values, from, to) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const space = (high - low) * 0.05;
  const at = (value) => from + (value - (low - space)) / (high - low + 2 * space) * (to - from);
  return { low, high, at, ticks: ticks(low, high) };
}
function tick(x, y, anchor, value) {
  return s("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }, String(value));
}

// src/drawing/token_label.ts
var SIGNS = { " ": "␣", "\n": "↵", "	": "⇥", "\r": "␍", " ": "⍽" };
var LONGEST = 40;
var UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
var JOINER = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})/gu;
function tokenLabel(text, longest = LONGEST) {
  const start = text.slice(0, longest * 2);
  const seen = start.trim() === "" ? start.replace(/[ \u00a0]/g, (c) => SIGNS[c]) : start;
  const joined = new Set([...seen.matchAll(JOINER)].map(({ index }) => index));
  const sign = (c) => SIGNS[c] ?? (c < " " ? String.fromCharCode(9216 + c.charCodeAt(0)) : `‹${c.charCodeAt(0).toString(16)}›`);
  const clear = seen.replace(UNSEEN, (c, at) => joined.has(at) ? c : sign(c));
  const letters = [...clear];
  const cut = letters.length > longest || start.length < text.length;
  return cut ? `${letters.slice(0, longest - 1).join("")}…` : clear || "∅";
}

// ../attnlens/palette.json
var light = {
  text: "#1d2430",
  muted: "#68707d",
  line: "#d5d9df",
  background: "#ffffff",
  surface: "#f4f6f8",
  page: "#f4f6f8",
  accent: "#1c5c9f",
  warning: "#9a3412",
  selection: "#c2410c",
  for: "#1c5c9f",
  against: "#a51429",
  unsigned: "#4a2384",
  query: "#4de1ff",
  key: "#ffffff",
  halo: "#000000",
  grid: "#ffffff",
  neutral: "#808080",
  mat: "#8a8a8a"
};
var dark = {
  text: "#e6e9ee",
  muted: "#98a1ae",
  line: "#333a45",
  background: "#15181e",
  surface: "#1f242c",
  page: "#0d0f13",
  accent: "#7ab8f0",
  warning: "#fdba74",
  selection: "#fdba74",
  for: "#9ad0f5",
  against: "#ff9b8a",
  unsigned: "#dcd5f5",
  query: "#4de1ff",
  key: "#ffffff",
  halo: "#000000",
  grid: "#ffffff",
  neutral: "#808080",
  mat: "#8a8a8a"
};

// src/drawing/palette.ts
function rolesOf(isDark) {
  return isDark ? dark : light;
}

// src/head_pages/examples.ts
var LEVELS2 = 10;
var SIDE = 180;
var INK = rolesOf(false);
function exampleRow(example, input, by) {
  const place = example.decile === "top" ? "largest" : `decile ${example.decile}`;
  const classes2 = [input.prediction && `predicted ${input.prediction}`, input.label && `true class ${input.label}`].filter(Boolean);
  return h(
    "div",
    { className: "example" },
    h("div", { className: "place" }, h("b", { title: by }, formatNumber(example.score)), place),
    h("div", {}, input.tokens ? new TokenRow(example, example.keys ?? input.tokens).element : patches(example, input), h("div", { className: "said" }, [example.from && `attention of ${tokenLabel(example.from)}`, `key ${input.key}`, ...classes2].filter(Boolean).join(" · ")))
  );
}
var TokenRow = class {
  constructor(example, tokens) {
    this.example = example;
    this.weights = weightsOf(example);
    this.tokens = tokens.map(
      ([text, kind], at) => h("button", {
        type: "button",
        className: `token${["", " special", " piece"][kind]}`,
        disabled: !example.whole && at !== example.query,
        onclick: () => this.draw(at)
      }, tokenLabel(text))
    );
    this.element.append(...this.tokens);
    this.draw(example.query);
  }
  example;
  element = h("div", { className: "tokens" });
  weights;
  tokens;
  draw(query) {
    const count = this.tokens.length;
    const row = this.example.whole ? this.weights.slice(query * count, (query + 1) * count) : this.weights;
    this.tokens.forEach((token, at) => {
      const weight = row[at] ?? 0;
      for (const name of [...token.classList]) if (name.startsWith("for-")) token.classList.remove(name);
      const level = Math.round(weight * LEVELS2);
      if (level) token.classList.add(`for-${level}`);
      token.setAttribute("aria-pressed", String(at === query));
      token.title = `${at === query ? "attends; " : ""}weight ${formatNumber(weight)}`;
    });
  }
};
function patches(example, { picture, rows = 1, cols = 1, leading = 0 }) {
  const all = weightsOf(example);
  const count = leading + rows * cols;
  const row = example.whole ? all.slice(example.query * count, (example.query + 1) * count) : all;
  const seen = row.slice(leading);
  const most = Math.max(...seen, 1e-9);
  const [width, height] = [SIDE / cols, SIDE / cols];
  const cells = range(seen.length && rows * cols).map(
    (n) => s("rect", {
      x: n % cols * width,
      y: Math.floor(n / cols) * height,
      width,
      height,
      fill: INK.halo,
      opacity: (0.6 * (1 - Math.sqrt((seen[n] ?? 0) / most))).toFixed(3)
    }, s("title", {}, `weight ${formatNumber(seen[n] ?? 0)}`))
  );
  const at = example.query - leading;
  const marked = at < 0 || !seen.length ? [] : [s("rect", { x: at % cols * width, y: Math.floor(at / cols) * height, width, height, fill: "none", stroke: INK.query, "stroke-width": 3 })];
  const from = at < 0 ? "the class token" : "the outlined patch";
  const said = seen.length ? `Attention of ${from}: bright patches receive most, up to ${formatNumber(most)}` : "The picture; this layer cuts it otherwise";
  return s(
    "svg",
    { class: "patches", viewBox: `0 0 ${SIDE} ${height * rows}`, role: "img", "aria-label": said },
    s("image", { href: picture ?? "", width: SIDE, height: height * rows, preserveAspectRatio: "none", class: "coarse" }),
    ...cells,
    ...marked
  );
}

// src/head_pages/panel.ts
var LEVELS3 = 10;
function headPanel(content, head, step) {
  return h(
    "section",
    { className: "head part", "aria-label": `Head ${nameOf(head)}` },
    h(
      "header",
      {},
      h("h2", {}, `Layer ${head.layer}, head ${head.head}`),
      h("nav", { "aria-label": "other heads" }, plain(button("previous head", () => step(-1))), plain(button("next head", () => step(1))))
    ),
    h("p", { className: "lead" }, ...lead(content, head)),
    h(
      "div",
      { className: "inside" },
      examples(content, head),
      pairs(head),
      offsets(head.offsets),
      classes(head),
      effects(head),
      neighbours(head),
      statistics(head)
    )
  );
}
function plain(made) {
  made.className = "plain-button";
  return made;
}
function card(name, said, ...content) {
  return h("section", { className: "card" }, h("h3", {}, name), h("p", { className: "about" }, said), ...content);
}
function lead(content, { pattern }) {
  if (!pattern.pattern) return ["Follows none of the named patterns more than heads of the same model with random parameters do."];
  const much = (pattern.score ?? 0) > 0.5 ? "Mostly" : "Partly";
  const also = pattern.also ? ` Also: ${pattern.also}.` : "";
  return [
    h("strong", {}, `${much} ${pattern.pattern}`),
    `: ${content.patterns[pattern.pattern]}. It takes ${percent(pattern.score)} of its attention (`,
    `${percent(pattern.low)} to ${percent(pattern.high)}; with random parameters up to ${percent(pattern.limit)}).${also}`
  ];
}
function percent(share) {
  return share === null ? "–" : share < 0.1 ? `${(100 * share).toFixed(1)} %` : formatPercent(share);
}
function examples(content, head) {
  if (!head.examples.length) return null;
  const text = content.inputs[head.examples[0].input].tokens !== void 0;
  const said = text ? "Tinted is what the framed token attends to; press another token for its attention." : "Bright is what the outlined patch, or the class token, attends to.";
  const rows = head.examples.map((example) => exampleRow(example, content.inputs[example.input], content.by));
  const made = card(
    `Inputs by ${title(content.by)}`,
    `${said} First the inputs with the largest ${title(content.by)}, then one of each tenth of all inputs.`,
    h("div", { className: text ? "" : "tiles" }, ...rows)
  );
  made.classList.add("examples");
  return made;
}
function pairs({ pairs: pairs2 }) {
  if (!pairs2.length) return null;
  const rows = pairs2.map(
    ([query, key, count, chance, p]) => h(
      "tr",
      { className: p <= 0.05 ? "marked" : "" },
      h("td", { className: "pair" }, `${tokenLabel(query)} → ${tokenLabel(key)}`),
      h("td", {}, String(count)),
      h("td", {}, chance.toFixed(1)),
      h("td", {}, chance > 0 ? `${formatNumber(count / chance)}×` : "")
    )
  );
  return card(
    "Tokens that it connects",
    "How often a token attends most to another one, beside chance. Not to the first key or special tokens.",
    table(["from → to", "times", "by chance", ""], rows)
  );
}
function table(names, rows) {
  return h("table", {}, h("thead", {}, h("tr", {}, ...names.map((name) => name ? h("th", { scope: "col" }, name) : h("td")))), h("tbody", {}, ...rows));
}
function offsets(found) {
  if (!found) return null;
  return found.reach === void 0 ? displacement(found) : bars(found, found.reach);
}
function bars({ weight, chance }, reach) {
  const most = Math.max(...weight.map((value) => value ?? 0), ...chance.map((value) => value ?? 0), 1e-9);
  const [step, height] = [18, 110];
  const names = ["…", ...range(2 * reach + 1).map((n) => n === reach ? "0" : formatSigned(n - reach)), "…"];
  const marks = weight.flatMap((value, n) => {
    const tall = (value ?? 0) / most * height;
    const level = height - (chance[n] ?? 0) / most * height;
    const where = n === 0 ? "farther back" : n === weight.length - 1 ? "farther ahead" : `offset ${names[n]}`;
    return [
      s("rect", { x: n * step + 2, y: height - tall, width: step - 4, height: tall }, s("title", {}, `${where}: ${percent(value)}, by chance ${percent(chance[n] ?? null)}`)),
      s("path", { class: "chance", d: `M${n * step + 1} ${level.toFixed(1)}h${step - 2}` }),
      ...n % 2 ? [] : [s("text", { x: n * step + step / 2, y: height + 15, "text-anchor": "middle" }, names[n])]
    ];
  });
  return card(
    "Where its keys are",
    `Mean weight by offset of the key from the query, in tokens; lines: equal weights. The highest bar is ${percent(most)}.`,
    s("svg", { class: "bars", viewBox: `0 0 ${names.length * step} ${height + 20}`, role: "img", "aria-label": "Mean weight by offset" }, ...marks)
  );
}
function displacement({ weight, rows = 1, cols = 1 }) {
  const most = Math.max(...weight.map((value) => value ?? 0), 1e-9);
  const [down, across] = [2 * rows - 1, 2 * cols - 1];
  const cells = weight.map((value, n) => s(
    "rect",
    { x: n % across, y: Math.floor(n / across), width: 1.02, height: 1.02, fill: "var(--accent)", opacity: Math.sqrt((value ?? 0) / most).toFixed(3) },
    s("title", {}, `${Math.floor(n / across) - rows + 1} down, ${n % across - cols + 1} right: ${percent(value)}`)
  ));
  return card(
    "Where its keys are",
    `Mean weight by displacement in patches; the query is the outlined middle. The strongest is ${percent(most)}.`,
    s(
      "svg",
      { viewBox: `0 0 ${across} ${down}`, role: "img", "aria-label": "Mean weight by displacement" },
      ...cells,
      s("rect", { x: cols - 1, y: rows - 1, width: 1, height: 1, fill: "none", stroke: "var(--ink)", "stroke-width": 0.15 })
    )
  );
}
function classes({ classes: classes2 }) {
  if (!classes2.length) return null;
  const from = [...new Set(classes2.map(([query]) => query))];
  const to = [...new Set(classes2.map(([, key]) => key))];
  const weight = new Map(classes2.map(([query, key, value, chance]) => [`${query} ${key}`, [value, chance]]));
  const rows = from.map((query) => h("tr", {}, h("th", { scope: "row" }, query), ...to.map((key) => {
    const [value, chance] = weight.get(`${query} ${key}`) ?? [0, 0];
    const level = Math.round(value * LEVELS3);
    return h("td", { className: level ? `for-${level}` : "", title: `from ${query} to ${key}: ${percent(value)}, by chance ${percent(chance)}` }, percent(value));
  })));
  const made = table(["from ↓ to →", ...to], rows);
  made.className = "classes-of";
  return card("What it attends to", "Mean weight from classes of tokens to classes of tokens.", h("div", { className: "across", tabIndex: 0, role: "group", "aria-label": "weights of classes" }, made));
}
function effects({ off }) {
  if (!off) return null;
  const rows = [
    ["accuracy", (effect) => interval(effect.accuracy_change, effect.accuracy_change_low, effect.accuracy_change_high, 100, " points")],
    ["loss", (effect) => interval(effect.loss_change, effect.loss_change_low, effect.loss_change_high)],
    ["predictions that change", ({ flips }) => [percent(flips)]],
    ["divergence", ({ divergence }) => [formatNumber(divergence)]]
  ];
  const { pair } = off;
  const names = ["without", "the head", ...pair ? [`and ${pair.layer_b}.${pair.head_b}`] : []];
  const shown = rows.filter(([, said]) => said(off).length);
  const cell = (effect, said) => {
    const [value, ends] = said(effect);
    return h("td", {}, value, ends && h("small", {}, ends));
  };
  return card(
    "Without it",
    `Changes on ${off.inputs.toLocaleString("en")} inputs, with 95 % intervals${pair ? "; also without its nearest head, which may stand in for it" : ""}.`,
    table(names, shown.map(([name, said]) => h("tr", {}, h("td", {}, name), cell(off, said), pair && cell(pair, said))))
  );
}
function interval(value, low, high, times = 1, unit = "") {
  if (value === void 0 || value === null) return [];
  const ends = low === null || low === void 0 ? [] : [`${formatSigned(low * times)} to ${formatSigned((high ?? 0) * times)}`];
  return [`${formatSigned(value * times)}${unit}`, ...ends];
}
function neighbours({ near }) {
  if (!near.length) return null;
  return card(
    "Heads that attend alike",
    "The nearest heads: Hellinger distance of their attention, from 0 (equal) to 1.",
    table(["head", "distance"], near.map(([layer, head, distance]) => h("tr", {}, h("td", {}, h("a", { href: `#head=${layer}.${head}` }, `${layer}.${head}`)), h("td", {}, formatNumber(distance)))))
  );
}
function statistics({ stats }) {
  return card(
    "Statistics",
    "Means over the inputs with 95 % intervals, and the middle half of the inputs.",
    table(["", "mean", "interval", "25 to 75 %"], stats.map(([name, mean, low, high, , q25, , q75]) => h("tr", {}, h("td", {}, title(name)), h("td", {}, number(mean)), h("td", {}, `${number(low)} to ${number(high)}`), h("td", {}, `${number(q25)} to ${number(q75)}`))))
  );
}
function number(value) {
  return value === null || value === void 0 ? "–" : formatNumber(value);
}

// src/head_pages/page.ts
function startHeadPages(root = document) {
  const content = JSON.parse(root.getElementById("heads").textContent);
  const room = root.getElementById("head");
  const go = (number2) => {
    location.hash = `head=${nameOf(content.heads[(number2 + content.heads.length) % content.heads.length])}`;
  };
  const choose = (number2) => {
    go(number2);
    room.scrollIntoView({ block: "start" });
  };
  const overview = [new Scatter(content, choose), new Grid(content, choose)];
  root.getElementById("overview").replaceChildren(h("div", { className: "overview part" }, ...overview.map(({ element }) => element)));
  const open = () => {
    const named = /head=(\d+\.\d+)/.exec(location.hash)?.[1];
    const number2 = Math.max(0, named === void 0 ? telling(content) : content.heads.findIndex((head) => nameOf(head) === named));
    room.replaceChildren(headPanel(content, content.heads[number2], (by) => go(number2 + by)));
    for (const part of overview) part.select(number2);
  };
  window.addEventListener("hashchange", open);
  open();
}
function telling({ heads: heads2 }) {
  const most = (value) => {
    const all = heads2.map(value);
    return all.indexOf(Math.max(...all));
  };
  return heads2[0]?.off ? most(({ off }) => off.divergence) : most(({ pattern }) => pattern.score ?? 0);
}

// src/head_pages/index.ts
startHeadPages();
