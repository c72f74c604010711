// Generated from widgets/src/report.ts by `npm run build`; do not edit. Sources: sha256 736652b05dd86815940a2f6e7f469a741ab12e09cb100e182fd4607c84a4730d

// src/half.ts
var table;
function value(bits) {
  const sign = bits & 32768 ? -1 : 1;
  const exponent = bits >> 10 & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}
function floats(halves2) {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => value(bits));
  const out = new Float32Array(halves2.length);
  for (let i = 0; i < halves2.length; i++) out[i] = table[halves2[i]];
  return out;
}
function halves(bytes, start2, count) {
  const at = bytes.byteOffset + start2;
  if (at % 2 === 0) return new Uint16Array(bytes.buffer, at, count);
  return new Uint16Array(bytes.buffer.slice(at, at + 2 * count));
}

// src/layer.ts
var KEPT = 16;
var Layer = class {
  header;
  bytes;
  parts = /* @__PURE__ */ new Map();
  made = /* @__PURE__ */ new Map();
  constructor(header, bytes) {
    this.header = header;
    this.bytes = bytes;
    let start2 = 0;
    for (const [name, dtype, shape] of header.parts) {
      this.parts.set(name, { start: start2, shape });
      const count = shape.reduce((a, b) => a * b, 1);
      const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);
      start2 += Math.ceil(size / 4) * 4;
    }
    if (start2 !== bytes.byteLength)
      throw new Error(`layer ${header.name}: ${bytes.byteLength} bytes came where ${start2} were announced`);
  }
  /** Whether query and key are here, not only what came of them. */
  get factors() {
    return this.parts.has("query");
  }
  /** One head's weights, row by row: [query * key]. Kept, so do not write into it. */
  head(head) {
    let found = this.made.get(head);
    if (found === void 0) {
      found = this.compute(head);
      if (this.made.size >= KEPT) this.made.delete(this.made.keys().next().value);
      this.made.set(head, found);
    }
    return found;
  }
  /** What one query gives in one head, [key], without the rest of the head. */
  row(head, query) {
    const { keys } = this.header;
    const whole = this.made.get(head) ?? (this.parts.has("windows") ? this.head(head) : void 0);
    if (whole) return whole.subarray(query * keys, (query + 1) * keys);
    if (this.parts.has("weights")) return this.halves("weights", (head * this.header.queries + query) * keys, keys);
    return this.softmax(this.scores(head, query, query + 1), head);
  }
  /** A head's query or key vectors, [token * d_head]; grouped queries share their keys. */
  vectors(side, head) {
    const { shape } = this.parts.get(side);
    const [count, tokens, size] = shape;
    const index = Math.floor(head * count / this.header.heads);
    return { values: this.halves(side, index * tokens * size, tokens * size), size };
  }
  compute(head) {
    const { queries, keys } = this.header;
    if (this.parts.has("weights")) return this.halves("weights", head * queries * keys, queries * keys);
    if (this.parts.has("windows")) return this.windows(head);
    return this.softmax(this.scores(head), head);
  }
  /** What each window gives to itself, laid along the diagonal. */
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
    this.add(out, "bias", head, first, this.parts.has("bias") ? this.singles("bias") : void 0);
    this.hide(out, head, first);
    return out;
  }
  /** Adds a [head | 1, query | 1, key | 1] array to one head's scores. */
  add(out, name, head, first, given) {
    if (given === void 0) return;
    const { keys } = this.header;
    const at = this.broadcast(name, head);
    for (let n = 0; n < out.length; n++) out[n] += given[at(first + Math.floor(n / keys), n % keys)];
  }
  /** Puts -Infinity where a rule or a mask says that a query may not look. */
  hide(out, head, first) {
    const { keys, band } = this.header;
    const rows = out.length / keys;
    if (band != null) {
      const [before, after, offset] = band;
      for (let i = 0; i < rows; i++) {
        const low = before === null ? 0 : Math.max(0, first + i + offset - before);
        const high = after === null ? keys : Math.min(keys, first + i + offset + after + 1);
        out.fill(-Infinity, i * keys, i * keys + Math.min(low, keys));
        out.fill(-Infinity, i * keys + Math.max(high, 0), (i + 1) * keys);
      }
    }
    if (!this.parts.has("mask")) return;
    const { start: start2 } = this.parts.get("mask");
    const at = this.broadcast("mask", head);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < keys; j++) {
        const bit = at(first + i, j);
        if (!(this.bytes.getUint8(start2 + (bit >> 3)) >> (bit & 7) & 1)) out[i * keys + j] = -Infinity;
      }
  }
  broadcast(name, head) {
    const [h, q, k] = this.parts.get(name).shape;
    const first = h > 1 ? head * q * k : 0;
    const [down, across] = [q > 1 ? k : 0, k > 1 ? 1 : 0];
    return (i, j) => first + i * down + j * across;
  }
  /** Scores to weights, in place; a sink is one more score that takes mass; a row that sees nothing stays 0. */
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
    return floats(halves(this.bytes, this.parts.get(name).start + 2 * first, count));
  }
  singles(name) {
    const { start: start2, shape } = this.parts.get(name);
    const count = shape.reduce((a, b) => a * b, 1);
    return Float32Array.from({ length: count }, (_, i) => this.bytes.getFloat32(start2 + 4 * i, true));
  }
};

