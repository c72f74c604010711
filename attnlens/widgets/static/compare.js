// Generated from widgets/src/compare.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}

// src/protocol/tiles.ts
var TILE_SIDE = 256;
function coarsestLevel(rows, cols) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, cols, 1) / TILE_SIDE)));
}
function tileCutter(whole, rows, cols, pool) {
  const cache = /* @__PURE__ */ new Map();
  return (level, row, col) => {
    const key = `${level}/${row}/${col}`;
    let tile = cache.get(key);
    if (!tile) cache.set(key, tile = cutTile(whole, rows, cols, pool, level, row, col));
    return tile;
  };
}
function cutTile(whole, rows, cols, pool, level, row, col) {
  const span = TILE_SIDE << level;
  const [top, left] = [row * span, col * span];
  const [bottom, right] = [Math.min(rows, top + span), Math.min(cols, left + span)];
  const [high, wide] = [Math.ceil((bottom - top) / 2 ** level), Math.ceil((right - left) / 2 ** level)];
  const weights = new Float32Array(high * wide);
  const counts = new Uint32Array(high * wide);
  for (let i = top; i < bottom; i++)
    for (let j = left; j < right; j++) {
      const cell = (i - top >> level) * wide + (j - left >> level);
      const weight = whole[i * cols + j];
      if (pool === "mean") weights[cell] += weight;
      else if (Math.abs(weight) > Math.abs(weights[cell])) weights[cell] = weight;
      counts[cell]++;
    }
  if (pool === "mean") for (let n = 0; n < weights.length; n++) weights[n] /= counts[n];
  return { rows: high, cols: wide, weights };
}

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
function decodeHalves(halves) {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => decode(bits));
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]];
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
    const { scale: scale2 = 1 } = this.header;
    return { q: vector("query", query), k: vector("key", key), scale: scale2, weight: this.row(head, query)[key] };
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
    const { keys, scale: scale2 = 1, softcap } = this.header;
    const { values: q, size } = this.vectors("query", head);
    const { values: k } = this.vectors("key", head);
    const out = new Float32Array((end - first) * keys);
    const row = new Float32Array(size);
    for (let i = first; i < end; i++) {
      for (let d = 0; d < size; d++) row[d] = q[i * size + d] * scale2;
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
    const { start } = this.parts.get("mask");
    const at = this.broadcast("mask", head);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < keys; j++) {
        const bit = at(first + i, j);
        if (!(this.bytes.getUint8(start + (bit >> 3)) >> (bit & 7) & 1)) out[i * keys + j] = -Infinity;
      }
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
    return readSingles(this.bytes, start / 4, countOf(shape));
  }
};
function countOf(shape) {
  return shape.reduce((a, b) => a * b, 1);
}
function partSize([, dtype, shape]) {
  const count = countOf(shape);
  const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);
  return Math.ceil(size / 4) * 4;
}

