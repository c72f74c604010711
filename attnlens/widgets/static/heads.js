// Generated from widgets/src/heads.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

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

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}

// src/heads.css
var heads_default = '.grid { display: grid; gap: 4px; padding: 0 4px 4px 0; width: max-content; align-items: center; }\n.grid .axis { color: var(--quiet); font-size: 11px; text-align: center; font-variant-numeric: tabular-nums; }\n.grid .axis.row { text-align: right; padding-right: 4px; }\n.tile { padding: 0; min-height: 0; border: 1px solid var(--line); border-radius: 3px; background: var(--paper); line-height: 0; position: relative; }\n.tile canvas { width: 100%; height: 100%; border-radius: 2px; image-rendering: pixelated; }\n.tile[aria-selected="true"] { outline: 2px solid var(--ink); outline-offset: 1px; }\n.tile:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; z-index: 1; }\n.ranked { padding: 3px; display: flex; flex-wrap: wrap; gap: 6px; }\n.ranked figure { margin: 0; text-align: center; font-size: 11px; color: var(--quiet); font-variant-numeric: tabular-nums; }\n.legend { display: inline-flex; align-items: center; gap: 6px; color: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }\n.legend canvas { border-radius: 2px; }\n';

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
function lab(l, a, b, opacity) {
  return arguments.length === 1 ? labConvert(l) : new Lab(l, a, b, opacity == null ? 1 : opacity);
}
function Lab(l, a, b, opacity) {
  this.l = +l;
  this.a = +a;
  this.b = +b;
  this.opacity = +opacity;
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
function hcl(h2, c, l, opacity) {
  return arguments.length === 1 ? hclConvert(h2) : new Hcl(h2, c, l, opacity == null ? 1 : opacity);
}
function Hcl(h2, c, l, opacity) {
  this.h = +h2;
  this.c = +c;
  this.l = +l;
  this.opacity = +opacity;
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
var sequential = (dark) => rgbBasis(dark ? ["#15181e", "#211d2e", ...MAKO.slice(0, 9).reverse(), "#e9f8e4"] : ["#ffffff", "#def5e5", ...MAKO]);
function headColour(head, dark) {
  const light = dark ? 72 - 10 * (head % 2) : 44 + 12 * (head % 2);
  return hcl((250 + head * 137.508) % 360, 58, light).formatRgb();
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
function number(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

// src/heads.ts
var HOW = {
  query: "In a square the query runs down and the key across; strong is much attention, each square on its own scale.",
  patch: "A square is the image: where the class token looks; strong is much attention, each square on its own scale."
};
var KEYS = "Click a head to select it, Shift adds one; arrow keys move.";
var FAINTEST = 0.15;
var heads_default2 = view("Attention heads", heads_default, (frame) => {
  const { model, signal, bar, stage } = frame;
  const tiles = /* @__PURE__ */ new Map();
  let thumbnails = readThumbnails(model.get("thumbnails"), model.get("sizes"));
  let drawn = "";
  const explain = () => frame.explain(`Rows are layers, columns heads. ${HOW[model.get("rows")]} ${KEYS}`);
  const by = h("select", {
    "aria-label": "Statistic that colours the heads",
    onchange: () => frame.set({ by: by.value })
  });
  const listColumns = () => by.replaceChildren(h("option", { value: "" }, "own colour"), ...model.get("columns").map((name) => h("option", { value: name }, words(name))));
  listColumns();
  const sort = h("input", { type: "checkbox", onchange: () => frame.set({ sort: sort.checked }) });
  const legend = h("span", { className: "legend" });
  bar.append(
    h("label", {}, h("span", { className: "name" }, "Colour"), by),
    h("label", {}, sort, "rank, largest first"),
    legend
  );
  listen(model, ["layer", "heads", "by", "sort", "stats"], frame.redraw, signal);
  listen(model, ["thumbnails"], () => {
    thumbnails = readThumbnails(model.get("thumbnails"), model.get("sizes"));
    drawn = "";
    listColumns();
    frame.redraw();
  }, signal);
  const statistic = ({ layer, head }) => model.get("stats")[model.get("by")]?.[layer]?.[head] ?? null;
  function select(place, more) {
    const [layer, heads] = [model.get("layer"), model.get("heads")];
    const together = more && place.layer === layer;
    const others = heads.filter((head) => head !== place.head);
    const chosen = together ? others.length < heads.length && others.length ? others : [...others, place.head] : [place.head];
    frame.set({ layer: place.layer, heads: chosen.sort((a, b) => a - b) });
  }
  function tile(place, size) {
    const button = h("button", {
      type: "button",
      className: "tile",
      role: "gridcell",
      tabIndex: -1,
      style: { width: `${size}px`, height: `${size}px` },
      onclick: (event) => select(place, event.shiftKey || event.metaKey || event.ctrlKey),
      onpointerenter: () => frame.say(describe(place)),
      onpointerleave: () => frame.say(""),
      onfocus: () => {
        frame.say(describe(place));
        for (const other of tiles.values()) other.tabIndex = other === button ? 0 : -1;
      },
      onkeydown: (event) => move(event, place)
    });
    button.append(h("canvas", {}));
    tiles.set(`${place.layer},${place.head}`, button);
    return button;
  }
  function describe(place) {
    const found = statistic(place);
    const said = found === null ? "" : `: ${words(model.get("by"))} ${number(found)}`;
    return `layer ${place.layer}, head ${place.head}${said}`;
  }
  function move(event, { layer, head }) {
    const steps = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0]
    };
    const step = steps[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (ranked()) {
      const order = [...tiles.keys()];
      const next = order.indexOf(`${layer},${head}`) + step[0] + step[1];
      tiles.get(order[next] ?? "")?.focus();
    } else tiles.get(`${layer + step[0]},${head + step[1]}`)?.focus();
  }
  const ranked = () => model.get("sort") && model.get("by") !== "" && places().some((place) => statistic(place) !== null);
  const places = () => model.get("sizes").flatMap(([heads], layer) => Array.from({ length: heads }, (_, head) => ({ layer, head })));
  function layOut() {
    const focused = [...tiles].find(([, button]) => button === frame.root.activeElement)?.[0];
    tiles.clear();
    const most = Math.max(...model.get("sizes").map(([heads]) => heads));
    const size = Math.max(16, Math.min(56, Math.floor((frame.width() - 40) / most) - 4));
    stage.replaceChildren(ranked() ? ranking(size) : grid(most, size));
    if (focused) tiles.get(focused)?.focus();
  }
  function ranking(size) {
    const order = places().sort((a, b) => (statistic(b) ?? -Infinity) - (statistic(a) ?? -Infinity));
    return h(
      "div",
      { role: "grid", "aria-label": "Heads, largest first" },
      h("div", { className: "ranked", role: "row" }, ...order.map((place) => h("figure", { role: "presentation" }, tile(place, size), h("figcaption", { role: "presentation" }, `${place.layer}·${place.head}`))))
    );
  }
  function grid(most, size) {
    const axis = (said, className = "axis") => h("span", { className, "aria-hidden": "true" }, String(said));
    const numbers = Array.from({ length: most }, (_, head) => head);
    return h(
      "div",
      {
        className: "grid",
        role: "grid",
        "aria-label": "Heads: rows are layers",
        "aria-multiselectable": "true",
        style: { gridTemplateColumns: `auto repeat(${most}, ${size}px)` }
      },
      axis("layer", "axis row"),
      ...numbers.map((head) => axis(head)),
      ...model.get("sizes").map(([heads], layer) => h(
        "div",
        { role: "row", style: { display: "contents" } },
        axis(layer, "axis row"),
        ...numbers.map((head) => head < heads ? tile({ layer, head }, size) : h("span"))
      ))
    );
  }
  function draw() {
    explain();
    by.value = model.get("by");
    sort.checked = model.get("sort");
    sort.disabled = model.get("by") === "";
    if (model.get("by") && !(model.get("by") in model.get("stats"))) fetchStats();
    const layout = JSON.stringify([ranked() && [model.get("by")], frame.width()]);
    if (layout !== drawn) layOut();
    drawn = layout;
    const dark = frame.dark();
    const values = places().map(statistic).filter((value) => value !== null);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const ramp = sequential(dark);
    const shade = (share) => ramp(FAINTEST + (1 - FAINTEST) * share);
    const tint = (value) => shade(high > low ? (value - low) / (high - low) : 1);
    legend.replaceChildren(...values.length ? [number(low), gradient(shade), number(high)] : []);
    for (const place of places()) {
      const button = tiles.get(`${place.layer},${place.head}`);
      const found = statistic(place);
      const colour = model.get("by") === "" ? headColour(place.head, dark) : found === null ? "rgb(128,128,128)" : tint(found);
      paint(button.firstChild, thumbnails[place.layer], place.head, colour);
      const selected = place.layer === model.get("layer") && model.get("heads").includes(place.head);
      button.setAttribute("aria-selected", String(selected));
      button.setAttribute("aria-label", describe(place));
    }
    if (![...tiles.values()].some((button) => button.tabIndex === 0)) {
      const first = tiles.get(`${model.get("layer")},${model.get("heads")[0] ?? 0}`) ?? [...tiles.values()][0];
      if (first) first.tabIndex = 0;
    }
  }
  let asking = false;
  function fetchStats() {
    if (asking) return;
    asking = true;
    frame.tell("Computing the statistics of all heads …", "busy");
    frame.ask("stats").then(
      () => frame.tell(""),
      (error) => !signal.aborted && frame.tell(error.message)
    ).finally(() => asking = false);
  }
  return { draw, picture: () => picture(frame, thumbnails, (place) => {
    const canvas = tiles.get(`${place.layer},${place.head}`)?.firstChild;
    return canvas instanceof HTMLCanvasElement ? canvas : null;
  }) };
});
function readThumbnails(bytes, sizes) {
  let start = 0;
  return sizes.map(([heads, rows, cols]) => {
    const count = heads * rows * cols;
    const values = decodeHalves(halvesAt(bytes, start, count));
    start += 2 * count;
    return { heads, rows, cols, values };
  });
}
function paint(canvas, { rows, cols, values }, head, colour) {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const part = values.subarray(head * rows * cols, (head + 1) * rows * cols);
  const share = scale(part.reduce((a, b2) => Math.max(a, b2), 0), false);
  const { r, g, b } = rgb(colour);
  const image = context.createImageData(cols, rows);
  part.forEach((weight, i) => image.data.set([r, g, b, 255 * Math.sqrt(share(weight))], 4 * i));
  context.putImageData(image, 0, 0);
}
function picture(frame, thumbnails, canvas) {
  const [size, gap, edge] = [56, 6, 44];
  const most = Math.max(...thumbnails.map(({ heads }) => heads));
  const [width, height] = [edge + most * (size + gap), edge + thumbnails.length * (size + gap)];
  const style = getComputedStyle(frame.stage);
  const [ink, paper] = [style.color, frame.dark() ? "#15181e" : "#ffffff"];
  const text = (x, y, said) => `<text x="${x}" y="${y}" text-anchor="middle">${said}</text>`;
  const out = [text(edge - 22, edge - 12, "layer")];
  for (let head = 0; head < most; head++) out.push(text(edge + head * (size + gap) + size / 2, edge - 12, head));
  thumbnails.forEach(({ heads }, layer) => {
    const y = edge + layer * (size + gap);
    out.push(text(edge - 22, y + size / 2 + 4, layer));
    for (let head = 0; head < heads; head++) {
      const place = `x="${edge + head * (size + gap)}" y="${y}" width="${size}" height="${size}"`;
      const url = canvas({ layer, head })?.toDataURL();
      out.push(`<rect ${place} fill="none" stroke="${ink}" stroke-opacity="0.2"/>`);
      if (url) out.push(`<image ${place} preserveAspectRatio="none" style="image-rendering:pixelated" href="${url}"/>`);
    }
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="${ink}"><rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`;
}
function words(name) {
  return name.replaceAll("_", " ");
}
export {
  heads_default2 as default
};
