// Generated from widgets/src/report/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

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

// src/page/fragment.ts
var RESTING = 200;
function valuesOf(fragment) {
  const pairs = fragment.replace(/^#/, "").split("&").filter((part) => part.includes("="));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), decoded(pair.slice(pair.indexOf("=") + 1))]));
}
function fragmentOf(values) {
  const set = Object.entries(values).filter(([, value]) => value !== "");
  return set.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
}
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
function replaceFragment(fragment) {
  try {
    history.replaceState(history.state, "", `#${fragment}`);
  } catch {
  }
}
function resting(act) {
  let waiting;
  return () => {
    clearTimeout(waiting);
    waiting = setTimeout(act, RESTING);
  };
}

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

// src/report/address.ts
var ADDED = "data-added";
var SAID = 2e3;
var Address = class {
  constructor(sections, models, root) {
    this.sections = sections;
    this.models = models;
    this.root = root;
    this.ids = Object.keys(sections);
    this.open(location.hash.slice(1));
    addEventListener("hashchange", () => this.open(location.hash.slice(1)));
    for (const id of this.ids) {
      const writeSoon = resting(() => replaceFragment(this.fragment(id)));
      for (const [view, trait] of Object.values(sections[id]))
        models[view].on(`change:${trait}`, writeSoon);
      this.lineOf(id)?.append(h("span", { [ADDED]: "" }, " · ", this.copyButton(id)));
    }
  }
  sections;
  models;
  root;
  /** Of the sections. */
  ids;
  /** The line of facts about a section. */
  lineOf(id) {
    return this.root.querySelector(`#${id} > .about`);
  }
  /** What is selected in a section, in words. */
  words(id) {
    const values = Object.entries(this.sections[id]).map(([name, [view, trait]]) => [name, this.models[view], this.models[view].get(trait)]);
    const set = values.filter(([, , value]) => value !== null && String(value) !== "");
    const layer = Number(values.find(([name]) => name === "layer")?.[2] ?? 0);
    const names = set.map(([name, model, value]) => `${name} ${tokenName(model, name, layer, value) ?? [value].flat().join(" and ")}`);
    return [...this.ids.length > 1 ? [`input ${this.ids.indexOf(id) + 1}`] : [], ...names].join(", ");
  }
  /** The fragment that opens a section with what is selected there. */
  fragment(id) {
    const values = Object.entries(this.sections[id]).map(([name, [view, trait]]) => [name, this.models[view].get(trait)]);
    const set = fragmentOf(Object.fromEntries(values.map(([name, value]) => [name, String(value ?? "")])));
    return [...this.ids.length > 1 ? [id] : [], ...set ? [set] : []].join("&");
  }
  /** Selects what a fragment names, as far as it is there. */
  open(fragment) {
    const parts = fragment.split("&");
    const id = parts.find((part) => this.ids.includes(part)) ?? this.ids[0];
    const values = valuesOf(fragment);
    if (id === void 0 || values.size === 0) return;
    this.select(id, values);
    if (parts.includes(id)) this.root.getElementById(id)?.scrollIntoView();
  }
  /** Selects values by name in a section; a name that is missing among them is selected no longer, if it can be. */
  select(id, values) {
    const section = this.sections[id];
    const place = section["layer"] ? Number(values.get("layer") ?? this.models[section["layer"][0]].get(section["layer"][1])) : 0;
    for (const [name, [view, trait]] of Object.entries(section)) {
      const numbers = (values.get(name) ?? "").split(",").filter((text) => /^\d+$/.test(text)).map(Number);
      const count = countOf(this.models[view], name, place);
      const there = numbers.filter((number) => number < count);
      const isList = Array.isArray(this.models[view].get(trait));
      if (there.length) this.models[view].set(trait, isList ? [...new Set(there)].sort((a, b) => a - b) : there[0]);
      else if (name === "query" || name === "key") this.models[view].set(trait, null);
    }
  }
  copyButton(id) {
    const button = plain("copy link", "Copy the address of this page with what is selected", async () => {
      replaceFragment(this.fragment(id));
      const address = `${location.href.split("#")[0]}#${this.fragment(id)}`;
      const copied = await navigator.clipboard.writeText(address).then(() => true, () => false);
      button.textContent = copied ? "copied" : "not allowed: copy it from the address bar";
      setTimeout(() => button.textContent = "copy link", SAID);
    });
    return button;
  }
};
function plain(text, title, onclick) {
  return h("button", { type: "button", className: "plain", title, onclick }, text);
}
function tokenName(model, name, layer, position) {
  const trace = model.get("trace");
  if (name !== "query" && name !== "key") return null;
  const side = trace?.layers[layer]?.[name];
  const text = side === "input" || side === "output" ? trace.tokens[side].text[position] : void 0;
  return text === void 0 ? null : `“${tokenLabel(text)}”`;
}
function countOf(model, name, layer) {
  const layers = model.get("trace")?.layers;
  const sizes = model.get("sizes");
  if (name === "layer") return (layers ?? sizes)?.length ?? 0;
  if (name === "head") return layers?.[layer]?.heads ?? sizes?.[layer]?.[0] ?? 0;
  return layers ? Math.max(...layers.map((one) => name === "query" ? one.queries : one.keys)) : Infinity;
}

// src/report/packed_bytes.ts
var DAMAGED = "This report is damaged: part of it was changed or cut off. Create or fetch it again.";
var RAISED = 192;
function unpackText(text) {
  const out = new Uint8Array(text.length / 8 * 7);
  const digit = (at) => {
    const code = text.charCodeAt(at);
    return code < 128 ? code : code - RAISED;
  };
  let to = 0;
  for (let at = 0; at < text.length; at += 8) {
    let left = digit(at);
    for (let n = 1; n < 8; n++) {
      const next = digit(at + n);
      out[to++] = left << n | next >> 7 - n;
      left = next;
    }
  }
  return out;
}
function interleaveBytes(planes) {
  const out = new Uint8Array(planes.length);
  const half = Math.ceil(planes.length / 2);
  for (let i = 0; i < half; i++) out[2 * i] = planes[i];
  for (let i = half, to = 1; i < planes.length; i++, to += 2) out[to] = planes[i];
  return out;
}
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function bytesOfElement(element) {
  const text = element.textContent ?? "";
  const { deflated, bytes } = element.dataset;
  const count = Number(bytes);
  if (text.length % 8 !== 0) throw new Error(DAMAGED);
  const packed = unpackText(text);
  const planes = deflated ? await inflate(packed.subarray(0, Number(deflated))).catch(() => {
    throw new Error(DAMAGED);
  }) : packed.subarray(0, count);
  if (planes.length !== count) throw new Error(DAMAGED);
  return new DataView(interleaveBytes(planes).buffer);
}

// src/report/notes.ts
var Notes = class {
  constructor(address, root) {
    this.address = address;
    this.root = root;
    this.notes = JSON.parse(this.store(root)?.textContent ?? "[]");
    this.element = h(
      "section",
      { className: "part notes", [ADDED]: "" },
      h("h2", {}, "Notes"),
      this.list,
      h("p", {}, plain("save page", "Save this page with its notes as a file", () => this.save()), " ", this.saved)
    );
    root.querySelector("main > footer")?.before(this.element);
    for (const id of address.ids)
      address.lineOf(id)?.append(h("span", { [ADDED]: "" }, " · ", plain("add note", "Note something about what is selected", () => this.add(id))));
    this.draw();
  }
  address;
  root;
  notes;
  list = h("ul");
  saved = h("span", { className: "about", role: "status" });
  element;
  store(root) {
    return root.querySelector("script#notes");
  }
  add(id) {
    this.notes.push({ state: this.address.fragment(id), about: this.address.words(id), text: "" });
    this.changed();
    this.draw();
    this.list.querySelector("li:last-child [role=textbox]")?.focus();
  }
  changed() {
    this.saved.textContent = "Not saved yet: notes are lost when the page is closed.";
  }
  draw() {
    this.element.hidden = this.notes.length === 0 && this.saved.textContent === "";
    this.list.replaceChildren(...this.notes.map((note) => this.item(note)));
  }
  item(note) {
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
  source() {
    const copy = this.root.documentElement.cloneNode(true);
    for (const added of copy.querySelectorAll(`[${ADDED}]`)) added.remove();
    for (const view of copy.querySelectorAll("[data-view]")) {
      view.removeAttribute("style");
      view.removeAttribute("class");
    }
    this.store(copy).textContent = JSON.stringify(this.notes).replaceAll("<", "\\u003c");
    return `<!DOCTYPE html>
${copy.outerHTML}
`;
  }
  save() {
    const url = URL.createObjectURL(new Blob([this.source()], { type: "text/html" }));
    h("a", { href: url, download: decodeURIComponent(location.pathname.split("/").pop() || "report.html") }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1e4);
    this.saved.textContent = "Saved.";
  }
};

// src/protocol/float16.ts
var table;
function decode(bits) {
  const sign = bits & 32768 ? -1 : 1;
  const exponent = bits >> 10 & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}
function halfValues() {
  return table ??= Float32Array.from({ length: 65536 }, (_, bits) => decode(bits));
}
function decodeHalves(halves) {
  const values = halfValues();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = values[halves[i]];
  return out;
}
function halvesAt(bytes, start, count) {
  const offset = bytes.byteOffset + start;
  if (offset % 2 === 0) return new Uint16Array(bytes.buffer, offset, count);
  return new Uint16Array(bytes.buffer.slice(offset, offset + 2 * count));
}
function readHalves(bytes, start, count) {
  return decodeHalves(halvesAt(bytes, start, count));
}
function readSingles(bytes, skip, count) {
  return Float32Array.from({ length: count }, (_, n) => bytes.getFloat32(4 * (skip + n), true));
}

// src/protocol/layer.ts
var MOST_HEADS = 16;
var Layer = class {
  header;
  bytes;
  parts = /* @__PURE__ */ new Map();
  heads = /* @__PURE__ */ new Map();
  constructor(header, bytes) {
    this.header = header;
    this.bytes = bytes;
    let start = 0;
    for (const part of header.parts) {
      this.parts.set(part[0], { start, shape: part[2] });
      start += partSize(part);
    }
    if (start !== bytes.byteLength)
      throw new Error(`layer ${header.name}: ${bytes.byteLength} bytes arrived, ${start} were announced`);
  }
  /** Whether query and key vectors are here, not only the weights. */
  get factors() {
    return this.parts.has("query");
  }
  /** One head's weights, row by row: [query * key]. Cached, so do not write into it. */
  head(head) {
    let weights = this.heads.get(head);
    if (weights === void 0) {
      weights = this.compute(head);
      if (this.heads.size >= MOST_HEADS) this.heads.delete(this.heads.keys().next().value);
      this.heads.set(head, weights);
    }
    return weights;
  }
  /** The weights of one query in one head, [key], without computing the rest of the head. */
  row(head, query) {
    const { keys } = this.header;
    const whole = this.heads.get(head) ?? (this.parts.has("windows") ? this.head(head) : void 0);
    if (whole) return whole.subarray(query * keys, (query + 1) * keys);
    if (this.parts.has("weights")) return this.halves("weights", (head * this.header.queries + query) * keys, keys);
    return this.softmax(this.scores(head, query, query + 1), head);
  }
  /** The vectors behind one score, and the weight that came of it. */
  product(head, query, key) {
    const vector = (side, position) => {
      const { values, size } = this.vectors(side, head);
      return values.slice(position * size, (position + 1) * size);
    };
    const { scale = 1 } = this.header;
    return { q: vector("query", query), k: vector("key", key), scale, weight: this.row(head, query)[key] };
  }
  /** A head's query or key vectors, [token * d_head]; grouped queries share their keys. */
  vectors(side, head) {
    const { shape } = this.parts.get(side);
    const [count, tokens, size] = shape;
    const index = Math.floor(head * count / this.header.heads);
    return { values: this.halves(side, index * tokens * size, tokens * size), size };
  }
  /** The query or key vectors of a layer of one head as float16 bit patterns, [token * size]. */
  halfVectors(side) {
    const { start, shape } = this.parts.get(side);
    return { bits: halvesAt(this.bytes, start, countOf2(shape)), size: shape[2] };
  }
  /** What bias and mask add to the scores of a layer of one head; null where it has neither. */
  extras() {
    const bias = this.parts.has("bias") ? this.singles("bias") : null;
    const hasMask = this.parts.has("mask");
    if (!bias && !hasMask) return null;
    const biasAt = bias && this.broadcast("bias", 0);
    const maskAt = hasMask ? this.broadcast("mask", 0) : null;
    return (query, key) => maskAt && !this.bit(maskAt(query, key)) ? -Infinity : bias ? bias[biasAt(query, key)] : 0;
  }
  /** Whether bias and mask are the same for every query. */
  get extrasOfKeys() {
    return ["bias", "mask"].every((name) => (this.parts.get(name)?.shape[1] ?? 1) === 1);
  }
  compute(head) {
    const { queries, keys } = this.header;
    if (this.parts.has("weights")) return this.halves("weights", head * queries * keys, queries * keys);
    if (this.parts.has("windows")) return this.windows(head);
    return this.softmax(this.scores(head), head);
  }
  /** The weights within each window, laid along the diagonal. */
  windows(head) {
    const { queries, keys } = this.header;
    const [count, heads, high, wide] = this.parts.get("windows").shape;
    const out = new Float32Array(queries * keys);
    for (let window = 0; window < count; window++) {
      const part = this.halves("windows", (window * heads + head) * high * wide, high * wide);
      for (let row = 0; row < high; row++)
        out.set(part.subarray(row * wide, (row + 1) * wide), (window * high + row) * keys + window * wide);
    }
    return out;
  }
  /** query @ key.T * scale, capped, biased and masked, of the queries from first to end. */
  scores(head, first = 0, end = this.header.queries) {
    const { keys, scale = 1, softcap } = this.header;
    const { values: q, size } = this.vectors("query", head);
    const { values: k } = this.vectors("key", head);
    const out = new Float32Array((end - first) * keys);
    const row = new Float32Array(size);
    for (let i = first; i < end; i++) {
      for (let d = 0; d < size; d++) row[d] = q[i * size + d] * scale;
      for (let j = 0; j < keys; j++) {
        let sum = 0;
        for (let d = 0, at = j * size; d < size; d++, at++) sum += row[d] * k[at];
        out[(i - first) * keys + j] = sum;
      }
    }
    if (softcap != null) for (let n = 0; n < out.length; n++) out[n] = softcap * Math.tanh(out[n] / softcap);
    this.addBias(out, head, first);
    this.applyBand(out, first);
    this.applyMask(out, head, first);
    return out;
  }
  /** Adds the bias, [head | 1, query | 1, key | 1], to one head's scores. */
  addBias(out, head, first) {
    if (!this.parts.has("bias")) return;
    const bias = this.singles("bias");
    const { keys } = this.header;
    const at = this.broadcast("bias", head);
    for (let n = 0; n < out.length; n++) out[n] += bias[at(first + Math.floor(n / keys), n % keys)];
  }
  /** Sets scores outside the band to -Infinity. */
  applyBand(out, first) {
    const { keys, band } = this.header;
    if (band == null) return;
    const [before, after, offset] = band;
    for (let i = 0; i < out.length / keys; i++) {
      const low = before === null ? 0 : Math.max(0, first + i + offset - before);
      const high = after === null ? keys : Math.min(keys, first + i + offset + after + 1);
      out.fill(-Infinity, i * keys, i * keys + Math.min(low, keys));
      out.fill(-Infinity, i * keys + Math.max(high, 0), (i + 1) * keys);
    }
  }
  /** Sets masked scores to -Infinity. */
  applyMask(out, head, first) {
    if (!this.parts.has("mask")) return;
    const { keys } = this.header;
    const rows = out.length / keys;
    const at = this.broadcast("mask", head);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < keys; j++) if (!this.bit(at(first + i, j))) out[i * keys + j] = -Infinity;
  }
  /** Whether a bit of the mask is set. */
  bit(n) {
    return Boolean(this.bytes.getUint8(this.parts.get("mask").start + (n >> 3)) >> (n & 7) & 1);
  }
  /** From a query and a key to an index into an array that may be broadcast along each axis. */
  broadcast(name, head) {
    const [h2, q, k] = this.parts.get(name).shape;
    const first = h2 > 1 ? head * q * k : 0;
    const [down, across] = [q > 1 ? k : 0, k > 1 ? 1 : 0];
    return (i, j) => first + i * down + j * across;
  }
  /** Scores to weights, in place. A sink is one more score in each row's sum; a row that is masked throughout stays 0. */
  softmax(scores, head) {
    const { keys } = this.header;
    const sink = this.parts.has("sink") ? this.singles("sink")[head] : -Infinity;
    for (let i = 0; i < scores.length / keys; i++) {
      const row = scores.subarray(i * keys, (i + 1) * keys);
      let most = sink;
      for (let j = 0; j < keys; j++) if (row[j] > most) most = row[j];
      if (most === -Infinity) {
        row.fill(0);
        continue;
      }
      let sum = Math.exp(sink - most);
      for (let j = 0; j < keys; j++) sum += row[j] = Math.exp(row[j] - most);
      for (let j = 0; j < keys; j++) row[j] /= sum;
    }
    return scores;
  }
  halves(name, first, count) {
    return readHalves(this.bytes, this.parts.get(name).start + 2 * first, count);
  }
  singles(name) {
    const { start, shape } = this.parts.get(name);
    return readSingles(this.bytes, start / 4, countOf2(shape));
  }
};
function countOf2(shape) {
  return shape.reduce((a, b) => a * b, 1);
}
function partSize([, dtype, shape]) {
  const count = countOf2(shape);
  const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);
  return Math.ceil(size / 4) * 4;
}

