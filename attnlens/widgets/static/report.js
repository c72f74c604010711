// Generated from widgets/src/report/ by `npm run build`; do not edit. Sources: sha256 ea063fdfece80c93e0c581b985b1c67fbb6208226a3ddc40ad7e3fff49b0bb0d

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

// src/protocol/float16.ts
function halvesAt(bytes, start, count) {
  const offset = bytes.byteOffset + start;
  if (offset % 2 === 0) return new Uint16Array(bytes.buffer, offset, count);
  return new Uint16Array(bytes.buffer.slice(offset, offset + 2 * count));
}

// src/protocol/tiles.ts
var TILE_SIDE = 256;
function coarsestLevel(rows, cols) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / TILE_SIDE)));
}

// src/report/page_replies.ts
var COARSE = "This text is long: the report holds each head, and the mean of all, as a map of the largest weights. For finer detail, rows and other choices open the trace in a notebook.";
var NO_VECTORS = "This report holds the layer's weights, not its queries and keys.";
var NO_MODEL = "This is a report without a model. Open the view in a notebook.";
async function replyTo(state, request) {
  const [, prefix, kind] = /^(.*?)(layer|detail|tile|line)$/.exec(request.ask) ?? [];
  if (kind === "layer" && await state.load(`${prefix}layer_${request["layer"]}`)) return {};
  if (kind === "detail") throw new Error(NO_VECTORS);
  if (kind === "tile") return tileReply(state, prefix, request);
  if (kind === "line") throw new Error(COARSE);
  throw new Error(NO_MODEL);
}
async function tileReply(state, prefix, request) {
  const { layer, heads: selected, level, row, col, pair, hide_special, pool } = request;
  const { heads, queries, keys } = state.get(`${prefix}trace`).layers[layer];
  const top = coarsestLevel(queries, keys);
  const trait = `${prefix}tiles_${layer}`;
  const isHeld = pair === "all" && !hide_special && pool === "max" && (level > 0 || top === 0);
  if (!isHeld || !await state.load(trait)) throw new Error(COARSE);
  const [high, wide] = [Math.ceil(queries / 2 ** top), Math.ceil(keys / 2 ** top)];
  const bytes = state.get(trait);
  const number = selected.length === heads ? 0 : selected.length === 1 ? 1 + selected[0] : Infinity;
  if (number * high * wide * 2 >= bytes.byteLength) throw new Error(COARSE);
  const whole = halvesAt(bytes, number * high * wide * 2, high * wide);
  const side = (count, at) => Math.min(TILE_SIDE, Math.ceil(count / 2 ** level) - at * TILE_SIDE);
  const [rows, cols] = [side(queries, row), side(keys, col)];
  const tile = new Uint16Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      const [down, across] = [row * TILE_SIDE + i >> top - level, col * TILE_SIDE + j >> top - level];
      tile[i * cols + j] = whole[down * wide + across];
    }
  return { answer: { shape: [rows, cols] }, buffers: [new DataView(tile.buffer)] };
}

// src/report/page_model.ts
var ON_REQUEST = /(^|_)(layer|tiles)_\d+$/;
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
  addEventListener("beforeprint", () => waiting.forEach((el) => void mountOnce(el)));
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