// src/protocol/requests.ts
var PATIENCE = 6e4;
var requestCount = 0;
function request(model, name, fields, signal, patience = PATIENCE) {
  const id = `${Date.now().toString(36)}-${requestCount++}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => settle(() => reject(new Error("Python does not reply. Is the kernel busy or gone? Run the cell again."))),
      patience
    );
    const settle = (act) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      model.off("msg:custom", receive);
      act();
    };
    const receive = (message, buffers) => {
      if (message?.["id"] !== id) return;
      const error = message["error"];
      if (typeof error === "string") settle(() => reject(new Error(error)));
      else settle(() => resolve({ ...message["answer"], buffers: buffers ?? [] }));
    };
    const stop = () => settle(() => reject(signal.reason));
    signal.addEventListener("abort", stop);
    model.on("msg:custom", receive);
    try {
      model.send({ id, ask: name, ...fields });
    } catch {
      settle(() => reject(new Error("No kernel is connected. Run the cell again.")));
    }
  });
}

// src/protocol/weights.ts
function meanOf(matrices) {
  if (matrices.length === 1) return matrices[0];
  const out = new Float32Array(matrices[0].length);
  for (const matrix of matrices) for (let n = 0; n < out.length; n++) out[n] += matrix[n] / matrices.length;
  return out;
}
function submatrix(matrix, keys, rows, cols) {
  const out = new Float32Array(rows.length * cols.length);
  rows.forEach((row, i) => cols.forEach((col, j) => out[i * cols.length + j] = matrix[row * keys + col]));
  return out;
}
function withoutKeys(matrix, keys, omitted) {
  const out = matrix.slice();
  for (let start = 0; start < out.length; start += keys) {
    for (const key of omitted) out[start + key] = 0;
    let sum = 0;
    for (let j = 0; j < keys; j++) sum += out[start + j];
    if (sum > 0) for (let j = 0; j < keys; j++) out[start + j] /= sum;
  }
  return out;
}

// src/protocol/trace_source.ts
var MOST_TILES = 400;
var MOST_CUTTERS = 4;
var MOST_MATRICES = 2;
var TraceSource = class {
  /** `prefix` precedes the names of traits and requests where a view has several traces. */
  constructor(model, signal, prefix = "") {
    this.model = model;
    this.signal = signal;
    this.prefix = prefix;
    this.header = model.get(`${prefix}trace`);
  }
  model;
  signal;
  prefix;
  header;
  layers = /* @__PURE__ */ new Map();
  tiles = /* @__PURE__ */ new Map();
  cutters = /* @__PURE__ */ new Map();
  headMatrices = /* @__PURE__ */ new Map();
  /** Whether the weights stay in Python, which sends blocks of them. */
  get remote() {
    return this.header.remote;
  }
  /** A layer, decoded from the widget's state; Python adds its bytes to the state on request. */
  layer(number2) {
    return cached(this.layers, number2, Infinity, () => this.loadLayer(number2));
  }
  async loadLayer(number2) {
    const trait = `${this.prefix}layer_${number2}`;
    if (!hasBytes(this.model.get(trait))) await this.request("layer", { layer: number2 });
    const bytes = this.model.get(trait);
    if (!hasBytes(bytes)) throw new Error(`Layer ${number2} did not arrive. Run the cell again.`);
    return new Layer(this.header.layers[number2], bytes);
  }
  request(name, fields) {
    return request(this.model, `${this.prefix}${name}`, { ...fields }, this.signal);
  }
  /** The tokens along one axis of a layer. */
  tokens(layer, axis) {
    return tokensOf(this.header, this.header.layers[layer], axis);
  }
  /** The positions that are shown, along queries and keys. */
  positions(selection) {
    const { layer, pair, hide_special } = selection;
    const segment = (side) => pair === "all" ? null : side === "a" ? 0 : 1;
    const [from, to] = pair.split("-");
    return {
      rows: shownPositions(this.tokens(layer, "query"), segment(from), hide_special),
      cols: shownPositions(this.tokens(layer, "key"), segment(to), hide_special)
    };
  }
  /** Each head's weights among what is shown, [rows * cols]; only where the weights are in the browser. */
  matrices({ layer, heads, pair, hide_special, pool }) {
    const shown = { layer, heads, pair, hide_special };
    return cached(this.headMatrices, JSON.stringify(shown), MOST_MATRICES, () => this.select({ ...shown, pool }));
  }
  async select(selection) {
    const layer = await this.layer(selection.layer);
    const { rows, cols } = this.positions(selection);
    const { queries, keys } = layer.header;
    return selection.heads.map((head) => {
      const whole = layer.head(head);
      if (rows.length === queries && cols.length === keys && !selection.hide_special) return whole;
      const special = this.tokens(selection.layer, "key").special;
      return submatrix(selection.hide_special ? withoutKeys(whole, keys, special) : whole, keys, rows, cols);
    });
  }
  /** The weights of one query, or those on one key, in each head, among what is shown. */
  async line(selection, axis, position) {
    if (this.remote) return this.requestLine(selection, axis, position);
    const { rows, cols } = this.positions(selection);
    const at = (axis === "query" ? rows : cols).indexOf(position);
    return (await this.matrices(selection)).map(
      (matrix) => axis === "query" ? matrix.subarray(at * cols.length, (at + 1) * cols.length) : Float32Array.from({ length: rows.length }, (_, i) => matrix[i * cols.length + at])
    );
  }
  async requestLine(selection, axis, position) {
    const { shape, buffers } = await this.request("line", { ...selection, axis, position });
    const [heads, length] = shape;
    const values = readHalves(buffers[0], 0, heads * length);
    const size = values.length / selection.heads.length;
    return selection.heads.map((_, n) => values.subarray(n * size, (n + 1) * size));
  }
  /** A tile of the mean of the selected heads. */
  tile(selection, level, row, col) {
    return cached(
      this.tiles,
      `${level}/${row}/${col}/${JSON.stringify(selection)}`,
      MOST_TILES,
      () => this.remote ? this.requestTile(selection, level, row, col) : this.cutter(selection).then((cut) => cut(level, row, col))
    );
  }
  async requestTile(selection, level, row, col) {
    const { shape, buffers } = await this.request("tile", { ...selection, level, row, col });
    const [rows, cols] = shape;
    return { rows, cols, weights: readHalves(buffers[0], 0, rows * cols) };
  }
  cutter(selection) {
    return cached(this.cutters, JSON.stringify(selection), MOST_CUTTERS, () => {
      const { rows, cols } = this.positions(selection);
      return this.matrices(selection).then((all) => tileCutter(meanOf(all), rows.length, cols.length, selection.pool));
    });
  }
};
function cached(cache, key, most, make) {
  let value = cache.get(key);
  if (!value) {
    value = make();
    value.catch(() => cache.delete(key));
    if (cache.size >= most) cache.delete(cache.keys().next().value);
    cache.set(key, value);
  }
  return value;
}
function tokensOf(trace, layer, axis) {
  const count = axis === "query" ? layer.queries : layer.keys;
  const side = layer[axis];
  const tokens = side === "input" || side === "output" ? trace.tokens[side] : void 0;
  if (tokens && tokens.text.length === count) return tokens;
  return { text: Array.from({ length: count }, (_, i) => String(i)), special: [], segment: [] };
}
function shownPositions(tokens, segment, hideSpecial) {
  const hidden = new Set(hideSpecial ? tokens.special : []);
  return [...tokens.text.keys()].filter(
    (i) => !hidden.has(i) && (segment === null || (tokens.segment[i] ?? 0) === segment)
  );
}
function hasBytes(bytes) {
  return bytes instanceof DataView && bytes.byteLength > 0;
}

// src/compare.css
var compare_default = '.panels { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: flex-start; margin-top: 8px; }\n.panels figure { margin: 0; }\n.panels figcaption { font-size: 12px; color: var(--quiet); display: flex; gap: 6px; align-items: center; min-height: 28px; }\n.panels figcaption b { color: var(--ink); }\n.panels select { min-height: 22px; padding: 0 4px; }\n.distances { display: grid; gap: 2px; width: max-content; align-items: center; }\n.distances .axis { color: var(--quiet); font-size: 10px; text-align: center; font-variant-numeric: tabular-nums; }\n.distances button { width: 20px; height: 16px; min-height: 0; padding: 0; border-radius: 2px; border-color: transparent; }\n.distances button[aria-selected="true"] { outline: 2px solid var(--ink); outline-offset: 1px; }\n.legend { display: inline-flex; align-items: center; gap: 6px; color: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }\n.legend canvas { border-radius: 2px; }\n';

// src/style.css
var style_default = '.view {\n  --ink: #1d2430;\n  --quiet: #68707d;\n  --line: #d5d9df;\n  --paper: #ffffff;\n  --raised: #f4f6f8;\n  --accent: #1c5c9f;\n  --warn: #9a3412;\n  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;\n  position: relative;\n  box-sizing: border-box;\n  max-width: 100%;\n  padding: 10px 12px 8px;\n  border: 1px solid var(--line);\n  border-radius: 8px;\n  background: var(--paper);\n  color: var(--ink);\n  font: 13px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;\n  text-align: left;\n}\n.view[data-theme="dark"] {\n  --ink: #e6e9ee;\n  --quiet: #98a1ae;\n  --line: #333a45;\n  --paper: #15181e;\n  --raised: #1f242c;\n  --accent: #7ab8f0;\n  --warn: #fdba74;\n  color-scheme: dark;\n}\n.view *, .view *::before { box-sizing: border-box; }\n.bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; min-height: 28px; margin-bottom: 8px; }\n.bar .group { display: inline-flex; align-items: center; gap: 5px; }\n.bar .group > .name, .bar label > .name { color: var(--quiet); }\nlabel { display: inline-flex; align-items: center; gap: 5px; cursor: pointer; }\nbutton, select, input[type="text"] {\n  font: inherit; color: inherit; background: var(--raised);\n  border: 1px solid var(--line); border-radius: 5px; padding: 2px 8px; min-height: 26px;\n}\nbutton { cursor: pointer; }\nbutton:hover:not(:disabled), select:hover { border-color: var(--quiet); }\nbutton:disabled { opacity: 0.45; cursor: default; }\nbutton[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--paper); }\nbutton.quiet { background: none; border-color: transparent; color: var(--quiet); padding: 0 5px; min-height: 20px; font-size: 12px; }\nbutton.quiet:hover { color: var(--ink); text-decoration: underline; }\n.segments { display: inline-flex; }\n.segments button { border-radius: 0; margin-left: -1px; }\n.segments button:first-child { border-radius: 5px 0 0 5px; margin-left: 0; }\n.segments button:last-child { border-radius: 0 5px 5px 0; }\ninput[type="range"] { width: 90px; accent-color: var(--accent); }\ninput[type="checkbox"] { accent-color: var(--accent); margin: 0; }\n:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }\n.stage { position: relative; overflow-x: auto; }\n.notice { margin: 0 0 8px; padding: 5px 9px; border-radius: 5px; background: var(--raised); color: var(--quiet); }\n.notice[data-kind="busy"] { position: absolute; right: 12px; z-index: 2; pointer-events: none; border: 1px solid var(--line); animation: come 0.2s 0.2s both; }\n@keyframes come { from { opacity: 0; } }\n.notice[data-kind="error"] { color: var(--warn); border-left: 3px solid var(--warn); }\nfooter { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; margin-top: 7px; align-items: baseline; }\n.readout { grid-column: 1 / -1; min-height: 1.4em; font-variant-numeric: tabular-nums; unicode-bidi: isolate; overflow-wrap: anywhere; }\n.how { margin: 0; color: var(--quiet); font-size: 12px; }\ncanvas { display: block; }\n.token { font-family: var(--mono); white-space: pre; unicode-bidi: isolate; }\n[hidden] { display: none !important; }\n';

// src/dom.ts
function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === void 0 || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && name !== "role" && name !== "list") element[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}
var USUAL = 640;
function view(name, style, fill) {
  const made = {
    render({ model, el, signal }) {
      const ending = new AbortController();
      signal?.addEventListener("abort", () => ending.abort(), { once: true });
      const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style_default + style);
      root.adoptedStyleSheets = [sheet];
      const bar = h("div", { className: "bar", role: "toolbar", "aria-label": `${name}: controls` });
      const stage = h("div", { className: "stage" });
      const readout = h("output", { className: "readout", "aria-live": "polite" });
      const notice = h("div", { className: "notice", role: "status", hidden: true });
      const explained = h("p", { className: "how" });
      const downloads = h("span", { className: "downloads" });
      const main = h(
        "section",
        { className: "view", role: "group", "aria-label": name },
        bar,
        notice,
        stage,
        h("footer", {}, readout, explained, downloads)
      );
      root.replaceChildren(main);
      let filled;
      let scheduled = 0;
      let known = USUAL;
      const frame = {
        model,
        root,
        signal: ending.signal,
        bar,
        stage,
        dark: () => main.dataset["theme"] === "dark",
        width: () => known = stage.clientWidth || known,
        say: (text) => {
          readout.textContent = text;
        },
        explain: (text) => {
          explained.textContent = text;
        },
        tell: (text, kind = "error") => {
          notice.hidden = text === "";
          notice.textContent = text;
          notice.dataset["kind"] = kind;
        },
        ask: (question, given = {}) => request(model, question, given, ending.signal),
        set: (values) => {
          for (const [key, value] of Object.entries(values)) model.set(key, value);
          model.save_changes();
        },
        redraw: () => {
          scheduled ||= requestAnimationFrame(() => {
            scheduled = 0;
            if (!ending.signal.aborted) filled?.draw();
          });
        }
      };
      keepKeys(el, ending.signal);
      main.dataset["theme"] = theme(el);
      filled = fill(frame);
      const { picture: picture2 } = filled;
      if (picture2) downloads.append(...downloadButtons(name, picture2, frame));
      watchTheme(el, ending.signal, (found) => {
        if (main.dataset["theme"] === found) return;
        main.dataset["theme"] = found;
        frame.redraw();
      });
      const size = new ResizeObserver(() => frame.redraw());
      size.observe(stage);
      ending.signal.addEventListener("abort", () => {
        size.disconnect();
        cancelAnimationFrame(scheduled);
        root.replaceChildren();
      });
      filled.draw();
      return () => ending.abort();
    }
  };
  globalThis.attnlensViews?.set(name, made);
  return made;
}
function theme(element) {
  const lab = document.body?.dataset["jpThemeLight"];
  if (lab !== void 0) return lab === "false" ? "dark" : "light";
  for (let at = element; at; at = at.parentElement ?? hostOf(at)) {
    const parts = getComputedStyle(at).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (parts.length >= 3 && (parts[3] ?? 1) > 0.5)
      return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] < 128 ? "dark" : "light";
  }
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
function hostOf(element) {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}
function watchTheme(element, signal, found) {
  const look = () => found(theme(element));
  globalThis.matchMedia?.("(prefers-color-scheme: dark)").addEventListener("change", look, { signal });
  const observer = new MutationObserver(look);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  signal.addEventListener("abort", () => observer.disconnect());
  requestAnimationFrame(() => !signal.aborted && look());
}
function keepKeys(element, signal) {
  globalThis.addEventListener("keydown", (event) => {
    if (!event.composedPath().includes(element)) return;
    const runs = event.shiftKey && event.key === "Enter";
    const commands = event.ctrlKey || event.metaKey || event.altKey || runs;
    element.toggleAttribute("data-lm-suppress-shortcuts", !commands);
  }, { capture: true, signal });
}
function downloadButtons(name, picture2, frame) {
  const file = `attnlens-${name.toLowerCase().replaceAll(" ", "-")}`;
  const button = (kind, made) => {
    const act = async () => save(await made(picture2()), `${file}.${kind.toLowerCase()}`);
    const failed = () => frame.tell("The picture could not be saved.");
    return h("button", { type: "button", className: "quiet", title: `Save as ${kind}`, onclick: () => void act().catch(failed) }, kind);
  };
  return [button("PNG", png), button("SVG", (svg) => new Blob([svg], { type: "image/svg+xml" }))];
}
function save(blob, file) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}
async function png(svg) {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = h("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise(
      (resolve, reject) => canvas.toBlob((blob) => blob ? resolve(blob) : reject(new Error("no picture")))
    );
  } finally {
    URL.revokeObjectURL(url);
  }
}
function canvasContext(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
function gradient(ramp, width = 80) {
  const canvas = h("canvas");
  const context = canvasContext(canvas, width, 10);
  for (let x = 0; x < width; x++) {
    context.fillStyle = ramp(x / (width - 1));
    context.fillRect(x, 0, 1, 10);
  }
  return canvas;
}
function escaped(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�");
}

// node_modules/d3-color/src/define.js
function define_default(constructor, factory, prototype) {
  constructor.prototype = factory.prototype = prototype;
  prototype.constructor = constructor;
}
function extend(parent, definition) {
  var prototype = Object.create(parent.prototype);
  for (var key in definition) prototype[key] = definition[key];
  return prototype;
}

// node_modules/d3-color/src/color.js
function Color() {
}
var darker = 0.7;
var brighter = 1 / darker;
var reI = "\\s*([+-]?\\d+)\\s*";
var reN = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)\\s*";
var reP = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)%\\s*";
var reHex = /^#([0-9a-f]{3,8})$/;
var reRgbInteger = new RegExp(`^rgb\\(${reI},${reI},${reI}\\)$`);
var reRgbPercent = new RegExp(`^rgb\\(${reP},${reP},${reP}\\)$`);
var reRgbaInteger = new RegExp(`^rgba\\(${reI},${reI},${reI},${reN}\\)$`);
var reRgbaPercent = new RegExp(`^rgba\\(${reP},${reP},${reP},${reN}\\)$`);
var reHslPercent = new RegExp(`^hsl\\(${reN},${reP},${reP}\\)$`);
var reHslaPercent = new RegExp(`^hsla\\(${reN},${reP},${reP},${reN}\\)$`);
var named = {
  aliceblue: 15792383,
  antiquewhite: 16444375,
  aqua: 65535,
  aquamarine: 8388564,
  azure: 15794175,
  beige: 16119260,
  bisque: 16770244,
  black: 0,
  blanchedalmond: 16772045,
  blue: 255,
  blueviolet: 9055202,
  brown: 10824234,
  burlywood: 14596231,
  cadetblue: 6266528,
  chartreuse: 8388352,
  chocolate: 13789470,
  coral: 16744272,
  cornflowerblue: 6591981,
  cornsilk: 16775388,
  crimson: 14423100,
  cyan: 65535,
  darkblue: 139,
  darkcyan: 35723,
  darkgoldenrod: 12092939,
  darkgray: 11119017,
  darkgreen: 25600,
  darkgrey: 11119017,
  darkkhaki: 12433259,
  darkmagenta: 9109643,
  darkolivegreen: 5597999,
  darkorange: 16747520,
  darkorchid: 10040012,
  darkred: 9109504,
  darksalmon: 15308410,
  darkseagreen: 9419919,
  darkslateblue: 4734347,
  darkslategray: 3100495,
  darkslategrey: 3100495,
  darkturquoise: 52945,
  darkviolet: 9699539,
  deeppink: 16716947,
  deepskyblue: 49151,
  dimgray: 6908265,
  dimgrey: 6908265,
  dodgerblue: 2003199,
  firebrick: 11674146,
  floralwhite: 16775920,
  forestgreen: 2263842,
  fuchsia: 16711935,
  gainsboro: 14474460,
  ghostwhite: 16316671,
  gold: 16766720,
  goldenrod: 14329120,
  gray: 8421504,
  green: 32768,
  greenyellow: 11403055,
  grey: 8421504,
  honeydew: 15794160,
  hotpink: 16738740,
  indianred: 13458524,
  indigo: 4915330,
  ivory: 16777200,
  khaki: 15787660,
  lavender: 15132410,
  lavenderblush: 16773365,
  lawngreen: 8190976,
  lemonchiffon: 16775885,
  lightblue: 11393254,
  lightcoral: 15761536,
  lightcyan: 14745599,
  lightgoldenrodyellow: 16448210,
  lightgray: 13882323,
  lightgreen: 9498256,
  lightgrey: 13882323,
  lightpink: 16758465,
  lightsalmon: 16752762,
  lightseagreen: 2142890,
  lightskyblue: 8900346,
  lightslategray: 7833753,
  lightslategrey: 7833753,
  lightsteelblue: 11584734,
  lightyellow: 16777184,
  lime: 65280,
  limegreen: 3329330,
  linen: 16445670,
  magenta: 16711935,
  maroon: 8388608,
  mediumaquamarine: 6737322,
  mediumblue: 205,
  mediumorchid: 12211667,
  mediumpurple: 9662683,
  mediumseagreen: 3978097,
  mediumslateblue: 8087790,
  mediumspringgreen: 64154,
  mediumturquoise: 4772300,
  mediumvioletred: 13047173,
  midnightblue: 1644912,
  mintcream: 16121850,
  mistyrose: 16770273,
  moccasin: 16770229,
  navajowhite: 16768685,
  navy: 128,
  oldlace: 16643558,
  olive: 8421376,
  olivedrab: 7048739,
  orange: 16753920,
  orangered: 16729344,
  orchid: 14315734,
  palegoldenrod: 15657130,
  palegreen: 10025880,
  paleturquoise: 11529966,
  palevioletred: 14381203,
  papayawhip: 16773077,
  peachpuff: 16767673,
  peru: 13468991,
  pink: 16761035,
  plum: 14524637,
  powderblue: 11591910,
  purple: 8388736,
  rebeccapurple: 6697881,
  red: 16711680,
  rosybrown: 12357519,
  royalblue: 4286945,
  saddlebrown: 9127187,
  salmon: 16416882,
  sandybrown: 16032864,
  seagreen: 3050327,
  seashell: 16774638,
  sienna: 10506797,
  silver: 12632256,
  skyblue: 8900331,
  slateblue: 6970061,
  slategray: 7372944,
  slategrey: 7372944,
  snow: 16775930,
  springgreen: 65407,
  steelblue: 4620980,
  tan: 13808780,
  teal: 32896,
  thistle: 14204888,
  tomato: 16737095,
  turquoise: 4251856,
  violet: 15631086,
  wheat: 16113331,
  white: 16777215,
  whitesmoke: 16119285,
  yellow: 16776960,
  yellowgreen: 10145074
};
define_default(Color, color, {
  copy(channels) {
    return Object.assign(new this.constructor(), this, channels);
  },
  displayable() {
    return this.rgb().displayable();
  },
  hex: color_formatHex,
  // Deprecated! Use color.formatHex.
  formatHex: color_formatHex,
  formatHex8: color_formatHex8,
  formatHsl: color_formatHsl,
  formatRgb: color_formatRgb,
  toString: color_formatRgb
});
function color_formatHex() {
  return this.rgb().formatHex();
}
function color_formatHex8() {
  return this.rgb().formatHex8();
}
function color_formatHsl() {
  return hslConvert(this).formatHsl();
}
function color_formatRgb() {
  return this.rgb().formatRgb();
}
function color(format) {
  var m, l;
  format = (format + "").trim().toLowerCase();
  return (m = reHex.exec(format)) ? (l = m[1].length, m = parseInt(m[1], 16), l === 6 ? rgbn(m) : l === 3 ? new Rgb(m >> 8 & 15 | m >> 4 & 240, m >> 4 & 15 | m & 240, (m & 15) << 4 | m & 15, 1) : l === 8 ? rgba(m >> 24 & 255, m >> 16 & 255, m >> 8 & 255, (m & 255) / 255) : l === 4 ? rgba(m >> 12 & 15 | m >> 8 & 240, m >> 8 & 15 | m >> 4 & 240, m >> 4 & 15 | m & 240, ((m & 15) << 4 | m & 15) / 255) : null) : (m = reRgbInteger.exec(format)) ? new Rgb(m[1], m[2], m[3], 1) : (m = reRgbPercent.exec(format)) ? new Rgb(m[1] * 255 / 100, m[2] * 255 / 100, m[3] * 255 / 100, 1) : (m = reRgbaInteger.exec(format)) ? rgba(m[1], m[2], m[3], m[4]) : (m = reRgbaPercent.exec(format)) ? rgba(m[1] * 255 / 100, m[2] * 255 / 100, m[3] * 255 / 100, m[4]) : (m = reHslPercent.exec(format)) ? hsla(m[1], m[2] / 100, m[3] / 100, 1) : (m = reHslaPercent.exec(format)) ? hsla(m[1], m[2] / 100, m[3] / 100, m[4]) : named.hasOwnProperty(format) ? rgbn(named[format]) : format === "transparent" ? new Rgb(NaN, NaN, NaN, 0) : null;
}
function rgbn(n) {
  return new Rgb(n >> 16 & 255, n >> 8 & 255, n & 255, 1);
}
function rgba(r, g, b, a) {
  if (a <= 0) r = g = b = NaN;
  return new Rgb(r, g, b, a);
}
function rgbConvert(o) {
  if (!(o instanceof Color)) o = color(o);
  if (!o) return new Rgb();
  o = o.rgb();
  return new Rgb(o.r, o.g, o.b, o.opacity);
}
function rgb(r, g, b, opacity) {
  return arguments.length === 1 ? rgbConvert(r) : new Rgb(r, g, b, opacity == null ? 1 : opacity);
}
function Rgb(r, g, b, opacity) {
  this.r = +r;
  this.g = +g;
  this.b = +b;
  this.opacity = +opacity;
}
define_default(Rgb, rgb, extend(Color, {
  brighter(k) {
    k = k == null ? brighter : Math.pow(brighter, k);
    return new Rgb(this.r * k, this.g * k, this.b * k, this.opacity);
  },
  darker(k) {
    k = k == null ? darker : Math.pow(darker, k);
    return new Rgb(this.r * k, this.g * k, this.b * k, this.opacity);
  },
  rgb() {
    return this;
  },
  clamp() {
    return new Rgb(clampi(this.r), clampi(this.g), clampi(this.b), clampa(this.opacity));
  },
  displayable() {
    return -0.5 <= this.r && this.r < 255.5 && (-0.5 <= this.g && this.g < 255.5) && (-0.5 <= this.b && this.b < 255.5) && (0 <= this.opacity && this.opacity <= 1);
  },
  hex: rgb_formatHex,
  // Deprecated! Use color.formatHex.
  formatHex: rgb_formatHex,
  formatHex8: rgb_formatHex8,
  formatRgb: rgb_formatRgb,
  toString: rgb_formatRgb
}));
function rgb_formatHex() {
  return `#${hex(this.r)}${hex(this.g)}${hex(this.b)}`;
}
function rgb_formatHex8() {
  return `#${hex(this.r)}${hex(this.g)}${hex(this.b)}${hex((isNaN(this.opacity) ? 1 : this.opacity) * 255)}`;
}
function rgb_formatRgb() {
  const a = clampa(this.opacity);
  return `${a === 1 ? "rgb(" : "rgba("}${clampi(this.r)}, ${clampi(this.g)}, ${clampi(this.b)}${a === 1 ? ")" : `, ${a})`}`;
}
function clampa(opacity) {
  return isNaN(opacity) ? 1 : Math.max(0, Math.min(1, opacity));
}
function clampi(value) {
  return Math.max(0, Math.min(255, Math.round(value) || 0));
}
function hex(value) {
  value = clampi(value);
  return (value < 16 ? "0" : "") + value.toString(16);
}
function hsla(h2, s, l, a) {
  if (a <= 0) h2 = s = l = NaN;
  else if (l <= 0 || l >= 1) h2 = s = NaN;
  else if (s <= 0) h2 = NaN;
  return new Hsl(h2, s, l, a);
}
function hslConvert(o) {
  if (o instanceof Hsl) return new Hsl(o.h, o.s, o.l, o.opacity);
  if (!(o instanceof Color)) o = color(o);
  if (!o) return new Hsl();
  if (o instanceof Hsl) return o;
  o = o.rgb();
  var r = o.r / 255, g = o.g / 255, b = o.b / 255, min = Math.min(r, g, b), max = Math.max(r, g, b), h2 = NaN, s = max - min, l = (max + min) / 2;
  if (s) {
    if (r === max) h2 = (g - b) / s + (g < b) * 6;
    else if (g === max) h2 = (b - r) / s + 2;
    else h2 = (r - g) / s + 4;
    s /= l < 0.5 ? max + min : 2 - max - min;
    h2 *= 60;
  } else {
    s = l > 0 && l < 1 ? 0 : h2;
  }
  return new Hsl(h2, s, l, o.opacity);
}
function hsl(h2, s, l, opacity) {
  return arguments.length === 1 ? hslConvert(h2) : new Hsl(h2, s, l, opacity == null ? 1 : opacity);
}
function Hsl(h2, s, l, opacity) {
  this.h = +h2;
  this.s = +s;
  this.l = +l;
  this.opacity = +opacity;
}
define_default(Hsl, hsl, extend(Color, {
  brighter(k) {
    k = k == null ? brighter : Math.pow(brighter, k);
    return new Hsl(this.h, this.s, this.l * k, this.opacity);
  },
  darker(k) {
    k = k == null ? darker : Math.pow(darker, k);
    return new Hsl(this.h, this.s, this.l * k, this.opacity);
  },
  rgb() {
    var h2 = this.h % 360 + (this.h < 0) * 360, s = isNaN(h2) || isNaN(this.s) ? 0 : this.s, l = this.l, m2 = l + (l < 0.5 ? l : 1 - l) * s, m1 = 2 * l - m2;
    return new Rgb(
      hsl2rgb(h2 >= 240 ? h2 - 240 : h2 + 120, m1, m2),
      hsl2rgb(h2, m1, m2),
      hsl2rgb(h2 < 120 ? h2 + 240 : h2 - 120, m1, m2),
      this.opacity
    );
  },
  clamp() {
    return new Hsl(clamph(this.h), clampt(this.s), clampt(this.l), clampa(this.opacity));
  },
  displayable() {
    return (0 <= this.s && this.s <= 1 || isNaN(this.s)) && (0 <= this.l && this.l <= 1) && (0 <= this.opacity && this.opacity <= 1);
  },
  formatHsl() {
    const a = clampa(this.opacity);
    return `${a === 1 ? "hsl(" : "hsla("}${clamph(this.h)}, ${clampt(this.s) * 100}%, ${clampt(this.l) * 100}%${a === 1 ? ")" : `, ${a})`}`;
  }
}));
function clamph(value) {
  value = (value || 0) % 360;
  return value < 0 ? value + 360 : value;
}
function clampt(value) {
  return Math.max(0, Math.min(1, value || 0));
}
function hsl2rgb(h2, m1, m2) {
  return (h2 < 60 ? m1 + (m2 - m1) * h2 / 60 : h2 < 180 ? m2 : h2 < 240 ? m1 + (m2 - m1) * (240 - h2) / 60 : m1) * 255;
}

