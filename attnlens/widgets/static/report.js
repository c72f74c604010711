// Generated from widgets/src/report.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

// src/protocol/float16.ts
function halvesAt(bytes, start2, count) {
  const offset = bytes.byteOffset + start2;
  if (offset % 2 === 0) return new Uint16Array(bytes.buffer, offset, count);
  return new Uint16Array(bytes.buffer.slice(offset, offset + 2 * count));
}

// src/protocol/tiles.ts
var TILE_SIDE = 256;
function coarsestLevel(rows, cols) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / TILE_SIDE)));
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
  set(name, value) {
    if (same(this.state[name], value)) return;
    this.state[name] = value;
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
  async take(name) {
    const element = this.placed.bytes[name];
    if (element === void 0) return false;
    this.state[name] ??= await this.bytes(element);
    return true;
  }
  /** All that a view must have before it is drawn. */
  async begin() {
    await Promise.all(Object.keys(this.placed.bytes).filter((name) => !LATER.test(name)).map((name) => this.take(name)));
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
  if (kind === "layer" && await model.take(`${prefix}layer_${question["layer"]}`)) return {};
  if (kind === "detail") throw new Error("This report holds the layer's weights, not its queries and keys.");
  if (kind === "tile") return tile(model, prefix, question);
  if (kind === "line") throw new Error(COARSE);
  throw new Error("This is a report: there is no model behind it to ask. Open the view in a notebook.");
}
async function tile(model, prefix, question) {
  const { layer, heads: asked, level, row, col, pair, hide_special, pool } = question;
  const { heads, queries, keys } = model.get(`${prefix}trace`).layers[layer];
  const top = coarsestLevel(queries, keys);
  const name = `${prefix}tiles_${layer}`;
  const plain = pair === "all" && !hide_special && pool === "max" && (level > 0 || top === 0);
  if (!plain || !await model.take(name)) throw new Error(COARSE);
  const [high, wide] = [queries, keys].map((count) => Math.ceil(count / 2 ** top));
  const bytes = model.get(name);
  const number = asked.length === heads ? 0 : asked.length === 1 ? 1 + asked[0] : Infinity;
  if (number * high * wide * 2 >= bytes.byteLength) throw new Error(COARSE);
  const whole = halvesAt(bytes, number * high * wide * 2, high * wide);
  const [rows, cols] = [[queries, row], [keys, col]].map(([count, at]) => Math.min(TILE_SIDE, Math.ceil(count / 2 ** level) - at * TILE_SIDE));
  const found = new Uint16Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++)
      found[i * cols + j] = whole[(row * TILE_SIDE + i >> top - level) * wide + (col * TILE_SIDE + j >> top - level)];
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