// src/source.ts
var SIDE = 256;
function topLevel(rows, cols) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / SIDE)));
}

// src/report.ts
var LATER = /(^|_)(layer|tiles)_\d+$/;
var COARSE = "This text is long: the report holds each head, and the mean of all, as a map of the largest weights. For finer detail, rows and other choices open the trace in a notebook.";
function unpacked(text) {
  const out = new Uint8Array(text.length / 8 * 7);
  const digit = (at) => {
    const code = text.charCodeAt(at);
    return code < 128 ? code : code - 192;
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
function woven(planes) {
  const out = new Uint8Array(planes.length);
  const half = Math.ceil(planes.length / 2);
  for (let i = 0; i < half; i++) out[2 * i] = planes[i];
  for (let i = half, to = 1; i < planes.length; i++, to += 2) out[to] = planes[i];
  return out;
}
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function bytesOf(element) {
  const damaged = new Error("This report is damaged: part of it was changed or cut off on its way. Make or fetch it again.");
  const text = element.textContent ?? "";
  if (text.length % 8 !== 0) throw damaged;
  const { deflated, bytes } = element.dataset;
  const packed = unpacked(text);
  const found = deflated ? await inflated(packed.subarray(0, Number(deflated))).catch(() => {
    throw damaged;
  }) : packed.subarray(0, Number(bytes));
  if (found.length !== Number(bytes)) throw damaged;
  return new DataView(woven(found).buffer);
}
var PageModel = class {
  constructor(placed, bytes) {
    this.placed = placed;
    this.bytes = bytes;
    this.state = { ...placed.state };
  }
  placed;
  bytes;
  listeners = /* @__PURE__ */ new Map();
  state;
  get(name) {
    return this.state[name];
  }
  set(name, value2) {
    if (same(this.state[name], value2)) return;
    this.state[name] = value2;
    this.tell(`change:${name}`);
  }
  save_changes() {
  }
  on(event, callback) {
    const found = this.listeners.get(event) ?? /* @__PURE__ */ new Set();
    this.listeners.set(event, found.add(callback));
  }
  off(event, callback) {
    this.listeners.get(event)?.delete(callback);
  }
  tell(event, ...given) {
    for (const callback of [...this.listeners.get(event) ?? []]) callback(...given);
  }
  send(content) {
    const question = content;
    const { id } = question;
    answer(this, question).then(
      ({ answer: answer2 = {}, buffers = [] }) => this.tell("msg:custom", { id, answer: answer2 }, buffers),
      (error) => this.tell("msg:custom", { id, error: error.message }, [])
    );
  }
  /** Puts a trait's bytes into the state; false where the page has none of that name. */
  async fetch(name) {
    const element = this.placed.bytes[name];
    if (element === void 0) return false;
    this.state[name] ??= await this.bytes(element);
    return true;
  }
  /** All that a view must have before it is drawn. */
  async begin() {
    await Promise.all(Object.keys(this.placed.bytes).filter((name) => !LATER.test(name)).map((name) => this.fetch(name)));
  }
};
function same(a, b) {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
function link(a, nameA, b, nameB) {
  b.set(nameB, a.get(nameA));
  a.on(`change:${nameA}`, () => b.set(nameB, a.get(nameA)));
  b.on(`change:${nameB}`, () => a.set(nameA, b.get(nameB)));
}
async function answer(model, question) {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line)$/.exec(question.ask) ?? [];
  if (kind === "layer" && await model.fetch(`${prefix}layer_${question["layer"]}`)) return {};
  if (kind === "detail") return detail(model, prefix, question);
  if (kind === "tile") return tile(model, prefix, question);
  if (kind === "line") throw new Error(COARSE);
  throw new Error("This is a report: there is no model behind it to ask. Open the view in a notebook.");
}
async function detail(model, prefix, { layer, head, query, key }) {
  const header = model.get(`${prefix}trace`).layers[layer];
  const name = `${prefix}layer_${layer}`;
  if (header.parts[0]?.[0] !== "query" || !await model.fetch(name))
    throw new Error("This report holds the layer's weights, not its queries and keys.");
  const found = new Layer(header, model.get(name));
  const vector = (side, position) => {
    const { values, size } = found.vectors(side, head);
    return values.subarray(position * size, (position + 1) * size);
  };
  const numbers = [...vector("query", query), ...vector("key", key)];
  const bytes = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, i) => bytes.setFloat32(4 * i, number, true));
  return { answer: { scale: header.scale ?? 1, weight: found.head(head)[query * header.keys + key] }, buffers: [bytes] };
}
async function tile(model, prefix, question) {
  const { layer, heads: asked, level, row, col, pair, hide_special, pool } = question;
  const { heads, queries, keys } = model.get(`${prefix}trace`).layers[layer];
  const top = topLevel(queries, keys);
  const name = `${prefix}tiles_${layer}`;
  const plain = pair === "all" && !hide_special && pool === "max" && (level > 0 || top === 0);
  if (!plain || !await model.fetch(name)) throw new Error(COARSE);
  const [high, wide] = [queries, keys].map((count) => Math.ceil(count / 2 ** top));
  const bytes = model.get(name);
  const number = asked.length === heads ? 0 : asked.length === 1 ? 1 + asked[0] : Infinity;
  if (number * high * wide * 2 >= bytes.byteLength) throw new Error(COARSE);
  const whole = halves(bytes, number * high * wide * 2, high * wide);
  const [rows, cols] = [[queries, row], [keys, col]].map(([count, at]) => Math.min(SIDE, Math.ceil(count / 2 ** level) - at * SIDE));
  const found = new Uint16Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++)
      found[i * cols + j] = whole[(row * SIDE + i >> top - level) * wide + (col * SIDE + j >> top - level)];
  return { answer: { shape: [rows, cols] }, buffers: [new DataView(found.buffer)] };
}
function start(contents, views, root = document) {
  const held = (element) => bytesOf(root.getElementById(`bytes-${element}`));
  const models = contents.views.map((placed) => new PageModel(placed, held));
  for (const [from, name, to, other] of contents.links) link(models[from], name, models[to], other);
  const waiting = new Set(root.querySelectorAll("[data-view]"));
  const mount = async (el) => {
    if (!waiting.delete(el)) return;
    seen.unobserve(el);
    const number = Number(el.dataset["view"]);
    const model = models[number];
    try {
      await model.begin();
      views[contents.views[number].bundle].render({ model, el });
      el.style.minHeight = "";
    } catch (error) {
      el.style.minHeight = "";
      el.textContent = error instanceof Error ? error.message : String(error);
      el.classList.add("failed");
    }
  };
  const seen = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && mount(entry.target)),
    { rootMargin: "600px 0px" }
  );
  for (const el of waiting) {
    el.style.minHeight = `${el.dataset["height"]}px`;
    seen.observe(el);
  }
  addEventListener("beforeprint", () => waiting.forEach((el) => void mount(el)));
  return models;
}
var registered = /* @__PURE__ */ new Map();
globalThis.attnlensViews = registered;
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.getElementById("contents");
  if (contents) start(JSON.parse(contents.textContent), [...registered.values()]);
});
export {
  PageModel,
  bytesOf,
  link,
  start,
  unpacked,
  woven
};