// node_modules/d3-interpolate/src/basis.js
function basis(t1, v0, v1, v2, v3) {
  var t2 = t1 * t1, t3 = t2 * t1;
  return ((1 - 3 * t1 + 3 * t2 - t3) * v0 + (4 - 6 * t2 + 3 * t3) * v1 + (1 + 3 * t1 + 3 * t2 - 3 * t3) * v2 + t3 * v3) / 6;
}
function basis_default(values) {
  var n = values.length - 1;
  return function(t) {
    var i = t <= 0 ? t = 0 : t >= 1 ? (t = 1, n - 1) : Math.floor(t * n), v1 = values[i], v2 = values[i + 1], v0 = i > 0 ? values[i - 1] : 2 * v1 - v2, v3 = i < n - 1 ? values[i + 2] : 2 * v2 - v1;
    return basis((t - i / n) * n, v0, v1, v2, v3);
  };
}

// node_modules/d3-interpolate/src/basisClosed.js
function basisClosed_default(values) {
  var n = values.length;
  return function(t) {
    var i = Math.floor(((t %= 1) < 0 ? ++t : t) * n), v0 = values[(i + n - 1) % n], v1 = values[i % n], v2 = values[(i + 1) % n], v3 = values[(i + 2) % n];
    return basis((t - i / n) * n, v0, v1, v2, v3);
  };
}

