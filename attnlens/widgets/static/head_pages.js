// Generated from widgets/src/head_pages/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

// src/page/fragment.ts
var RESTING = 200;
function valuesOf(fragment) {
  const pairs2 = fragment.replace(/^#/, "").split("&").filter((part) => part.includes("="));
  return new Map(pairs2.map((pair) => [pair.slice(0, pair.indexOf("=")), decoded(pair.slice(pair.indexOf("=") + 1))]));
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
var PageAddress = class {
  parts = [];
  constructor() {
    addEventListener("hashchange", () => {
      const values = valuesOf(location.hash);
      this.parts.forEach((part) => part.open(values));
      if (values.size > 0) this.write();
    });
  }
  /** Opens a part as the address says, and keeps it there from now on. */
  keep(part) {
    this.parts.push(part);
    part.open(valuesOf(location.hash));
  }
  write = () => replaceFragment(fragmentOf(Object.assign({}, ...this.parts.map((part) => part.values()))));
  writeSoon = resting(this.write);
};

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
function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === void 0) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}
function range(count) {
  return [...Array(count).keys()];
}

// src/page/tables.ts
var SortableTable = class {
  /** changed: calls back after a change by the reader */
  constructor(table2, form = null, changed = () => {
  }) {
    this.table = table2;
    this.form = form;
    this.changed = changed;
    this.rows = [...table2.tBodies[0].rows];
    this.heads = [...table2.tHead.rows[0].cells];
    const names = this.heads.map((head) => (head.textContent.split(",")[0].match(/\w+/g) ?? []).join("_"));
    this.names = names.map((name, n) => names.indexOf(name) === n ? name : `${name}_${n}`);
    this.texts = new Map(this.rows.map((row) => [row, [...row.cells].map(shownText).join(" ").toLowerCase()]));
    this.heads.forEach((head, column) => {
      if (new Set(this.rows.map((row) => valueOf(row.cells[column]))).size > 1) this.makeHead(head, column);
    });
    if (form) this.makeForm(form);
    table2.addEventListener("toggle", ({ target }) => this.toggled(target), true);
  }
  table;
  form;
  changed;
  /** The rows in the order in which they were written. */
  rows;
  heads;
  /** Of the columns, in an address; of equal ones the later have their number. */
  names;
  order = null;
  opened = -1;
  texts;
  makeHead(head, column) {
    const press = () => {
      this.sort({ column, descending: head.ariaSort !== "descending" });
      this.changed();
    };
    head.append(h("button", { type: "button", onclick: press }, ...head.childNodes));
  }
  makeForm(form) {
    form.addEventListener("input", () => {
      this.filter();
      this.changed();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    this.filter();
  }
  /** Sorts by a column; null for the order as written. */
  sort(order) {
    this.order = order;
    this.heads.forEach((head, column) => {
      head.ariaSort = column !== order?.column ? null : order.descending ? "descending" : "ascending";
    });
    this.table.tBodies[0].append(...order ? sortedRows(this.rows, order) : this.rows);
  }
  /** Shows the rows that hold what is typed and have what is chosen, and says how many there are. */
  filter() {
    const form = this.form;
    const typed = form.querySelector("input").value.trim().toLowerCase();
    const chosen = [...form.querySelectorAll("select")].filter(({ value }) => value !== "");
    for (const row of this.rows)
      row.hidden = !chosen.every(({ name, value }) => row.dataset[name] === value) || !this.texts.get(row).includes(typed);
    form.querySelector("output").textContent = `${this.rows.filter((row) => !row.hidden).length} of ${this.rows.length}`;
  }
  toggled(details) {
    const row = this.rows.findIndex((one) => one.contains(details));
    if (details.open === (row === this.opened)) return;
    this.opened = details.open ? row : -1;
    this.changed();
  }
  /** What an address holds of the table. */
  values() {
    const { order, form } = this;
    return {
      table: this.table.id,
      sort: order ? this.names[order.column] : "",
      order: order && !order.descending ? "ascending" : "",
      filter: form?.querySelector("input").value ?? "",
      ...Object.fromEntries([...form?.querySelectorAll("select") ?? []].map(({ name, value }) => [name, value])),
      row: this.opened < 0 ? "" : String(this.opened)
    };
  }
  /** Sorts, filters and opens a row as an address says, as far as that is there, and scrolls to it. */
  open(values) {
    const column = this.names.indexOf(values.get("sort") ?? "");
    this.sort(column < 0 ? null : { column, descending: values.get("order") !== "ascending" });
    if (this.form) {
      this.form.querySelector("input").value = values.get("filter") ?? "";
      for (const list of this.form.querySelectorAll("select")) {
        const value = values.get(list.name);
        list.value = [...list.options].some((option) => option.value === value) ? value : "";
      }
      this.filter();
    }
    const named2 = values.get("row") ?? "";
    const row = /^\d+$/.test(named2) ? this.rows[Number(named2)] : void 0;
    const details = row?.querySelector("details");
    const before = this.rows[this.opened];
    this.opened = details ? Number(named2) : -1;
    if (before && before !== row) before.querySelector("details").open = false;
    if (details) details.open = true;
    (details && !row.hidden ? row : this.table.closest("section") ?? this.table).scrollIntoView();
  }
};
function sortedRows(rows, { column, descending }) {
  const sign = descending ? -1 : 1;
  const valued = rows.map((row) => ({ row, value: valueOf(row.cells[column]) }));
  return valued.sort((a, b) => sign * compareValues(a.value, b.value)).map(({ row }) => row);
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
var PageTables = class {
  tables;
  last = null;
  constructor(root, changed) {
    this.tables = [...root.querySelectorAll("table.sortable[id]")].map((table2) => {
      const form = root.querySelector(`form[data-table="${table2.id}"]`);
      const made = new SortableTable(table2, form, () => {
        this.last = made;
        changed();
      });
      return made;
    });
  }
  values() {
    return this.last?.values() ?? {};
  }
  open(values) {
    const named2 = this.tables.find(({ table: table2 }) => table2.id === values.get("table"));
    if (!named2) return;
    this.last = named2;
    named2.open(values);
  }
};
function startTables(root, address) {
  address.keep(new PageTables(root, address.writeSoon));
}

// src/head_pages/content.ts
var patternTitle = (name) => name === "class" ? "class token" : name;
var LEVELS = 10;
function nameOf({ layer, head }) {
  return `${layer}.${head}`;
}
function weightsOf(example) {
  return [...atob(example.weights)].map((byte) => (byte.charCodeAt(0) / 255) ** 2);
}

// src/drawing/canvas.ts
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
function gradientBar(ramp2) {
  const width = 80;
  const canvas = h("canvas");
  const context = canvasContext(canvas, width, 10);
  for (let x = 0; x < width; x++) {
    context.fillStyle = ramp2(x / (width - 1));
    context.fillRect(x, 0, 1, 10);
  }
  return canvas;
}
function paintPixels(canvas, cols, rows, pixel) {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const image = context.createImageData(cols, rows);
  for (let n = 0; n < cols * rows; n++) image.data.set(pixel(n), 4 * n);
  context.putImageData(image, 0, 0);
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
function hsla(h2, s2, l, a) {
  if (a <= 0) h2 = s2 = l = NaN;
  else if (l <= 0 || l >= 1) h2 = s2 = NaN;
  else if (s2 <= 0) h2 = NaN;
  return new Hsl(h2, s2, l, a);
}
function hslConvert(o) {
  if (o instanceof Hsl) return new Hsl(o.h, o.s, o.l, o.opacity);
  if (!(o instanceof Color)) o = color(o);
  if (!o) return new Hsl();
  if (o instanceof Hsl) return o;
  o = o.rgb();
  var r = o.r / 255, g = o.g / 255, b = o.b / 255, min = Math.min(r, g, b), max = Math.max(r, g, b), h2 = NaN, s2 = max - min, l = (max + min) / 2;
  if (s2) {
    if (r === max) h2 = (g - b) / s2 + (g < b) * 6;
    else if (g === max) h2 = (b - r) / s2 + 2;
    else h2 = (r - g) / s2 + 4;
    s2 /= l < 0.5 ? max + min : 2 - max - min;
    h2 *= 60;
  } else {
    s2 = l > 0 && l < 1 ? 0 : h2;
  }
  return new Hsl(h2, s2, l, o.opacity);
}
function hsl(h2, s2, l, opacity) {
  return arguments.length === 1 ? hslConvert(h2) : new Hsl(h2, s2, l, opacity == null ? 1 : opacity);
}
function Hsl(h2, s2, l, opacity) {
  this.h = +h2;
  this.s = +s2;
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
    var h2 = this.h % 360 + (this.h < 0) * 360, s2 = isNaN(h2) || isNaN(this.s) ? 0 : this.s, l = this.l, m2 = l + (l < 0.5 ? l : 1 - l) * s2, m1 = 2 * l - m2;
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
var maps = {
  attention: {
    light: ["#ffffff", "#def5e5", "#b2e4c2", "#79d6ae", "#4bc2ad", "#38aaac", "#3492a8", "#357ba3", "#38629d", "#40498e", "#3e356b", "#332345", "#211423"],
    dark: ["#15181e", "#211d2e", "#3e356b", "#40498e", "#38629d", "#357ba3", "#3492a8", "#38aaac", "#4bc2ad", "#79d6ae", "#b2e4c2", "#e9f8e4"]
  },
  signed: {
    light: ["#a51429", "#c94741", "#e58368", "#f7b799", "#fcdfcf", "#f6f7f7", "#d7e8f1", "#a7d0e4", "#68abd0", "#3783bb", "#1c5c9f"],
    dark: ["#ff9b8a", "#f0705f", "#c94741", "#8f2f35", "#4a2227", "#1b1f27", "#17324c", "#1f558a", "#2f7fc0", "#5aa9e0", "#9ad0f5"]
  },
  unsigned: {
    light: ["#f7f6fa", "#e4e1f0", "#c4bfe0", "#9b93c9", "#7259ad", "#4a2384"],
    dark: ["#1b1f27", "#2d2745", "#4d3f7e", "#7a68b5", "#a99ddb", "#dcd5f5"]
  },
  heat: {
    light: ["#fcffa4", "#f4df53", "#fbb61a", "#f98e09", "#ed6925", "#d84c3e", "#bc3754", "#9a2865", "#781c6d", "#57106e", "#320a5e", "#110a30", "#000004"],
    dark: ["#000004", "#110a30", "#320a5e", "#57106e", "#781c6d", "#9a2865", "#bc3754", "#d84c3e", "#ed6925", "#f98e09", "#fbb61a", "#f4df53", "#fcffa4"]
  },
  layers: {
    light: ["#fde725", "#bddf26", "#7ad151", "#44bf70", "#22a884", "#21918c", "#2a788e", "#355f8d", "#414487", "#482475", "#440154"],
    dark: ["#fde725", "#bddf26", "#7ad151", "#44bf70", "#22a884", "#21918c", "#2a788e", "#355f8d", "#414487", "#482475", "#440154"]
  }
};
var heads = {
  light: ["#0074c3", "#db5b5b", "#007d4c", "#9874dc", "#866100", "#009cc3", "#b83173", "#4a9734", "#006cca", "#ce683d", "#007e6f", "#bc65c5", "#696c00", "#0097db", "#bb3253", "#009c54", "#595fc4", "#b97623", "#007d90", "#d358a6", "#467400", "#0090e9", "#b33f34", "#009e77"],
  dark: ["#00beff", "#ee6b6a", "#00ca92", "#a984ee", "#d7a843", "#00acd3", "#ff81bc", "#5aa743", "#6bb4ff", "#e0774c", "#00cbb8", "#cd75d6", "#b6b540", "#00a8ec", "#ff8298", "#09ac63", "#a8a7ff", "#ca8632", "#00cadc", "#e569b6", "#90be4e", "#00a0fb", "#ff8a77", "#00af86"]
};
var inks = { on_dark: "#ffffff", on_light: "#000000" };

// src/drawing/palette.ts
function rolesOf(isDark) {
  return isDark ? dark : light;
}
function stopsOf(map, isDark) {
  return maps[map][isDark ? "dark" : "light"];
}
function headColour(head, isDark) {
  const colours = heads[isDark ? "dark" : "light"];
  return colours[head % colours.length];
}
var INKS = inks;

// src/drawing/colour.ts
function ramp(map, dark2) {
  return rgbBasis(stopsOf(map, dark2));
}
var attentionRamp = (dark2) => ramp("attention", dark2);
var signedRamp = (dark2) => {
  const whole = ramp("signed", dark2);
  return (share) => whole((share + 1) / 2);
};
function needsWhite(colour) {
  const { r, g, b } = rgb(colour);
  const linear2 = (part) => part <= 10 ? part / 3295 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear2(r) + 0.7152 * linear2(g) + 0.0722 * linear2(b) < 0.179;
}
function inkOn(colour) {
  return needsWhite(colour) ? INKS.on_dark : INKS.on_light;
}
var LOG_FLOOR = 1e-4;
function intensityScale(most, log) {
  const top = most > 0 ? most : 1;
  if (!log) return (weight) => Math.min(1, weight / top);
  const low = Math.log(Math.min(LOG_FLOOR, top / 10));
  const range2 = Math.log(top) - low;
  return (weight) => weight <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(weight) - low) / range2));
}

// src/drawing/number_format.ts
function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
function formatTick(value) {
  return formatNumber(value).replace(/^-/, "−");
}
function formatSigned(value) {
  const magnitude = formatNumber(Math.abs(value));
  return magnitude === "0" || magnitude === "–" ? magnitude : `${value > 0 ? "+" : "−"}${magnitude}`;
}
function formatPercent(share) {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)}%` : `${Math.round(100 * share)}%`;
}

// src/heads/heads.css
var heads_default = '.grid { display: grid; padding: 4px 4px 4px 0; width: max-content; align-items: center; }\n.grid .axis { color: var(--muted); font-size: 11px; line-height: 8px; white-space: nowrap; overflow: visible; min-width: 0; padding: 2px 0; text-align: center; font-variant-numeric: tabular-nums; }\n.grid .axis.row { text-align: right; padding-right: 4px; }\n.tile { padding: 0; min-height: 0; border: 1px solid var(--line); border-radius: 3px; background: var(--background); line-height: 0; position: relative; }\n.tile .value { line-height: 1; font-variant-numeric: tabular-nums; }\n.grid .axis.row { position: sticky; left: 0; z-index: 2; background: var(--background); }\n.more { margin: 0 0 4px; color: var(--muted); font-size: 12px; }\n.tile canvas { width: 100%; height: 100%; border-radius: 2px; image-rendering: pixelated; }\n.tile[aria-selected="true"] { outline: 2px solid var(--text); outline-offset: 1px; }\n.tile:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; z-index: 1; }\n.ranked { padding: 3px; display: flex; flex-wrap: wrap; gap: 6px; }\n.ranked figure { margin: 0; text-align: center; font-size: 11px; color: var(--muted); font-variant-numeric: tabular-nums; }\n';

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

// src/drawing/titles.ts
function capitalized(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
function stackedLayer(stack = "") {
  return `${stack ? `${stack === "cross" ? "cross-attention" : stack} ` : ""}layer`;
}
function placeTitle({ layer, head }, stacks = []) {
  return `${stackedLayer(stacks[layer])} ${layer}, head ${head}`;
}
function statisticTitle(name) {
  return name.replaceAll("_", " ");
}

// src/heads/heads_model.ts
var LAYER_LABEL = 76;
var ROOMY = 24;
var [USUAL, LARGEST, TALL] = [56, 96, 560];
var FAINTEST = 0.15;
function thumbnailOpacity({ rows, cols, values }, head) {
  const picture = values.subarray(head * rows * cols, (head + 1) * rows * cols);
  const share = intensityScale(picture.reduce((a, b) => Math.max(a, b), 0), false);
  return picture.map((weight) => Math.sqrt(share(weight)));
}
var END_MARKS = ["▲", "▼"];
var HeadStatistic = class {
  constructor(name, stats, places) {
    this.name = name;
    this.stats = stats;
    this.places = places;
    const values = places.map((place) => this.of(place)).filter((value) => value !== null);
    this.extent = values.length ? { low: Math.min(...values), high: Math.max(...values) } : null;
  }
  name;
  stats;
  places;
  /** The smallest and the largest value; null where no head has one. */
  extent;
  /** The value of a head; null where there is none. */
  of({ layer, head }) {
    return this.stats[this.name]?.[layer]?.[head] ?? null;
  }
  /** The heads, largest value first, those without a value last. */
  get ranking() {
    return [...this.places].sort((a, b) => (this.of(b) ?? -Infinity) - (this.of(a) ?? -Infinity));
  }
  /** The colour of a head: of its value, or its own where no statistic is chosen. */
  colour(place, ramp2, dark2, neutral) {
    if (this.name === "") return headColour(place.head, dark2);
    const { extent } = this;
    const value = this.of(place);
    if (value === null || !extent) return neutral;
    const { low, high } = extent;
    return ramp2(high > low ? (value - low) / (high - low) : 1);
  }
  /** A head in words; `stacks` adds whether its layer is an encoder's, a decoder's or attends across. */
  describe(place, stacks = []) {
    const value = this.of(place);
    const text = value === null ? "" : `: ${statisticTitle(this.name)} ${formatNumber(value)}`;
    return `${placeTitle(place, stacks)}${text}`;
  }
  /** The first heads with the largest and the smallest value; null where all have the same. */
  get ends() {
    const { extent } = this;
    if (!extent || extent.low === extent.high) return null;
    const first = (value) => this.places.find((place) => this.of(place) === value);
    return [first(extent.high), first(extent.low)];
  }
  /** In words, how many heads have the same value besides one. */
  others(place) {
    const count = this.places.filter((other) => this.of(other) === this.of(place)).length - 1;
    return count > 0 ? ` and ${count} more` : "";
  }
  /** The heads at the ends in words, after their marks where the squares have no numbers; "" where there are none. */
  describeEnds(stacks, isMarked = false) {
    const named2 = this.ends?.map((place) => `${placeTitle(place, stacks)}${this.others(place)} (${formatTick(this.of(place))})`);
    const [up, down] = isMarked ? END_MARKS.map((mark) => `${mark} `) : ["", ""];
    return named2 ? `${up}highest in ${named2[0]}, ${down}lowest in ${named2[1]}` : "";
  }
};
function endMark(ends, { layer, head }) {
  return END_MARKS[ends?.findIndex((end) => end.layer === layer && end.head === head) ?? -1] ?? "";
}
var ENDS = {
  entropy: ["focused", "spread"],
  perplexity: ["focused", "spread"],
  loss_change: ["hurts", "helps"],
  accuracy_change: ["helps", "hurts"]
};
function scaleEnds(name, { low, high }) {
  const [lowWord, highWord] = ENDS[name] ?? ["", ""];
  return [[formatTick(low), lowWord].filter(Boolean).join(" "), [formatTick(high), highWord].filter(Boolean).join(" ")];
}
function statisticRamp(ramp2) {
  return (share) => ramp2(FAINTEST + (1 - FAINTEST) * share);
}
function cellNumber(value, { low, high }) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  if (most > 0 && most < 1e-3) return value === 0 ? "0" : value.toExponential(0);
  const decimals = most >= 100 ? 0 : most >= 10 ? 1 : most >= 0.1 || most === 0 ? 2 : 1 - Math.floor(Math.log10(most));
  return value.toFixed(decimals).replace(/^-(?=[0.]+$)/, "").replace(/^(-?)0\./, "$1.").replace("-", "−");
}
function squareSize(width, mostHeads, layers, least) {
  const pitch = Math.floor((width - LAYER_LABEL) / mostHeads);
  const gap = pitch < ROOMY ? 1 : 4;
  return { size: Math.max(least, Math.min(Math.max(USUAL, Math.min(LARGEST, Math.floor(TALL / layers))), pitch - gap)), gap };
}
function nextHead(key, { layer, head }, ranking) {
  const steps = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0]
  };
  const step = steps[key];
  if (!step) return null;
  if (!ranking) return { layer: layer + step[0], head: head + step[1] };
  const at = ranking.findIndex((place) => place.layer === layer && place.head === head);
  return ranking[at + step[0] + step[1]] ?? null;
}

// src/ui/keyboard.ts
function runKey(event, actions) {
  const action = hasModifier(event) ? void 0 : actions[event.key];
  if (!action) return false;
  event.preventDefault();
  event.stopPropagation();
  action();
  return true;
}
function hasModifier(event) {
  return event.ctrlKey || event.metaKey || event.altKey;
}
function addsToSelection(event) {
  return event.shiftKey || event.metaKey || event.ctrlKey;
}

// src/heads/picture.ts
var NUMBERED = 32;
var [HEAD_NUMBER, LAYER_NUMBER] = [20, 13];
var [LARGEST_LETTER, LETTER_WIDTH] = [11, 0.6];
var keyOf = ({ layer, head }) => `${layer},${head}`;
var HeadsPicture = class {
  /** Draws into an element. */
  constructor(element, events) {
    this.element = element;
    this.events = events;
  }
  element;
  events;
  squares = /* @__PURE__ */ new Map();
  ranking = null;
  drawn = [];
  size = 0;
  more = h("p", { className: "more", hidden: true });
  /** Lays out the squares: in the order of a ranking, or in a grid with a row for each layer. */
  layOut(heads2, ranking, { size, gap }, stacks) {
    const root = this.element.getRootNode();
    const focused = [...this.squares].find(([, square]) => square === root.activeElement)?.[0];
    this.squares.clear();
    this.ranking = ranking;
    this.element.replaceChildren(ranking ? this.ranked(ranking, size) : this.grid(heads2, size, gap, stacks));
    this.size = size;
    this.sayMore(ranking ? 0 : Math.max(...heads2), size + gap);
    if (focused) this.squares.get(focused)?.focus();
  }
  /** Whether squares have room for numbers. */
  get hasNumbers() {
    return this.size >= NUMBERED;
  }
  ranked(ranking, size) {
    return h(
      "div",
      { role: "grid", "aria-label": "Heads, largest first" },
      h("div", { className: "ranked", role: "row" }, ...ranking.map((place) => h(
        "figure",
        { role: "presentation" },
        this.square(place, size),
        h("figcaption", { role: "presentation" }, `${place.layer}·${place.head}`)
      )))
    );
  }
  /** Where a layer has more heads than fit, says so above the squares. */
  sayMore(heads2, pitch) {
    const { element, more } = this;
    const seen = Math.floor((element.parentElement.clientWidth - LAYER_LABEL) / pitch);
    more.hidden = !(seen > 0 && seen < heads2);
    more.textContent = `${seen} of ${heads2} heads are in sight: scroll sideways for the others, or widen the view.`;
    element.prepend(more);
  }
  grid(heads2, size, gap, stacks) {
    const columns = range(Math.max(...heads2));
    const axis = (text, className = "axis") => h("span", { className, "aria-hidden": "true" }, String(text));
    const labelled = (n, room) => n % Math.ceil(room / (size + gap)) === 0;
    const row = (count, layer) => h(
      "div",
      { role: "row", style: { display: "contents" } },
      axis(labelled(layer, LAYER_NUMBER) ? [stacks[layer], layer].filter((part) => part !== "" && part !== void 0).join(" ") : "", "axis row"),
      ...columns.map((head) => head < count ? this.square({ layer, head }, size) : h("span"))
    );
    return h("div", {
      className: "grid",
      role: "grid",
      "aria-label": "Heads: rows are layers",
      "aria-multiselectable": "true",
      style: { gap: `${gap}px`, gridTemplateColumns: `auto repeat(${columns.length}, ${size}px)` }
    }, axis("layer \\ head", "axis row"), ...columns.map((head) => axis(labelled(head, HEAD_NUMBER) ? head : "")), ...heads2.map(row));
  }
  square(place, size) {
    const square = h("button", {
      type: "button",
      className: "tile",
      role: "gridcell",
      tabIndex: -1,
      style: { width: `${size}px`, height: `${size}px` },
      onclick: (event) => this.events.select(place, addsToSelection(event)),
      onpointerenter: () => this.events.pointed(place),
      onpointerleave: () => this.events.pointed(null),
      onfocus: () => {
        this.events.pointed(place);
        this.setTabStop(square);
      },
      onkeydown: (event) => this.onKey(event, place)
    }, h("canvas"), h("span", { className: "value" }));
    this.squares.set(keyOf(place), square);
    return square;
  }
  onKey(event, place) {
    const focus = () => {
      const next = nextHead(event.key, place, this.ranking);
      if (next) this.squares.get(keyOf(next))?.focus();
    };
    runKey(event, { ArrowLeft: focus, ArrowRight: focus, ArrowUp: focus, ArrowDown: focus });
  }
  /** One square is reached by Tab, the others from there by arrow keys. */
  setTabStop(square) {
    for (const other of this.squares.values()) other.tabIndex = other === square ? 0 : -1;
  }
  /** Paints the heads; `entry` is reached by Tab until another one has had the focus. */
  draw(heads2, thumbnails, entry) {
    this.drawn = heads2;
    const longest = this.hasNumbers ? Math.max(1, ...heads2.map(({ value }) => value?.length ?? 0)) : 1;
    const letter = Math.min(LARGEST_LETTER, this.size, (this.size - 4) / (LETTER_WIDTH * longest));
    for (const { place, colour, selected, label, value, mark } of heads2) {
      const square = this.squares.get(keyOf(place));
      const canvas = square.firstChild;
      canvas.hidden = value !== null;
      const said = square.lastElementChild;
      said.textContent = value === null ? "" : this.hasNumbers ? value : mark;
      said.style.fontSize = `${letter}px`;
      square.style.background = value === null ? "" : colour;
      square.style.color = value === null ? "" : inkOn(colour);
      if (value === null) paintThumbnail(canvas, thumbnails[place.layer], place.head, colour);
      square.setAttribute("aria-selected", String(selected));
      square.setAttribute("aria-label", label);
    }
    const squares = [...this.squares.values()];
    if (!squares.some((square) => square.tabIndex === 0)) this.setTabStop(this.squares.get(keyOf(entry)) ?? squares[0]);
  }
  /** A head's picture as a data URL. */
  dataUrl(place) {
    const canvas = this.squares.get(keyOf(place))?.firstChild;
    return canvas instanceof HTMLCanvasElement ? canvas.toDataURL() : void 0;
  }
  svg(heads2, ink, scale2) {
    const valued = new Map(this.drawn.map((drawing) => [keyOf(drawing.place), drawing]));
    return headsSvg(heads2, ink, scale2, (place) => {
      const { value = null, colour = "", selected = false } = valued.get(keyOf(place)) ?? {};
      return { url: value === null ? this.dataUrl(place) : void 0, value, colour, selected };
    });
  }
};
function paintThumbnail(canvas, thumbnails, head, colour) {
  const opacity = thumbnailOpacity(thumbnails, head);
  const { r, g, b } = rgb(colour);
  paintPixels(canvas, thumbnails.cols, thumbnails.rows, (n) => [r, g, b, 255 * opacity[n]]);
}
function scaleSvg({ low, high, unit, ramp: ramp2 }, x, y) {
  const bands = range(40).map((n) => `<rect x="${x + 60 + 4 * n}" y="${y}" width="4.3" height="10" fill="${ramp2(n / 39)}"/>`);
  return `<text x="${x + 54}" y="${y + 9}" text-anchor="end">${formatNumber(low)}</text>${bands.join("")}<text x="${x + 226}" y="${y + 9}">${formatNumber(high)} ${unit}</text>`;
}
function headsSvg(heads2, ink, scale2, cellOf) {
  const [size, gap, edge] = [56, 6, 44];
  const most = Math.max(...heads2);
  const at = (n) => edge + n * (size + gap);
  const text = (x, y, content) => `<text x="${x}" y="${y}" text-anchor="middle">${content}</text>`;
  const square = (place) => {
    const box = `x="${at(place.head)}" y="${at(place.layer)}" width="${size}" height="${size}"`;
    const { url, value, colour, selected } = cellOf(place);
    const [middle, baseline] = [at(place.head) + size / 2, at(place.layer) + size / 2 + 4];
    return (value === null ? "" : `<rect ${box} fill="${colour}"/><text x="${middle}" y="${baseline}" text-anchor="middle" fill="${inkOn(colour)}">${value}</text>`) + (url ? `<image ${box} preserveAspectRatio="none" style="image-rendering:pixelated" href="${url}"/>` : "") + `<rect ${box} fill="none" stroke="${ink}" stroke-width="${selected ? 2.5 : 1}" stroke-opacity="${selected ? 1 : 0.2}"/>`;
  };
  return {
    width: Math.max(at(most), scale2 ? 400 : 0),
    height: at(heads2.length) + (scale2 ? 24 : 0),
    attributes: `font-family="sans-serif" font-size="12" fill="${ink}"`,
    body: [
      text(edge - 22, edge - 12, "layer"),
      text(at(most / 2), edge - 28, "head"),
      scale2 ? scaleSvg(scale2, edge - 40, at(heads2.length) + 4) : "",
      ...range(most).map((head) => text(at(head) + size / 2, edge - 12, head)),
      ...heads2.flatMap((count, layer) => [
        text(edge - 22, at(layer) + size / 2 + 4, layer),
        ...range(count).map((head) => square({ layer, head }))
      ])
    ].join("")
  };
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

// src/ui/printing.ts
var PRINT = "print";
function watchPrinting(signal, callback) {
  let printing = false;
  const update = (next) => {
    if (next !== printing) callback(printing = next);
  };
  globalThis.addEventListener("beforeprint", () => update(true), { signal });
  globalThis.addEventListener("afterprint", () => update(false), { signal });
  const medium = globalThis.matchMedia?.(PRINT);
  medium?.addEventListener("change", () => update(medium.matches), { signal });
  if (medium?.matches) update(true);
}

// src/ui/theme.ts
var DARK_SYSTEM = "(prefers-color-scheme: dark)";
function themeOf(element) {
  const lab = document.body?.dataset["jpThemeLight"];
  if (lab !== void 0) return lab === "false" ? "dark" : "light";
  for (let at = element; at; at = at.parentElement ?? hostOf(at)) {
    const brightness = brightnessOf(getComputedStyle(at).backgroundColor);
    if (brightness !== null) return brightness < 0.5 ? "dark" : "light";
  }
  return globalThis.matchMedia?.(DARK_SYSTEM).matches ? "dark" : "light";
}
function brightnessOf(colour) {
  const [, kind = "", inside = ""] = colour.match(/^(\w+)\((?:[a-z][\w-]* )?(.*)\)$/) ?? [];
  const [first, second, third, opacity = 1] = inside.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [];
  if (first === void 0 || second === void 0 || third === void 0 || opacity <= 0.5) return null;
  if (/^(ok)?l(ab|ch)$/.test(kind)) return first / (kind.startsWith("ok") ? 1 : 100);
  return (0.299 * first + 0.587 * second + 0.114 * third) / (kind === "color" ? 1 : 255);
}
function hostOf(element) {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}
function watchTheme(element, signal, callback) {
  const update = () => callback(themeOf(element));
  globalThis.matchMedia?.(DARK_SYSTEM).addEventListener("change", update, { signal });
  const observer = new MutationObserver(update);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  signal.addEventListener("abort", () => observer.disconnect());
  requestAnimationFrame(() => !signal.aborted && update());
}

// src/head_pages/heat_map.ts
var PATTERN = "pattern";
var SHORT = { class: "CLS", previous: "prev", separator: "sep", punctuation: "punc", duplicate: "dup", induction: "ind" };
var SMALLEST = 16;
var PRINTED = 600;
var HeatMap = class {
  /** choose: a head by its number in the content; changed: another column is shown */
  constructor(content, choose, changed) {
    this.content = content;
    const names = content.columns.map(({ name }) => [name, statisticTitle(name)]);
    this.list = select("Colour of the squares", [[PATTERN, "named patterns"], ...names], (name) => {
      this.show(name);
      changed();
    });
    this.element = h(
      "section",
      { className: "card" },
      h("h2", {}, "Layer by head"),
      h("div", { className: "fields" }, h("label", {}, "show", this.list)),
      this.headline,
      this.squares,
      h("p", { className: "small" }, this.legend),
      this.meaning,
      this.readout
    );
    this.picture = new HeadsPicture(this.squares.firstElementChild, {
      select: (place) => choose(this.numberOf(place)),
      pointed: (place) => this.readout.textContent = place ? this.describe(place, this.statistic) : ""
    });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(heads_default);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets ?? [], sheet];
  }
  content;
  element;
  column = PATTERN;
  chosen = -1;
  printing = false;
  layout = "";
  list;
  legend = h("span", { className: "legend" });
  headline = h("p", { className: "headline" });
  squares = h("div", { className: "squares" }, h("div"));
  readout = h("output", { className: "small" });
  meaning = h("p", { className: "small" });
  picture;
  /** Draws, and draws again where width, colours or medium change. */
  start() {
    const { signal } = new AbortController();
    watchTheme(this.element, signal, () => this.draw());
    watchPrinting(signal, (printing) => {
      this.printing = printing;
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(this.squares);
    this.draw();
  }
  get shown() {
    return this.column === PATTERN ? "" : this.column;
  }
  /** Shows a column by its name; the patterns for any other name. */
  show(name) {
    this.column = this.content.columns.some((column) => column.name === name) ? name : PATTERN;
    this.list.value = this.column;
    this.draw();
  }
  select(number2) {
    this.chosen = number2;
    this.draw();
  }
  numberOf({ layer, head }) {
    return this.content.heads.findIndex((one) => one.layer === layer && one.head === head);
  }
  /** The numbers as HeadsView has them: [layer][head]. */
  get statistic() {
    const { heads: heads2, columns } = this.content;
    const at = columns.findIndex(({ name }) => name === this.column);
    const stats = [];
    for (const head of heads2) (stats[head.layer] ??= [])[head.head] = at < 0 ? head.pattern.score : head.values[at] ?? null;
    return new HeadStatistic(this.column, { [this.column]: stats }, heads2);
  }
  scaleOf({ extent }, dark2) {
    const { low, high } = this.column === PATTERN ? { low: 0, high: 1 } : extent ?? { low: 0, high: 0 };
    const unit = this.column === PATTERN ? "of a head's attention" : statisticTitle(this.column);
    if (low >= 0) return { ramp: statisticRamp(attentionRamp(dark2)), low, high, unit };
    const most = Math.max(-low, high);
    return { ramp: (share) => signedRamp(dark2)(2 * share - 1), low: -most, high: most, unit };
  }
  draw() {
    const { heads: heads2 } = this.content;
    const dark2 = !this.printing && themeOf(this.element) === "dark";
    const { statistic } = this;
    const scale2 = this.scaleOf(statistic, dark2);
    this.layOut();
    const named2 = statistic.ends;
    this.picture.draw(heads2.map((head, number2) => ({
      place: head,
      colour: colourOf(statistic.of(head), scale2, rolesOf(dark2).surface),
      selected: number2 === this.chosen,
      label: this.describe(head, statistic),
      value: this.textOf(head, statistic),
      mark: this.column === PATTERN ? "" : endMark(named2, head)
    })), [], heads2[Math.max(0, this.chosen)]);
    const [low, high] = scaleEnds(this.column, scale2);
    const [before, after] = this.column === PATTERN ? [formatPercent(0), `${formatPercent(1)} ${scale2.unit}`] : [`${scale2.unit}: ${low}`, high];
    this.legend.replaceChildren(before, gradientBar(scale2.ramp), after);
    this.headline.replaceChildren(h("b", {}, capitalized(this.column === PATTERN ? "patterns" : scale2.unit)), `: ${this.said(statistic)}`);
    this.meaning.textContent = this.explained();
  }
  /** Lays the squares out where the width changed. */
  layOut() {
    const counts = [];
    for (const { layer, head } of this.content.heads) counts[layer] = Math.max(counts[layer] ?? 0, head + 1);
    const width = this.printing ? PRINTED : this.squares.clientWidth;
    const square = squareSize(width, Math.max(...counts), counts.length, SMALLEST);
    if (this.layout === JSON.stringify([square, width])) return;
    this.layout = JSON.stringify([square, width]);
    this.picture.layOut(counts, null, square, []);
  }
  textOf({ layer, head, pattern }, statistic) {
    if (this.column === PATTERN) return SHORT[pattern.pattern] ?? (pattern.pattern || "–");
    const value = statistic.of({ layer, head });
    return value === null ? "" : cellNumber(value, statistic.extent);
  }
  /** A head and what its square shows, in words. */
  describe(place, statistic) {
    if (this.column !== PATTERN) return statistic.describe(place);
    const { pattern, score } = this.content.heads[this.numberOf(place)].pattern;
    return `${placeTitle(place)}: ${pattern && score !== null ? `${patternTitle(pattern)}, ${formatPercent(score)} of its attention` : "no pattern"}`;
  }
  /** The result: how many heads have each pattern, or which have the largest and the smallest value. */
  said(statistic) {
    if (this.column !== PATTERN) return statistic.describeEnds([], !this.picture.hasNumbers);
    const counts = /* @__PURE__ */ new Map();
    for (const { pattern } of this.content.heads) counts.set(pattern.pattern || "none", (counts.get(pattern.pattern || "none") ?? 0) + 1);
    return [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${patternTitle(name)} ${count}`).join(", ");
  }
  explained() {
    const how = "Rows are layers, columns heads; a click opens a head.";
    if (this.column === PATTERN)
      return `${how} A head's pattern is what it follows more than heads of the same model with random parameters; the colour is the share of its attention that the pattern takes.`;
    const { meaning } = this.content.columns.find(({ name }) => name === this.column);
    return `${how} ${capitalized(statisticTitle(this.column))}: ${meaning}.`;
  }
};
function colourOf(value, { ramp: ramp2, low, high }, neutral) {
  return value === null ? neutral : ramp2(high > low ? (value - low) / (high - low) : 1);
}

