// Generated from widgets/src/attention.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

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

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
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

// src/attention.css
var attention_default = '.chips { display: inline-flex; flex-wrap: wrap; gap: 3px; }\n.chip { min-width: 24px; padding: 0 5px; min-height: 22px; text-align: center; font-variant-numeric: tabular-nums; border-radius: 4px; }\n.chip[aria-pressed="true"] { background: var(--chip); border-color: var(--chip); color: var(--on-chip); }\n.lines { position: relative; max-width: 680px; overflow-y: auto; overflow-x: hidden; outline: none; }\n.lines:focus-visible { outline: 2px solid var(--accent); outline-offset: -1px; }\n.lines .content { position: relative; }\n.lines canvas { position: sticky; top: 0; pointer-events: none; }\n.lines .token { position: absolute; height: 20px; line-height: 20px; padding: 0 5px; border-radius: 3px; cursor: pointer; max-width: 40%; overflow: hidden; text-overflow: ellipsis; }\n.lines .token.query { right: 60%; text-align: right; }\n.lines .token.key { left: 60%; }\n.lines .token.special { color: var(--quiet); }\n.lines .token[aria-selected="true"] { background: var(--accent); color: var(--paper); }\n.lines .token.pointed:not([aria-selected="true"]) { background: var(--raised); }\n.matrix { outline: none; touch-action: none; cursor: crosshair; }\n.matrix:focus-visible { outline: 2px solid var(--accent); }\n.detail { margin-top: 8px; padding-top: 8px; border-top: 1px solid var(--line); }\n.detail table { border-collapse: collapse; }\n.detail th { font-weight: normal; color: var(--quiet); text-align: right; padding: 1px 8px 1px 0; white-space: nowrap; }\n.detail td { padding: 1px 0; }\n';

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
      const { picture } = filled;
      if (picture) downloads.append(...downloadButtons(name, picture, frame));
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
  const lab2 = document.body?.dataset["jpThemeLight"];
  if (lab2 !== void 0) return lab2 === "false" ? "dark" : "light";
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
function downloadButtons(name, picture, frame) {
  const file = `attnlens-${name.toLowerCase().replaceAll(" ", "-")}`;
  const button = (kind, made) => {
    const act = async () => save(await made(picture()), `${file}.${kind.toLowerCase()}`);
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
function rgb(r, g, b, opacity2) {
  return arguments.length === 1 ? rgbConvert(r) : new Rgb(r, g, b, opacity2 == null ? 1 : opacity2);
}
function Rgb(r, g, b, opacity2) {
  this.r = +r;
  this.g = +g;
  this.b = +b;
  this.opacity = +opacity2;
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
function clampa(opacity2) {
  return isNaN(opacity2) ? 1 : Math.max(0, Math.min(1, opacity2));
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
function hsl(h2, s, l, opacity2) {
  return arguments.length === 1 ? hslConvert(h2) : new Hsl(h2, s, l, opacity2 == null ? 1 : opacity2);
}
function Hsl(h2, s, l, opacity2) {
  this.h = +h2;
  this.s = +s;
  this.l = +l;
  this.opacity = +opacity2;
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

// node_modules/d3-color/src/math.js
var radians = Math.PI / 180;
var degrees = 180 / Math.PI;

// node_modules/d3-color/src/lab.js
var K = 18;
var Xn = 0.96422;
var Yn = 1;
var Zn = 0.82521;
var t0 = 4 / 29;
var t1 = 6 / 29;
var t2 = 3 * t1 * t1;
var t3 = t1 * t1 * t1;
function labConvert(o) {
  if (o instanceof Lab) return new Lab(o.l, o.a, o.b, o.opacity);
  if (o instanceof Hcl) return hcl2lab(o);
  if (!(o instanceof Rgb)) o = rgbConvert(o);
  var r = rgb2lrgb(o.r), g = rgb2lrgb(o.g), b = rgb2lrgb(o.b), y = xyz2lab((0.2225045 * r + 0.7168786 * g + 0.0606169 * b) / Yn), x, z;
  if (r === g && g === b) x = z = y;
  else {
    x = xyz2lab((0.4360747 * r + 0.3850649 * g + 0.1430804 * b) / Xn);
    z = xyz2lab((0.0139322 * r + 0.0971045 * g + 0.7141733 * b) / Zn);
  }
  return new Lab(116 * y - 16, 500 * (x - y), 200 * (y - z), o.opacity);
}
function lab(l, a, b, opacity2) {
  return arguments.length === 1 ? labConvert(l) : new Lab(l, a, b, opacity2 == null ? 1 : opacity2);
}
function Lab(l, a, b, opacity2) {
  this.l = +l;
  this.a = +a;
  this.b = +b;
  this.opacity = +opacity2;
}
define_default(Lab, lab, extend(Color, {
  brighter(k) {
    return new Lab(this.l + K * (k == null ? 1 : k), this.a, this.b, this.opacity);
  },
  darker(k) {
    return new Lab(this.l - K * (k == null ? 1 : k), this.a, this.b, this.opacity);
  },
  rgb() {
    var y = (this.l + 16) / 116, x = isNaN(this.a) ? y : y + this.a / 500, z = isNaN(this.b) ? y : y - this.b / 200;
    x = Xn * lab2xyz(x);
    y = Yn * lab2xyz(y);
    z = Zn * lab2xyz(z);
    return new Rgb(
      lrgb2rgb(3.1338561 * x - 1.6168667 * y - 0.4906146 * z),
      lrgb2rgb(-0.9787684 * x + 1.9161415 * y + 0.033454 * z),
      lrgb2rgb(0.0719453 * x - 0.2289914 * y + 1.4052427 * z),
      this.opacity
    );
  }
}));
function xyz2lab(t) {
  return t > t3 ? Math.pow(t, 1 / 3) : t / t2 + t0;
}
function lab2xyz(t) {
  return t > t1 ? t * t * t : t2 * (t - t0);
}
function lrgb2rgb(x) {
  return 255 * (x <= 31308e-7 ? 12.92 * x : 1.055 * Math.pow(x, 1 / 2.4) - 0.055);
}
function rgb2lrgb(x) {
  return (x /= 255) <= 0.04045 ? x / 12.92 : Math.pow((x + 0.055) / 1.055, 2.4);
}
function hclConvert(o) {
  if (o instanceof Hcl) return new Hcl(o.h, o.c, o.l, o.opacity);
  if (!(o instanceof Lab)) o = labConvert(o);
  if (o.a === 0 && o.b === 0) return new Hcl(NaN, 0 < o.l && o.l < 100 ? 0 : NaN, o.l, o.opacity);
  var h2 = Math.atan2(o.b, o.a) * degrees;
  return new Hcl(h2 < 0 ? h2 + 360 : h2, Math.sqrt(o.a * o.a + o.b * o.b), o.l, o.opacity);
}
function hcl(h2, c, l, opacity2) {
  return arguments.length === 1 ? hclConvert(h2) : new Hcl(h2, c, l, opacity2 == null ? 1 : opacity2);
}
function Hcl(h2, c, l, opacity2) {
  this.h = +h2;
  this.c = +c;
  this.l = +l;
  this.opacity = +opacity2;
}
function hcl2lab(o) {
  if (isNaN(o.h)) return new Lab(o.l, 0, 0, o.opacity);
  var h2 = o.h * radians;
  return new Lab(o.l, Math.cos(h2) * o.c, Math.sin(h2) * o.c, o.opacity);
}
define_default(Hcl, hcl, extend(Color, {
  brighter(k) {
    return new Hcl(this.h, this.c, this.l + K * (k == null ? 1 : k), this.opacity);
  },
  darker(k) {
    return new Hcl(this.h, this.c, this.l - K * (k == null ? 1 : k), this.opacity);
  },
  rgb() {
    return hcl2lab(this).rgb();
  }
}));

// node_modules/d3-interpolate/src/basis.js
function basis(t12, v0, v1, v2, v3) {
  var t22 = t12 * t12, t32 = t22 * t12;
  return ((1 - 3 * t12 + 3 * t22 - t32) * v0 + (4 - 6 * t22 + 3 * t32) * v1 + (1 + 3 * t12 + 3 * t22 - 3 * t32) * v2 + t32 * v3) / 6;
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
    var r = color2((start = rgb(start)).r, (end = rgb(end)).r), g = color2(start.g, end.g), b = color2(start.b, end.b), opacity2 = nogamma(start.opacity, end.opacity);
    return function(t) {
      start.r = r(t);
      start.g = g(t);
      start.b = b(t);
      start.opacity = opacity2(t);
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
function headColour(head, dark) {
  const light = dark ? 72 - 10 * (head % 2) : 44 + 12 * (head % 2);
  return hcl((250 + head * 137.508) % 360, 58, light).formatRgb();
}
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
  const range2 = Math.log(top) - low;
  return (weight) => weight <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(weight) - low) / range2));
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

// src/lines.ts
var ROW = 20;
var HEIGHT = 460;
var FAINTEST = 0.01;
var SHADES = 16;
var [LEFT, RIGHT] = [0.4, 0.6];
var Lines = class {
  constructor(pointing, signal) {
    this.pointing = pointing;
    this.content.append(this.canvas, this.texts);
    this.element = h("div", {
      className: "lines",
      tabIndex: 0,
      role: "listbox",
      "aria-label": "Tokens: queries on the left, keys on the right. Up and down move, left and right change sides."
    }, this.content);
    this.element.addEventListener("scroll", () => this.paint(), { signal, passive: true });
    this.element.addEventListener("pointerleave", () => pointing.point("query", null), { signal });
  }
  pointing;
  element;
  canvas = h("canvas");
  content = h("div", { className: "content" });
  texts = h("div", { role: "presentation" });
  tokens = /* @__PURE__ */ new Map();
  drawing = null;
  /** Pixels across; while the view is hidden, those that it had. */
  width = 640;
  high = HEIGHT;
  show(drawing) {
    this.drawing = drawing;
    const total = Math.max(drawing.rows.length, drawing.cols.length) * ROW;
    this.high = Math.min(total, HEIGHT);
    this.content.style.height = `${total}px`;
    this.element.style.height = `${this.high}px`;
    this.paint();
  }
  /** Brings a token into sight. */
  reveal(axis, position) {
    const at = this.places(axis).indexOf(position) * ROW;
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.element;
    if (at < scrollTop || at + ROW > scrollTop + clientHeight) this.element.scrollTop = at - clientHeight / 2;
  }
  /** The positions along one side, in the order in which they stand there. */
  places(axis) {
    return (axis === "query" ? this.drawing?.rows : this.drawing?.cols) ?? [];
  }
  paint() {
    const drawing = this.drawing;
    if (!drawing) return;
    this.width = this.element.clientWidth || this.width;
    const { width, high } = this;
    const top = this.element.scrollTop;
    const [first, last] = [Math.floor(top / ROW), Math.ceil((top + high) / ROW)];
    const context = canvasContext(this.canvas, width, high);
    const strength = opacity(drawing);
    const strokes = /* @__PURE__ */ new Map();
    for (const { from, to, colour, weight } of segments(drawing, first, last)) {
      const shade = Math.ceil(strength(weight) * SHADES);
      const key = colour * (SHADES + 1) + shade;
      let path = strokes.get(key);
      if (!path) strokes.set(key, path = new Path2D());
      path.moveTo(width * LEFT, (from + 0.5) * ROW - top);
      path.lineTo(width * RIGHT, (to + 0.5) * ROW - top);
    }
    context.lineWidth = drawing.alone ? 2 : 1.4;
    context.lineCap = "round";
    for (const [key, path] of [...strokes].sort(([a], [b]) => a % (SHADES + 1) - b % (SHADES + 1))) {
      context.strokeStyle = drawing.colours[Math.floor(key / (SHADES + 1))];
      context.globalAlpha = key % (SHADES + 1) / SHADES;
      context.stroke(path);
    }
    this.bars(context, drawing, strength, width, top, first, last);
    this.write(drawing, first, last);
  }
  /** Beside the tokens that a single one is joined to: how much, head by head. */
  bars(context, drawing, strength, width, top, first, last) {
    if (!drawing.alone) return;
    const far = drawing.alone.axis === "query" ? width * RIGHT : width * LEFT;
    const towards = drawing.alone.axis === "query" ? -1 : 1;
    const wide = Math.min(8, width * (RIGHT - LEFT) / 4 / drawing.colours.length);
    drawing.alone.weights.forEach((weights, n) => {
      context.fillStyle = drawing.colours[n];
      for (let i = first; i < Math.min(last, weights.length); i++) {
        context.globalAlpha = weights[i] < drawing.threshold ? 0 : strength(weights[i]);
        context.fillRect(far + towards * n * wide - (towards < 0 ? wide : 0), i * ROW - top + 3, wide - 0.5, ROW - 6);
      }
    });
    context.globalAlpha = 1;
  }
  write(drawing, first, last) {
    const column = (axis) => this.places(axis).slice(first, last).map((position, n) => this.token(drawing, axis, position, first + n));
    const wanted = [...column("query"), ...column("key")];
    const here = this.texts.children;
    if (wanted.length !== here.length || wanted.some((token, n) => token !== here[n])) this.texts.replaceChildren(...wanted);
    for (const [id, token] of this.tokens) if (!token.isConnected && !wanted.includes(token)) this.tokens.delete(id);
    const { alone } = drawing;
    const active = alone && this.tokens.get(`${alone.axis}-${alone.position}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }
  token(drawing, axis, position, place2) {
    const id = `${axis}-${position}`;
    const tokens = axis === "query" ? drawing.queries : drawing.keys;
    let token = this.tokens.get(id);
    if (!token) this.tokens.set(id, token = h("span", {
      id,
      role: "option",
      title: `${axis} ${position}`,
      onpointerenter: () => this.pointing.point(axis, position),
      onclick: () => this.pointing.select(axis, position)
    }));
    const pointed = drawing.alone?.axis === axis && drawing.alone.position === position;
    const text = label(tokens.text[position]);
    if (token.textContent !== text) token.textContent = text;
    token.className = `token ${axis}${tokens.special.includes(position) ? " special" : ""}${pointed ? " pointed" : ""}`;
    token.style.top = `${place2 * ROW}px`;
    token.setAttribute("aria-selected", String(drawing.selected[axis] === position));
    return token;
  }
  /** All of a short text, of a long one what is in sight. */
  svg(paper) {
    const drawing = this.drawing;
    const total = Math.max(drawing.rows.length, drawing.cols.length);
    const first = total > 200 ? Math.floor(this.element.scrollTop / ROW) : 0;
    const last = total > 200 ? first + Math.ceil(HEIGHT / ROW) : total;
    const [width, height] = [640, (last - first) * ROW + 20];
    const strength = opacity(drawing);
    const y = (place2) => (place2 - first + 0.5) * ROW + 10;
    const lines = segments(drawing, first, last).map(
      ({ from, to, colour, weight }) => `<line x1="${width * LEFT}" y1="${y(from)}" x2="${width * RIGHT}" y2="${y(to)}" stroke="${drawing.colours[colour]}" stroke-opacity="${strength(weight).toFixed(3)}"/>`
    );
    const texts = (axis) => this.places(axis).slice(first, last).map((position, n) => {
      const [x, anchor] = axis === "query" ? [width * LEFT - 5, "end"] : [width * RIGHT + 5, "start"];
      const text = escaped(label((axis === "query" ? drawing.queries : drawing.keys).text[position]));
      return `<text x="${x}" y="${y(first + n) + 4}" text-anchor="${anchor}">${text}</text>`;
    });
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="13" fill="${drawing.ink}"><rect width="100%" height="100%" fill="${paper}"/><g stroke-width="1.4">${lines.join("")}</g>${texts("query").join("")}${texts("key").join("")}</svg>`;
  }
};
function opacity(drawing) {
  return scale(1, drawing.log);
}
function segments(drawing, first, last) {
  const { rows, cols, alone, matrices } = drawing;
  const faintest = Math.max(drawing.threshold, drawing.log ? LOG_FLOOR : FAINTEST);
  const out = [];
  if (alone) {
    const from = (alone.axis === "query" ? rows : cols).indexOf(alone.position);
    alone.weights.forEach(
      (weights, colour) => weights.forEach((weight, to) => {
        if (weight >= faintest) out.push(alone.axis === "query" ? { from, to, colour, weight } : { from: to, to: from, colour, weight });
      })
    );
    return out;
  }
  matrices?.forEach((matrix, colour) => {
    for (let i = 0; i < rows.length; i++) {
      const inSight = i >= first && i < last;
      const [start, stop] = inSight ? [0, cols.length] : [Math.max(0, first), Math.min(cols.length, last)];
      for (let j = start; j < stop; j++) {
        const weight = matrix[i * cols.length + j];
        if (weight >= faintest) out.push({ from: i, to: j, colour, weight });
      }
    }
  });
  return out;
}

// src/margin.ts
var LEGIBLE = 12;
var LETTER = 6.7;
var MOST_LETTERS = 15;
var LEGEND = 160;
var SHADES2 = 32;
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
  const high = length / SHADES2;
  const shades = Array.from({ length: SHADES2 }, (_, n) => `<rect x="${x}" y="${top + n * high}" width="12" height="${high + 0.3}" fill="${legend.ramp(1 - n / (SHADES2 - 1))}"/>`);
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

// src/attention.ts
var HOW = {
  lines: "Queries on the left look at keys on the right; the stronger the line, the more. Point at a token to see it alone, click to keep it. Keys: [ ] change the layer, comma and period the head, arrows the token; m shows the matrix.",
  matrix: "The query runs down, the key across; strong is much attention. Drag to move, double-click or + and - to zoom, 0 for all. Keys: [ ] change the layer, comma and period the head, arrows the cell; m shows the lines."
};
var PAIRS = {
  all: "both texts",
  "a-a": "A → A",
  "a-b": "A → B",
  "b-a": "B → A",
  "b-b": "B → B"
};
var attention_default2 = view("Attention", attention_default, (frame) => {
  const { model, signal, bar, stage } = frame;
  let source = new TraceSource(model, signal);
  let { layers } = source.header;
  let shownTrace = 0;
  let hovered = null;
  let drawn = 0;
  let detailed = "";
  let pictured = "";
  let failure = "";
  const layer = h("select", { "aria-label": "Layer", onchange: () => setLayer(Number(layer.value)) });
  const listLayers = () => layer.replaceChildren(...layers.map((one, n) => h("option", { value: String(n) }, one.kind === "self" ? String(n) : `${n} (${one.kind})`)));
  listLayers();
  const chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  const all = h("button", { type: "button", className: "quiet", onclick: () => frame.set({ heads: range(header().heads) }) }, "all");
  const averaged = h("input", { type: "checkbox", onchange: () => frame.set({ mean: averaged.checked }) });
  const modes = ["lines", "matrix"].map(
    (mode) => h("button", { type: "button", onclick: () => frame.set({ mode }) }, mode)
  );
  const pair = h("select", { "aria-label": "Which texts", onchange: () => frame.set({ pair: pair.value }) });
  pair.append(...Object.entries(PAIRS).map(([value, name]) => h("option", { value }, name)));
  const special = h("input", { type: "checkbox", onchange: () => frame.set({ hide_special: special.checked }) });
  const threshold = h("input", {
    type: "range",
    min: "0",
    max: "0.5",
    step: "0.005",
    "aria-label": "Smallest weight that is drawn",
    oninput: () => frame.set({ threshold: Number(threshold.value) })
  });
  const floor = h("span", { className: "name" });
  const log = h("input", { type: "checkbox", onchange: () => frame.set({ log: log.checked }) });
  const pool = h("select", { "aria-label": "What a cell of several weights shows", onchange: () => frame.set({ pool: pool.value }) });
  pool.append(h("option", { value: "max" }, "largest"), h("option", { value: "mean" }, "mean"));
  const zoom = h(
    "span",
    { className: "segments" },
    h("button", { type: "button", title: "Nearer", onclick: () => matrix.zoom(1.6) }, "+"),
    h("button", { type: "button", title: "Farther", onclick: () => matrix.zoom(1 / 1.6) }, "−"),
    h("button", { type: "button", title: "Show all", onclick: () => matrix.fit() }, "all")
  );
  const named2 = (name, ...children) => h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
  const pooling = named2("Cell", pool);
  const texts = named2("Show", pair);
  const specials = h("label", {}, special, "hide special tokens");
  bar.append(
    named2("Layer", layer),
    named2("Heads", chips, all),
    h("label", {}, averaged, "mean"),
    h("span", { className: "segments", role: "group", "aria-label": "Picture" }, ...modes),
    texts,
    specials,
    h("label", {}, h("span", { className: "name" }, "hide below"), threshold, floor),
    h("label", {}, log, "log"),
    pooling,
    zoom
  );
  const header = () => layers[model.get("layer")];
  function headsOf({ heads: count }) {
    const heads = model.get("heads").filter((head) => head < count);
    return heads.length ? heads : [0];
  }
  function setLayer(number2) {
    const next = layers[(number2 + layers.length) % layers.length];
    frame.set({ layer: layers.indexOf(next), heads: headsOf(next) });
  }
  function toggle(head, more) {
    const heads = model.get("heads");
    if (!more) return frame.set({ heads: [head] });
    const others = heads.filter((one) => one !== head);
    frame.set({ heads: (others.length < heads.length && others.length ? others : [...others, head]).sort((a, b) => a - b) });
  }
  const select = (axis, position) => {
    const same = model.get(axis) === position;
    frame.set(axis === "query" ? { query: same ? null : position, key: null } : { key: same ? null : position, query: null });
  };
  const lines = new Lines({
    point: (axis, position) => {
      if (hovered?.axis === axis && hovered.position === position) return;
      hovered = position === null ? null : { axis, position };
      frame.redraw();
    },
    select
  }, signal);
  const matrix = new Matrix({
    point: tellCell,
    left: () => frame.say(""),
    select: (query, key) => {
      const same = model.get("query") === query && model.get("key") === key;
      frame.set(same ? { query: null, key: null } : { query, key });
    },
    failed: (error) => {
      failure = error.message;
      frame.tell(failure);
    },
    busy: (pending) => {
      if (!failure) frame.tell(pending && source.remote ? "Computing …" : "", "busy");
    }
  }, signal);
  const detail = h("div", { className: "detail", hidden: true });
  const empty = h("p", { className: "how", hidden: true }, "No tokens are left to show: bring back the special ones, or both texts.");
  stage.append(empty, lines.element, matrix.element, detail);
  listen(model, ["layer", "heads", "mean", "mode", "query", "key", "pair", "hide_special", "threshold", "log", "pool"], frame.redraw, signal);
  listen(model, ["trace"], () => {
    source = new TraceSource(model, signal);
    ({ layers } = source.header);
    shownTrace++;
    hovered = null;
    listLayers();
    frame.redraw();
  }, signal);
  frame.root.addEventListener("keydown", (event) => onKey(event), { signal });
  const shown = () => ({
    layer: model.get("layer"),
    heads: headsOf(header()),
    pair: model.get("pair"),
    hide_special: model.get("hide_special"),
    pool: model.get("pool")
  });
  function tokenOf(axis, position) {
    return `“${label(source.tokens(model.get("layer"), axis).text[position] ?? "?")}”`;
  }
  function whose({ layer: layer2, heads }) {
    return `layer ${layer2}, ${heads.length === 1 ? `head ${heads[0]}` : `mean of ${heads.length} heads`}`;
  }
  function tellCell(query, key, weight, coarse) {
    const what = shown();
    const said = [
      `${tokenOf("query", query)} → ${tokenOf("key", key)}${weight === null ? "" : `: ${number(weight)}`}`,
      whose(what),
      `query ${query}, key ${key}`
    ];
    if (coarse) said.push(`${what.pool === "max" ? "largest" : "mean"} of ${coarse.size} × ${coarse.size} there: ${number(coarse.weight)}`);
    frame.say(said.join(" · "));
  }
  function alone() {
    if (hovered) return hovered;
    const [query, key] = [model.get("query"), model.get("key")];
    return query !== null ? { axis: "query", position: query } : key !== null ? { axis: "key", position: key } : null;
  }
  async function drawLines(turn) {
    const what = shown();
    const { rows, cols } = source.positions(what);
    const one = alone();
    const here = one && (one.axis === "query" ? rows : cols).includes(one.position) ? one : null;
    const matrices = source.remote ? null : await source.matrices(what);
    const weights = here ? await source.line(what, here.axis, here.position) : null;
    if (turn !== drawn) return;
    const dark = frame.dark();
    const together = model.get("mean") && what.heads.length > 1;
    lines.show({
      queries: source.tokens(what.layer, "query"),
      keys: source.tokens(what.layer, "key"),
      rows,
      cols,
      colours: together ? [dark ? "#7ab8f0" : "#1c5c9f"] : what.heads.map((head) => headColour(head, dark)),
      matrices: matrices && (together ? [meanOf(matrices)] : matrices),
      alone: here && weights && { ...here, weights: together ? [meanOf(weights)] : weights },
      selected: { query: model.get("query"), key: model.get("key") },
      threshold: model.get("threshold"),
      log: model.get("log"),
      ink: getComputedStyle(stage).color
    });
    if (here && weights) tellLine(here, meanOf(weights), here.axis === "query" ? cols : rows);
    else frame.say(source.remote ? "Point at a token to see where it looks." : "");
  }
  function tellLine({ axis, position }, weights, places) {
    const other = axis === "query" ? "key" : "query";
    const best = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 5);
    const said = best.map((n) => `${tokenOf(other, places[n])} ${number(weights[n])}`).join(", ");
    frame.say(`${tokenOf(axis, position)} ${axis === "query" ? "looks at" : "is looked at by"} ${said} · ${whose(shown())}`);
  }
  function drawMatrix() {
    const what = shown();
    const style = getComputedStyle(stage);
    const dark = frame.dark();
    const name = JSON.stringify([shownTrace, what]);
    if (name !== pictured) frame.tell(failure = "");
    pictured = name;
    matrix.show({
      name,
      queries: source.tokens(what.layer, "query"),
      keys: source.tokens(what.layer, "key"),
      ...source.positions(what),
      tile: (level, row, col) => source.tile(what, level, row, col),
      threshold: model.get("threshold"),
      log: model.get("log"),
      ramp: sequential(dark),
      ink: style.color,
      quiet: dark ? "#98a1ae" : "#68707d",
      accent: dark ? "#fdba74" : "#c2410c",
      selected: { query: model.get("query"), key: model.get("key") }
    }, frame.width());
  }
  function drawDetail() {
    const [query, key] = [model.get("query"), model.get("key")];
    const { layer: layer2, heads } = shown();
    const { queries, keys, detail: recorded } = header();
    const here = query !== null && key !== null && query < queries && key < keys && heads.length === 1;
    const wanted = here ? JSON.stringify([shownTrace, layer2, heads, query, key, frame.dark()]) : "";
    if (wanted === detailed) return;
    detailed = wanted;
    detail.hidden = !here;
    detail.replaceChildren();
    if (!here) return;
    if (!recorded)
      detail.append(h("p", { className: "how" }, 'Query and key vectors were not kept: trace with store="factors" to see the product behind a score.'));
    else
      behind(layer2, heads[0], query, key).then(
        (found) => wanted === detailed && detail.replaceChildren(...product(query, key, found)),
        (error) => {
          if (wanted === detailed && !signal.aborted) detail.replaceChildren(h("p", { className: "how" }, error.message));
        }
      );
  }
  async function behind(layer2, head, query, key) {
    const held = source.remote ? null : await source.layer(layer2);
    if (held?.factors) return held.product(head, query, key);
    const { scale: scale2, weight, buffers } = await frame.ask("detail", { layer: layer2, head, query, key });
    const bytes = buffers[0];
    const size = bytes.byteLength / 8;
    const read = (start) => Float32Array.from({ length: size }, (_, i) => bytes.getFloat32(4 * (start + i), true));
    return { q: read(0), k: read(size), scale: scale2, weight };
  }
  function product(query, key, { q, k, scale: scale2, weight }) {
    const products = q.map((value, i) => value * k[i]);
    const score = products.reduce((a, b) => a + b, 0) * scale2;
    const whole = model.get("hide_special") ? " over all keys" : "";
    return [
      h("table", {}, ...[
        strip(`query of ${tokenOf("query", query)}`, q),
        strip(`key of ${tokenOf("key", key)}`, k),
        strip("product", products)
      ]),
      h("p", { className: "how" }, `Sum of the products × ${number(scale2)} = score ${number(score)}; after the softmax${whole} ${number(weight)}.`)
    ];
  }
  function strip(name, values) {
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
    const canvas = h("canvas", { width: values.length, height: 1, style: { width: `${Math.min(512, values.length * 8)}px`, height: "16px", imageRendering: "pixelated" } });
    const context = canvas.getContext("2d");
    const ramp = diverging(frame.dark());
    values.forEach((value, i) => {
      if (!context) return;
      context.fillStyle = ramp(value / most);
      context.fillRect(i, 0, 1, 1);
    });
    return h("tr", {}, h("th", {}, name), h("td", {}, canvas), h("td", {}, h("span", { className: "how" }, `  ±${number(most)}`)));
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const { heads } = shown();
    const step = (by) => frame.set({ heads: [((heads[0] ?? 0) + by + header().heads) % header().heads] });
    const acts = {
      "[": () => setLayer(model.get("layer") - 1),
      "]": () => setLayer(model.get("layer") + 1),
      ",": () => step(-1),
      ".": () => step(1),
      m: () => frame.set({ mode: model.get("mode") === "lines" ? "matrix" : "lines" }),
      Escape: () => frame.set({ query: null, key: null })
    };
    if (event.target === lines.element) Object.assign(acts, {
      ArrowUp: () => moveToken(-1),
      ArrowDown: () => moveToken(1),
      ArrowLeft: () => changeSide("query"),
      ArrowRight: () => changeSide("key")
    });
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
  function moveToken(by) {
    const { axis, position } = alone() ?? { axis: "query", position: -1 };
    const places = lines.places(axis);
    const next = places[Math.max(0, Math.min(places.length - 1, places.indexOf(position) + by))];
    if (next === void 0) return;
    hovered = null;
    frame.set(axis === "query" ? { query: next, key: null } : { key: next, query: null });
    lines.reveal(axis, next);
  }
  function changeSide(axis) {
    const position = alone()?.position ?? 0;
    hovered = null;
    if (lines.places(axis).includes(position)) frame.set(axis === "query" ? { query: position, key: null } : { key: position, query: null });
  }
  function drawControls() {
    const { heads: count } = header();
    const { heads } = shown();
    const dark = frame.dark();
    layer.value = String(model.get("layer"));
    if (chips.childElementCount !== count)
      chips.replaceChildren(...range(count).map(
        (head) => h("button", {
          type: "button",
          className: "chip",
          title: "Shift adds or takes away",
          onclick: (event) => toggle(head, event.shiftKey || event.metaKey || event.ctrlKey)
        }, String(head))
      ));
    [...chips.children].forEach((chip, head) => {
      const colour = headColour(head, dark);
      chip.style.setProperty("--chip", colour);
      chip.style.setProperty("--on-chip", needsWhite(colour) ? "#fff" : "#111");
      chip.setAttribute("aria-pressed", String(heads.includes(head)));
      chip.setAttribute("aria-label", `head ${head}`);
    });
    const lined = model.get("mode") === "lines";
    modes.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === model.get("mode"))));
    averaged.checked = model.get("mean") || !lined;
    averaged.disabled = !lined || heads.length < 2;
    pair.value = model.get("pair");
    const two = ["query", "key"].some((axis) => source.tokens(model.get("layer"), axis).segment.length);
    texts.hidden = !two && model.get("pair") === "all";
    special.checked = model.get("hide_special");
    specials.hidden = source.tokens(model.get("layer"), "key").special.length === 0;
    threshold.value = String(model.get("threshold"));
    floor.textContent = model.get("threshold").toFixed(3);
    log.checked = model.get("log");
    pool.value = model.get("pool");
    zoom.hidden = lined;
    pooling.hidden = lined || Math.max(header().queries, header().keys) <= 256;
    const nothing = isEmpty();
    empty.hidden = !nothing;
    const focused = frame.root.activeElement;
    lines.element.hidden = nothing || !lined;
    matrix.element.hidden = nothing || lined;
    if (focused === (lined ? matrix : lines).element) (lined ? lines : matrix).element.focus({ preventScroll: true });
  }
  function isEmpty() {
    const { rows, cols } = source.positions(shown());
    return rows.length === 0 || cols.length === 0;
  }
  function draw() {
    drawControls();
    frame.explain(HOW[model.get("mode")]);
    const turn = ++drawn;
    const failed = (error) => {
      if (!signal.aborted && turn === drawn) frame.tell(error instanceof Error ? error.message : String(error));
    };
    if (isEmpty()) frame.say("");
    else if (model.get("mode") === "lines") drawLines(turn).then(() => turn === drawn && frame.tell(""), failed);
    else drawMatrix();
    drawDetail();
  }
  return {
    draw,
    picture: () => {
      const paper = frame.dark() ? "#15181e" : "#ffffff";
      return model.get("mode") === "lines" ? lines.svg(paper) : matrix.svg(paper);
    }
  };
});
function range(count) {
  return [...Array(count).keys()];
}
export {
  attention_default2 as default
};