// node_modules/d3-interpolate/src/constant.js
var constant_default = (x) => () => x;

// node_modules/d3-interpolate/src/color.js
function linear(a, d) {
  return function(t) {
    return a + t * d;
  };
}
function exponential(a, b, y) {
  return a = Math.pow(a, y), b = Math.pow(b, y) - a, y = 1 / y, function(t) {
    return Math.pow(a + t * b, y);
  };
}
function gamma(y) {
  return (y = +y) === 1 ? nogamma : function(a, b) {
    return b - a ? exponential(a, b, y) : constant_default(isNaN(a) ? b : a);
  };
}
function nogamma(a, b) {
  var d = b - a;
  return d ? linear(a, d) : constant_default(isNaN(a) ? b : a);
}

// node_modules/d3-interpolate/src/rgb.js
var rgb_default = (function rgbGamma(y) {
  var color2 = gamma(y);
  function rgb2(start, end) {
    var r = color2((start = rgb(start)).r, (end = rgb(end)).r), g = color2(start.g, end.g), b = color2(start.b, end.b), opacity = nogamma(start.opacity, end.opacity);
    return function(t) {
      start.r = r(t);
      start.g = g(t);
      start.b = b(t);
      start.opacity = opacity(t);
      return start + "";
    };
  }
  rgb2.gamma = rgbGamma;
  return rgb2;
})(1);
function rgbSpline(spline) {
  return function(colors) {
    var n = colors.length, r = new Array(n), g = new Array(n), b = new Array(n), i, color2;
    for (i = 0; i < n; ++i) {
      color2 = rgb(colors[i]);
      r[i] = color2.r || 0;
      g[i] = color2.g || 0;
      b[i] = color2.b || 0;
    }
    r = spline(r);
    g = spline(g);
    b = spline(b);
    color2.opacity = 1;
    return function(t) {
      color2.r = r(t);
      color2.g = g(t);
      color2.b = b(t);
      return color2 + "";
    };
  };
}
var rgbBasis = rgbSpline(basis_default);
var rgbBasisClosed = rgbSpline(basisClosed_default);

// src/colour.ts
var MAKO = ["#b2e4c2", "#79d6ae", "#4bc2ad", "#38aaac", "#3492a8", "#357ba3", "#38629d", "#40498e", "#3e356b", "#332345", "#211423"];
var AGAINST_FOR = ["#a51429", "#c94741", "#e58368", "#f7b799", "#fcdfcf", "#f6f7f7", "#d7e8f1", "#a7d0e4", "#68abd0", "#3783bb", "#1c5c9f"];
var AGAINST_FOR_DARK = ["#ff9b8a", "#f0705f", "#c94741", "#8f2f35", "#4a2227", "#1b1f27", "#17324c", "#1f558a", "#2f7fc0", "#5aa9e0", "#9ad0f5"];
var sequential = (dark) => rgbBasis(dark ? ["#15181e", "#211d2e", ...MAKO.slice(0, 9).reverse(), "#e9f8e4"] : ["#ffffff", "#def5e5", ...MAKO]);
var diverging = (dark) => {
  const ramp = rgbBasis(dark ? AGAINST_FOR_DARK : AGAINST_FOR);
  return (share) => ramp((share + 1) / 2);
};
function table2(ramp) {
  const out = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const { r, g, b } = rgb(ramp(i / 255));
    out.set([r, g, b, 255], 4 * i);
  }
  return out;
}
function needsWhite(colour) {
  const { r, g, b } = rgb(colour);
  const linear2 = (part) => part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear2(r) + 0.7152 * linear2(g) + 0.0722 * linear2(b) < 0.179;
}
var LOG_FLOOR = 1e-4;
function scale(most, log) {
  const top = most > 0 ? most : 1;
  if (!log) return (weight) => Math.min(1, weight / top);
  const low = Math.log(Math.min(LOG_FLOOR, top / 10));
  const range = Math.log(top) - low;
  return (weight) => weight <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(weight) - low) / range));
}