// src/head_pages/ticks.ts
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
var WIDTH = 460;
var HEIGHT = 380;
var MARGIN = { left: 64, right: 50, top: 14, bottom: 52 };
var STOPS = 11;
var [MOST_NAMED, NAME_BESIDE, NAME_ROOM] = [3, 10, 70];
var Scatter = class {
  constructor(content, choose, changed) {
    this.content = content;
    this.choose = choose;
    const names = content.columns.map(({ name }) => name);
    const first = (...wanted) => Math.max(0, names.indexOf(wanted.find((name) => names.includes(name)) ?? ""));
    this.x = first("distance", "entropy");
    this.y = first("loss_change", "divergence", "weight");
    const field = (label, value, set) => {
      const list = select(label, names.map((name, at) => [String(at), statisticTitle(name)]), (chosen) => {
        set(Number(chosen));
        this.draw();
        changed();
      });
      list.value = String(value);
      this.lists.push(list);
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
  lists = [];
  chosen = -1;
  picture = h("div", { className: "scatter" });
  meaning = h("p", { className: "small" });
  /** The columns across and up, by their names. */
  get axes() {
    const { columns } = this.content;
    return [columns[this.x].name, columns[this.y].name];
  }
  /** Draws over columns by their names; one that is missing stays as it is. */
  show(across, up) {
    const at = (name, otherwise) => {
      const found = this.content.columns.findIndex((column) => column.name === name);
      return found < 0 ? otherwise : found;
    };
    [this.x, this.y] = [at(across, this.x), at(up, this.y)];
    this.lists.forEach((list, n) => list.value = String([this.x, this.y][n]));
    this.draw();
  }
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
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Heads by ${statisticTitle(x.name)} and ${statisticTitle(y.name)}` },
        ...across.ticks.map((value) => tick(across.at(value), HEIGHT - MARGIN.bottom + 16, "middle", value)),
        ...up.ticks.map((value) => tick(MARGIN.left - 6, up.at(value) + 4, "end", value)),
        s("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}` }),
        ...up.low < 0 && up.high > 0 ? [s("path", { class: "ideal", d: `M${MARGIN.left} ${up.at(0)}H${WIDTH - MARGIN.right}` })] : [],
        s("text", { class: "title", x: (MARGIN.left + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, statisticTitle(x.name)),
        s("text", { class: "title", x: 14, y: HEIGHT / 2 - 15, "text-anchor": "middle", transform: `rotate(-90 14 ${HEIGHT / 2 - 15})` }, statisticTitle(y.name)),
        ...order.map(({ head, number: number2, x: x2, y: y2 }) => this.point(head, number2, across.at(x2), up.at(y2), layers, [x2, y2])),
        ...this.named(points).map(({ head, x: x2, y: y2 }) => {
          const [right, down] = [across.at(x2), up.at(y2)];
          const covered = points.some((other) => isBeside(across.at(other.x) - right, up.at(other.y) - down));
          const place = { x: right + (covered ? -NAME_BESIDE : NAME_BESIDE), y: down + 4, "text-anchor": covered ? "end" : "start" };
          return s("text", { class: "name", ...place, "aria-hidden": "true" }, `L${head.layer} H${head.head}`);
        })
      )
    );
    this.meaning.textContent = `${statisticTitle(x.name)}: ${x.meaning}. ${statisticTitle(y.name)}: ${y.meaning}.`;
  }
  /** The chosen head, and those that are highest. */
  named(points) {
    const highest = [...points].sort((a, b) => b.y - a.y).slice(0, MOST_NAMED);
    return points.filter((point) => point.number === this.chosen || highest.includes(point));
  }
  point(head, number2, cx, cy, layers, [x, y]) {
    const { columns } = this.content;
    const said = `head ${nameOf(head)}${head.pattern.pattern ? ` (${patternTitle(head.pattern.pattern)})` : ""}: ${statisticTitle(columns[this.x].name)} ${formatNumber(x)}, ${statisticTitle(columns[this.y].name)} ${formatNumber(y)}`;
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
function isBeside(right, down) {
  return right > 0 && right < NAME_ROOM && Math.abs(down) < 12;
}
function layerColour(layer, layers) {
  return `var(--layer-${layers < 2 ? 0 : Math.round(layer / (layers - 1) * (STOPS - 1))})`;
}
function layerLegend(content) {
  const last = Math.max(...content.heads.map(({ layer }) => layer));
  const count = Math.min(last + 1, STOPS);
  const steps = range(count).map((n) => s("rect", { x: n * 10, width: 10, height: 10, fill: layerColour(n, count) }));
  return h("span", { className: "legend" }, "layer 0", s("svg", { viewBox: `0 0 ${count * 10} 10`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...steps), String(last));
}
function scale(values, from, to) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const space = (high - low) * 0.05;
  const at = (value) => from + (value - (low - space)) / (high - low + 2 * space) * (to - from);
  return { low, high, at, ticks: ticks(low, high) };
}
function tick(x, y, anchor, value) {
  return s("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }, String(value).replace("-", "−"));
}

// src/page/large_picture.ts
function openable(picture, caption) {
  return h("button", { type: "button", className: "opens", title: "Show large", onclick: () => showLarge(picture, caption) }, picture);
}
function showLarge(picture, caption) {
  const copy = picture.cloneNode(true);
  for (const element of copy.querySelectorAll("[id]")) element.removeAttribute("id");
  const dialog = h(
    "dialog",
    { "aria-label": caption, onclick: (event) => event.target === dialog && dialog.close(), onclose: () => dialog.remove() },
    copy,
    h("p", {}, h("span", { className: "small" }, caption), h("button", { type: "button", className: "button", onclick: () => dialog.close() }, "close"))
  );
  document.body.append(dialog);
  dialog.showModal();
}

// src/head_pages/examples.ts
var SIDE = 180;
var INK = rolesOf(false);
function exampleRow(example, input, by) {
  const place = example.decile === "top" ? "largest" : `decile ${example.decile}`;
  const classes2 = [input.prediction && `predicted ${input.prediction}`, input.label && `true class ${input.label}`].filter(Boolean);
  const said = [example.from && `attention of ${tokenLabel(example.from)}`, `input ${input.key}`, ...classes2].filter(Boolean).join(" · ");
  return h(
    "div",
    { className: "example" },
    h("div", { className: "place" }, h("b", { title: statisticTitle(by) }, formatNumber(example.score)), place),
    h("div", {}, input.tokens ? new TokenRow(example, example.keys ?? input.tokens).element : patches(example, input, said), h("div", { className: "small" }, said))
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
      const level = Math.round(weight * LEVELS);
      if (level) token.classList.add(`for-${level}`);
      token.setAttribute("aria-pressed", String(at === query));
      token.title = `${at === query ? "attends; " : ""}weight ${formatNumber(weight)}`;
    });
  }
};
function patches(example, { picture, rows = 1, cols = 1, leading = 0 }, named2) {
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
  const drawn = s(
    "svg",
    { class: "picture patches", viewBox: `0 0 ${SIDE} ${height * rows}`, role: "img", "aria-label": said },
    s("image", { href: picture ?? "", width: SIDE, height: height * rows, preserveAspectRatio: "none", class: "coarse" }),
    ...cells,
    ...marked
  );
  return openable(drawn, `${named2}. ${said}.`);
}

