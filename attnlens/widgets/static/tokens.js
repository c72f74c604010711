// Generated from widgets/src/tokens.ts by `npm run build`; do not edit. Sources: sha256 dfa763ea3f187a6a81911bdf098ce20853e13995508e2f328191a740d1961e66

// src/protocol/latest_request.ts
var LatestRequest = class {
  constructor(run, events, signal) {
    this.run = run;
    this.events = events;
    this.signal = signal;
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }
  run;
  events;
  signal;
  /** Not started yet; whatever arrives from Python meanwhile is older. */
  waiting = null;
  running = null;
  timer;
  get latest() {
    return this.waiting ?? this.running;
  }
  /** Starts a request after `delay` milliseconds without another one, once no other is running. */
  submit(request2, delay = 0) {
    this.waiting = request2;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = void 0;
      void this.next();
    }, delay);
    this.events.changed();
  }
  async next() {
    if (this.running || !this.waiting) return;
    [this.running, this.waiting] = [this.waiting, null];
    this.events.changed();
    try {
      await this.run(this.running);
      this.events.done();
    } catch (error) {
      if (!this.signal.aborted && !this.waiting) this.events.failed(error instanceof Error ? error.message : String(error));
    }
    this.running = null;
    if (this.signal.aborted) return;
    this.events.changed();
    if (this.timer === void 0) void this.next();
  }
};

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}