// src/protocol/tiles.ts
var TILE_SIDE = 256;
function coarsestLevel(rows, cols) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / TILE_SIDE)));
}

// src/report/page_replies.ts
var NO_VECTORS = "This report holds the layer's weights, not its queries and keys.";
var NO_MODEL = "This is a report without a model. Open the view in a notebook.";
async function replyTo(state, request) {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line|factors|lse)$/.exec(request.ask) ?? [];
  if (kind === void 0) throw new Error(NO_MODEL);
  if (kind === "layer") {
    if (await state.load(`${prefix}layer_${request["layer"]}`)) return {};
    throw new Error(NO_MODEL);
  }
  const page = new LongTrace(state, prefix, request);
  if (kind === "tile") return page.tile();
  if (kind === "factors") return page.factors();
  if (kind === "lse") return page.lse();
  if (kind === "detail") return page.detail();
  throw new Error(page.coarse);
}
var LongTrace = class {
  constructor(state, prefix, request) {
    this.state = state;
    this.prefix = prefix;
    this.request = request;
    this.layer = state.get(`${prefix}trace`).layers[request["layer"]];
  }
  state;
  prefix;
  request;
  layer;
  /** What is here of other heads, and where there is more. */
  get coarse() {
    const heads = Object.keys(this.layer.held ?? {});
    const held = heads.length ? ` Of this layer it holds head ${heads.join(", ")} in every detail.` : "";
    return `This text is long: of this choice the report has at most a map of the largest weights.${held} For more open the trace in a notebook.`;
  }
  /** One of the traits that hold long traces; null where the page does not have it. */
  async bytes(name) {
    const trait = `${this.prefix}${name}`;
    return await this.state.load(trait) ? this.state.get(trait) : null;
  }
  /** A head's queries and keys, as a layer of one head. */
  async factors() {
    const { layer, head } = this.request;
    const bytes = await this.bytes(`factors_${layer}_${head}`);
    if (!bytes) throw new Error(this.coarse);
    return { answer: { header: this.layer.held[head] }, buffers: [bytes] };
  }
  /** Each query's log-sum-exp; that without special tokens comes second, where there are any. */
  async lse() {
    const { layer, head, hide_special } = this.request;
    const bytes = await this.bytes(`lse_${layer}_${head}`);
    if (!bytes) throw new Error(this.coarse);
    const size = 4 * this.layer.queries;
    const start = hide_special && bytes.byteLength > size ? size : 0;
    return { buffers: [new DataView(bytes.buffer, bytes.byteOffset + start, size)] };
  }
  /** The vectors behind one score. */
  async detail() {
    const { layer, head, query, key } = this.request;
    const bytes = await this.bytes(`factors_${layer}_${head}`);
    if (!bytes) throw new Error(NO_VECTORS);
    const { q, k, scale, weight } = new Layer(this.layer.held[head], bytes).product(0, query, key);
    return { answer: { scale, weight }, buffers: [new DataView(Float32Array.of(...q, ...k).buffer)] };
  }
  /**
   * A tile of a coarse map. Of each head and of the mean of all there is one, which finer levels show larger; a head that is
   * held may have more. Single weights (level 0), means over layers and what the browser computes are refused.
   */
  async tile() {
    const { layer, heads: selected, level, pair, hide_special, pool } = this.request;
    if (this.request["layers"]) throw new Error(this.coarse);
    const { heads, queries, keys, held } = this.layer;
    const top = coarsestLevel(queries, keys);
    const isHeld = selected.every((head) => held?.[head]);
    const map = isHeld && selected.length === 1 && pair === "all" ? await this.overview(held[selected[0]]) : null;
    if (map) return map;
    const isCoarse = level === top || level > 0 && !isHeld;
    const bytes = isCoarse && pair === "all" && pool === "max" && !hide_special ? await this.bytes(`tiles_${layer}`) : null;
    const number = selected.length === heads ? 0 : selected.length === 1 ? 1 + selected[0] : Infinity;
    const [rows, cols] = [Math.ceil(queries / 2 ** top), Math.ceil(keys / 2 ** top)];
    if (!bytes || number * rows * cols * 2 >= bytes.byteLength) throw new Error(this.coarse);
    return this.cut(bytes, { level: top, rows, cols, start: number * rows * cols * 2 });
  }
  /** From a map of a head that is held; null where there is none of that level and choice. */
  async overview({ overviews = [] }) {
    const { layer, heads: [head], level, hide_special, pool } = this.request;
    const map = overviews.find((one) => one.level === level && one.hide_special === hide_special && one.pool === pool);
    const bytes = map ? await this.bytes(`overview_${layer}_${head}`) : null;
    return bytes && this.cut(bytes, map);
  }
  /** The requested tile of all cells of a level; of a finer level, with its cells larger. */
  cut(bytes, { level: held, rows, cols, start, scale }) {
    const { level, row, col } = this.request;
    const whole = halvesAt(bytes, start, rows * cols);
    const [top, left] = [row * TILE_SIDE, col * TILE_SIDE];
    const { queries, keys } = this.layer;
    const [allRows, allCols] = level === held ? [rows, cols] : [Math.ceil(queries / 2 ** level), Math.ceil(keys / 2 ** level)];
    const [high, wide] = [Math.min(TILE_SIDE, allRows - top), Math.min(TILE_SIDE, allCols - left)];
    const tile = new Uint16Array(high * wide);
    for (let i = 0; i < high; i++)
      for (let j = 0; j < wide; j++)
        tile[i * wide + j] = whole[(top + i >> held - level) * cols + (left + j >> held - level)];
    return { answer: { shape: [high, wide], scale }, buffers: [new DataView(tile.buffer)] };
  }
};