// src/label.ts
var SIGNS = { " ": "␣", "\n": "↵", "	": "⇥", "\r": "␍", " ": "⍽" };
var LONGEST = 40;
var UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
var JOINER = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})/gu;
function label(text, longest = LONGEST) {
  const start = text.slice(0, longest * 2);
  const seen = start.trim() === "" ? start.replace(/[ \u00a0]/g, (c) => SIGNS[c]) : start;
  const joined = new Set([...seen.matchAll(JOINER)].map(({ index }) => index));
  const sign = (c) => SIGNS[c] ?? (c < " " ? String.fromCharCode(9216 + c.charCodeAt(0)) : `‹${c.charCodeAt(0).toString(16)}›`);
  const clear = seen.replace(UNSEEN, (c, at) => joined.has(at) ? c : sign(c));
  const letters = [...clear];
  const cut = letters.length > longest || start.length < text.length;
  return cut ? `${letters.slice(0, longest - 1).join("")}…` : clear || "∅";
}
function number(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

// src/margin.ts
var LEGIBLE = 12;
var LETTER = 6.7;
var MOST_LETTERS = 15;
var LEGEND = 160;
var SHADES = 32;
function ticks({ tokens, places, start, cell, size, marked, room }) {
  const step = Math.max(1, Math.ceil(LEGIBLE / cell));
  const special = new Set(tokens.special);
  const letters = Math.min(MOST_LETTERS, Math.floor(room / LETTER));
  const out = [];
  const add = (n) => {
    const at = (n - start + 0.5) * cell;
    if (n >= places.length || at < 0 || at > size) return;
    out.push({ at, text: label(tokens.text[places[n]], letters), special: special.has(places[n]), marked: n === marked });
  };
  for (let n = Math.max(0, Math.ceil((start - 0.5) / step)) * step; n <= start + size / cell; n += step)
    if (marked < 0 || Math.abs(n - marked) >= step) add(n);
  if (marked >= 0) add(marked);
  return out;
}
function marks({ top, log, signed, share }, length) {
  const weights = signed ? [top, 0, -top] : log ? [top, 0.1, 0.01, 1e-3].filter((weight) => weight <= top) : [top, top / 2, 0];
  const out = [];
  for (const weight of weights) {
    const y = (1 - share(weight)) * (length - 1);
    if (y - (out.at(-1)?.y ?? -Infinity) > 11) out.push({ y, said: number(weight) });
  }
  return out;
}
function drawLegend(context, legend, x, top, most, ink) {
  const length = Math.min(most, LEGEND);
  for (let y = 0; y < length; y++) {
    context.fillStyle = legend.ramp(1 - y / (length - 1));
    context.fillRect(x, top + y, 12, 1.5);
  }
  context.fillStyle = ink;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { y, said } of marks(legend, length)) context.fillText(said, x + 17, top + y);
}
function legendSvg(legend, x, top, most) {
  const length = Math.min(most, LEGEND);
  const high = length / SHADES;
  const shades = Array.from({ length: SHADES }, (_, n) => `<rect x="${x}" y="${top + n * high}" width="12" height="${high + 0.3}" fill="${legend.ramp(1 - n / (SHADES - 1))}"/>`);
  const said = marks(legend, length).map(({ y, said: said2 }) => `<text x="${x + 17}" y="${top + y}" dominant-baseline="middle">${said2}</text>`);
  return [...shades, ...said].join("");
}