// src/head_pages/panel.ts
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
  made.className = "button";
  return made;
}
function card(name, said, ...content) {
  return h("section", { className: "card" }, h("h3", {}, name), h("p", { className: "small" }, said), ...content);
}
function lead(content, { pattern, pairs: [pair] }) {
  const connects = pair ? [" ", h("strong", {}, `“${tokenLabel(pair[0])}” → “${tokenLabel(pair[1])}”`), ` is what it connects most above chance, of ordinary tokens: ${pair[2]} times, by chance ${pair[3].toFixed(1)}.`] : [];
  if (!pattern.pattern) return [`Follows none of the named patterns more than heads of the same model with random parameters do.`, ...connects];
  const much = (pattern.score ?? 0) > 0.5 ? "Mostly" : "Partly";
  const also = pattern.also ? ` Also: ${pattern.also}.` : "";
  return [
    h("strong", {}, `${much} ${patternTitle(pattern.pattern)}`),
    `: ${content.patterns[pattern.pattern].split(": ")[0]}. It takes ${percent(pattern.score)} of its attention (`,
    `${percent(pattern.low)} to ${percent(pattern.high)}, 95% interval; with random parameters up to ${percent(pattern.limit)}).${also}`,
    ...connects
  ];
}
function percent(share) {
  return share === null ? "–" : share < 0.1 ? `${(100 * share).toFixed(1)}%` : formatPercent(share);
}
function examples(content, head) {
  if (!head.examples.length) return null;
  const text = content.inputs[head.examples[0].input].tokens !== void 0;
  const said = text ? "Tinted is what the framed token attends to; press another token for its attention." : "Bright is what the outlined patch, or the class token, attends to.";
  const rows = head.examples.map((example) => exampleRow(example, content.inputs[example.input], content.by));
  const made = card(
    `Inputs by ${statisticTitle(content.by)}`,
    `${said} First the inputs with the largest ${content.by === "weight" ? "weight on an ordinary token" : statisticTitle(content.by)}, then one of each tenth of all inputs.`,
    h("div", { className: text ? "" : "tiles" }, ...rows)
  );
  made.classList.add("examples", "whole");
  return made;
}
function pairs({ pairs: pairs2 }) {
  if (!pairs2.length) return null;
  const rows = pairs2.map(([query, key, count, chance, p]) => {
    const ratio = chance > 0 ? count / chance : NaN;
    return h(
      "tr",
      { className: p <= 0.05 ? "marked" : "" },
      h("td", { className: "pair" }, `${tokenLabel(query)} → ${tokenLabel(key)}`),
      numberCell(count, String(count)),
      numberCell(chance, chance.toFixed(1)),
      numberCell(ratio, chance > 0 ? `${formatNumber(ratio)}×` : "")
    );
  });
  return card(
    "Tokens that it connects",
    "How often a token attends most to another one, beside chance. Not to the first key or special tokens.",
    sortable(table(["from → to", "times", "by chance", "ratio"], rows))
  );
}
function numberCell(value, said) {
  const cell = h("td", {}, said);
  cell.dataset["value"] = String(value);
  return cell;
}
function sortable(made) {
  new SortableTable(made);
  return made;
}
function table(names, rows) {
  const heads2 = names.map((name, n) => name ? h("th", { scope: "col", className: n ? "" : "text" }, name) : h("td"));
  for (const row of rows) row.firstElementChild.classList.add("text");
  return h("table", { className: "table" }, h("thead", {}, h("tr", {}, ...heads2)), h("tbody", {}, ...rows));
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
      s("rect", { x: cols - 1, y: rows - 1, width: 1, height: 1, fill: "none", stroke: "var(--text)", "stroke-width": 0.15 })
    )
  );
}
function classes({ classes: classes2 }) {
  if (!classes2.length) return null;
  const from = [...new Set(classes2.map(([query]) => query))];
  const to = [...new Set(classes2.map(([, key]) => key))];
  const weight = new Map(classes2.map(([query, key, value, chance]) => [`${query} ${key}`, [value, chance]]));
  const rows = from.map((query) => h("tr", {}, h("th", { scope: "row" }, patternTitle(query)), ...to.map((key) => {
    const [value, chance] = weight.get(`${query} ${key}`) ?? [0, 0];
    const level = Math.round(value * LEVELS);
    return h("td", { className: level ? `for-${level}` : "", title: `from ${patternTitle(query)} to ${patternTitle(key)}: ${percent(value)}, by chance ${percent(chance)}` }, percent(value));
  })));
  const made = table(["from ↓ to →", ...to.map(patternTitle)], rows);
  made.classList.add("classes-of");
  return card("What it attends to", "Mean weight from classes of tokens to classes of tokens.", h("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": "weights of classes" }, made));
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
    `Changes on ${off.inputs.toLocaleString("en")} inputs, with 95% intervals${pair ? "; also without its nearest head, which may stand in for it" : ""}.`,
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
    sortable(table(["head", "distance"], near.map(([layer, head, distance]) => {
      const name = numberCell(layer * 1e3 + head, "");
      name.append(h("a", { href: `#head=${layer}.${head}` }, `${layer}.${head}`));
      return h("tr", {}, name, numberCell(distance, formatNumber(distance)));
    })))
  );
}
function statistics({ stats }) {
  return card(
    "Statistics",
    "Means over the inputs with 95% intervals, and the middle half of the inputs.",
    table(["", "mean", "interval", "25 to 75%"], stats.map(([name, mean, low, high, , q25, , q75]) => h("tr", {}, h("td", {}, statisticTitle(name)), h("td", {}, number(mean)), h("td", {}, `${number(low)} to ${number(high)}`), h("td", {}, `${number(q25)} to ${number(q75)}`))))
  );
}
function number(value) {
  return value === null || value === void 0 ? "–" : formatNumber(value);
}