// src/report/page_model.ts
var ON_REQUEST = /(^|_)(layer|tiles|factors|overview|lse)(_\d+)+$/;
var PageModel = class {
  constructor(placed, readBytes) {
    this.placed = placed;
    this.readBytes = readBytes;
    this.state = { ...placed.state };
  }
  placed;
  readBytes;
  listeners = /* @__PURE__ */ new Map();
  state;
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    if (sameValue(this.state[name], value)) return;
    this.state[name] = value;
    this.emit(`change:${name}`);
  }
  save_changes() {
  }
  on(event, callback) {
    const callbacks = this.listeners.get(event) ?? /* @__PURE__ */ new Set();
    this.listeners.set(event, callbacks.add(callback));
  }
  off(event, callback) {
    this.listeners.get(event)?.delete(callback);
  }
  emit(event, ...values) {
    for (const callback of [...this.listeners.get(event) ?? []]) callback(...values);
  }
  send(content) {
    const request = content;
    const { id } = request;
    replyTo(this, request).then(
      ({ answer = {}, buffers = [] }) => this.emit("msg:custom", { id, answer }, buffers),
      (error) => this.emit("msg:custom", { id, error: error.message }, [])
    );
  }
  /** Reads a trait's bytes into the state; false where the page has no such trait. */
  async load(name) {
    const element = this.placed.bytes[name];
    if (element === void 0) return false;
    this.state[name] ??= await this.readBytes(element);
    return true;
  }
  /** Reads everything that a view must have before it is drawn. */
  async loadInitial() {
    const names = Object.keys(this.placed.bytes).filter((name) => !ON_REQUEST.test(name));
    await Promise.all(names.map((name) => this.load(name)));
  }
};
function sameValue(a, b) {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
function linkTraits(a, nameA, b, nameB) {
  b.set(nameB, a.get(nameA));
  a.on(`change:${nameA}`, () => b.set(nameB, a.get(nameA)));
  b.on(`change:${nameB}`, () => a.set(nameA, b.get(nameB)));
}

// src/report/index.ts
var AHEAD = "600px 0px";
function startPage(contents, views, root = document) {
  const readBytes = (element) => bytesOfElement(root.getElementById(`bytes-${element}`));
  const models = contents.views.map((placed) => new PageModel(placed, readBytes));
  for (const [from, name, to, other] of contents.links) linkTraits(models[from], name, models[to], other);
  const mount = async (el) => {
    const number = Number(el.dataset["view"]);
    await models[number].loadInitial();
    views[contents.views[number].bundle].render({ model: models[number], el });
  };
  mountWhenSeen(root.querySelectorAll("[data-view]"), mount);
  new Notes(new Address(contents.sections, models, root), root);
  return models;
}
function mountWhenSeen(elements, mount) {
  const waiting = new Set(elements);
  const mountOnce = async (el) => {
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
    (entries) => entries.forEach((entry) => entry.isIntersecting && mountOnce(entry.target)),
    { rootMargin: AHEAD }
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
function whenIdle(act) {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(act);
  else setTimeout(act, 100);
}
var registered = /* @__PURE__ */ new Map();
globalThis.attnlensViews = registered;
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.getElementById("contents");
  if (contents) startPage(JSON.parse(contents.textContent), [...registered.values()]);
});
export {
  startPage
};