// src/mosaic.ts
var Mosaic = class {
  constructor(rows, cols, bring, waiting) {
    this.bring = bring;
    this.waiting = waiting;
    this.coarsest = coarsestLevel(rows, cols);
  }
  bring;
  waiting;
  /** The level on which all is one tile. */
  coarsest;
  laid = /* @__PURE__ */ new Map();
  pending = /* @__PURE__ */ new Set();
  largest = /* @__PURE__ */ new Map();
  /** Nobody waits for its tiles any more. */
  end() {
    this.waiting = null;
  }
  at(level, row, col) {
    return this.laid.get(`${level}/${row}/${col}`);
  }
  /** The largest weight that has come of a level; of the coarsest it is the whole's. */
  most(level = this.coarsest) {
    return this.largest.get(level) ?? 0;
  }
  /** Asks for a tile, unless it is here or on its way. */
  want(level, row, col) {
    const key = `${level}/${row}/${col}`;
    if (this.laid.has(key) || this.pending.has(key)) return;
    this.pending.add(key);
    this.waiting?.busy(this.pending.size);
    const done = () => {
      this.pending.delete(key);
      this.waiting?.busy(this.pending.size);
    };
    this.bring(level, row, col).then(
      (tile) => {
        this.laid.set(key, { tile, picture: null, look: "" });
        this.largest.set(level, tile.weights.reduce((a, b) => Math.max(a, Math.abs(b)), this.most(level)));
        done();
        this.waiting?.came(level);
      },
      (error) => {
        done();
        this.waiting?.failed(error);
      }
    );
  }
  /** A single weight; null where its tile is not here. */
  weight(row, col) {
    const tile = this.at(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE))?.tile;
    return tile ? tile.weights[row % TILE_SIDE * tile.cols + col % TILE_SIDE] : null;
  }
  /** What stands there for several weights on that level, or on the nearest coarser one that is here. */
  coarse(level, row, col) {
    for (let up = Math.max(1, level); up <= this.coarsest; up++) {
      const [down, across] = [row >> up, col >> up];
      const tile = this.at(up, Math.floor(down / TILE_SIDE), Math.floor(across / TILE_SIDE))?.tile;
      if (tile) return { weight: tile.weights[down % TILE_SIDE * tile.cols + across % TILE_SIDE], size: 2 ** up };
    }
    return null;
  }
};
function pictureOf(laid, { name, ramp, share, threshold }) {
  if (laid.picture && laid.look === name) return laid.picture;
  const { rows, cols, weights } = laid.tile;
  const canvas = h("canvas", { width: cols, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(cols, rows);
  const colours = new Uint32Array(table2(ramp).buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const nothing = Math.round(255 * share(0));
  for (let n = 0; n < weights.length; n++) {
    const weight = weights[n];
    pixels[n] = colours[Math.abs(weight) < threshold ? nothing : Math.round(255 * share(weight))];
  }
  context.putImageData(image, 0, 0);
  laid.look = name;
  return laid.picture = canvas;
}

// src/steering.ts
var STILL = 4;
function steer(matrix, signal) {
  byPointer(matrix, signal);
  byWheel(matrix, signal);
  matrix.element.addEventListener("keydown", (event) => byKey(matrix, event), { signal });
  matrix.element.addEventListener("blur", () => matrix.point(null), { signal });
}
function place({ element, corner }, event) {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left - corner.left, event.clientY - box.top - corner.top];
}
function byPointer(matrix, signal) {
  const { element } = matrix;
  let held = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = { x: event.clientX, y: event.clientY, moved: false };
    element.setPointerCapture(event.pointerId);
  }, { signal });
  element.addEventListener("pointermove", (event) => {
    if (!held) return matrix.point(matrix.cellAt(...place(matrix, event)));
    const [x, y] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(x, y) < STILL) return;
    held = { x: event.clientX, y: event.clientY, moved: true };
    matrix.pan(x, y);
  }, { signal });
  element.addEventListener("pointerup", (event) => {
    const cell = matrix.cellAt(...place(matrix, event));
    if (held && !held.moved && cell) matrix.pick(cell);
    held = null;
  }, { signal });
  element.addEventListener("pointercancel", () => held = null, { signal });
  element.addEventListener("pointerleave", () => matrix.point(null), { signal });
  element.addEventListener("dblclick", (event) => matrix.zoom(event.shiftKey ? 0.5 : 2, ...place(matrix, event)), { signal });
}
function byWheel(matrix, signal) {
  const { element } = matrix;
  element.addEventListener("wheel", (event) => {
    const root = element.getRootNode();
    if (!event.ctrlKey && root instanceof ShadowRoot && root.activeElement !== element) return;
    event.preventDefault();
    matrix.zoom(Math.exp(-event.deltaY / 300), ...place(matrix, event));
  }, { signal, passive: false });
}
function byKey(matrix, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    ArrowUp: () => matrix.step(-1, 0),
    ArrowDown: () => matrix.step(1, 0),
    ArrowLeft: () => matrix.step(0, -1),
    ArrowRight: () => matrix.step(0, 1),
    PageUp: () => matrix.step(-matrix.seen.rows, 0),
    PageDown: () => matrix.step(matrix.seen.rows, 0),
    Home: () => matrix.step(0, -Infinity),
    End: () => matrix.step(0, Infinity),
    Enter: () => matrix.pick(),
    " ": () => matrix.pick(),
    "+": () => matrix.zoom(1.5),
    "=": () => matrix.zoom(1.5),
    "-": () => matrix.zoom(1 / 1.5),
    "0": () => matrix.fit()
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

// src/matrix.ts
var WHOLE = { plot: 460, left: 108, top: 92, legend: 80 };
var NARROW = { plot: 460, left: 76, top: 76, legend: 72 };
var WIDE = 480;
var LEAN = Math.PI / 3;
var RESTING = 150;
var LARGEST_CELL = 48;
var LETTERS = 20;
var FINE = 5;
var ROOMY = 30;
var Matrix = class {
  constructor(pointing, signal) {
    this.pointing = pointing;
    this.signal = signal;
    this.element = h("canvas", {
      className: "matrix",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "matrix",
      "aria-label": "Attention matrix. Arrow keys move from cell to cell, Enter selects, plus and minus zoom, 0 shows all."
    });
    steer(this, signal);
    signal.addEventListener("abort", () => clearTimeout(this.resting), { once: true });
  }
  pointing;
  signal;
  element;
  drawing = null;
  mosaic = null;
  sight = { x: 0, y: 0, cell: 1 };
  fitted = "";
  pointed = null;
  resting;
  frame = 0;
  room = WHOLE;
  size = WHOLE.plot;
  show(drawing, width) {
    if (drawing.name !== this.drawing?.name) {
      this.mosaic?.end();
      this.mosaic = this.mosaicOf(drawing);
      clearTimeout(this.resting);
    }
    this.drawing = drawing;
    if (this.pointed && (this.pointed.row >= drawing.rows.length || this.pointed.col >= drawing.cols.length)) this.point(null);
    this.room = drawing.room ?? (width < WIDE ? NARROW : WHOLE);
    this.size = Math.max(120, Math.min(this.room.plot, width - this.room.left - this.room.legend));
    const shape = `${drawing.rows.length},${drawing.cols.length},${this.size}`;
    if (shape !== this.fitted) this.fit();
    this.fitted = shape;
    this.paint();
  }
  /** The largest weight of what is shown, 0 until it is known. */
  get strongest() {
    return this.mosaic?.most() ?? 0;
  }
  /** What the strongest colour stands for; single weights may be larger than the largest mean of several. */
  get top() {
    return this.drawing.most ?? Math.max(this.mosaic.most(), this.mosaic.most(this.level));
  }
  /** The level whose cells come closest to a pixel. */
  get level() {
    const pixels = this.sight.cell * (globalThis.devicePixelRatio || 1);
    return Math.max(0, Math.min(this.mosaic.coarsest, Math.ceil(Math.log2(1 / pixels) - 0.5)));
  }
  /** Shows all. */
  fit() {
    this.sight = { x: 0, y: 0, cell: this.smallest() };
    this.moved();
  }
  smallest() {
    const { rows, cols } = this.drawing;
    return Math.min(LARGEST_CELL, this.size / Math.max(rows.length, cols.length, 1));
  }
  /** Nearer or farther, so that what is at that pixel stays there. */
  zoom(by, x = this.size / 2, y = this.size / 2) {
    const { sight } = this;
    const cell = Math.min(LARGEST_CELL, Math.max(this.smallest(), sight.cell * by));
    sight.x += x / sight.cell - x / cell;
    sight.y += y / sight.cell - y / cell;
    sight.cell = cell;
    this.moved();
  }
  pan(x, y) {
    this.sight.x -= x / this.sight.cell;
    this.sight.y -= y / this.sight.cell;
    this.moved();
  }
  moved() {
    this.clamp();
    this.pointing.moved?.(this.sight);
    this.later();
  }
  /** What another matrix shows: the same part of it. */
  follow(sight) {
    if (!this.drawing) return;
    this.sight = { ...sight };
    this.clamp();
    this.later();
  }
  /** Points at a cell from outside; null at none. */
  mark(cell) {
    this.pointed = cell;
    this.later();
  }
  clamp() {
    const { rows, cols } = this.drawing;
    const seen = this.size / this.sight.cell;
    this.sight.x = Math.max(0, Math.min(this.sight.x, cols.length - seen));
    this.sight.y = Math.max(0, Math.min(this.sight.y, rows.length - seen));
  }
  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.signal.aborted) this.paint();
    });
  }
  // -- tiles ----------------------------------------------------------------------------------------------
  mosaicOf(drawing) {
    const mosaic = new Mosaic(drawing.rows.length, drawing.cols.length, drawing.tile, {
      came: (level) => {
        if (level === mosaic.coarsest) this.pointing.known?.();
        if (this.pointed) this.tell();
        this.later();
      },
      failed: (error) => {
        if (!this.signal.aborted) this.pointing.failed(error);
      },
      busy: (pending) => this.pointing.busy(pending)
    });
    return mosaic;
  }
  get look() {
    const { threshold, log } = this.drawing;
    const { ramp, share, top } = this;
    return { name: [log, threshold, top, ramp(0), ramp(1)].join(), ramp, share, threshold };
  }
  /** From a weight to its place on the ramp, 0 to 1; of signed ones zero is in the middle. */
  get share() {
    const { log, signed } = this.drawing;
    const plain = scale(this.top, log);
    return signed ? (weight) => (1 + Math.sign(weight) * plain(Math.abs(weight))) / 2 : plain;
  }
  /** The ramp from 0 to 1. */
  get ramp() {
    const { ramp, signed } = this.drawing;
    return signed ? (share) => ramp(2 * share - 1) : ramp;
  }
  // -- painting -------------------------------------------------------------------------------------------
  paint() {
    const { drawing, mosaic, size, sight } = this;
    if (!drawing || !mosaic) return;
    const { rows, cols } = drawing;
    const tall = Math.min(size, rows.length * LARGEST_CELL);
    const context = canvasContext(this.element, this.room.left + size + this.room.legend, this.room.top + tall + 2);
    this.element.style.touchAction = sight.cell > this.smallest() ? "none" : "pan-x pan-y";
    const wide = Math.min(size, cols.length * sight.cell);
    const high = Math.min(size, rows.length * sight.cell);
    context.save();
    context.translate(this.room.left, this.room.top);
    context.beginPath();
    context.rect(0, 0, wide, high);
    context.clip();
    context.fillStyle = drawing.ramp(0);
    context.fillRect(0, 0, wide, high);
    context.imageSmoothingEnabled = false;
    mosaic.want(mosaic.coarsest, 0, 0);
    if (mosaic.at(mosaic.coarsest, 0, 0)) this.lay(context);
    if (sight.cell >= ROOMY) this.numbers(context);
    this.cross(context, wide, high);
    context.restore();
    context.strokeStyle = drawing.quiet;
    context.globalAlpha = 0.5;
    context.lineWidth = 1;
    context.strokeRect(this.room.left - 0.5, this.room.top - 0.5, wide + 1, high + 1);
    context.globalAlpha = 1;
    this.write(context, wide, high);
    if (this.top > 0 && this.room.legend > LETTERS) drawLegend(context, this.legend, this.room.left + wide + 16, this.room.top, high, drawing.ink);
  }
  /** The weights themselves, where there is room. */
  numbers(context) {
    const { sight, size } = this;
    const { rows, cols, threshold } = this.drawing;
    const [share, ramp] = [this.share, this.ramp];
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = Math.floor(sight.y); row < Math.min(rows.length, sight.y + size / sight.cell); row++)
      for (let col = Math.floor(sight.x); col < Math.min(cols.length, sight.x + size / sight.cell); col++) {
        const weight = this.mosaic.weight(row, col);
        if (weight === null || Math.abs(weight) < Math.max(threshold, 5e-3)) continue;
        context.fillStyle = needsWhite(ramp(share(weight))) ? "#ffffff" : "#1d2430";
        context.fillText(weight.toFixed(2).replace(/^(-?)0/, "$1"), (col + 0.5 - sight.x) * sight.cell, (row + 0.5 - sight.y) * sight.cell);
      }
  }
  get legend() {
    const { log, signed = false } = this.drawing;
    const { ramp, share, top } = this;
    return { ramp, share, top, log, signed };
  }
  lay(context) {
    const { sight, size, level } = this;
    const { rows, cols } = this.drawing;
    const span = TILE_SIDE << level;
    const look = this.look;
    const last = (from, count) => Math.floor((Math.min(from + size / sight.cell, count) - 1e-9) / span);
    for (let row = Math.floor(sight.y / span); row <= last(sight.y, rows.length); row++)
      for (let col = Math.floor(sight.x / span); col <= last(sight.x, cols.length); col++) {
        this.mosaic.want(level, row, col);
        this.layOne(context, level, row, col, look);
      }
  }
  /** The tile, or the part of the nearest coarser one that lies there. */
  layOne(context, level, row, col, look) {
    const { sight } = this;
    const x = (col * (TILE_SIDE << level) - sight.x) * sight.cell;
    const y = (row * (TILE_SIDE << level) - sight.y) * sight.cell;
    for (let up = 0; level + up <= this.mosaic.coarsest; up++) {
      const laid = this.mosaic.at(level + up, row >> up, col >> up);
      if (!laid) continue;
      const [left, above] = [(col - (col >> up << up)) * (TILE_SIDE >> up), (row - (row >> up << up)) * (TILE_SIDE >> up)];
      const [wide, high] = [Math.min(TILE_SIDE >> up, laid.tile.cols - left), Math.min(TILE_SIDE >> up, laid.tile.rows - above)];
      if (wide < 1 || high < 1) return;
      const pixels = sight.cell * 2 ** (level + up);
      context.drawImage(pictureOf(laid, look), left, above, wide, high, x, y, wide * pixels, high * pixels);
      return;
    }
  }
  /** The row and the column that are pointed at or selected. */
  cross(context, wide, high) {
    const { sight } = this;
    const drawing = this.drawing;
    context.strokeStyle = drawing.accent;
    context.lineWidth = sight.cell < FINE ? 1 : 1.5;
    const row = this.pointed?.row ?? drawing.rows.indexOf(drawing.selected.query ?? -1);
    const col = this.pointed?.col ?? drawing.cols.indexOf(drawing.selected.key ?? -1);
    const [inset, thick] = sight.cell < FINE ? [0.5, 0] : [0, sight.cell];
    if (row >= 0) context.strokeRect(-2, (row + inset - sight.y) * sight.cell, wide + 4, thick);
    if (col >= 0) context.strokeRect((col + inset - sight.x) * sight.cell, -2, thick, high + 4);
  }
  write(context, wide, high) {
    for (const { x, y, turned, text, special, marked, room } of this.labels(wide, high)) {
      context.save();
      context.translate(x, y);
      if (turned) context.rotate(-LEAN);
      context.textAlign = turned ? "left" : "right";
      context.textBaseline = "middle";
      context.font = `${marked ? "bold " : ""}11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace`;
      context.fillStyle = special && !marked ? this.drawing.quiet : this.drawing.ink;
      context.fillText(text, 0, 0, room);
      context.restore();
    }
  }
  /** The tokens along both sides; of a matrix beside another one those above alone. */
  labels(wide, high) {
    const { queries, keys, rows, cols, selected } = this.drawing;
    const { left, top } = this.room;
    const { x, y, cell } = this.sight;
    const row = this.pointed?.row ?? rows.indexOf(selected.query ?? -1);
    const col = this.pointed?.col ?? cols.indexOf(selected.key ?? -1);
    const [beside, above] = [left - 10, (top - 10) / Math.sin(LEAN)];
    const down = ticks({ tokens: queries, places: rows, start: y, cell, size: high, marked: row, room: beside });
    const across = ticks({ tokens: keys, places: cols, start: x, cell, size: wide, marked: col, room: above });
    return [
      ...left > LETTERS ? down.map((tick) => ({ ...tick, turned: false, x: left - 6, y: top + tick.at, room: beside })) : [],
      ...across.map((tick) => ({ ...tick, turned: true, x: left + tick.at, y: top - 6, room: above }))
    ];
  }
  /** What is in sight, with its labels and what its colours stand for. */
  svg(paper) {
    const { size, sight, room } = this;
    const { rows, cols, ink } = this.drawing;
    const wide = Math.min(size, cols.length * sight.cell);
    const high = Math.min(size, rows.length * sight.cell);
    const legend = room.legend > LETTERS && this.top > 0;
    const [width, height] = [room.left + wide + (legend ? WHOLE.legend : room.top / 2), room.top + high + 10];
    const plain = h("canvas");
    const context = canvasContext(plain, wide, high);
    context.imageSmoothingEnabled = false;
    this.lay(context);
    const texts = this.labels(wide, high).map(
      ({ x, y, turned, text }) => `<text transform="translate(${x} ${y})${turned ? " rotate(-60)" : ""}" dominant-baseline="middle" text-anchor="${turned ? "start" : "end"}">${escaped(text)}</text>`
    );
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="11" fill="${ink}"><rect width="100%" height="100%" fill="${paper}"/><image x="${room.left}" y="${room.top}" width="${wide}" height="${high}" style="image-rendering:pixelated" href="${plain.toDataURL()}"/><rect x="${room.left}" y="${room.top}" width="${wide}" height="${high}" fill="none" stroke="${ink}" stroke-opacity="0.4"/>${texts.join("")}${legend ? legendSvg(this.legend, room.left + wide + 16, room.top, high) : ""}</svg>`;
  }
  // -- steering -------------------------------------------------------------------------------------------
  get corner() {
    return this.room;
  }
  get seen() {
    const seen = Math.max(1, Math.floor(this.size / this.sight.cell));
    return { rows: seen, cols: seen };
  }
  cellAt(x, y) {
    if (!this.drawing) return null;
    const { rows, cols } = this.drawing;
    const row = Math.floor(this.sight.y + y / this.sight.cell);
    const col = Math.floor(this.sight.x + x / this.sight.cell);
    const inside = x >= 0 && y >= 0 && x < this.size && y < this.size && row < rows.length && col < cols.length;
    return inside ? { row, col } : null;
  }
  point(cell) {
    if (cell?.row === this.pointed?.row && cell?.col === this.pointed?.col) return;
    this.pointed = cell;
    clearTimeout(this.resting);
    if (cell) this.tell();
    else this.pointing.left?.();
    this.later();
  }
  /** Says what is pointed at; of a coarse picture the single weight is brought when the pointer rests. */
  tell() {
    const { rows, cols } = this.drawing;
    const { row, col } = this.pointed;
    const weight = this.mosaic.weight(row, col);
    const coarse = this.level > 0 ? this.mosaic.coarse(this.level, row, col) : null;
    this.pointing.point(rows[row], cols[col], weight, coarse);
    if (weight === null) this.resting = setTimeout(() => this.mosaic.want(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE)), RESTING);
  }
  pick(cell = this.pointed) {
    if (cell) this.pointing.select(this.drawing.rows[cell.row], this.drawing.cols[cell.col]);
  }
  step(down, across) {
    const { rows, cols, selected } = this.drawing;
    const from = this.pointed ?? {
      row: Math.max(0, rows.indexOf(selected.query ?? -1)),
      col: Math.max(0, cols.indexOf(selected.key ?? -1))
    };
    const cell = {
      row: Math.max(0, Math.min(rows.length - 1, from.row + down)),
      col: Math.max(0, Math.min(cols.length - 1, from.col + across))
    };
    this.reveal(cell);
    this.point(cell);
  }
  reveal({ row, col }) {
    const seen = this.size / this.sight.cell;
    this.sight.y = Math.min(row, Math.max(this.sight.y, row + 1 - seen));
    this.sight.x = Math.min(col, Math.max(this.sight.x, col + 1 - seen));
    this.moved();
  }
};

// src/compare.ts
var HOW = "Queries run down, keys across; a and b are on one scale. The difference is b minus a over the tokens that stand beside each other: blue where b looks more, red where it looks less. The map above says how far apart the heads are.";
var HOW_LONG = " Of a long text a cell is the strongest of those that it stands for; zoom in for single ones.";
var HOW_REMOTE = " Of a long text a cell of a and b is the largest of the weights that it stands for, one of b − a the difference of those two; zoom in for single weights.";
var ROOM = { plot: 260, left: 74, top: 74, legend: 12 };
var SMALLEST_PLOT = 165;
var NO_LABELS = 10;
var LEGEND2 = 80;
var LONG = 256;
var RESTING2 = 120;
var compare_default2 = view("Comparison", compare_default, (frame) => {
  const { model, signal, bar, stage } = frame;
  const sources = { a: new TraceSource(model, signal, "a_"), b: new TraceSource(model, signal, "b_") };
  const pairs = readPairs(model.get("alignment"));
  const partnerOf = new Map(pairs);
  const aOf = new Map(pairs.map(([a, b]) => [b, a]));
  const cuts = /* @__PURE__ */ new Map();
  const remote = sources.a.remote || sources.b.remote;
  const long = [sources.a, sources.b].some(({ header }) => header.layers.some(({ queries, keys }) => Math.max(queries, keys) > LONG));
  frame.explain(HOW + (remote ? HOW_REMOTE : long ? HOW_LONG : ""));
  const log = h("input", { type: "checkbox", onchange: () => frame.set({ log: log.checked }) });
  const zoom = h(
    "span",
    { className: "segments" },
    h("button", { type: "button", title: "Nearer", onclick: () => matrices.a.zoom(1.6) }, "+"),
    h("button", { type: "button", title: "Farther", onclick: () => matrices.a.zoom(1 / 1.6) }, "−"),
    h("button", { type: "button", title: "Show all", onclick: () => matrices.a.fit() }, "all")
  );
  const legend = h("span", { className: "legend" });
  bar.append(h("label", {}, log, "log"), zoom, legend);
  const pick = { layer: layersOf(model.get("a_trace")), head: h("select"), other_layer: layersOf(model.get("b_trace")), other_head: h("select") };
  for (const [name, select] of Object.entries(pick)) {
    select.setAttribute("aria-label", name.replace("other_", "other ").replace("_", " "));
    select.addEventListener("change", () => change(name, Number(select.value)), { signal });
  }
  const map = h("div");
  const matrices = { a: matrix("a"), b: matrix("b"), difference: matrix("difference") };
  const figures = {
    a: h("figure", {}, h("figcaption", {}, h("b", {}, "a"), "layer", pick.layer, "head", pick.head), matrices.a.element),
    b: h("figure", {}, h("figcaption", {}, h("b", {}, "b"), "layer", pick.other_layer, "head", pick.other_head), matrices.b.element),
    difference: h("figure", {}, h("figcaption", {}, h("b", {}, "b − a")), matrices.difference.element)
  };
  stage.append(map, h("div", { className: "panels" }, figures.a, figures.b, figures.difference));
  if (model.get("note")) frame.tell(model.get("note"), "note");
  listen(model, ["layer", "head", "other_layer", "other_head", "query", "key", "log"], frame.redraw, signal);
  function layersOf(trace) {
    const select = h("select");
    select.append(...trace.layers.map((layer, n) => h("option", { value: String(n) }, layer.kind === "self" ? String(n) : `${n} (${layer.kind})`)));
    return select;
  }
  function change(name, value) {
    if (name === "other_layer" || name === "other_head") return frame.set({ [name]: value });
    choose(name === "layer" ? value : model.get("layer"), name === "head" ? value : model.get("head"));
  }
  function choose(layer, head) {
    head = Math.min(head, model.get("a_trace").layers[layer].heads - 1);
    const found = model.get("partners")[layer]?.[head];
    frame.set({ layer, head, ...found ? { other_layer: found[1], other_head: found[2] } : {} });
  }
  function shown(side) {
    const [layer, head] = side === "a" ? [model.get("layer"), model.get("head")] : [model.get("other_layer"), model.get("other_head")];
    const { heads } = sources[side].header.layers[layer];
    return { layer, heads: [Math.min(head, heads - 1)], pair: "all", hide_special: false, pool: "max" };
  }
  const everyone = (tokens2) => [...tokens2.text.keys()];
  const tokens = (side, axis) => sources[side].tokens(shown(side).layer, axis);
  function compared() {
    const partner = model.get("partners")[model.get("layer")]?.[shown("a").heads[0]];
    if (!partner) return false;
    const layers = sources.b.header.layers;
    const [known, picked] = [layers[partner[1]], layers[model.get("other_layer")]];
    return known.query === picked.query && known.key === picked.key && known.queries === picked.queries && known.keys === picked.keys;
  }
  function parallel() {
    const [a, b] = [tokens("a", "query").text.length, tokens("b", "query").text.length];
    return a === b && pairs.length === a && pairs.every(([i, j]) => i === j);
  }
  function comparable() {
    return pairs.length > 0 && compared() && (!remote || parallel());
  }
  async function differenceTile(level, row, col) {
    const [a, b] = [shown("a"), shown("b")];
    if (remote) {
      const [one, other] = await Promise.all([sources.a.tile(a, level, row, col), sources.b.tile(b, level, row, col)]);
      return { ...one, weights: one.weights.map((weight, n) => other.weights[n] - weight) };
    }
    const key = JSON.stringify([a, b]);
    let found = cuts.get(key);
    if (!found) {
      found = Promise.all([sources.a.matrices(a), sources.b.matrices(b)]).then(([[one], [other]]) => {
        const [wide, otherWide] = [tokens("a", "key").text.length, tokens("b", "key").text.length];
        const out = new Float32Array(pairs.length ** 2);
        pairs.forEach(([i, k], n) => pairs.forEach(([j, l], m) => {
          out[n * pairs.length + m] = other[k * otherWide + l] - one[i * wide + j];
        }));
        return tileCutter(out, pairs.length, pairs.length, "max");
      });
      cuts.clear();
      cuts.set(key, found);
    }
    return (await found)(level, row, col);
  }
  function drawing(side) {
    const dark = frame.dark();
    const [query, key] = [model.get("query"), model.get("key")];
    const common = {
      threshold: 0,
      log: model.get("log"),
      ink: getComputedStyle(stage).color,
      quiet: dark ? "#98a1ae" : "#68707d",
      accent: dark ? "#fdba74" : "#c2410c"
    };
    const labels = parallel() ? ROOM.left + 2 * NO_LABELS : 3 * ROOM.left;
    const fitting = Math.floor((frame.width() - labels - 2 * LEGEND2 - ROOM.legend - 28) / 3);
    const beside = fitting >= SMALLEST_PLOT;
    const left = beside && side !== "a" && parallel() ? NO_LABELS : ROOM.left;
    const size = { ...ROOM, left, plot: beside ? Math.min(ROOM.plot, fitting) : ROOM.plot };
    if (side === "difference") {
      const [queries2, keys2] = [tokens("a", "query"), tokens("a", "key")];
      const places = pairs.map(([a]) => a);
      const name = JSON.stringify([shown("a"), shown("b")]);
      const room = { ...size, legend: LEGEND2 };
      return { ...common, name, queries: queries2, keys: keys2, rows: places, cols: places, signed: true, ramp: diverging(dark), room, selected: { query, key }, tile: differenceTile };
    }
    const what = shown(side);
    const [queries, keys] = [tokens(side, "query"), tokens(side, "key")];
    const mine = (position) => position === null ? null : side === "a" ? position : partnerOf.get(position) ?? null;
    const most = Math.max(matrices.a.strongest, matrices.b.strongest);
    return {
      ...common,
      name: JSON.stringify(what),
      queries,
      keys,
      rows: everyone(queries),
      cols: everyone(keys),
      ...most > 0 ? { most } : {},
      ramp: sequential(dark),
      room: { ...size, legend: side === "b" ? LEGEND2 : ROOM.legend },
      selected: { query: mine(query), key: mine(key) },
      tile: (level, row, col) => sources[side].tile(what, level, row, col)
    };
  }
  function matrix(side) {
    const made = new Matrix({
      point: (query, key) => point(side, query, key),
      left: () => {
        told++;
        frame.say("");
        for (const other of ["a", "b", "difference"]) if (other !== side) matrices[other].mark(null);
      },
      select: (query, key) => {
        const [i, j] = side === "b" ? [aOf.get(query) ?? null, aOf.get(key) ?? null] : [query, key];
        const same = model.get("query") === i && model.get("key") === j;
        frame.set(same ? { query: null, key: null } : { query: i, key: j });
      },
      moved: (sight) => {
        if (parallel()) {
          for (const other of ["a", "b", "difference"]) if (other !== side) matrices[other].follow(sight);
        }
      },
      known: frame.redraw,
      failed: (error) => frame.tell(error.message),
      busy: () => {
      }
    }, signal);
    return made;
  }
  function point(side, query, key) {
    const [i, j] = side === "b" ? [aOf.get(query), aOf.get(key)] : [query, key];
    const [k, l] = side === "b" ? [query, key] : [partnerOf.get(query), partnerOf.get(key)];
    const place2 = (a, b) => a === void 0 || b === void 0 ? null : { row: a, col: b };
    const inPairs = (position) => pairs.findIndex(([a]) => a === position);
    if (side !== "a") matrices.a.mark(place2(i, j));
    if (side !== "b") matrices.b.mark(place2(k, l));
    if (side !== "difference") {
      const [row, col] = [inPairs(i), inPairs(j)];
      matrices.difference.mark(row < 0 || col < 0 ? null : { row, col });
    }
    tell(i, j, k, l).catch((error) => !signal.aborted && frame.tell(error.message));
  }
  let told = 0;
  async function tell(i, j, k, l) {
    const turn = ++told;
    if (remote) await new Promise((rested) => setTimeout(rested, RESTING2));
    if (turn !== told || signal.aborted) return;
    const one = i !== void 0 && j !== void 0 ? await valueOf("a", i, j) : null;
    const other = k !== void 0 && l !== void 0 ? await valueOf("b", k, l) : null;
    if (turn !== told) return;
    const side = one === null ? "b" : "a";
    const name = (axis, position) => `“${label(tokens(side, axis).text[position ?? 0] ?? "?")}”`;
    const said = [`${name("query", side === "a" ? i : k)} → ${name("key", side === "a" ? j : l)}`];
    said.push(one === null ? "no partner in a" : `a ${number(one)}`, other === null ? "no partner in b" : `b ${number(other)}`);
    if (one !== null && other !== null) said.push(`b − a ${number(other - one)}`);
    frame.say(said.join(" · "));
  }
  async function valueOf(side, query, key) {
    const tile = await sources[side].tile(shown(side), 0, Math.floor(query / TILE_SIDE), Math.floor(key / TILE_SIDE));
    return tile.weights[query % TILE_SIDE * tile.cols + key % TILE_SIDE];
  }
  const partners = model.get("partners");
  const farthest = Math.max(0, ...partners.flat().map((one) => one?.[0] ?? 0));
  const cells = farthest > 0 ? layOutMap() : [];
  function layOutMap() {
    const heads = Math.max(...partners.map((row) => row.length));
    const axis = (said) => h("span", { className: "axis", "aria-hidden": "true" }, String(said));
    const made = partners.map((row, layer) => row.map((found, head) => h("button", {
      type: "button",
      role: "gridcell",
      tabIndex: -1,
      disabled: !found,
      "aria-label": describe(layer, head),
      title: describe(layer, head),
      onclick: () => choose(layer, head),
      onpointerenter: () => frame.say(describe(layer, head)),
      onpointerleave: () => frame.say(""),
      onfocus: () => frame.say(describe(layer, head)),
      onkeydown: (event) => move(event, layer, head)
    })));
    map.append(h(
      "div",
      {
        className: "distances",
        role: "grid",
        "aria-label": `${model.get("metric").replace("_", "-")} distance of the heads: rows are layers`,
        style: { gridTemplateColumns: `auto repeat(${heads}, 20px)` }
      },
      axis("layer"),
      ...Array.from({ length: heads }, (_, n) => axis(n)),
      ...made.map((row, layer) => h(
        "div",
        { role: "row", style: { display: "contents" } },
        axis(layer),
        ...row,
        ...Array.from({ length: heads - row.length }, () => h("span"))
      ))
    ));
    return made;
  }
  function move(event, layer, head) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    let [row, col] = [layer + step[0], head + step[1]];
    while (cells[row]?.[col]?.disabled) [row, col] = [row + step[0], col + step[1]];
    cells[row]?.[col]?.focus();
  }
  function drawMap() {
    map.hidden = farthest === 0;
    if (map.hidden) return;
    const ramp = sequential(frame.dark());
    const selected = cells[model.get("layer")]?.[model.get("head")];
    const entry = selected && !selected.disabled ? selected : cells.flat().find((cell) => !cell.disabled);
    cells.forEach((row, layer) => row.forEach((cell, head) => {
      const distance = partners[layer]?.[head]?.[0];
      cell.style.background = distance == null ? "" : ramp(0.08 + 0.92 * distance / farthest);
      cell.setAttribute("aria-selected", String(cell === selected));
      cell.tabIndex = cell === entry ? 0 : -1;
    }));
    legend.replaceChildren(`${model.get("metric").replace("_", "-")} distance: 0`, gradient(ramp), number(farthest));
  }
  function describe(layer, head) {
    const found = model.get("partners")[layer]?.[head];
    if (!found) return `layer ${layer}, head ${head}: not compared`;
    const [distance, other, otherHead] = found;
    const beside = other === layer && otherHead === head ? "" : ` beside layer ${other}, head ${otherHead} of b`;
    return `layer ${layer}, head ${head}${beside}: distance ${distance === null ? "unknown" : number(distance)}`;
  }
  function drawPickers() {
    for (const [side, name] of [["a", "head"], ["b", "other_head"]]) {
      const count = sources[side].header.layers[shown(side).layer].heads;
      if (pick[name].childElementCount !== count)
        pick[name].replaceChildren(...Array.from({ length: count }, (_, n) => h("option", { value: String(n) }, String(n))));
      pick[name].value = String(shown(side).heads[0]);
    }
    pick.layer.value = String(model.get("layer"));
    pick.other_layer.value = String(model.get("other_layer"));
    log.checked = model.get("log");
  }
  function draw() {
    drawMap();
    drawPickers();
    const wide = frame.width();
    matrices.a.show(drawing("a"), wide);
    matrices.b.show(drawing("b"), wide);
    figures.difference.hidden = !comparable();
    if (comparable()) matrices.difference.show(drawing("difference"), wide);
  }
  return { draw, picture: () => picture(frame.dark(), comparable() ? matrices : { a: matrices.a, b: matrices.b }) };
});
function picture(dark, matrices) {
  const paper = dark ? "#15181e" : "#ffffff";
  let x = 0;
  let high = 0;
  const parts = Object.entries(matrices).map(([side, matrix]) => {
    const svg = matrix.svg(paper);
    const [width, height] = [/ width="([\d.]+)"/, / height="([\d.]+)"/].map((found) => Number(found.exec(svg)[1]));
    const name = escaped(side === "difference" ? "b − a" : side);
    const part = `<text x="${x + 8}" y="16" font-weight="bold">${name}</text>${svg.replace("<svg ", `<svg x="${x}" y="0" `).replace(/<rect width="100%" height="100%"[^>]*>/, "")}`;
    x += width + 12;
    high = Math.max(high, height);
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${x}" height="${high}" font-family="sans-serif" font-size="13" fill="${dark ? "#e6e9ee" : "#1d2430"}"><rect width="100%" height="100%" fill="${paper}"/>${parts.join("")}</svg>`;
}
function readPairs(bytes) {
  return Array.from({ length: bytes.byteLength / 8 }, (_, n) => [bytes.getInt32(8 * n, true), bytes.getInt32(8 * n + 4, true)]);
}
export {
  compare_default2 as default
};
