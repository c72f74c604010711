// Generated from widgets/src/patches.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

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

// src/protocol/attention_rows.ts
var AttentionRows = class {
  constructor(source, request2) {
    this.source = source;
    this.request = request2;
  }
  source;
  request;
  received = /* @__PURE__ */ new Map();
  /** Weights [key] of one query; without a query, the mean over all of them. */
  async of(layer, heads, query) {
    if (query === null) return this.receivedBy(layer, heads);
    if (this.source.remote) {
      const all = { layer, heads, pair: "all", hide_special: false, pool: "max" };
      return meanOf(await this.source.line(all, "query", query));
    }
    const weights = await this.source.layer(layer);
    return meanOf(heads.map((head) => weights.row(head, query)));
  }
  /** What each key receives, cached: it reads every weight of the heads. */
  async receivedBy(layer, heads) {
    const name = `${layer}/${heads}`;
    let row = this.received.get(name);
    if (!row) {
      row = this.source.remote ? await this.requestReceived(layer, heads) : await this.averageColumns(layer, heads);
      this.received.set(name, row);
    }
    return row;
  }
  async requestReceived(layer, heads) {
    const { buffers } = await this.request("received", { layer, heads });
    return readSingles(buffers[0], 0, this.source.header.layers[layer].keys);
  }
  async averageColumns(layer, heads) {
    const weights = await this.source.layer(layer);
    const { queries, keys } = weights.header;
    const out = new Float32Array(keys);
    for (const head of heads)
      weights.head(head).forEach((weight, n) => out[n % keys] += weight / (queries * heads.length));
    return out;
  }
};

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
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
      let most2 = sink;
      for (let j = 0; j < keys; j++) if (row[j] > most2) most2 = row[j];
      if (most2 === -Infinity) {
        row.fill(0);
        continue;
      }
      let sum = Math.exp(sink - most2);
      for (let j = 0; j < keys; j++) sum += row[j] = Math.exp(row[j] - most2);
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