// src/head_pages/page.ts
function startHeadPages(root = document) {
  const content = JSON.parse(root.getElementById("heads").textContent);
  const address = new PageAddress();
  address.keep(new Heads(content, root, address.write));
  startTables(root, address);
}
var Heads = class {
  constructor(content, root, changed) {
    this.content = content;
    this.root = root;
    this.changed = changed;
    this.room = root.getElementById("head");
    const choose = (number2) => {
      this.choose(number2);
      this.room.scrollIntoView();
    };
    this.scatter = new Scatter(content, choose, changed);
    this.map = new HeatMap(content, choose, changed);
    this.first = this.scatter.axes;
    root.getElementById("overview").replaceChildren(h("div", { className: "cards overview" }, this.map.element, this.scatter.element));
    this.map.start();
    this.show(telling(content));
  }
  content;
  root;
  changed;
  room;
  scatter;
  map;
  /** What the page begins with, which its address does not repeat. */
  first;
  number = -1;
  /** Whether the page's first address was opened: from then on an address leads to its head. */
  isOpen = false;
  values() {
    const [across, up] = this.scatter.axes;
    const other = (name, n) => name === this.first[n] ? "" : name;
    return { head: nameOf(this.content.heads[this.number]), by: this.map.shown, across: other(across, 0), up: other(up, 1) };
  }
  open(values) {
    if (values.has("by")) this.map.show(values.get("by"));
    this.scatter.show(values.get("across"), values.get("up"));
    const number2 = this.content.heads.findIndex((head) => nameOf(head) === values.get("head"));
    if (number2 >= 0) this.show(number2);
    if (number2 >= 0 && this.isOpen) this.room.scrollIntoView();
    this.isOpen = true;
  }
  choose(number2) {
    this.show(number2);
    this.changed();
  }
  show(number2) {
    const { heads: heads2 } = this.content;
    this.number = (number2 + heads2.length) % heads2.length;
    this.room.replaceChildren(headPanel(this.content, heads2[this.number], (by) => this.choose(this.number + by)));
    this.scatter.select(this.number);
    this.map.select(this.number);
    const link = `#head=${nameOf(heads2[this.number])}`;
    for (const row of this.root.querySelectorAll("#all tbody tr"))
      row.classList.toggle("chosen", row.querySelector("a")?.getAttribute("href") === link);
  }
};
function telling({ heads: heads2 }) {
  const most = (value) => {
    const all = heads2.map(value);
    return all.indexOf(Math.max(...all));
  };
  return heads2[0]?.off ? most(({ off }) => off.divergence) : most(({ pattern }) => pattern.score ?? 0);
}

// src/head_pages/index.ts
startHeadPages();