// src/tokens.css
var tokens_default = '.texts { display: grid; gap: 4px; }\n.texts textarea {\n  display: block; width: 100%; min-height: 34px; max-height: 9em; padding: 6px 9px; resize: vertical; field-sizing: content;\n  font: inherit; font-size: 14px; line-height: 1.45; color: inherit; background: var(--raised);\n  border: 1px solid var(--line); border-radius: 5px; overflow-wrap: anywhere;\n}\n.note { min-height: 1.5em; margin: 3px 0 1px; font-size: 12px; color: var(--quiet); overflow-wrap: anywhere; }\n.note[data-kind="error"] { color: var(--warn); }\n.note[data-kind="error"]::before { content: "⚠ "; }\n.asked { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 2px 0 8px; overflow-wrap: anywhere; }\n.asked .name, .sums .name { color: var(--quiet); }\n.asked b { font-weight: 600; }\n.scored { position: relative; transition: opacity 0.2s 0.35s; }\n.scored[aria-busy="true"] { opacity: 0.55; }\n.running { margin: 0; padding: 2px 5px; font-size: 15px; line-height: 2; overflow-wrap: anywhere; }\n.running + .running { margin-top: 8px; padding-top: 8px; border-top: 1px dashed var(--line); }\n.part { padding: 2px 4px; border-radius: 4px; cursor: pointer; unicode-bidi: isolate; white-space: pre-wrap; -webkit-box-decoration-break: clone; box-decoration-break: clone; }\n.part.glued { margin-inline-start: 1px; padding-inline-start: 2px; border-start-start-radius: 0; border-end-start-radius: 0; }\n.part .mark { opacity: 0.65; }\n.part.special { font: 11px var(--mono); color: var(--quiet); padding: 2px 1px; }\n.part:hover { box-shadow: 0 0 0 1.5px var(--quiet); }\n.part[aria-selected="true"] { box-shadow: 0 0 0 2px var(--paper), 0 0 0 4px var(--ink); }\n.part:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }\n.tip {\n  position: absolute; z-index: 3; pointer-events: none; padding: 1px 7px; border-radius: 4px; white-space: nowrap;\n  background: var(--ink); color: var(--paper); font-size: 12px; font-variant-numeric: tabular-nums;\n}\n.ranks { display: grid; grid-template-columns: minmax(60px, max-content) 1fr max-content; gap: 3px 10px; align-items: center; max-width: 760px; }\n.ranks .rank { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; padding: 1px 4px; border-radius: 4px; cursor: pointer; }\n.ranks .rank:hover { background: var(--raised); }\n.ranks .rank[aria-selected="true"] { background: var(--raised); box-shadow: inset 3px 0 0 var(--ink); }\n.ranks .rank:focus-visible { outline: 2px solid var(--accent); }\n.ranks .word { text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: pre; max-width: 260px; unicode-bidi: isolate; }\n.ranks .track { position: relative; height: 16px; background: linear-gradient(var(--line), var(--line)) var(--zero) 0 / 1px 100% no-repeat; }\n.ranks .track i { position: absolute; top: 1px; bottom: 1px; border-radius: 2px; min-width: 1px; }\n.ranks .figure { text-align: right; font-variant-numeric: tabular-nums; }\n.rest { margin: 6px 4px 0; color: var(--quiet); font-size: 12px; }\n.under { display: grid; gap: 5px; margin-top: 14px; padding-top: 8px; border-top: 1px solid var(--line); }\n.scale { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 9px; font-variant-numeric: tabular-nums; }\n.scale .ramp { width: 150px; height: 10px; border-radius: 2px; }\n.scale .side { color: var(--quiet); overflow-wrap: anywhere; }\n.sums { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }\n.verdict { margin: 0; overflow-wrap: anywhere; }\n.verdict[data-kind="warn"] { padding: 5px 9px; border-left: 3px solid var(--warn); border-radius: 4px; background: var(--raised); color: var(--warn); font-weight: 600; }\n.verdict[data-kind="warn"]::before { content: "⚠ "; }\n';

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
      const sheet2 = new CSSStyleSheet();
      sheet2.replaceSync(style_default + style);
      root.adoptedStyleSheets = [sheet2];
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
var AGAINST_FOR = ["#a51429", "#c94741", "#e58368", "#f7b799", "#fcdfcf", "#f6f7f7", "#d7e8f1", "#a7d0e4", "#68abd0", "#3783bb", "#1c5c9f"];
var AGAINST_FOR_DARK = ["#ff9b8a", "#f0705f", "#c94741", "#8f2f35", "#4a2227", "#1b1f27", "#17324c", "#1f558a", "#2f7fc0", "#5aa9e0", "#9ad0f5"];
var diverging = (dark) => {
  const ramp = rgbBasis(dark ? AGAINST_FOR_DARK : AGAINST_FOR);
  return (share) => ramp((share + 1) / 2);
};
function needsWhite(colour) {
  const { r, g, b } = rgb(colour);
  const linear2 = (part) => part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear2(r) + 0.7152 * linear2(g) + 0.0722 * linear2(b) < 0.179;
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

// src/tokensheet.ts
function sheet(body, elements, heading, ending, dark) {
  const edge = 16;
  const outer = body.getBoundingClientRect();
  const [ink, paper] = [getComputedStyle(body).color, dark ? "#15181e" : "#ffffff"];
  const write = (x, y, said, size, colour = ink, more = "") => `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}"${more}>${escaped(said)}</text>`;
  const lift = edge + 24;
  const block = (box, colour) => `<rect x="${round(box.left - outer.left + edge)}" y="${round(box.top - outer.top + lift)}" width="${round(box.width)}" height="${round(box.height)}" rx="3" fill="${colour}"/>`;
  const out = [write(edge, edge + 8, heading, 13)];
  elements.forEach((element) => {
    const bar = element.querySelector("i");
    const style = getComputedStyle(element);
    if (bar) {
      out.push(block(bar.getBoundingClientRect(), bar.style.background));
      for (const cell of [element.firstElementChild, element.lastElementChild]) {
        const box = cell.getBoundingClientRect();
        out.push(write(box.right - outer.left + edge, box.top - outer.top + lift + box.height * 0.72, cell.textContent ?? "", 13, ink, ' text-anchor="end"'));
      }
      return;
    }
    const boxes = [...element.getClientRects()];
    if (element.style.background) out.push(...boxes.map((box) => block(box, element.style.background)));
    for (const { said, box } of lines(element))
      out.push(write(box.left - outer.left + edge, box.bottom - outer.top + lift - box.height * 0.24, said, parseFloat(style.fontSize) || 15, style.color));
  });
  const [width, height] = [Math.ceil(outer.width + 2 * edge), Math.ceil(outer.height + lift + 44)];
  out.push(write(edge, height - edge, ending, 12));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="system-ui, sans-serif"><rect width="100%" height="100%" fill="${paper}"/>${out.join("")}</svg>`;
}
function lines(element) {
  const found = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let start = 0;
    for (const letter of node.textContent ?? "") {
      range.setStart(node, start);
      range.setEnd(node, start += letter.length);
      const box = range.getClientRects?.()[0];
      const last = found.at(-1);
      if (!box) continue;
      if (last && Math.abs(last.box.bottom - box.bottom) < 2) {
        last.said += letter;
        last.box = new DOMRect(Math.min(last.box.left, box.left), last.box.top, 0, last.box.height);
      } else found.push({ said: letter, box });
    }
  }
  return found;
}
function round(value) {
  return Math.round(value * 10) / 10;
}
function signed(value) {
  const said = number(Math.abs(value));
  return said === "0" || said === "–" ? said : `${value > 0 ? "+" : "−"}${said}`;
}

// src/tokens.ts
var KEYS = "Point at a part for its score; arrows move, Escape clears.";
var HOW = {
  signed: `Blue speaks for the class, red against it, strong colours the most. ${KEYS}`,
  unsigned: `Strong colours are important; the method tells neither for nor against. ${KEYS}`
};
var IDLE = "Change the text: it is explained anew as you type.";
var REST = 400;
var RANKED = 24;
var FAINTEST = 0.35;
var LONGEST2 = { token: 40, word: 60, sentence: 1200 };
var LEVELS = ["token", "word", "sentence"];
var PREDICTED = "\0";
var tokens_default2 = view("Token attribution", tokens_default, (frame) => {
  const { model, signal, bar, stage } = frame;
  const choices = model.get("choices");
  let elements = [];
  let drawn = "";
  let pointed = -1;
  let picture;
  const wishes = new LatestRequest((wish2) => {
    const known = findHeld(wish2);
    if (known < 0) return frame.ask("explain", { ...wish2 });
    frame.set({ target: wish2.target, method: wish2.method, number: known });
    return Promise.resolve();
  }, {
    changed: frame.redraw,
    done: () => say(IDLE),
    failed: (reason) => say(reason, "error")
  }, signal);
  const boxes = [];
  const textBoxes = h("div", { className: "texts", hidden: !choices.live });
  const note = h("div", { className: "note", role: "status", hidden: !choices.live });
  const held = () => ({ text: model.get("text"), target: model.get("target"), method: model.get("method") });
  const wished = () => wishes.latest ?? held();
  const wish = (change, rest = 0) => wishes.submit({ ...wished(), ...choices.live ? { text: typed() } : {}, ...change }, rest);
  function findHeld({ text: text2, target: target2, method: method2 }) {
    if (!same(text2, model.get("text"))) return -1;
    return model.get("shown").results.findIndex(({ asked: asked2 }) => asked2.some((one) => one[0] === target2 && one[1] === method2));
  }
  function say(text2, kind = "busy") {
    note.textContent = text2;
    note.dataset["kind"] = kind;
  }
  function typed() {
    const texts = boxes.map((box) => box.value);
    return texts.length === 2 ? [texts[0], texts[1]] : texts[0] ?? "";
  }
  function showText() {
    const text2 = model.get("text");
    const texts = typeof text2 === "string" ? [text2] : text2;
    if (boxes.length !== texts.length) {
      boxes.splice(0, boxes.length, ...texts.map(
        (_, n) => h("textarea", {
          rows: 1,
          spellcheck: false,
          dir: "auto",
          "aria-label": texts.length === 1 ? "Text: explained anew as you type" : `Text ${n + 1} of the pair: explained anew as you type`,
          oninput: () => wish({}, REST)
        })
      ));
      textBoxes.replaceChildren(...boxes);
    }
    boxes.forEach((box, n) => {
      if (box.value !== texts[n]) box.value = texts[n];
    });
  }
  showText();
  say(IDLE);
  listen(model, ["text"], () => {
    if (!wishes.waiting) showText();
  }, signal);
  guardKeys(textBoxes, frame);
  const listed = choices.targets.length > 0;
  const target = h("select", { "aria-label": "Class that is explained", onchange: () => wish({ target: target.value === PREDICTED ? null : target.value }) });
  const predicted = h("option", { value: PREDICTED }, "predicted");
  target.append(predicted, ...choices.targets.map((name) => h("option", { value: name }, label(name))));
  const typedTarget = h("input", {
    type: "text",
    size: 18,
    "aria-label": "Class that is explained: its name or number; empty for the predicted one",
    onchange: () => wish({ target: typedTarget.value === "" ? null : typedTarget.value })
  });
  const method = h("select", { "aria-label": "Method", onchange: () => wish({ method: method.value }) });
  method.append(...choices.methods.map((name) => h("option", { value: name }, words(name))));
  const given = h("select", { "aria-label": "Attribution", onchange: () => frame.set({ number: Number(given.value) }) });
  given.append(...choices.titles.map((title, n) => h("option", { value: String(n) }, label(title, 90))));
  const levels = LEVELS.map((level) => h("button", { type: "button", onclick: () => frame.set({ level }) }, level));
  const sorts = [false, true].map((sort) => h("button", { type: "button", onclick: () => frame.set({ sort }) }, sort ? "ranked" : "text"));
  const named2 = (name, shown, ...children) => h("label", { hidden: !shown }, h("span", { className: "name" }, name), ...children);
  bar.append(
    named2("Why", choices.live, listed ? target : typedTarget),
    named2("Method", choices.live, method),
    named2("Show", choices.titles.length > 1, given),
    h("span", { className: "segments", role: "group", "aria-label": "What a score belongs to" }, ...levels),
    h("span", { className: "segments", role: "group", "aria-label": "Picture" }, ...sorts)
  );
  guardKeys(typedTarget, frame);
  const asked = h("div", { className: "asked" });
  const scored = h("div", { className: "scored" });
  const tip = h("div", { className: "tip", hidden: true, "aria-hidden": "true" });
  const body = h("div", {});
  scored.append(body, tip);
  const scale = h("div", { className: "scale" });
  const sums = h("p", { className: "sums" });
  const verdict = h("p", { className: "verdict", role: "note" });
  stage.append(textBoxes, note, asked, scored, h("div", { className: "under" }, scale, sums, verdict));
  listen(model, ["shown", "scores", "target", "method", "number", "level", "sort", "token"], frame.redraw, signal);
  function drawControls() {
    const now = wished();
    const name = picture.result.prediction?.[0] ?? "";
    const isClass = name !== "" && (!listed || choices.targets.includes(name));
    predicted.textContent = typedTarget.placeholder = isClass ? `predicted: ${label(name)}` : "predicted";
    target.value = now.target === null ? PREDICTED : String(now.target);
    if (frame.root.activeElement !== typedTarget) typedTarget.value = now.target === null ? "" : String(now.target);
    method.value = now.method;
    given.value = String(model.get("number"));
    levels.forEach((button, n) => {
      button.setAttribute("aria-pressed", String(LEVELS[n] === picture.parts.level));
      button.disabled = !levelsOf(picture.result).some(({ level }) => level === LEVELS[n]);
    });
    sorts.forEach((button, n) => button.setAttribute("aria-pressed", String(n === 1 === model.get("sort"))));
    const busy = wishes.latest !== null;
    scored.setAttribute("aria-busy", String(busy || note.dataset["kind"] === "error"));
    if (busy) say("Reading …");
  }
  const levelsOf = (result) => model.get("shown").texts[result.text];
  function read() {
    const { texts, results } = model.get("shown");
    const number2 = Math.min(model.get("number"), results.length - 1);
    const result = results[number2];
    const levels2 = texts[result.text];
    const parts = levels2.find(({ level }) => level === model.get("level")) ?? levels2[0];
    const before = results.slice(0, number2).flatMap(({ text: text2 }) => texts[text2]).concat(levels2.slice(0, levels2.indexOf(parts)));
    const start = before.reduce((sum, { text: text2 }) => sum + text2.length, 0);
    const bytes = model.get("scores");
    const scores = Float32Array.from(parts.text, (_, i) => bytes.getFloat32(4 * (start + i), true));
    const most = scores.reduce((most2, score) => Math.max(most2, Number.isFinite(score) ? Math.abs(score) : 0), 0);
    return { result, parts, scores, most, colour: result.signed ? diverging(frame.dark()) : importance(frame.dark()) };
  }
  function colourOf(part, faintest = 0) {
    const { scores, most, colour } = picture;
    const share = most > 0 && Number.isFinite(scores[part]) ? scores[part] / most : 0;
    return colour(Math.sign(share) * Math.max(Math.abs(share), faintest));
  }
  function text(part) {
    const { parts } = picture;
    const given2 = parts.text[part];
    return label(given2.trim() || given2, LONGEST2[parts.level]);
  }
  function spoken(part) {
    const { parts, scores, result } = picture;
    const said = result.signed ? `${signed(scores[part])} ${result.unit}` : number(scores[part]);
    return `“${label(parts.text[part])}”${parts.special.includes(part) ? " (special)" : ""}: ${said}`;
  }
  function describe(part) {
    const { parts, scores, result } = picture;
    const rank = scores.reduce((rank2, other) => rank2 + Number(Math.abs(other) > Math.abs(scores[part])), 1);
    const side = !result.signed || !scores[part] ? "" : scores[part] > 0 ? ` for ${label(result.question, 60)}` : ` against ${label(result.question, 60)}`;
    return `${spoken(part)}${side} · rank ${rank} of ${parts.text.length} · ${parts.level} ${part}`;
  }
  function selected() {
    const token = model.get("token");
    return token === null ? -1 : picture.parts.first.findLastIndex((first) => first <= token);
  }
  const select = (part) => frame.set({ token: part < 0 ? null : picture.parts.first[part] });
  function standing(element, part) {
    element.setAttribute("role", "option");
    element.setAttribute("aria-label", spoken(part));
    element.tabIndex = -1;
    element.dataset["part"] = String(part);
    elements[part] = element;
    return element;
  }
  function layOut() {
    elements = [];
    const { parts } = picture;
    if (model.get("sort")) return layRanks();
    const special = new Set(parts.special);
    const texts = [];
    let segment = -1;
    parts.text.forEach((_, part) => {
      if (texts.length === 0 || !special.has(part) && segment >= 0 && (parts.segment[part] ?? 0) !== segment)
        texts.push(h("p", { className: "running", dir: "auto", role: "presentation" }));
      if (!special.has(part)) segment = parts.segment[part] ?? 0;
      const paragraph = texts.at(-1);
      if (parts.space[part] === 2) paragraph.append(h("br"));
      else if (parts.space[part] === 1) paragraph.append(" ");
      const shown = text(part);
      const marked = shown.startsWith("##") && shown.length > 2;
      const element = h("span", { className: "part" }, marked && h("span", { className: "mark" }, "##"), marked ? shown.slice(2) : shown);
      element.classList.toggle("special", special.has(part));
      element.classList.toggle("glued", parts.space[part] === 0);
      paragraph.append(standing(element, part));
    });
    body.replaceChildren(h("div", { role: "listbox", "aria-label": "Text with scores", "aria-orientation": "horizontal" }, ...texts));
  }
  function ranked() {
    const { parts, scores } = picture;
    const places = [...parts.text.keys()].filter((part) => !parts.special.includes(part));
    return places.sort((a, b) => Math.abs(scores[b]) - Math.abs(scores[a])).slice(0, RANKED).sort((a, b) => scores[b] - scores[a]);
  }
  function layRanks() {
    const { parts, scores } = picture;
    const order = ranked();
    const rows = order.map(
      (part) => standing(h(
        "div",
        { className: "rank" },
        h("span", { className: "word", dir: "auto" }, text(part)),
        h("span", { className: "track" }, h("i", {})),
        h("span", { className: "figure" }, column(scores[part], picture))
      ), part)
    );
    const others = [...parts.text.keys()].filter((part) => !order.includes(part) && !parts.special.includes(part));
    const rest = others.reduce((sum, part) => sum + scores[part], 0);
    const summed = picture.result.signed ? `; together ${signed(rest)}` : "";
    body.replaceChildren(
      h("div", { className: "ranks", role: "listbox", "aria-label": "Strongest scores" }, ...rows),
      h("p", { className: "rest", hidden: others.length === 0 }, `${others.length} weaker ${parts.level}s are not listed${summed}.`)
    );
  }
  function paint() {
    const { parts, scores, most } = picture;
    const special = new Set(parts.special);
    const { low, span } = bounds(ranked().map((part) => scores[part]));
    const chosen = selected();
    elements.forEach((element, part) => {
      const barred = element.querySelector("i");
      const colour = colourOf(part, barred ? FAINTEST : 0);
      if (barred) {
        const [from, to] = [Math.min(0, scores[part] || 0), Math.max(0, scores[part] || 0)];
        Object.assign(barred.style, { left: `${(from - low) / span * 100}%`, width: `${(to - from) / span * 100}%`, background: colour });
        barred.parentElement.style.setProperty("--zero", `${-low / span * 100}%`);
      } else if (!special.has(part) || Math.abs(scores[part]) > most / 1e3) {
        Object.assign(element.style, { background: colour, color: inkOn(colour) });
      }
      element.setAttribute("aria-selected", String(part === chosen));
    });
    const reachable = elements[chosen] ? chosen : elements.findIndex((element) => element);
    elements.forEach((element, part) => element.tabIndex = part === reachable ? 0 : -1);
  }
  const partOf = (event) => {
    const found = event.target.closest?.("[data-part]");
    return found instanceof HTMLElement ? Number(found.dataset["part"]) : -1;
  };
  body.addEventListener("pointerover", (event) => point(partOf(event)), { signal });
  body.addEventListener("pointerleave", () => point(-1), { signal });
  body.addEventListener("focusin", (event) => point(partOf(event)), { signal });
  body.addEventListener("focusout", () => point(-1), { signal });
  body.addEventListener("click", (event) => {
    const part = partOf(event);
    if (part < 0) return;
    select(part === selected() ? -1 : part);
    elements[part].focus({ preventScroll: true });
  }, { signal });
  body.addEventListener("keydown", onKey, { signal });
  function point(part) {
    pointed = part;
    const one = elements[part] ? part : selected();
    frame.say(one >= 0 ? describe(one) : "");
    const element = elements[part];
    tip.hidden = !element || model.get("sort");
    if (!element) return;
    const { scores, result } = picture;
    tip.textContent = result.signed ? signed(scores[part]) : number(scores[part]);
    const [outer, inner] = [scored.getBoundingClientRect(), element.getClientRects()[0] ?? element.getBoundingClientRect()];
    tip.style.left = `${Math.max(0, Math.min(inner.left - outer.left, outer.width - tip.offsetWidth))}px`;
    tip.style.top = `${inner.bottom - outer.top + 5}px`;
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const order = model.get("sort") ? ranked() : [...elements.keys()];
    const at = order.indexOf(partOf(event));
    const back = body.querySelector(".running") && getComputedStyle(body.querySelector(".running")).direction === "rtl" ? 1 : -1;
    const places = {
      ArrowLeft: at + back,
      ArrowRight: at - back,
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      Home: 0,
      End: order.length - 1
    };
    if (event.key === "Escape") select(-1);
    else if (event.key === "Enter" || event.key === " ") select(order[at] === selected() ? -1 : order[at] ?? -1);
    else if (event.key in places) {
      const next = order[Math.max(0, Math.min(order.length - 1, places[event.key]))];
      if (next === void 0) return;
      select(next);
      elements[next].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
  function drawWords() {
    const { result, most, colour } = picture;
    const fact = (name, ...said) => h("span", {}, h("span", { className: "name" }, `${name} `), ...said);
    const strong = (said) => h("b", { dir: "auto" }, label(said, 80));
    const [predicted2, chance] = result.prediction ?? ["", null];
    asked.replaceChildren(
      ...predicted2 ? [fact("predicted", strong(predicted2), chance === null ? "" : ` ${percent(chance)}`)] : [],
      fact("explained", strong(result.question), result.value === null ? "" : ` ${result.unit} ${signed(result.value)}`),
      fact("by", label(result.how, 120)),
      ...result.model ? [fact("model", label(result.model, 60))] : []
    );
    const ramp = h("span", { className: "ramp", style: { background: gradient(colour, result.signed) } });
    const side = (said) => h("span", { className: "side" }, said);
    const end = number(most);
    if (result.signed) scale.replaceChildren(side("against"), `−${end}`, ramp, `+${end}`, side(`for ${label(result.question, 60)}`));
    else scale.replaceChildren("0", ramp, end, side("importance"));
    const { change, sum } = result;
    sums.hidden = change === null || sum === null;
    if (change !== null && sum !== null)
      sums.replaceChildren(
        h("span", { className: "name" }, "The scores add up to "),
        signed(sum),
        h("span", { className: "name" }, `; from the baseline to the text the ${result.unit} changes by `),
        signed(change)
      );
    verdict.textContent = result.verdict.charAt(0).toUpperCase() + result.verdict.slice(1);
    verdict.dataset["kind"] = result.converged === false ? "warn" : "";
  }
  const heading = () => [...asked.children].map((fact) => fact.textContent).join("  ·  ");
  function ending() {
    const { result, most } = picture;
    const meaning = result.signed ? `blue for ${label(result.question, 60)}, red against it, up to ±${number(most)}` : `strong colours are important, up to ${number(most)}`;
    return `${verdict.textContent}  ·  ${meaning}`;
  }
  function draw() {
    if (!wishes.waiting || drawn === "") {
      picture = read();
      const { parts, result } = picture;
      const layout = JSON.stringify([parts, model.get("sort") && [...picture.scores], result.signed]);
      const focused = body.contains(frame.root.activeElement);
      const anew = layout !== drawn;
      if (anew) layOut();
      drawn = layout;
      elements.forEach((element, part) => element.setAttribute("aria-label", spoken(part)));
      paint();
      drawWords();
      frame.explain(HOW[result.signed ? "signed" : "unsigned"]);
      if (focused && anew) elements.find((element) => element?.tabIndex === 0)?.focus({ preventScroll: true });
      if (!focused) point(pointed);
    }
    drawControls();
  }
  return { draw, picture: () => sheet(body, elements, heading(), ending(), frame.dark()) };
});
function guardKeys(element, { root, signal }) {
  element.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  element.addEventListener("focusin", () => root.host.setAttribute("data-lm-suppress-shortcuts", "true"), { signal });
  element.addEventListener("focusout", () => root.host.removeAttribute("data-lm-suppress-shortcuts"), { signal });
}
function importance(dark) {
  return rgbBasis(dark ? ["#1b1f27", "#2d2745", "#4d3f7e", "#7a68b5", "#a99ddb", "#dcd5f5"] : ["#f7f6fa", "#e4e1f0", "#c4bfe0", "#9b93c9", "#7259ad", "#4a2384"]);
}
function gradient(colour, signed2) {
  const stops = Array.from({ length: 11 }, (_, i) => colour(signed2 ? i / 5 - 1 : i / 10));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
function bounds(values) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return { low, span: high - low || 1 };
}
function column(value, { most, result }) {
  if (!Number.isFinite(value)) return "–";
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most || 1))));
  const said = Math.abs(value).toFixed(decimals);
  return result.signed && Number(said) !== 0 ? `${value > 0 ? "+" : "−"}${said}` : said;
}
function percent(share) {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)} %` : `${Math.round(100 * share)} %`;
}
var inkOn = (colour) => needsWhite(colour) ? "#ffffff" : "#000000";
function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
function words(name) {
  return name.replaceAll("_", " ");
}
export {
  bounds,
  tokens_default2 as default
};