// src/protocol/tiles.ts
var TILE_SIDE = 256;
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
function cached(cache, key, most2, make) {
  let value = cache.get(key);
  if (!value) {
    value = make();
    value.catch(() => cache.delete(key));
    if (cache.size >= most2) cache.delete(cache.keys().next().value);
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

// src/patches.css
var patches_default = '.stage.patches { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: flex-start; overflow: visible; }\n.large { flex: 1 1 300px; max-width: 404px; min-width: 0; }\n.right { flex: 1 1 300px; min-width: 0; }\n.beside { display: grid; grid-template-columns: repeat(auto-fill, minmax(124px, 1fr)); gap: 12px 14px; }\n.beside[data-count="1"], .beside[data-count="2"], .beside[data-count="4"] { grid-template-columns: repeat(2, minmax(0, 220px)); }\n.foot { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; margin-top: 8px; font-size: 12px; }\n.large figcaption, .beside figcaption { display: block; }\nfigure { margin: 0; min-width: 0; }\nfigcaption { margin-top: 5px; }\n.overlay { position: relative; width: 100%; overflow: visible; background: var(--raised); outline: 1px solid var(--line); }\n.overlay > * { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }\n.overlay .heat, .overlay[data-crisp] img { image-rendering: pixelated; }\n.overlay svg { overflow: visible; pointer-events: none; }\n.overlay svg * { fill: none; vector-effect: non-scaling-stroke; }\n.overlay .lines { stroke: #fff; stroke-opacity: 0.16; stroke-width: 1; }\n.overlay .query { stroke: #ffb454; stroke-width: 2.5; paint-order: stroke; filter: drop-shadow(0 0 1px #000) drop-shadow(0 0 1px #000); }\n.overlay .pointed { stroke: #fff; stroke-width: 1.5; filter: drop-shadow(0 0 1px #000) drop-shadow(0 0 1px #000); }\n.asked { position: relative; cursor: crosshair; touch-action: manipulation; outline: none; }\n.asked:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }\n.title { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; display: block; min-height: 1.4em; }\n.large .title { margin-bottom: 4px; }\n.beside .title { margin-bottom: 3px; font-size: 11.5px; }\n.note { display: block; color: var(--quiet); font-size: 11.5px; line-height: 1.35; min-height: 1.35em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }\n.note.failed { color: var(--warn); }\n.waiting { position: absolute; inset: 0; display: grid; place-items: center; text-align: center; padding: 8px; font-size: 12px; color: var(--quiet); background: var(--raised); overflow: auto; }\n.waiting.failed { color: var(--warn); }\n.leading { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; margin-top: 7px; min-height: 26px; font-variant-numeric: tabular-nums; }\n.leading .number { color: var(--quiet); margin-left: 5px; }\n.leading .number:empty { margin: 0; }\n.leading button[aria-pressed="true"] .number { color: inherit; }\n.scales { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--quiet); font-size: 12px; min-height: 18px; }\n.large .scales { margin-top: 6px; }\n.scale { display: inline-flex; align-items: center; gap: 6px; font-variant-numeric: tabular-nums; }\n.scale canvas { width: 72px; height: 10px; border-radius: 2px; background: #8a8a8a; }\n.chips { display: inline-flex; flex-wrap: wrap; gap: 3px; }\n.chip { min-width: 24px; padding: 0 6px; min-height: 22px; text-align: center; font-variant-numeric: tabular-nums; border-radius: 4px; }\n.play { width: 30px; padding: 2px 0; text-align: center; }\n.count { min-width: 1.6em; text-align: right; font-variant-numeric: tabular-nums; }\nselect.class { max-width: 170px; }\n';

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
      const bar2 = h("div", { className: "bar", role: "toolbar", "aria-label": `${name}: controls` });
      const stage = h("div", { className: "stage" });
      const readout = h("output", { className: "readout", "aria-live": "polite" });
      const notice = h("div", { className: "notice", role: "status", hidden: true });
      const explained = h("p", { className: "how" });
      const downloads = h("span", { className: "downloads" });
      const main = h(
        "section",
        { className: "view", role: "group", "aria-label": name },
        bar2,
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
        bar: bar2,
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
function downloadButtons(name, picture, frame) {
  const file = `attnlens-${name.toLowerCase().replaceAll(" ", "-")}`;
  const button = (kind, made) => {
    const act = async () => save(await made(picture()), `${file}.${kind.toLowerCase()}`);
    const failed = () => frame.tell("The picture could not be saved.");
    return h("button", { type: "button", className: "quiet", title: `Save as ${kind}`, onclick: () => void act().catch(failed) }, kind);
  };
  return [button("PNG", png), button("SVG", (svg2) => new Blob([svg2], { type: "image/svg+xml" }))];
}
function save(blob, file) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}
async function png(svg2) {
  const url = URL.createObjectURL(new Blob([svg2], { type: "image/svg+xml" }));
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
function escaped(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�");
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

// src/kinds.ts
var WORDS = {
  share: "share of attention",
  rank: "share of the map’s total",
  signed: "logits against and for"
};
function scaled(maps, shared) {
  const drawn = new Map([...maps].map(([name, { values, kind }]) => [name, kind === "rank" ? ofTotal(values) : values]));
  const tops = /* @__PURE__ */ new Map();
  for (const [name, { kind }] of maps) tops.set(kind, Math.max(tops.get(kind) ?? 0, most(drawn.get(name))));
  return {
    maps: new Map([...maps].map(([name, { kind }]) => {
      const values = drawn.get(name);
      return [name, upTo(values, shared ? tops.get(kind) : most(values), kind === "signed")];
    })),
    scales: [...tops].map(([kind, top]) => scaleOf(kind, shared ? top : null))
  };
}
function upTo(values, top, signed = false) {
  return { shares: values.map((value) => value / (top || 1)), signed };
}
function scaleOf(kind, top) {
  const signed = kind === "signed";
  if (top === null) return { low: signed ? "against" : "0", high: signed ? "for" : "most", words: WORDS[kind], signed };
  const high = { share: number(top), rank: percent(top), signed: signs(top) }[kind];
  return { low: signed ? signs(-top) : "0", high, words: WORDS[kind], signed };
}
function said({ values, kind }, patch) {
  const value = values[patch];
  return { share: number(value), rank: percent(ofTotal(values)[patch]), signed: signs(value) }[kind];
}
function strongest({ values }) {
  return values.reduce((best, value, n) => Math.abs(value) > Math.abs(values[best]) ? n : best, 0);
}
function most(values) {
  return values.reduce((most2, value) => Math.max(most2, Math.abs(value)), 0);
}
function ofTotal(values) {
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.map((value) => total > 0 ? value / total : 0);
}
function percent(share) {
  return `${number(100 * share)} %`;
}
function signs(value) {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value))}`;
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

// src/overlay.ts
var FINEST = 12;
var SMALL = 200;
var SVG = "http://www.w3.org/2000/svg";
var LIFT = 0.7;
var Paint = class {
  constructor(blend, dark, pictured) {
    this.blend = blend;
    const night = dark || pictured;
    this.tables = [table2(sequential(night)), table2((share) => diverging(night)(2 * share - 1))];
    if (!pictured) this.blend = 1;
  }
  blend;
  tables;
  /** Red, green, blue and opacity, 0 to 255. */
  of(share, signed) {
    const strength = Math.min(1, Math.abs(share) ** LIFT);
    const at = 4 * Math.round(255 * (signed ? (1 + Math.sign(share) * strength) / 2 : strength));
    const [r, g, b] = this.tables[signed ? 1 : 0].subarray(at, at + 3);
    return [r, g, b, 255 * this.opacity(strength)];
  }
  opacity(strength) {
    const [faint, strong] = [this.blend ** 2, 1 - (1 - this.blend) ** 2];
    return faint + (strong - faint) * strength;
  }
  /** How much of the image's own colour is left, so that no colour of it is taken for one of the map. */
  get colourful() {
    return 1 - Math.min(1, 2 * this.blend);
  }
};
var Overlay = class {
  constructor(ground) {
    this.ground = ground;
    const { rows, cols, width, height, image } = ground;
    this.image = image === null ? null : h("img", { src: image, alt: "", draggable: false });
    this.lines = svg("path", { class: "lines", d: gridPath(rows, cols) });
    const rect = (name) => svg("rect", { class: name, width: "1", height: "1", visibility: "hidden" });
    this.marks = { query: rect("query"), pointed: rect("pointed") };
    const over = svg("svg", { viewBox: `0 0 ${cols} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    over.append(this.lines, this.marks.pointed, this.marks.query);
    this.element = h("div", { className: "overlay", style: { aspectRatio: `${width} / ${height}` } }, this.image, this.canvas);
    this.element.append(over);
    if (Math.max(width, height) < SMALL) this.element.dataset["crisp"] = "";
  }
  ground;
  element;
  image;
  canvas = h("canvas", { className: "heat", "aria-hidden": "true" });
  lines;
  marks;
  show(map, paint, marks) {
    const { rows, cols } = this.ground;
    if (this.image) this.image.style.filter = map ? `saturate(${paint.colourful})` : "";
    this.canvas.hidden = map === null;
    if (map) paintMap(this.canvas, map, paint, rows, cols);
    this.lines.setAttribute("visibility", map === null || this.element.clientWidth / cols < FINEST ? "hidden" : "visible");
    for (const name of ["query", "pointed"]) {
      const patch = marks[name];
      this.marks[name].setAttribute("visibility", patch === null ? "hidden" : "visible");
      if (patch === null) continue;
      this.marks[name].setAttribute("x", String(patch % cols));
      this.marks[name].setAttribute("y", String(Math.floor(patch / cols)));
    }
  }
  /** The patch under the pointer. */
  at(event) {
    const { rows, cols } = this.ground;
    const box = this.element.getBoundingClientRect();
    const col = Math.floor((event.clientX - box.left) / box.width * cols);
    const row = Math.floor((event.clientY - box.top) / box.height * rows);
    return col >= 0 && row >= 0 && col < cols && row < rows ? row * cols + col : null;
  }
};
function overlaySvg(ground, map, paint, query, x, y, wide) {
  const { rows, cols, width, height, image } = ground;
  const high = wide * height / width;
  const place = `x="${x}" y="${y}" width="${wide}" height="${high}" preserveAspectRatio="none"`;
  const crisp = Math.max(width, height) < SMALL ? ` style="image-rendering:pixelated"` : "";
  const out = [];
  if (image) out.push(`<image ${place}${crisp}${map ? ` filter="url(#pale)"` : ""} href="${image}"/>`);
  if (map) {
    const canvas = h("canvas");
    paintMap(canvas, map, paint, rows, cols);
    out.push(`<image ${place} style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
  }
  out.push(`<rect x="${x}" y="${y}" width="${wide}" height="${high}" fill="none" stroke="#808080" stroke-opacity="0.5"/>`);
  if (query !== null) {
    const [w, t] = [wide / cols, high / rows];
    const box = `x="${x + query % cols * w}" y="${y + Math.floor(query / cols) * t}" width="${w}" height="${t}" fill="none"`;
    out.push(`<rect ${box} stroke="#000" stroke-width="4"/><rect ${box} stroke="#ffb454" stroke-width="2"/>`);
  }
  return out.join("");
}
var paleFilter = (paint) => `<filter id="pale" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feColorMatrix type="saturate" values="${paint.colourful}"/></filter>`;
function paintMap(canvas, { shares, signed }, paint, rows, cols) {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const image = context.createImageData(cols, rows);
  shares.forEach((share, i) => image.data.set(paint.of(share, signed), 4 * i));
  context.putImageData(image, 0, 0);
}
function gridPath(rows, cols) {
  let path = "";
  for (let row = 1; row < rows; row++) path += `M0 ${row}H${cols}`;
  for (let col = 1; col < cols; col++) path += `M${col} 0V${rows}`;
  return path;
}
function svg(tag, given) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  return element;
}

// src/sheet.ts
function scaleElement(paint, scale) {
  return h("span", { className: "scale" }, h("span", {}, scale.low), bar(paint, scale.signed), h("span", {}, scale.high), h("span", {}, scale.words));
}
function bar(paint, signed) {
  const canvas = h("canvas", { width: 64, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(64, 1);
  for (let x = 0; x < 64; x++) image.data.set(paint.of(signed ? 2 * x / 63 - 1 : x / 63, signed), 4 * x);
  context.putImageData(image, 0, 0);
  return canvas;
}
var [BIG, SMALL2, GAP, TOP] = [420, 170, 18, 36];
function sheetSvg({ heading, ground, paint, dark, large, plates, scales }) {
  const [ink, quiet, paper] = dark ? ["#e6e9ee", "#98a1ae", "#15181e"] : ["#1d2430", "#68707d", "#ffffff"];
  const text = (x, y, said2, colour = quiet, size = 11, anchor = "start") => `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escaped(said2)}</text>`;
  const legend = ({ low, high: high2, words, signed }, x, y) => {
    const place = `x="${x + 52}" y="${y - 9}" width="96" height="10"`;
    const colours = `<image ${place} preserveAspectRatio="none" href="${bar(paint, signed).toDataURL()}"/>`;
    return text(x + 46, y, low, quiet, 11, "end") + `<rect ${place} fill="#8a8a8a"/>` + colours + text(x + 154, y, `${high2}  ${words}`);
  };
  const [bigHigh, smallHigh] = [BIG * ground.height / ground.width, SMALL2 * ground.height / ground.width];
  const across = Math.min(3, plates.length);
  const right = 2 * GAP + BIG;
  const out = [
    text(GAP, 22, heading, ink, 13),
    overlaySvg(ground, large.map, paint, large.query, GAP, TOP, BIG),
    legend(large.scale, GAP, TOP + bigHigh + 20)
  ];
  plates.forEach(({ title, map, value, note }, n) => {
    const [x, y] = [right + n % across * (SMALL2 + GAP), TOP + Math.floor(n / across) * (smallHigh + 64)];
    const words = [text(x, y - 8, title, ink, 12), text(x, y + smallHigh + 15, value), text(x, y + smallHigh + 29, note)];
    out.push(...words, overlaySvg(ground, map, paint, null, x, y, SMALL2));
  });
  const below = TOP + Math.ceil(plates.length / 3) * (smallHigh + 64);
  scales.forEach((scale, n) => out.push(legend(scale, right, below + 18 * n)));
  const wide = right + Math.max(across, scales.length ? 2 : 0) * (SMALL2 + GAP);
  const high = Math.max(TOP + bigHigh + 36, below + 18 * scales.length);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${Math.ceil(high)}" font-family="sans-serif"><defs>${paleFilter(paint)}</defs><rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`;
}

// src/patches.ts
var PACE = 750;
var HOW = "The brighter a patch, the more the outlined one, or the class token, looks at it. Point at a patch to see where it looks; click keeps it, then pointing reads the numbers. Keys: arrows move the patch, Shift with them reads, [ ] change the layer, comma and period the head, space plays the layers, Escape goes back.";
var patches_default2 = view("Patches", patches_default, (frame) => {
  let ending = new AbortController();
  frame.signal.addEventListener("abort", () => ending.abort());
  let made = patchView(frame, ending.signal);
  listen(frame.model, ["trace"], () => {
    ending.abort();
    ending = new AbortController();
    frame.bar.replaceChildren();
    frame.stage.replaceChildren();
    made = patchView(frame, ending.signal);
    frame.redraw();
  }, frame.signal);
  return { draw: () => made.draw(), picture: () => made.picture() };
});
function patchView(frame, signal) {
  const { model, bar: bar2, stage } = frame;
  const source = new TraceSource(model, signal);
  const { layers, patches, tokens } = source.header;
  const { rows, cols, leading } = patches;
  const [height, width] = model.get("size");
  const ground = { rows, cols, width, height, image: patches.image };
  const usable = range(layers.length).filter((n) => layers[n].query === "input" && layers[n].key === "input");
  const looks = new AttentionRows(source, frame.ask);
  const failures = /* @__PURE__ */ new Map();
  const asked = /* @__PURE__ */ new Set();
  const panels = /* @__PURE__ */ new Map();
  let looking = null;
  let pointed = null;
  let current = null;
  let drawn = 0;
  let playing = false;
  let timer;
  const named2 = (name, ...children) => h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
  const layer = h("input", {
    type: "range",
    min: "0",
    max: String(usable.length - 1),
    step: "1",
    "aria-label": "Layer",
    oninput: () => (stop(), setLayer(Number(layer.value)))
  });
  const layerNumber = h("span", { className: "count" });
  const play = h("button", { type: "button", className: "play", onclick: () => toggle() });
  const chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  const blend = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    "aria-label": "How much the map covers the image",
    oninput: () => frame.set({ blend: Number(blend.value) })
  });
  const shared = h("input", { type: "checkbox", onchange: () => frame.set({ shared: shared.checked }) });
  const target = h("select", { className: "class", "aria-label": "Class that is explained", onchange: () => frame.set({ target: target.value }) });
  target.append(...model.get("labels").map((name) => h("option", { value: name }, label(name))));
  const switches = model.get("offered").map(
    (name) => h("button", { type: "button", className: "chip", value: name, onclick: () => switchPanel(name) }, titleOf(name))
  );
  const blending = named2("Image", blend, h("span", { className: "name" }, "map"));
  blending.hidden = ground.image === null;
  const layering = named2("Layer", layer, layerNumber, play);
  layering.hidden = usable.length < 2;
  const classes = named2("Class", target);
  classes.hidden = model.get("labels").length < 2;
  bar2.append(
    layering,
    named2("Heads", chips),
    blending,
    classes,
    h("span", { className: "group", role: "group", "aria-label": "Panels" }, h("span", { className: "name" }, "Beside"), h("span", { className: "chips" }, ...switches))
  );
  const large = new Overlay(ground);
  const askable = h("div", { className: "asked", tabIndex: 0, role: "application", "aria-roledescription": "grid of patches" }, large.element);
  const heading = h("span", { className: "title" });
  const below = h("span", { className: "note" });
  const firsts = h("div", { className: "leading", role: "group", "aria-label": "Tokens before the patches" });
  const beside = h("div", { className: "beside" });
  const scales = h("span", { className: "scales" });
  const ownScale = h("div", { className: "scales" });
  const foot = h("div", { className: "foot" }, h("label", { title: "Otherwise each panel is on its own scale" }, shared, "one scale per kind"), scales);
  stage.classList.add("patches");
  stage.append(h("figure", { className: "large" }, heading, askable, h("figcaption", {}, below), firsts, ownScale), h("div", { className: "right" }, beside, foot));
  frame.explain(leftOut() + HOW);
  large.element.addEventListener("pointermove", (event) => point(large.at(event), true), { signal });
  large.element.addEventListener("pointerleave", () => point(null, true), { signal });
  large.element.addEventListener("click", (event) => {
    const patch = large.at(event);
    if (patch === null) return;
    const position2 = leading + patch;
    point(null, true);
    frame.set({ query: model.get("query") === position2 ? null : position2 });
  }, { signal });
  frame.root.addEventListener("keydown", (event) => onKey(event), { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  listen(model, ["layer", "heads", "query", "blend", "panels", "shared", "target", "maps", "scores"], frame.redraw, signal);
  function point(patch, onLarge) {
    const [from, to] = onLarge && model.get("query") === null ? [patch, null] : [null, patch];
    if (from === looking && to === pointed) return;
    [looking, pointed] = [from, to];
    frame.redraw();
  }
  const header = () => layers[model.get("layer")];
  const heads = () => {
    const chosen = model.get("heads").filter((head) => head < header().heads);
    return chosen.length ? chosen : range(header().heads);
  };
  const patchOf = (position2) => position2 === null || position2 < leading ? null : position2 - leading;
  const painted = () => new Paint(model.get("blend"), frame.dark(), ground.image !== null);
  const position = () => looking !== null ? leading + looking : model.get("query") ?? (leading ? 0 : null);
  function nameOf(position2) {
    if (position2 === null) return "all positions";
    const patch = position2 - leading;
    return patch < 0 ? label(tokens.input.text[position2] ?? String(position2)) : `patch (${Math.floor(patch / cols)}, ${patch % cols})`;
  }
  function whose() {
    const shown = heads();
    if (shown.length === 1) return header().heads === 1 ? "its only head" : `head ${shown[0]}`;
    return shown.length === header().heads ? `mean of ${shown.length} heads` : `mean of heads ${shown.join(", ")}`;
  }
  const what = (position2) => position2 === null ? "What each patch receives" : `Where ${nameOf(position2)} looks`;
  function leftOut() {
    const missing = range(layers.length).filter((n) => !usable.includes(n));
    if (missing.length === 0) return "";
    const one = missing.length === 1;
    return `Layer${one ? "" : "s"} ${missing.join(", ")} ${one ? "is" : "are"} left out: ${one ? "its" : "their"} positions are not the patches. `;
  }
  function tellLook(row) {
    const from = position();
    const best = range(row.length).sort((a, b) => row[b] - row[a]).slice(0, 3);
    const said2 = best.map((to) => `${to === from ? "itself" : nameOf(to)} ${number(row[to])}`).join(", ");
    const start = from === null ? "Most is received by" : `${capital(nameOf(from))} looks at`;
    frame.say(`${start} ${said2} · layer ${model.get("layer")}, ${whose()}`);
  }
  function tellPatch(patch, row) {
    const [from, to] = [position(), leading + patch];
    const gets = from === null ? "receives" : `gets from ${from === to ? "itself" : nameOf(from)}`;
    frame.say(`${capital(nameOf(to))} ${gets} ${number(row[to])} · layer ${model.get("layer")}, ${whose()}`);
  }
  function scoresOf(name) {
    const [found, bytes, size] = [model.get("maps")[name], model.get("scores"), rows * cols];
    const known = found && (found.target === "" || found.target === model.get("target"));
    if (known && bytes.byteLength >= 4 * (found.place + 1) * size) {
      const note = found.target === "" ? found.verdict : `for “${label(found.target, 24)}” · ${found.verdict}`;
      return { values: readSingles(bytes, found.place * size, size), kind: found.kind, note };
    }
    askFor(name);
    return null;
  }
  function askFor(name) {
    const question = `${name}/${model.get("target")}`;
    if (asked.has(question) || failures.has(question)) return;
    asked.add(question);
    frame.ask("map", { name }).catch((error) => {
      if (signal.aborted) return;
      asked.delete(question);
      failures.set(question, error.message);
      frame.redraw();
    });
  }
  function switchPanel(name) {
    failures.delete(`${name}/${model.get("target")}`);
    asked.delete(`${name}/${model.get("target")}`);
    const chosen = model.get("panels");
    const next = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name];
    frame.set({ panels: model.get("offered").filter((one) => next.includes(one)) });
  }
  async function drawMaps(turn) {
    const names = model.get("panels");
    const look = (from) => looks.of(model.get("layer"), heads(), from);
    const [row, first] = await Promise.all([look(position()), names.includes("attention") ? look(leading ? 0 : null) : null]);
    if (turn !== drawn) return;
    const maps = /* @__PURE__ */ new Map();
    for (const name of names) {
      const found = name === "image" ? null : name === "attention" ? first && ofAttention(first) : scoresOf(name);
      if (found) maps.set(name, found);
    }
    current = { row, maps };
    const [paint, shown, query, own] = [painted(), scaled(maps, model.get("shared")), position(), row.subarray(leading)];
    large.show(upTo(own, most(own)), paint, { query: patchOf(query), pointed });
    names.forEach((name) => drawPanel(name, maps.get(name), shown.maps.get(name) ?? null, paint));
    drawFirsts(row);
    ownScale.replaceChildren(scaleElement(paint, scaleOf("share", most(own))));
    scales.replaceChildren(...shown.scales.map((one) => scaleElement(paint, one)));
    heading.textContent = what(query);
    below.textContent = `layer ${model.get("layer")}, ${whose()}`;
    askable.setAttribute("aria-label", `${heading.textContent}, ${below.textContent}`);
    if (pointed !== null) tellPatch(pointed, row);
    else tellLook(row);
  }
  const ofAttention = (row) => ({
    values: row.subarray(leading),
    kind: "share",
    note: `${leading ? `of ${nameOf(0)}` : "received"}, layer ${model.get("layer")}`
  });
  function panel(name) {
    const overlay = new Overlay(ground);
    const [title, value, note] = [h("span", { className: "title" }), h("span", { className: "note value" }), h("span", { className: "note" })];
    const waiting = h("div", { className: "waiting", role: "status" });
    overlay.element.append(waiting);
    overlay.element.addEventListener("pointermove", (event) => point(overlay.at(event), false), { signal });
    overlay.element.addEventListener("pointerleave", () => point(null, false), { signal });
    const figure = h("figure", {}, title, overlay.element, h("figcaption", {}, value, note));
    const made = { figure, overlay, title, value, note, waiting };
    panels.set(name, made);
    return made;
  }
  function layOut() {
    const names = model.get("panels");
    const figures = names.map((name) => (panels.get(name) ?? panel(name)).figure);
    if (figures.length !== beside.childElementCount || figures.some((figure, n) => figure !== beside.children[n]))
      beside.replaceChildren(...figures);
    beside.dataset["count"] = String(figures.length);
    foot.hidden = figures.length === 0;
  }
  function drawPanel(name, scores, map, paint) {
    const { figure, overlay, title, value, note, waiting } = panels.get(name);
    const failure = failures.get(`${name}/${model.get("target")}`);
    title.textContent = titleOf(name);
    title.title = model.get("maps")[name]?.how ?? titleOf(name);
    overlay.show(map, paint, { query: null, pointed: pointed ?? looking });
    waiting.hidden = map !== null || name === "image";
    waiting.textContent = map ? "" : failure ?? "Computing …";
    waiting.classList.toggle("failed", failure !== void 0 && !map);
    value.textContent = name === "image" ? label(source.header.prediction ?? "as the model sees it") : scores ? numberAt(scores) : "";
    note.textContent = name === "image" ? `${width} × ${height} pixels` : scores ? scores.note : "";
    figure.setAttribute("aria-label", [titleOf(name), note.textContent, failure].filter(Boolean).join(", "));
  }
  function numberAt(scores) {
    const at = pointed ?? looking;
    const patch = at ?? strongest(scores);
    return `${at === null ? "most " : ""}(${Math.floor(patch / cols)}, ${patch % cols}): ${said(scores, patch)}`;
  }
  function drawFirsts(row) {
    if (firsts.childElementCount === 0) {
      const button = (position2, name) => h("button", { type: "button", className: "chip", onclick: () => (point(null, true), frame.set({ query: position2 })) }, name, h("span", { className: "number" }));
      if (leading) firsts.append(...range(leading).map((n) => button(n || null, nameOf(n))));
      else firsts.append(button(null, "all positions"));
    }
    const at = position();
    [...firsts.children].forEach((chip, n) => {
      chip.setAttribute("aria-pressed", String(leading ? at === n : at === null));
      chip.lastElementChild.textContent = leading ? number(row[n]) : "";
      if (leading) chip.title = `${capital(nameOf(at))} gives it ${number(row[n])}; click to see where it looks`;
    });
  }
  function drawControls() {
    const [count, shown] = [header().heads, model.get("heads").filter((head) => head < header().heads)];
    layer.value = String(usable.indexOf(model.get("layer")));
    layer.setAttribute("aria-valuetext", `layer ${model.get("layer")}`);
    layerNumber.textContent = String(model.get("layer"));
    play.textContent = playing ? "❚❚" : still() ? "▸❘" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : still() ? "Next layer" : "Play the layers");
    play.title = play.getAttribute("aria-label");
    blend.value = String(model.get("blend"));
    shared.checked = model.get("shared");
    target.value = model.get("target");
    for (const button of switches) button.setAttribute("aria-pressed", String(model.get("panels").includes(button.value)));
    if (chips.childElementCount !== count + 1)
      chips.replaceChildren(
        h("button", { type: "button", className: "chip", onclick: () => frame.set({ heads: [] }) }, "mean"),
        ...range(count).map(
          (head) => h("button", {
            type: "button",
            className: "chip",
            title: "Shift adds or takes away",
            "aria-label": `head ${head}`,
            onclick: (event) => chooseHead(head, event.shiftKey || event.metaKey || event.ctrlKey)
          }, String(head))
        )
      );
    [...chips.children].forEach((chip, n) => chip.setAttribute("aria-pressed", String(n === 0 ? shown.length === 0 : shown.includes(n - 1))));
  }
  function draw() {
    drawControls();
    layOut();
    const turn = ++drawn;
    drawMaps(turn).then(
      () => turn === drawn && (frame.tell(""), goOn()),
      (error) => {
        if (signal.aborted || turn !== drawn) return;
        halt();
        drawControls();
        frame.tell(error instanceof Error ? error.message : String(error));
      }
    );
  }
  function setLayer(index) {
    frame.set({ layer: usable[(index + usable.length) % usable.length] });
  }
  function chooseHead(head, more) {
    const chosen = model.get("heads");
    if (!more) return frame.set({ heads: [head] });
    const others = chosen.filter((one) => one !== head);
    frame.set({ heads: (others.length < chosen.length ? others : [...others, head]).sort((a, b) => a - b) });
  }
  function stepHead(by) {
    const around = header().heads + 1;
    const next = ((model.get("heads")[0] ?? -1) + 1 + by + around) % around;
    frame.set({ heads: next === 0 ? [] : [next - 1] });
  }
  function move(down, across, reading) {
    const query = model.get("query");
    const from = reading ? pointed : query !== null && query >= leading ? query - leading : looking;
    const start = from ?? Math.floor((rows - 1) / 2) * cols + Math.floor((cols - 1) / 2);
    const row = Math.max(0, Math.min(rows - 1, Math.floor(start / cols) + (from === null ? 0 : down)));
    const col = Math.max(0, Math.min(cols - 1, start % cols + (from === null ? 0 : across)));
    looking = null;
    pointed = reading ? row * cols + col : null;
    if (!reading) frame.set({ query: leading + row * cols + col });
    frame.redraw();
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
    const acts = {
      "[": () => (stop(), setLayer(usable.indexOf(model.get("layer")) - 1)),
      "]": () => (stop(), setLayer(usable.indexOf(model.get("layer")) + 1)),
      ",": () => stepHead(-1),
      ".": () => stepHead(1),
      Escape: () => (stop(), point(null, true), frame.set({ query: null }))
    };
    if (event.target === askable) Object.assign(acts, {
      ArrowUp: () => move(-1, 0, event.shiftKey),
      ArrowDown: () => move(1, 0, event.shiftKey),
      ArrowLeft: () => move(0, -1, event.shiftKey),
      ArrowRight: () => move(0, 1, event.shiftKey),
      " ": () => toggle()
    });
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
  const still = () => globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
  function toggle() {
    if (usable.length < 2) return;
    if (playing) stop();
    else {
      playing = !still();
      setLayer(usable.indexOf(model.get("layer")) + 1);
    }
    frame.redraw();
  }
  function halt() {
    playing = false;
    clearTimeout(timer);
    timer = void 0;
  }
  function stop() {
    halt();
    frame.redraw();
  }
  function goOn() {
    if (!playing || timer !== void 0) return;
    timer = setTimeout(() => {
      timer = void 0;
      const at = usable.indexOf(model.get("layer"));
      if (at === usable.length - 1) stop();
      else setLayer(at + 1);
    }, PACE);
  }
  return { draw, picture };
  function picture() {
    const shown = scaled(current?.maps ?? /* @__PURE__ */ new Map(), model.get("shared"));
    const own = current?.row.subarray(leading) ?? new Float32Array(rows * cols);
    return sheetSvg({
      heading: `${heading.textContent} · ${below.textContent}`,
      ground,
      paint: painted(),
      dark: frame.dark(),
      large: { map: upTo(own, most(own)), query: patchOf(position()), scale: scaleOf("share", most(own)) },
      plates: model.get("panels").map((name) => ({
        title: titleOf(name),
        map: shown.maps.get(name) ?? null,
        value: panels.get(name)?.value.textContent ?? "",
        note: panels.get(name)?.note.textContent ?? ""
      })),
      scales: shown.scales
    });
  }
}
function titleOf(name) {
  return { gradient_x_input: "gradient × input" }[name] ?? name.replaceAll("_", " ");
}
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
function range(count) {
  return [...Array(count).keys()];
}
export {
  patches_default2 as default
};
