// Generated from widgets/src/patches/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

// src/drawing/number_format.ts
function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
function formatSigned(value) {
  const magnitude = formatNumber(Math.abs(value));
  return magnitude === "0" || magnitude === "–" ? magnitude : `${value > 0 ? "+" : "−"}${magnitude}`;
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

// src/drawing/canvas.ts
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

// src/drawing/palette.ts
function rolesOf(isDark) {
  return isDark ? dark : light;
}
function stopsOf(map, isDark) {
  return maps[map][isDark ? "dark" : "light"];
}
function customProperties() {
  const declarations = (roles) => Object.entries(roles).map(([role, colour]) => `--${role}: ${colour};`).join(" ");
  return `.view { ${declarations(light)} }
.view[data-theme="dark"] { ${declarations(dark)} }
`;
}

// src/drawing/colour.ts
function ramp(map, dark2) {
  return rgbBasis(stopsOf(map, dark2));
}
var heatRamp = (dark2) => ramp("heat", dark2);
var unsignedRamp = (dark2) => ramp("unsigned", dark2);
var signedRamp = (dark2) => {
  const whole = ramp("signed", dark2);
  return (share) => whole((share + 1) / 2);
};
function rampTable(ramp2) {
  const out = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const { r, g, b } = rgb(ramp2(i / 255));
    out.set([r, g, b, 255], 4 * i);
  }
  return out;
}

// src/drawing/overlay.ts
var SMALLEST_PATCH = 12;
var SMALL_IMAGE = 200;
var [FAINT, STRONG] = [0.05, 0.85];
var LIFT = 0.35;
var OverlayPaint = class {
  /** `blend` is how much the map covers the image, 0 to 1; a grid without an image is always covered. */
  constructor(blend, dark2, hasImage) {
    this.hasImage = hasImage;
    const signed = signedRamp(dark2 && !hasImage);
    this.tables = {
      heat: rampTable(heatRamp(dark2 || hasImage)),
      unsigned: rampTable(unsignedRamp(dark2 && !hasImage)),
      signed: rampTable((share) => signed(2 * share - 1))
    };
    this.blend = hasImage ? blend : 1;
  }
  hasImage;
  tables;
  blend;
  /** Red, green, blue and opacity, 0 to 255. */
  rgba(share, colours) {
    const strength = Math.sqrt(Math.min(1, Math.abs(share)));
    const place = colours === "heat" ? strength : this.hasImage ? Math.min(1, Math.abs(share)) : strength;
    const at = 4 * Math.round(255 * (colours === "signed" ? (1 + Math.sign(share) * place) / 2 : place));
    const [r, g, b] = this.tables[colours].subarray(at, at + 3);
    return [r, g, b, 255 * this.opacity(strength, colours === "heat" ? FAINT : 0)];
  }
  /** In the middle of the blend as in a figure; below, the whole map fades, above, it covers the image. */
  opacity(strength, faint) {
    const [even, whole] = [faint + (STRONG - faint) * strength, Math.max(0, 2 * this.blend - 1)];
    return Math.min(1, 2 * this.blend) * (even + (1 - even) * whole);
  }
  /** What is left of the image's colours, so that none is taken for one of the map, and how far it is lightened. */
  get image() {
    const covered = Math.min(1, 2 * this.blend);
    return { saturation: 1 - covered, lift: LIFT * covered };
  }
  /** The filter of the image under a map. */
  get filter() {
    const { saturation, lift } = this.image;
    return `saturate(${saturation}) contrast(${(1 - lift) / (1 + lift)}) brightness(${1 + lift})`;
  }
  /** The same as an element of SVG, to which `overlaySvg` refers. */
  get filterSvg() {
    const { saturation, lift } = this.image;
    const channels = ["R", "G", "B"].map((name) => `<feFunc${name} type="linear" slope="${1 - lift}" intercept="${lift}"/>`);
    return `<filter id="pale" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feColorMatrix type="saturate" values="${saturation}"/><feComponentTransfer>${channels.join("")}</feComponentTransfer></filter>`;
  }
};
var Overlay = class {
  constructor(ground) {
    this.ground = ground;
    const { rows, cols, width, height, image } = ground;
    this.image = image === null ? null : h("img", { src: image, alt: "", draggable: false });
    this.grid = s("path", { class: "lines", d: gridPath(rows, cols) });
    const outline = (name) => s("rect", { class: name, width: "1", height: "1", visibility: "hidden" });
    this.marks = { query: outline("query"), pointed: outline("pointed") };
    const over = s("svg", { viewBox: `0 0 ${cols} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    over.append(this.grid, this.marks.pointed, this.marks.query);
    this.element = h("div", { className: "overlay", style: { aspectRatio: `${width} / ${height}` } }, this.image, this.canvas);
    this.element.append(over);
    if (isSmall(ground)) this.element.dataset["crisp"] = "";
  }
  ground;
  element;
  image;
  canvas = h("canvas", { className: "heat", "aria-hidden": "true" });
  grid;
  marks;
  /** Shows the image with a map over it, or without one. */
  show(map, paint, marks) {
    const { cols } = this.ground;
    if (this.image) this.image.style.filter = map ? paint.filter : "";
    this.canvas.hidden = map === null;
    if (map) paintMap(this.canvas, map, paint, this.ground);
    setVisible(this.grid, map !== null && this.element.clientWidth / cols >= SMALLEST_PATCH);
    for (const name of ["query", "pointed"]) {
      const patch = marks[name];
      setVisible(this.marks[name], patch !== null);
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
function overlaySvg(ground, map, paint, query, at) {
  const { rows, cols, width, height, image } = ground;
  const { x, y, width: wide } = at;
  const high = wide * height / width;
  const place = `x="${x}" y="${y}" width="${wide}" height="${high}"`;
  const crisp = isSmall(ground) ? ` style="image-rendering:pixelated"` : "";
  const roles = rolesOf(false);
  const out = [];
  if (image) out.push(`<image ${place} preserveAspectRatio="none"${crisp}${map ? ` filter="url(#pale)"` : ""} href="${image}"/>`);
  if (map) {
    const canvas = h("canvas");
    paintMap(canvas, map, paint, ground);
    out.push(`<image ${place} preserveAspectRatio="none" style="image-rendering:pixelated" href="${canvas.toDataURL()}"/>`);
  }
  out.push(`<rect ${place} fill="none" stroke="${roles.neutral}" stroke-opacity="0.5"/>`);
  if (query !== null) {
    const [w, t] = [wide / cols, high / rows];
    const box = `x="${x + query % cols * w}" y="${y + Math.floor(query / cols) * t}" width="${w}" height="${t}" fill="none"`;
    out.push(`<rect ${box} stroke="${roles.halo}" stroke-width="4"/><rect ${box} stroke="${roles.query}" stroke-width="2"/>`);
  }
  return out.join("");
}
function isSmall({ width, height }) {
  return Math.max(width, height) < SMALL_IMAGE;
}
function paintMap(canvas, { shares, colours }, paint, { rows, cols }) {
  paintPixels(canvas, cols, rows, (n) => paint.rgba(shares[n], colours));
}
function gridPath(rows, cols) {
  let path = "";
  for (let row = 1; row < rows; row++) path += `M0 ${row}H${cols}`;
  for (let col = 1; col < cols; col++) path += `M${col} 0V${rows}`;
  return path;
}
function setVisible(element, visible) {
  element.setAttribute("visibility", visible ? "visible" : "hidden");
}

// src/drawing/token_label.ts
var SIGNS = { " ": "␣", "\n": "↵", "	": "⇥", "\r": "␍", " ": "⍽" };
var LONGEST = 40;
var UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
var JOINER = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})/gu;
function tokenLabel(text2, longest = LONGEST) {
  const start = text2.slice(0, longest * 2);
  const seen = start.trim() === "" ? start.replace(/[ \u00a0]/g, (c) => SIGNS[c]) : start;
  const joined = new Set([...seen.matchAll(JOINER)].map(({ index }) => index));
  const sign = (c) => SIGNS[c] ?? (c < " " ? String.fromCharCode(9216 + c.charCodeAt(0)) : `‹${c.charCodeAt(0).toString(16)}›`);
  const clear = seen.replace(UNSEEN, (c, at) => joined.has(at) ? c : sign(c));
  const letters = [...clear];
  const cut = letters.length > longest || start.length < text2.length;
  return cut ? `${letters.slice(0, longest - 1).join("")}…` : clear || "∅";
}
var WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
var MARK = /[\p{Mn}\p{Me}\u200d]|\p{Emoji_Modifier}/u;
var FLAG = /\p{Regional_Indicator}/u;
function lettersWide(text2) {
  return [...text2].reduce((sum, letter) => sum + (MARK.test(letter) ? 0 : FLAG.test(letter) ? 1 : WIDE.test(letter) ? 2 : 1), 0);
}

// src/drawing/titles.ts
var MOST_WORDS = 40;
function capitalized(text2) {
  return text2.slice(0, 1).toUpperCase() + text2.slice(1);
}
function traceTitle({ model, tokens, patches }) {
  const words = tokens.input.text.filter((_, n) => !tokens.input.special.includes(n));
  const text2 = patches ? `an image of ${patches.rows} × ${patches.cols} patches` : words.slice(0, MOST_WORDS).map((word) => tokenLabel(word)).join(" ");
  return [model, `${text2}${!patches && words.length > MOST_WORDS ? " …" : ""}`].filter(Boolean).join(" · ");
}
var METHODS = {
  deeplift: "DeepLIFT",
  grad_cam: "Grad-CAM",
  grad_cam_plus_plus: "Grad-CAM++",
  gradient_x_input: "gradient × input",
  layer_gradient_x_activation: "layer gradient × activation",
  smoothgrad: "SmoothGrad"
};
function methodTitle(name) {
  return METHODS[name] ?? name.replaceAll("_", " ");
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
function largestMagnitude(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
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
  async of(layer, heads2, query) {
    if (query === null) return this.receivedBy(layer, heads2);
    if (this.source.remote) {
      const all = { layer, heads: heads2, pair: "all", hide_special: false, pool: "max" };
      return meanOf(await this.source.line(all, "query", query));
    }
    const weights = await this.source.layer(layer);
    return meanOf(heads2.map((head) => weights.row(head, query)));
  }
  /** What each key receives, cached: it reads every weight of the heads. */
  async receivedBy(layer, heads2) {
    const name = `${layer}/${heads2}`;
    let row = this.received.get(name);
    if (!row) {
      row = this.source.remote ? await this.requestReceived(layer, heads2) : await this.averageColumns(layer, heads2);
      this.received.set(name, row);
    }
    return row;
  }
  async requestReceived(layer, heads2) {
    const { buffers } = await this.request("received", { layer, heads: heads2 });
    return readSingles(buffers[0], 0, this.source.header.layers[layer].keys);
  }
  async averageColumns(layer, heads2) {
    const weights = await this.source.layer(layer);
    const { queries, keys } = weights.header;
    const out = new Float32Array(keys);
    for (const head of heads2)
      weights.head(head).forEach((weight, n) => out[n % keys] += weight / (queries * heads2.length));
    return out;
  }
};

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

// src/factors/head_tiles.ts
var DIRECT = 3;
var BACKGROUND = 2048;
var MOST_TILES = 400;
var HeadTiles = class {
  constructor(workers, shown, pool) {
    this.workers = workers;
    this.shown = shown;
    this.pool = pool;
    [this.rows, this.cols] = [shown.rows.length, shown.cols.length];
    this.background = Math.max(0, coarsestLevel(this.rows, this.cols) - Math.log2(BACKGROUND / TILE_SIDE));
  }
  workers;
  shown;
  pool;
  tiles = /* @__PURE__ */ new Map();
  settled = /* @__PURE__ */ new Set();
  rows;
  cols;
  background;
  ahead = false;
  /** The weights of one row or one column. */
  line(axis, at) {
    const [down, across] = axis === "query" ? [[at, at + 1], [0, this.cols]] : [[0, this.rows], [at, at + 1]];
    const block = { top: down[0], bottom: down[1], left: across[0], right: across[1], size: 1, pool: this.pool };
    return this.workers.cells(this.shown, block, true);
  }
  async tile(level, row, col) {
    const cells = await this.cells(level, row, col, true);
    const { top, bottom, left, right, size } = this.block(level, row, col);
    const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
    if (this.pool === "max" || level === 0) return { rows: high, cols: wide, weights: cells };
    const covered = (cell, from, to) => Math.min(size, to - from - cell * size);
    const weights = cells.map((sum, n) => sum / covered(Math.floor(n / wide), top, bottom) / covered(n % wide, left, right));
    return { rows: high, cols: wide, weights };
  }
  /** Computes, while nothing in sight waits, what coarse levels are pooled from. */
  computeAhead() {
    if (this.ahead) return;
    this.ahead = true;
    const span = TILE_SIDE << this.background;
    for (let row = 0; row * span < this.rows; row++)
      for (let col = 0; col * span < this.cols; col++) this.cells(this.background, row, col, false).catch(() => {
      });
  }
  /** Drops what waits. */
  close() {
    this.ahead = false;
    this.workers.drop(this.shown);
  }
  block(level, row, col) {
    const span = TILE_SIDE << level;
    return {
      top: row * span,
      bottom: Math.min(this.rows, (row + 1) * span),
      left: col * span,
      right: Math.min(this.cols, (col + 1) * span),
      size: 2 ** level,
      pool: this.pool
    };
  }
  /** A tile's largest weights or sums. Where it is under way already and in sight now, it is next. */
  cells(level, row, col, inSight) {
    const name = `${level}/${row}/${col}`;
    let cells = this.tiles.get(name);
    if (!cells) {
      cells = level <= DIRECT ? this.workers.cells(this.shown, this.block(level, row, col), inSight) : this.pooled(level, row, col, inSight);
      cells.then(() => this.hold(name, level), () => this.tiles.delete(name));
      this.tiles.set(name, cells);
    } else if (inSight && !this.settled.has(name)) this.hurry(level, row, col);
    return cells;
  }
  hurry(level, row, col) {
    if (level <= DIRECT) this.workers.hurry(this.shown, this.block(level, row, col));
    else for (const [down, across] of this.parts(level, row, col)) this.cells(level - 1, down, across, true).catch(() => {
    });
  }
  /** The tiles of the next finer level that a tile covers. */
  parts(level, row, col) {
    const span = TILE_SIDE << level - 1;
    const all = [[0, 0], [0, 1], [1, 0], [1, 1]].map(([down, across]) => [2 * row + down, 2 * col + across]);
    return all.filter(([down, across]) => down * span < this.rows && across * span < this.cols);
  }
  async pooled(level, row, col, inSight) {
    const parts = this.parts(level, row, col);
    const finer = await Promise.all(parts.map(([down, across]) => this.cells(level - 1, down, across, inSight)));
    const { top, bottom, left, right, size } = this.block(level, row, col);
    const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];
    const out = new Float32Array(high * wide);
    parts.forEach(([down, across], n) => {
      const { left: from, right: to } = this.block(level - 1, down, across);
      const place = down % 2 * (TILE_SIDE / 2) * wide + across % 2 * (TILE_SIDE / 2);
      poolHalf(out.subarray(place), wide, finer[n], Math.ceil((to - from) / (size / 2)), this.pool);
    });
    return out;
  }
  /** Drops the oldest of the fine tiles. */
  hold(name, level) {
    this.settled.add(name);
    if (level >= this.background || this.settled.size <= MOST_TILES) return;
    const oldest = [...this.settled].find((one) => Number(one.split("/")[0]) < this.background);
    if (oldest === void 0) return;
    this.settled.delete(oldest);
    this.tiles.delete(oldest);
  }
};
function poolHalf(out, wide, finer, finerWide, pool) {
  for (let n = 0, i = 0; n < finer.length; i++)
    for (let j = 0; j < finerWide; j++, n++) {
      const at = (i >> 1) * wide + (j >> 1);
      if (pool === "mean") out[at] += finer[n];
      else if (finer[n] > out[at]) out[at] = finer[n];
    }
}

// code:./tile_worker?code
var tile_worker_code_default = '"use strict";\n(() => {\n  // src/protocol/float16.ts\n  var table;\n  function decode(bits) {\n    const sign = bits & 32768 ? -1 : 1;\n    const exponent = bits >> 10 & 31;\n    const fraction = bits & 1023;\n    if (exponent === 0) return sign * 2 ** -24 * fraction;\n    if (exponent === 31) return fraction ? NaN : sign * Infinity;\n    return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);\n  }\n  function halfValues() {\n    return table ??= Float32Array.from({ length: 65536 }, (_, bits) => decode(bits));\n  }\n  function decodeHalves(halves) {\n    const values = halfValues();\n    const out = new Float32Array(halves.length);\n    for (let i = 0; i < halves.length; i++) out[i] = values[halves[i]];\n    return out;\n  }\n  function halvesAt(bytes, start, count) {\n    const offset = bytes.byteOffset + start;\n    if (offset % 2 === 0) return new Uint16Array(bytes.buffer, offset, count);\n    return new Uint16Array(bytes.buffer.slice(offset, offset + 2 * count));\n  }\n  function readHalves(bytes, start, count) {\n    return decodeHalves(halvesAt(bytes, start, count));\n  }\n  function readSingles(bytes, skip, count) {\n    return Float32Array.from({ length: count }, (_, n) => bytes.getFloat32(4 * (skip + n), true));\n  }\n\n  // src/protocol/layer.ts\n  var MOST_HEADS = 16;\n  var Layer = class {\n    header;\n    bytes;\n    parts = /* @__PURE__ */ new Map();\n    heads = /* @__PURE__ */ new Map();\n    constructor(header, bytes) {\n      this.header = header;\n      this.bytes = bytes;\n      let start = 0;\n      for (const part of header.parts) {\n        this.parts.set(part[0], { start, shape: part[2] });\n        start += partSize(part);\n      }\n      if (start !== bytes.byteLength)\n        throw new Error(`layer ${header.name}: ${bytes.byteLength} bytes arrived, ${start} were announced`);\n    }\n    /** Whether query and key vectors are here, not only the weights. */\n    get factors() {\n      return this.parts.has("query");\n    }\n    /** One head\'s weights, row by row: [query * key]. Cached, so do not write into it. */\n    head(head) {\n      let weights = this.heads.get(head);\n      if (weights === void 0) {\n        weights = this.compute(head);\n        if (this.heads.size >= MOST_HEADS) this.heads.delete(this.heads.keys().next().value);\n        this.heads.set(head, weights);\n      }\n      return weights;\n    }\n    /** The weights of one query in one head, [key], without computing the rest of the head. */\n    row(head, query) {\n      const { keys } = this.header;\n      const whole = this.heads.get(head) ?? (this.parts.has("windows") ? this.head(head) : void 0);\n      if (whole) return whole.subarray(query * keys, (query + 1) * keys);\n      if (this.parts.has("weights")) return this.halves("weights", (head * this.header.queries + query) * keys, keys);\n      return this.softmax(this.scores(head, query, query + 1), head);\n    }\n    /** The vectors behind one score, and the weight that came of it. */\n    product(head, query, key) {\n      const vector = (side, position) => {\n        const { values, size } = this.vectors(side, head);\n        return values.slice(position * size, (position + 1) * size);\n      };\n      const { scale = 1 } = this.header;\n      return { q: vector("query", query), k: vector("key", key), scale, weight: this.row(head, query)[key] };\n    }\n    /** A head\'s query or key vectors, [token * d_head]; grouped queries share their keys. */\n    vectors(side, head) {\n      const { shape } = this.parts.get(side);\n      const [count, tokens, size] = shape;\n      const index = Math.floor(head * count / this.header.heads);\n      return { values: this.halves(side, index * tokens * size, tokens * size), size };\n    }\n    /** The query or key vectors of a layer of one head as float16 bit patterns, [token * size]. */\n    halfVectors(side) {\n      const { start, shape } = this.parts.get(side);\n      return { bits: halvesAt(this.bytes, start, countOf(shape)), size: shape[2] };\n    }\n    /** What bias and mask add to the scores of a layer of one head; null where it has neither. */\n    extras() {\n      const bias = this.parts.has("bias") ? this.singles("bias") : null;\n      const hasMask = this.parts.has("mask");\n      if (!bias && !hasMask) return null;\n      const biasAt = bias && this.broadcast("bias", 0);\n      const maskAt = hasMask ? this.broadcast("mask", 0) : null;\n      return (query, key) => maskAt && !this.bit(maskAt(query, key)) ? -Infinity : bias ? bias[biasAt(query, key)] : 0;\n    }\n    /** Whether bias and mask are the same for every query. */\n    get extrasOfKeys() {\n      return ["bias", "mask"].every((name) => (this.parts.get(name)?.shape[1] ?? 1) === 1);\n    }\n    compute(head) {\n      const { queries, keys } = this.header;\n      if (this.parts.has("weights")) return this.halves("weights", head * queries * keys, queries * keys);\n      if (this.parts.has("windows")) return this.windows(head);\n      return this.softmax(this.scores(head), head);\n    }\n    /** The weights within each window, laid along the diagonal. */\n    windows(head) {\n      const { queries, keys } = this.header;\n      const [count, heads2, high, wide] = this.parts.get("windows").shape;\n      const out = new Float32Array(queries * keys);\n      for (let window = 0; window < count; window++) {\n        const part = this.halves("windows", (window * heads2 + head) * high * wide, high * wide);\n        for (let row = 0; row < high; row++)\n          out.set(part.subarray(row * wide, (row + 1) * wide), (window * high + row) * keys + window * wide);\n      }\n      return out;\n    }\n    /** query @ key.T * scale, capped, biased and masked, of the queries from first to end. */\n    scores(head, first = 0, end = this.header.queries) {\n      const { keys, scale = 1, softcap } = this.header;\n      const { values: q, size } = this.vectors("query", head);\n      const { values: k } = this.vectors("key", head);\n      const out = new Float32Array((end - first) * keys);\n      const row = new Float32Array(size);\n      for (let i = first; i < end; i++) {\n        for (let d = 0; d < size; d++) row[d] = q[i * size + d] * scale;\n        for (let j = 0; j < keys; j++) {\n          let sum = 0;\n          for (let d = 0, at = j * size; d < size; d++, at++) sum += row[d] * k[at];\n          out[(i - first) * keys + j] = sum;\n        }\n      }\n      if (softcap != null) for (let n = 0; n < out.length; n++) out[n] = softcap * Math.tanh(out[n] / softcap);\n      this.addBias(out, head, first);\n      this.applyBand(out, first);\n      this.applyMask(out, head, first);\n      return out;\n    }\n    /** Adds the bias, [head | 1, query | 1, key | 1], to one head\'s scores. */\n    addBias(out, head, first) {\n      if (!this.parts.has("bias")) return;\n      const bias = this.singles("bias");\n      const { keys } = this.header;\n      const at = this.broadcast("bias", head);\n      for (let n = 0; n < out.length; n++) out[n] += bias[at(first + Math.floor(n / keys), n % keys)];\n    }\n    /** Sets scores outside the band to -Infinity. */\n    applyBand(out, first) {\n      const { keys, band } = this.header;\n      if (band == null) return;\n      const [before, after, offset] = band;\n      for (let i = 0; i < out.length / keys; i++) {\n        const low = before === null ? 0 : Math.max(0, first + i + offset - before);\n        const high = after === null ? keys : Math.min(keys, first + i + offset + after + 1);\n        out.fill(-Infinity, i * keys, i * keys + Math.min(low, keys));\n        out.fill(-Infinity, i * keys + Math.max(high, 0), (i + 1) * keys);\n      }\n    }\n    /** Sets masked scores to -Infinity. */\n    applyMask(out, head, first) {\n      if (!this.parts.has("mask")) return;\n      const { keys } = this.header;\n      const rows = out.length / keys;\n      const at = this.broadcast("mask", head);\n      for (let i = 0; i < rows; i++)\n        for (let j = 0; j < keys; j++) if (!this.bit(at(first + i, j))) out[i * keys + j] = -Infinity;\n    }\n    /** Whether a bit of the mask is set. */\n    bit(n) {\n      return Boolean(this.bytes.getUint8(this.parts.get("mask").start + (n >> 3)) >> (n & 7) & 1);\n    }\n    /** From a query and a key to an index into an array that may be broadcast along each axis. */\n    broadcast(name, head) {\n      const [h, q, k] = this.parts.get(name).shape;\n      const first = h > 1 ? head * q * k : 0;\n      const [down, across] = [q > 1 ? k : 0, k > 1 ? 1 : 0];\n      return (i, j) => first + i * down + j * across;\n    }\n    /** Scores to weights, in place. A sink is one more score in each row\'s sum; a row that is masked throughout stays 0. */\n    softmax(scores, head) {\n      const { keys } = this.header;\n      const sink = this.parts.has("sink") ? this.singles("sink")[head] : -Infinity;\n      for (let i = 0; i < scores.length / keys; i++) {\n        const row = scores.subarray(i * keys, (i + 1) * keys);\n        let most = sink;\n        for (let j = 0; j < keys; j++) if (row[j] > most) most = row[j];\n        if (most === -Infinity) {\n          row.fill(0);\n          continue;\n        }\n        let sum = Math.exp(sink - most);\n        for (let j = 0; j < keys; j++) sum += row[j] = Math.exp(row[j] - most);\n        for (let j = 0; j < keys; j++) row[j] /= sum;\n      }\n      return scores;\n    }\n    halves(name, first, count) {\n      return readHalves(this.bytes, this.parts.get(name).start + 2 * first, count);\n    }\n    singles(name) {\n      const { start, shape } = this.parts.get(name);\n      return readSingles(this.bytes, start / 4, countOf(shape));\n    }\n  };\n  function countOf(shape) {\n    return shape.reduce((a, b) => a * b, 1);\n  }\n  function partSize([, dtype, shape]) {\n    const count = countOf(shape);\n    const size = dtype === "f2" ? 2 * count : dtype === "f4" ? 4 * count : Math.ceil(count / 8);\n    return Math.ceil(size / 4) * 4;\n  }\n\n  // src/factors/cells.ts\n  var STRIP = 8;\n  var LEAST_EXPONENT = -18;\n  function cellsOf(shown, block) {\n    const { top, bottom, left, right, size, pool } = block;\n    const [high, wide] = [Math.ceil((bottom - top) / size), Math.ceil((right - left) / size)];\n    const out = new Float32Array(high * wide);\n    const strips = shown.heads.map((head) => new HeadStrip(head, shown, left, right));\n    const byExponent = pool === "max" && strips.length === 1;\n    if (byExponent) out.fill(-Infinity);\n    const height = Math.max(STRIP, size);\n    const weights = new Float64Array(height * strips[0].stride);\n    for (let first = top; first < bottom; first += height) {\n      const end = Math.min(first + height, bottom);\n      weights.fill(0);\n      if (byExponent) weights.set(strips[0].exponents(first, end));\n      else for (const strip of strips) addWeights(weights, strip.exponents(first, end), strips.length);\n      poolRows(out, weights, { ...block, top: first, bottom: end, bottomCell: (first - top) / size, wide, stride: strips[0].stride });\n    }\n    if (byExponent) for (let n = 0; n < out.length; n++) out[n] = Math.exp(out[n]);\n    return out;\n  }\n  function addWeights(weights, exponents, heads2) {\n    for (let n = 0; n < exponents.length; n++) {\n      const exponent = exponents[n];\n      if (exponent > LEAST_EXPONENT) weights[n] += Math.exp(exponent) / heads2;\n    }\n  }\n  function poolRows(out, values, { top, bottom, left, right, size, pool, bottomCell, wide, stride }) {\n    for (let i = 0; i < bottom - top; i++) {\n      const cell = (bottomCell + Math.floor(i / size)) * wide;\n      for (let j = 0, at = i * stride; j < right - left; at++, j++) {\n        const n = cell + Math.floor(j / size);\n        if (pool === "mean") out[n] += values[at];\n        else if (values[at] > out[n]) out[n] = values[at];\n      }\n    }\n  }\n  var HeadStrip = class {\n    constructor(head, shown, left, right) {\n      this.head = head;\n      this.shown = shown;\n      this.left = left;\n      this.right = right;\n      this.width = right - left;\n      this.stride = 4 * Math.ceil(this.width / 4);\n      const { bits, size } = head.layer.halfVectors("key");\n      this.size = size;\n      this.extra = head.layer.extras();\n      this.keys = gathered(bits, size, shown.cols, left, right, this.stride, 1);\n    }\n    head;\n    shown;\n    left;\n    right;\n    /** Values in a row: the columns, and what fills the last four of them. */\n    stride;\n    width;\n    keys;\n    size;\n    extra;\n    /** Score less log-sum-exp of the rows from first to end, [row * stride]; -Infinity where a key is not visible. */\n    exponents(first, end) {\n      const { head: { layer, lse }, shown, stride, size } = this;\n      const rows = 2 * Math.ceil((end - first) / 2);\n      const queries = gathered(layer.halfVectors("query").bits, size, shown.rows, first, end, rows, layer.header.scale ?? 1);\n      const [from, to] = [this.visible(first)[0], this.visible(end - 1)[1]];\n      const out = new Float64Array(rows * stride);\n      if (from < to) multiply(out, queries, this.keys, size, stride, 4 * Math.floor(from / 4), to);\n      for (let i = first; i < end; i++) this.finishRow(out.subarray((i - first) * stride, (i - first + 1) * stride), i, lse[shown.rows[i]]);\n      return out.fill(-Infinity, (end - first) * stride);\n    }\n    finishRow(row, i, lse) {\n      const { shown, left, width, head: { layer } } = this;\n      const { softcap } = layer.header;\n      const [from, to] = this.visible(i);\n      row.fill(-Infinity, 0, Math.min(from, width));\n      row.fill(-Infinity, Math.max(from, to));\n      if (softcap != null) for (let j = from; j < to; j++) row[j] = softcap * Math.tanh(row[j] / softcap);\n      if (this.extra) for (let j = from; j < to; j++) row[j] += this.extra(shown.rows[i], shown.cols[left + j]);\n      for (let j = from; j < to; j++) row[j] -= lse;\n    }\n    /** The columns that a row\'s band has, from first to end, counted from the left one. */\n    visible(i) {\n      const { shown: { rows, cols }, left, right, width, head } = this;\n      const { band } = head.layer.header;\n      if (band == null) return [0, width];\n      const [before, after, offset] = band;\n      const at = rows[i] + offset;\n      const from = before === null ? left : firstAtLeast(cols, at - before, left, right);\n      const to = after === null ? right : firstAtLeast(cols, at + after + 1, left, right);\n      return [from - left, to - left];\n    }\n  };\n  function firstAtLeast(values, least, from, to) {\n    while (from < to) {\n      const middle = from + to >> 1;\n      if (values[middle] < least) from = middle + 1;\n      else to = middle;\n    }\n    return from;\n  }\n  function gathered(bits, size, positions, first, end, room, scale) {\n    const values = halfValues();\n    const out = new Float64Array(room * size);\n    for (let i = first, to = 0; i < end; i++)\n      for (let at = positions[i] * size, stop = at + size; at < stop; at++) out[to++] = values[bits[at]] * scale;\n    return out;\n  }\n  function multiply(out, q, k, size, stride, first, end) {\n    for (let i = 0; i * stride < out.length; i += 2)\n      for (let j = first; j < end; j += 4) {\n        let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;\n        const qa = i * size, qb = qa + size;\n        const k0 = j * size, k1 = k0 + size, k2 = k1 + size, k3 = k2 + size;\n        for (let d = 0; d < size; d++) {\n          const a = q[qa + d], b = q[qb + d];\n          const x0 = k[k0 + d], x1 = k[k1 + d], x2 = k[k2 + d], x3 = k[k3 + d];\n          a0 += a * x0;\n          a1 += a * x1;\n          a2 += a * x2;\n          a3 += a * x3;\n          b0 += b * x0;\n          b1 += b * x1;\n          b2 += b * x2;\n          b3 += b * x3;\n        }\n        const upper = i * stride + j, lower = upper + stride;\n        out[upper] = a0;\n        out[upper + 1] = a1;\n        out[upper + 2] = a2;\n        out[upper + 3] = a3;\n        out[lower] = b0;\n        out[lower + 1] = b1;\n        out[lower + 2] = b2;\n        out[lower + 3] = b3;\n      }\n  }\n\n  // src/protocol/tiles.ts\n  var TILE_SIDE = 256;\n\n  // src/factors/webgl_cells.ts\n  var ACROSS = 2048;\n  var ENDLESS = 3e38;\n  var OPEN = 1 << 30;\n  var CORNERS = `#version 300 es\nvoid main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;\n  var fragmentShader = (texels) => `#version 300 es\nprecision highp float;\nprecision highp int;\nprecision highp sampler2D;\nuniform sampler2D queries, keys, rows, cols;\nuniform ivec2 corner, end;\nuniform ivec3 band;\nuniform int size;\nuniform float scale, softcap;\nuniform bool largest;\nout vec4 cell;\n\nconst int TEXELS = ${texels};\nconst int VECTORS = ${Math.floor(ACROSS / texels)};\n\nivec2 vectorAt(int n) { return ivec2((n % VECTORS) * TEXELS, n / VECTORS); }\nivec2 placeAt(int n) { return ivec2(n % ${ACROSS}, n / ${ACROSS}); }\n\nvoid main() {\n  ivec2 first = corner + ivec2(gl_FragCoord.xy) * size;\n  ivec2 stop = min(first + size, end);\n  float most = -${ENDLESS.toExponential()}, sum = 0.0;\n  for (int i = first.y; i < stop.y; i++) {\n    ivec2 from = vectorAt(i);\n    vec4 query[TEXELS];\n    for (int n = 0; n < TEXELS; n++) query[n] = texelFetch(queries, from + ivec2(n, 0), 0);\n    vec2 row = texelFetch(rows, placeAt(i), 0).xy;\n    for (int j = first.x; j < stop.x; j++) {\n      vec2 col = texelFetch(cols, placeAt(j), 0).xy;\n      int distance = int(col.x) - int(row.x) - band.z;\n      if (distance < -band.x || distance > band.y) continue;\n      ivec2 to = vectorAt(j);\n      float score = 0.0;\n      for (int n = 0; n < TEXELS; n++) score += dot(query[n], texelFetch(keys, to + ivec2(n, 0), 0));\n      score *= scale;\n      if (softcap > 0.0) score = softcap * tanh(clamp(score / softcap, -20.0, 20.0));\n      score += col.y - row.y;\n      most = max(most, score);\n      if (!largest) sum += exp(score);\n    }\n  }\n  cell = vec4(largest ? exp(most) : sum);\n}`;\n  var WebglCells = class _WebglCells {\n    constructor(gl) {\n      this.gl = gl;\n      const target = gl.createTexture();\n      gl.bindTexture(gl.TEXTURE_2D, target);\n      gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, TILE_SIDE, TILE_SIDE);\n      gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());\n      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);\n    }\n    gl;\n    programs = /* @__PURE__ */ new Map();\n    shown = null;\n    textures = [];\n    /** Null where there is no WebGL2 that draws floats. */\n    static create() {\n      if (typeof OffscreenCanvas === "undefined") return null;\n      const gl = new OffscreenCanvas(1, 1).getContext("webgl2");\n      return gl?.getExtension("EXT_color_buffer_float") ? new _WebglCells(gl) : null;\n    }\n    /** The cells of a block of one head; null where another way must be taken. */\n    cells(shown, block) {\n      const { gl } = this;\n      const [high, wide] = [Math.ceil((block.bottom - block.top) / block.size), Math.ceil((block.right - block.left) / block.size)];\n      if (!this.takes(shown) || high > TILE_SIDE || wide > TILE_SIDE) return null;\n      if (shown !== this.shown) this.upload(shown);\n      this.draw(shown, block, wide, high);\n      const texels = new Float32Array(4 * high * wide);\n      gl.readPixels(0, 0, wide, high, gl.RGBA, gl.FLOAT, texels);\n      if (gl.isContextLost() || gl.getError()) return null;\n      return Float32Array.from({ length: high * wide }, (_, n) => texels[4 * n]);\n    }\n    /** One head whose vectors fit the textures, without a bias or a mask that differs by query. */\n    takes({ heads: [head, ...others], rows, cols }) {\n      const texels = Math.ceil(head.layer.halfVectors("key").size / 4);\n      const tallest = Math.max(rows.length, cols.length) / Math.floor(ACROSS / texels);\n      return !others.length && head.layer.extrasOfKeys && tallest <= this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE);\n    }\n    draw({ heads: [head] }, { top, bottom, left, right, size, pool }, wide, high) {\n      const { gl } = this;\n      const { header } = head.layer;\n      const program = this.program(Math.ceil(head.layer.halfVectors("key").size / 4));\n      const place = (name) => gl.getUniformLocation(program, name);\n      gl.useProgram(program);\n      ["queries", "keys", "rows", "cols"].forEach((name, unit) => gl.uniform1i(place(name), unit));\n      gl.uniform2i(place("corner"), left, top);\n      gl.uniform2i(place("end"), right, bottom);\n      const [before, after, offset] = header.band ?? [null, null, 0];\n      gl.uniform3i(place("band"), before ?? OPEN, after ?? OPEN, offset);\n      gl.uniform1i(place("size"), size);\n      gl.uniform1f(place("scale"), header.scale ?? 1);\n      gl.uniform1f(place("softcap"), header.softcap ?? 0);\n      gl.uniform1i(place("largest"), Number(pool === "max"));\n      gl.viewport(0, 0, wide, high);\n      gl.drawArrays(gl.TRIANGLES, 0, 3);\n    }\n    program(texels) {\n      const { gl } = this;\n      let program = this.programs.get(texels);\n      if (!program) {\n        program = gl.createProgram();\n        const sources = [[gl.VERTEX_SHADER, CORNERS], [gl.FRAGMENT_SHADER, fragmentShader(texels)]];\n        for (const [kind, source] of sources) {\n          const shader = gl.createShader(kind);\n          gl.shaderSource(shader, source);\n          gl.compileShader(shader);\n          gl.attachShader(program, shader);\n        }\n        gl.linkProgram(program);\n        this.programs.set(texels, program);\n      }\n      return program;\n    }\n    /** Makes the textures of another head or of other positions. */\n    upload(shown) {\n      const { gl } = this;\n      const { rows, cols, heads: [head] } = shown;\n      const { layer, lse } = head;\n      const add = layer.extras();\n      this.textures.forEach((texture) => gl.deleteTexture(texture));\n      this.textures = [\n        this.vectors(0, layer.halfVectors("query"), rows),\n        this.vectors(1, layer.halfVectors("key"), cols),\n        this.places(2, rows, (row) => lse[row]),\n        this.places(3, cols, (col) => add?.(0, col) ?? 0)\n      ];\n      this.shown = shown;\n    }\n    /** Vectors side by side, each as whole texels. */\n    vectors(unit, { bits, size }, positions) {\n      const { gl } = this;\n      const texels = Math.ceil(size / 4);\n      const across = Math.floor(ACROSS / texels);\n      const high = Math.ceil(positions.length / across);\n      const out = new Uint16Array(4 * ACROSS * high);\n      positions.forEach((position, n) => {\n        const to = 4 * (Math.floor(n / across) * ACROSS + n % across * texels);\n        out.set(bits.subarray(position * size, (position + 1) * size), to);\n      });\n      return this.texture(unit, high, gl.RGBA16F, gl.RGBA, gl.HALF_FLOAT, out);\n    }\n    /** Each position, and a number that belongs to it. */\n    places(unit, positions, number) {\n      const { gl } = this;\n      const high = Math.ceil(positions.length / ACROSS);\n      const out = new Float32Array(2 * ACROSS * high);\n      positions.forEach((position, n) => {\n        out[2 * n] = position;\n        out[2 * n + 1] = Math.max(-ENDLESS, Math.min(ENDLESS, number(position)));\n      });\n      return this.texture(unit, high, gl.RG32F, gl.RG, gl.FLOAT, out);\n    }\n    texture(unit, high, inner, format, type, data) {\n      const { gl } = this;\n      const texture = gl.createTexture();\n      gl.activeTexture(gl.TEXTURE0 + unit);\n      gl.bindTexture(gl.TEXTURE_2D, texture);\n      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);\n      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);\n      gl.texImage2D(gl.TEXTURE_2D, 0, inner, ACROSS, high, 0, format, type, data);\n      return texture;\n    }\n  };\n\n  // src/factors/tile_worker.ts\n  var TOLERANCE = 1e-3;\n  var TRIAL = 64;\n  var RUNS = 3;\n  var heads = /* @__PURE__ */ new Map();\n  var selections = /* @__PURE__ */ new Map();\n  var webgl;\n  var isTrusted = false;\n  function receive(message) {\n    if (message.kind === "head") heads.set(message.name, new Layer(message.header, message.bytes));\n    else if (message.kind === "shown") {\n      const { name, heads: names, lse, rows, cols } = message;\n      selections.set(name, { rows, cols, heads: names.map((head, n) => ({ layer: heads.get(head), lse: lse[n] })) });\n    } else {\n      const shown = selections.get(message.shown);\n      const drawn = message.means === "processor" ? null : drawnCells(shown, message.block, message.means === "webgl2");\n      return { cells: drawn ?? cellsOf(shown, message.block), webgl2: drawn !== null };\n    }\n    return null;\n  }\n  function drawnCells(shown, block, isForced) {\n    if (webgl === void 0) webgl = WebglCells.create();\n    const cells = webgl?.cells(shown, block) ?? null;\n    if (cells && !isForced && !(isTrusted ||= isBetter(webgl, shown, block))) return webgl = null;\n    return cells;\n  }\n  function isBetter(drawing, shown, { pool }) {\n    const [top, left] = [shown.rows, shown.cols].map(({ length }) => Math.max(0, Math.floor(length / 2) - TRIAL * 2));\n    const end = (first, { length }) => Math.min(length, first + TRIAL * 4);\n    const block = { top, bottom: end(top, shown.rows), left, right: end(left, shown.cols), size: 4, pool };\n    const [theirs, ours] = [timed(() => drawing.cells(shown, block)), timed(() => cellsOf(shown, block))];\n    const agree = theirs.cells.every((weight, n) => Math.abs(weight - ours.cells[n]) <= TOLERANCE * Math.max(1, ours.cells[n]));\n    return agree && theirs.time < ours.time;\n  }\n  function timed(compute) {\n    let [cells, time] = [compute(), Infinity];\n    for (let run = 0; run < RUNS; run++) {\n      const start = performance.now();\n      cells = compute();\n      time = Math.min(time, performance.now() - start);\n    }\n    return { cells, time };\n  }\n  addEventListener("message", ({ data }) => {\n    let reply;\n    try {\n      reply = receive(data);\n    } catch (error) {\n      reply = { error: error instanceof Error ? error.message : String(error) };\n    }\n    if (reply) postMessage(reply, "cells" in reply ? { transfer: [reply.cells.buffer] } : {});\n  });\n})();\n';

// src/factors/tile_workers.ts
var MOST_WORKERS = 4;
var MOST_BYTES = 256 << 20;
var FRAME = 30;
var address;
var TileWorkers = class {
  jobs = /* @__PURE__ */ new Map();
  workers = [];
  count = 1;
  /** What was last in sight. */
  seen = null;
  /** Why no worker runs here. */
  failure = null;
  constructor(signal) {
    signal.addEventListener("abort", () => this.close());
  }
  /** Ends the workers. */
  close() {
    this.stop(new DOMException("The view was closed.", "AbortError"));
  }
  /** The cells of a block: at once those that are in sight, others while there are none. */
  cells(shown, block, inSight) {
    if (this.failure) return Promise.reject(this.failure);
    const name = jobName(shown, block);
    const waiting = this.jobs.get(name);
    if (waiting) return waiting.cells;
    const { promise, resolve, reject } = deferred();
    this.jobs.set(name, { shown, block, order: inSight ? this.now(block) : 0, cells: promise, resolve, reject });
    this.assign();
    return promise;
  }
  /** A job that waits is in sight now. */
  hurry(shown, block) {
    const job = this.jobs.get(jobName(shown, block));
    if (job) job.order = this.now(block);
  }
  now(block) {
    this.seen = block;
    return 1 + Math.floor(performance.now() / FRAME);
  }
  next() {
    const rank = ({ order, block }) => order || -distance(block, this.seen ?? block);
    return [...this.jobs].reduce((best, other) => rank(other[1]) > rank(best[1]) ? other : best);
  }
  /** Drops the waiting jobs of what is no longer shown. */
  drop(shown) {
    for (const [name, job] of this.jobs)
      if (job.shown === shown) {
        this.jobs.delete(name);
        job.reject(new DOMException("Something else is shown now.", "AbortError"));
      }
  }
  assign() {
    while (this.jobs.size) {
      const worker = this.workers.find(({ job: job2 }) => !job2) ?? this.start();
      if (!worker) return;
      const [name, job] = this.next();
      this.jobs.delete(name);
      this.run(worker, job);
    }
  }
  run(to, job) {
    if (to.bytes > MOST_BYTES) Object.assign(to, this.made(to.worker));
    to.job = job;
    const { name, heads: heads2, lse, rows, cols } = job.shown;
    for (const head of heads2) this.send(to, `head ${head.name}`, { kind: "head", ...head }, head.bytes.byteLength);
    this.send(to, name, { kind: "shown", name, heads: heads2.map((head) => head.name), lse, rows, cols });
    to.worker.postMessage({ kind: "cells", shown: name, block: job.block });
  }
  /** Sends what a worker has not received yet. */
  send(to, name, message, bytes = 0) {
    if (to.received.has(name)) return;
    to.received.add(name);
    to.bytes += bytes;
    to.worker.postMessage(message);
  }
  /** Another worker, as long as there are fewer than may be. */
  start() {
    if (this.workers.length >= this.count) return null;
    try {
      const worker = { job: null, ...this.made() };
      worker.worker.onmessage = ({ data }) => this.receive(worker, data);
      this.workers.push(worker);
      return worker;
    } catch (error) {
      this.stop(error);
      return null;
    }
  }
  made(old) {
    const worker = new Worker(address ??= URL.createObjectURL(new Blob([tile_worker_code_default], { type: "text/javascript" })));
    worker.onmessage = old?.onmessage ?? null;
    worker.onerror = () => this.stop(new Error("This page may not start a worker."));
    old?.terminate();
    return { worker, received: /* @__PURE__ */ new Set(), bytes: 0 };
  }
  receive(from, reply) {
    const { resolve, reject } = from.job;
    from.job = null;
    if ("error" in reply) reject(new Error(reply.error));
    else {
      this.count = reply.webgl2 ? 1 : Math.max(1, Math.min(MOST_WORKERS, (globalThis.navigator?.hardwareConcurrency ?? 2) - 1));
      resolve(reply.cells);
    }
    this.assign();
  }
  /** Rejects everything that waits, and all that will be asked for. */
  stop(reason) {
    this.failure = reason;
    const waiting = [...this.jobs.values(), ...this.workers.flatMap(({ job }) => job ?? [])];
    this.jobs.clear();
    this.endWorkers();
    for (const job of waiting) job.reject(reason);
  }
  endWorkers() {
    for (const { worker } of this.workers) worker.terminate();
    this.workers = [];
  }
};
function jobName({ name }, { top, left, bottom, right, size }) {
  return `${name}/${top}-${bottom}/${left}-${right}/${size}`;
}
function distance(a, b) {
  return Math.hypot(a.top + a.bottom - b.top - b.bottom, a.left + a.right - b.left - b.right);
}
function deferred() {
  let resolve, reject;
  const promise = new Promise((done, failed) => [resolve, reject] = [done, failed]);
  return { promise, resolve, reject };
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
    return { bits: halvesAt(this.bytes, start, countOf(shape)), size: shape[2] };
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
    const [count, heads2, high, wide] = this.parts.get("windows").shape;
    const out = new Float32Array(queries * keys);
    for (let window = 0; window < count; window++) {
      const part = this.halves("windows", (window * heads2 + head) * high * wide, high * wide);
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

// src/protocol/trace_source.ts
var MOST_TILES2 = 400;
var MOST_CUTTERS = 4;
var MOST_MATRICES = 2;
var MOST_SELECTIONS = 3;
var MOST_HEADS2 = 16;
var REQUESTED_LEVELS = 3;
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
  computed = /* @__PURE__ */ new Map();
  heads = /* @__PURE__ */ new Map();
  workers = null;
  /** What tiles were last computed of. */
  latest = null;
  /** Whether the weights stay in Python, which sends blocks of them. */
  get remote() {
    return this.header.remote;
  }
  /** Ends what is computed; nothing is requested from then on. */
  close() {
    this.workers?.close();
  }
  /** A layer, decoded from the widget's state; Python adds its bytes to the state on request. */
  layer(number) {
    return cached(this.layers, number, Infinity, () => this.loadLayer(number));
  }
  async loadLayer(number) {
    const trait = `${this.prefix}layer_${number}`;
    if (!hasBytes(this.model.get(trait))) await this.request("layer", { layer: number });
    const bytes = this.model.get(trait);
    if (!hasBytes(bytes)) throw new Error(`Layer ${number} did not arrive. Run the cell again.`);
    return new Layer(this.header.layers[number], bytes);
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
  matrices({ layer, heads: heads2, pair, hide_special, pool, layers }) {
    const shown = { heads: heads2, pair, hide_special, pool };
    const numbers = layers ?? [layer];
    return cached(this.headMatrices, JSON.stringify([numbers, heads2, pair, hide_special]), MOST_MATRICES, async () => {
      const each = await Promise.all(numbers.map((number) => this.select({ ...shown, layer: number })));
      return heads2.map((_, n) => meanOf(each.map((matrices) => matrices[n])));
    });
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
    if (this.remote) return this.remoteLine(selection, axis, position);
    const { rows, cols } = this.positions(selection);
    const at = (axis === "query" ? rows : cols).indexOf(position);
    return (await this.matrices(selection)).map(
      (matrix) => axis === "query" ? matrix.subarray(at * cols.length, (at + 1) * cols.length) : Float32Array.from({ length: rows.length }, (_, i) => matrix[i * cols.length + at])
    );
  }
  async remoteLine(selection, axis, position) {
    const at = this.positions(selection)[axis === "query" ? "rows" : "cols"].indexOf(position);
    if (at < 0 || !isHeld(this.header, selection)) return this.requestLine(selection, axis, position);
    const heads2 = await Promise.all(selection.heads.map((head) => this.computedHeads({ ...selection, heads: [head] })));
    if (heads2.includes(null)) return this.requestLine(selection, axis, position);
    return Promise.all(heads2.map((one) => one.line(axis, at)));
  }
  async requestLine(selection, axis, position) {
    const { shape, buffers } = await this.request("line", { ...selection, axis, position });
    const [heads2, length] = shape;
    const values = readHalves(buffers[0], 0, heads2 * length);
    const size = values.length / selection.heads.length;
    return selection.heads.map((_, n) => values.subarray(n * size, (n + 1) * size));
  }
  /** A tile of the mean of the selected heads. Requested again, it is computed before others that wait. */
  tile(selection, level, row, col) {
    if (this.remote) return this.remoteTile(selection, level, row, col);
    const name = `${level}/${row}/${col}/${JSON.stringify(selection)}`;
    return cached(this.tiles, name, MOST_TILES2, () => this.cutter(selection).then((cut) => cut(level, row, col)));
  }
  /** Coarse tiles are requested, finer ones computed here where that can be; in a report also coarse ones that it lacks. */
  async remoteTile(selection, level, row, col) {
    const { queries, keys } = this.header.layers[selection.layer];
    const requested = () => cached(this.tiles, `${level}/${row}/${col}/${JSON.stringify(selection)}`, MOST_TILES2, () => this.requestTile(selection, level, row, col));
    if (level < coarsestLevel(queries, keys) - REQUESTED_LEVELS) return this.computedTile(selection, level, row, col, requested);
    if (!isHeld(this.header, selection)) return requested();
    void this.computedHeads(selection).then((heads2) => heads2 && this.latestOf(heads2).computeAhead());
    return requested().catch((error) => this.computedTile(selection, level, row, col, () => Promise.reject(error)));
  }
  /** A tile that is computed here; what `other` returns where none can be. */
  async computedTile(selection, level, row, col, other) {
    const heads2 = await this.computedHeads(selection);
    if (!heads2) return other();
    return this.latestOf(heads2).tile(level, row, col).catch((error) => {
      if (error.name === "AbortError") throw error;
      return other();
    });
  }
  /** The last selection whose tiles are computed; what waits for another one is dropped. */
  latestOf(heads2) {
    if (heads2 !== this.latest) this.latest?.close();
    return this.latest = heads2;
  }
  /** Of a selection, what computes its blocks here; null where a head's queries and keys are not to be had. */
  computedHeads(selection) {
    const most = MOST_SELECTIONS * (1 + headsOf(selection).length);
    return cached(this.computed, JSON.stringify(selection), most, () => this.compute(selection).catch(() => null));
  }
  async compute(selection) {
    if (typeof Worker === "undefined") return null;
    const { hide_special, pool } = selection;
    const places = headsOf(selection);
    if (places.length > MOST_HEADS2 && !isHeld(this.header, selection)) return null;
    const heads2 = await Promise.all(places.map(([layer, head]) => this.head(layer, head)));
    const lse = await Promise.all(places.map(([layer, head]) => this.request("lse", { layer, head, hide_special })));
    const { rows, cols } = this.positions(selection);
    return new HeadTiles(this.workers ??= new TileWorkers(this.signal), {
      name: JSON.stringify(selection),
      heads: heads2,
      lse: lse.map(({ buffers: [bytes] }) => readSingles(bytes, 0, bytes.byteLength / 4)),
      rows: Int32Array.from(rows),
      cols: Int32Array.from(cols)
    }, pool);
  }
  /** A head's queries and keys, as a layer of one head. */
  head(layer, head) {
    const name = `${layer}/${head}`;
    return cached(this.heads, name, MOST_HEADS2, async () => {
      const { header, buffers } = await this.request("factors", { layer, head });
      return { name, header, bytes: buffers[0] };
    });
  }
  async requestTile(selection, level, row, col) {
    const { shape, scale = 1, buffers } = await this.request("tile", { ...selection, level, row, col });
    const [rows, cols] = shape;
    const weights = readHalves(buffers[0], 0, rows * cols);
    return { rows, cols, weights: scale === 1 ? weights : weights.map((weight) => weight * scale) };
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
  if (tokens && tokens.text.length === count)
    return trace.patches && side === "input" ? { ...tokens, leading: trace.patches.leading } : tokens;
  return { text: Array.from({ length: count }, (_, i) => String(i)), special: [], segment: [] };
}
function shownPositions(tokens, segment, hideSpecial) {
  const hidden = new Set(hideSpecial ? tokens.special : []);
  return [...tokens.text.keys()].filter(
    (i) => !hidden.has(i) && (segment === null || (tokens.segment[i] ?? 0) === segment)
  );
}
function isHeld({ layers }, selection) {
  return headsOf(selection).every(([layer, head]) => head in (layers[layer].held ?? {}));
}
function headsOf({ layer, heads: heads2, layers }) {
  return (layers ?? [layer]).flatMap((number) => heads2.map((head) => [number, head]));
}
function hasBytes(bytes) {
  return bytes instanceof DataView && bytes.byteLength > 0;
}

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}

// src/ui/keyboard.ts
var NO_SHORTCUTS = "data-lm-suppress-shortcuts";
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
function suppressShortcuts(element, signal) {
  globalThis.addEventListener("keydown", (event) => {
    if (!event.composedPath().includes(element)) return;
    const runsCell = event.shiftKey && event.key === "Enter";
    element.toggleAttribute(NO_SHORTCUTS, !(hasModifier(event) || runsCell));
  }, { capture: true, signal });
}

// src/drawing/svg.ts
var [EDGE, NARROWEST] = [14, 460];
var TITLE = { size: 15, line: 20, letter: 9 };
var SMALL = { size: 12, line: 16, letter: 6.2 };
function escapeXml(text2) {
  return text2.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�");
}
function figureDocument({ picture, title, subtitle, caption }, { background, text: text2, muted }) {
  const width = Math.max(picture.width + 2 * EDGE, NARROWEST);
  const parts = [];
  let y = EDGE;
  const write = (content, { size, line, letter }, style) => {
    for (const words of wrapped(content, Math.floor((width - 2 * EDGE) / letter))) {
      parts.push(`<text x="${EDGE}" y="${y + size}" font-size="${size}" ${style}>${escapeXml(words)}</text>`);
      y += line;
    }
  };
  write(title, TITLE, `font-weight="bold" fill="${text2}"`);
  write(subtitle, SMALL, `fill="${muted}"`);
  parts.push(svgInset(picture, (width - picture.width) / 2, y += 8));
  y += picture.height + 4;
  write(caption, SMALL, `fill="${muted}"`);
  const height = Math.ceil(y + EDGE);
  const attributes = 'font-family="system-ui, sans-serif"';
  const body = `<rect width="100%" height="100%" fill="${background}"/>${parts.join("")}`;
  return { width, height, attributes, body, document: svgElement(body, width, height, attributes) };
}
function wrapped(text2, letters) {
  const lines = [];
  for (const word of text2.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== void 0 && lettersWide(last) + 1 + lettersWide(word) <= letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(...brokenWord(word, letters));
  }
  return lines;
}
function brokenWord(word, letters) {
  const parts = [""];
  let wide = 0;
  for (const letter of word) {
    const width = lettersWide(letter);
    if (wide > 0 && wide + width > letters) {
      parts.push("");
      wide = 0;
    }
    parts[parts.length - 1] += letter;
    wide += width;
  }
  return parts;
}
function fileName(...parts) {
  return parts.join("-").normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 100);
}
function svgInset({ width, height, attributes, body }, x, y) {
  return svgElement(body, width, height, `x="${x}" y="${y}" ${attributes}`);
}
function svgElement(body, width, height, attributes) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ${attributes}>${body}</svg>`;
}

// src/ui/downloads.ts
function downloadButtons(picture, failed) {
  const button = (kind, title, act) => {
    const run = async () => act(picture());
    return h("button", { type: "button", className: "quiet", title, onclick: () => void run().catch(failed) }, kind);
  };
  return [
    button("PNG", "Save as PNG", async (saved) => save(await rasterize(saved), `${saved.file}.png`)),
    button("SVG", "Save as SVG", async (saved) => save(svgBlob(saved), `${saved.file}.svg`)),
    button("PDF", "Print on a page of its size, or save as PDF", print)
  ];
}
function svgBlob({ document: document2 }) {
  return new Blob([document2], { type: "image/svg+xml" });
}
function save(blob, file) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}
async function withImage(picture, use) {
  const url = URL.createObjectURL(svgBlob(picture));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return await use(image);
  } finally {
    URL.revokeObjectURL(url);
  }
}
function rasterize(picture) {
  return withImage(picture, (image) => {
    const canvas = h("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise(
      (resolve, reject) => canvas.toBlob((blob) => blob ? resolve(blob) : reject(new Error("no picture")))
    );
  });
}
function print(picture) {
  return withImage(picture, (image) => {
    const page = h("iframe", { title: picture.file, style: { position: "fixed", width: "0", height: "0", border: "0" } });
    document.body.append(page);
    try {
      const inside = page.contentWindow;
      const sheet = new inside.CSSStyleSheet();
      sheet.replaceSync(`@page { size: ${picture.width}px ${picture.height}px; margin: 0 } body { margin: 0 } img { display: block }`);
      inside.document.adoptedStyleSheets = [sheet];
      inside.document.title = picture.file;
      inside.document.body.append(image);
      inside.print();
    } finally {
      page.remove();
    }
  });
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

// src/ui/style.css
var style_default = '.view {\n  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;\n  position: relative;\n  box-sizing: border-box;\n  max-width: 100%;\n  padding: 10px 12px 8px;\n  border: 1px solid var(--line);\n  border-radius: 8px;\n  background: var(--background);\n  color: var(--text);\n  font: 13px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;\n  text-align: left;\n}\n.view[data-theme="dark"] {\n  color-scheme: dark;\n}\n.view *, .view *::before { box-sizing: border-box; }\n.bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; min-height: 28px; margin-bottom: 8px; }\n.bar .options { display: contents; }\n.bar .chosen { display: inline-flex; align-items: center; gap: 5px; color: var(--muted); } /* printed, unlike its button */\n.bar .group { display: inline-flex; align-items: center; gap: 5px; }\n.bar .group > .name, .bar label > .name { color: var(--muted); }\nlabel { display: inline-flex; align-items: center; gap: 5px; cursor: pointer; }\nbutton, select, input[type="text"] {\n  font: inherit; color: inherit; background: var(--surface);\n  border: 1px solid var(--line); border-radius: 5px; padding: 2px 8px; min-height: 26px;\n}\nbutton { cursor: pointer; }\nbutton:hover:not(:disabled), select:hover { border-color: var(--muted); }\nbutton:disabled { opacity: 0.45; cursor: default; }\nbutton[aria-pressed="true"] { background: color-mix(in srgb, var(--accent) 13%, var(--background)); border-color: var(--accent); }\nbutton.quiet { background: none; border-color: transparent; color: var(--muted); padding: 0 5px; min-height: 20px; font-size: 12px; }\nbutton.quiet[aria-expanded]::after { content: " ▸"; }\nbutton.quiet[aria-expanded="true"]::after { content: " ▾"; }\nbutton.quiet:hover { color: var(--text); text-decoration: underline; }\n.segments { display: inline-flex; }\n.segments button { border-radius: 0; margin-left: -1px; }\n.segments button:first-child { border-radius: 5px 0 0 5px; margin-left: 0; }\n.segments button:last-child { border-radius: 0 5px 5px 0; }\ninput[type="range"] { width: 90px; accent-color: var(--accent); }\ninput[type="checkbox"] { accent-color: var(--accent); margin: 0; }\n:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }\n.headline { margin: 0 0 8px; font-size: 15px; line-height: 1.35; unicode-bidi: isolate; overflow-wrap: anywhere; }\n.stage { position: relative; overflow-x: auto; }\n.notice { margin: 0 0 8px; padding: 5px 9px; border-radius: 5px; background: var(--surface); color: var(--muted); }\n.notice[data-kind="busy"] { position: absolute; right: 12px; z-index: 2; pointer-events: none; border: 1px solid var(--line); animation: come 0.2s 0.2s both; }\n@keyframes come { from { opacity: 0; } }\n.notice[data-kind="error"] { color: var(--warning); border-left: 3px solid var(--warning); }\nfooter { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; margin-top: 7px; align-items: baseline; }\n.readout { grid-column: 1 / -1; min-height: 1.4em; font-variant-numeric: tabular-nums; unicode-bidi: isolate; overflow-wrap: anywhere; }\n.how, .keys { margin: 0; color: var(--muted); font-size: 12px; }\n.keys { grid-column: 1 / -1; }\ncanvas { display: block; }\n.token { font-family: var(--mono); white-space: pre; unicode-bidi: isolate; }\n[hidden] { display: none !important; }\n.legend { display: inline-flex; align-items: center; gap: 6px; color: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }\n.legend canvas { border-radius: 2px; }\n@media (forced-colors: active) {\n  button[aria-pressed="true"], [role="option"][aria-selected="true"] {\n    forced-color-adjust: none; background: Highlight; border-color: Highlight; color: HighlightText;\n  }\n  [role="gridcell"][aria-selected="true"] { outline: 3px solid Highlight !important; }\n  .legend canvas { border: 1px solid CanvasText; }\n}\n.view[data-printing] { max-width: 680px; } /* the width of A4 and of Letter without their margins */\n@media print {\n  .view, figure { break-inside: avoid; }\n  .view { -webkit-print-color-adjust: exact; print-color-adjust: exact; }\n  /* Of the controls, what is chosen stays as text. */\n  footer button, .segments, .bar button:not([aria-pressed="true"]), .bar input, .bar label:has(:not(:checked)[type="checkbox"]) { display: none; }\n  .bar .group:not(:has(select, .count, [aria-pressed="true"])) { display: none; }\n  .bar { min-height: 0; }\n  select { appearance: none; border-color: transparent; background: none; padding: 0; }\n  .stage { overflow: visible; }\n  .readout:empty { display: none; }\n}\n';

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

// src/ui/view.ts
var DEFAULT_WIDTH = 640;
var Frame = class {
  /** The signal aborts when the view is removed: every listener and request ends with it. */
  constructor(name, model, element, style, signal) {
    this.model = model;
    this.element = element;
    this.signal = signal;
    this.root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(customProperties() + style_default + style);
    this.root.adoptedStyleSheets = [sheet];
    this.bar = h("div", { className: "bar", role: "toolbar", "aria-label": `${name}: controls` });
    const footer = h("footer", {}, this.readout, this.explanation, h("span", {}, this.shortcutsButton, this.downloads), this.shortcuts);
    this.section = h(
      "div",
      { className: "view", role: "group", "aria-label": name },
      this.bar,
      this.notice,
      this.headline,
      this.stage,
      footer
    );
    this.section.dataset["theme"] = themeOf(element);
    this.root.replaceChildren(this.section);
    suppressShortcuts(element, signal);
  }
  model;
  element;
  signal;
  root;
  /** Where controls go. */
  bar;
  /** What the picture shows, above it. */
  headline = h("p", { className: "headline", hidden: true });
  /** Where the picture goes. */
  stage = h("div", { className: "stage" });
  readout = h("output", { className: "readout", "aria-live": "polite" });
  notice = h("div", { className: "notice", role: "status", hidden: true });
  explanation = h("p", { className: "how" });
  shortcuts = h("p", { className: "keys", id: "keys", hidden: true });
  shortcutsButton = h("button", {
    type: "button",
    className: "quiet",
    hidden: true,
    "aria-expanded": "false",
    "aria-controls": "keys",
    onclick: () => this.switchShortcuts()
  }, "Shortcuts");
  downloads = h("span", { className: "downloads" });
  section;
  content = null;
  scheduled = 0;
  lastWidth = DEFAULT_WIDTH;
  /** Draws the content, now and whenever theme or size change. */
  show(content) {
    this.content = content;
    const failed = () => this.notify("The picture could not be saved.");
    const { figure } = content;
    const picture = (saved) => ({ ...figureDocument(saved, this.roles), file: fileName("attnlens", saved.file) });
    if (figure) this.downloads.append(...downloadButtons(() => picture(figure()), failed));
    watchTheme(this.element, this.signal, (theme) => {
      if (this.section.dataset["theme"] === theme || this.printing) return;
      this.section.dataset["theme"] = theme;
      this.redraw();
    });
    watchPrinting(this.signal, (printing) => this.preparePrint(printing));
    const observer = new ResizeObserver(this.redraw);
    observer.observe(this.stage);
    this.signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.scheduled);
      this.root.replaceChildren();
    });
    content.draw();
  }
  get printing() {
    return this.section.dataset["printing"] !== void 0;
  }
  /** Draws at once, since the browser prints what there is now: light, and as wide as paper. */
  preparePrint(printing) {
    this.section.toggleAttribute("data-printing", printing);
    this.section.dataset["theme"] = printing ? "light" : themeOf(this.element);
    this.content?.draw();
  }
  get dark() {
    return this.section.dataset["theme"] === "dark";
  }
  /** The palette in the view's theme. */
  get roles() {
    return rolesOf(this.dark);
  }
  /** Pixels across the stage; while the view is hidden, its last width. */
  get width() {
    return this.lastWidth = this.stage.clientWidth || this.lastWidth;
  }
  /** Shows one line about what the pointer is on; screen readers read it out. */
  say(text2) {
    this.readout.textContent = text2;
  }
  /** Shows what is seen, and what that says; "" shows nothing. */
  title(name, said = "") {
    this.headline.hidden = name === "";
    this.headline.replaceChildren(h("b", {}, capitalized(name)), said ? `: ${said}` : "");
  }
  /** Shows how to read the picture; a button shows how to move in it by mouse and keys. */
  explain(text2, shortcuts = "") {
    this.explanation.textContent = text2;
    this.shortcuts.textContent = shortcuts;
    this.shortcutsButton.hidden = shortcuts === "";
  }
  switchShortcuts() {
    this.shortcuts.hidden = !this.shortcuts.hidden;
    this.shortcutsButton.setAttribute("aria-expanded", String(!this.shortcuts.hidden));
  }
  /** Shows a lasting message: an error, a note, or work in progress, which takes no room; "" removes it. */
  notify(text2, kind = "error") {
    this.notice.hidden = text2 === "";
    this.notice.textContent = text2;
    this.notice.dataset["kind"] = kind;
  }
  /** Sends a request to Python, until the view is removed. */
  request(name, fields = {}) {
    return request(this.model, name, fields, this.signal);
  }
  /** Sets traits on behalf of the user: they reach Python and every other view of the widget. */
  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }
  /** Draws at the next animation frame, however often it is called before. */
  redraw = () => {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      if (!this.signal.aborted) this.content?.draw();
    });
  };
};
function view(name, style, fill) {
  const definition = {
    render({ model, el, signal }) {
      const ending = new AbortController();
      signal?.addEventListener("abort", () => ending.abort(), { once: true });
      const frame = new Frame(name, model, el, style, ending.signal);
      frame.show(fill(frame));
      return () => ending.abort();
    }
  };
  globalThis.attnlensViews?.set(name, definition);
  return definition;
}

// src/ui/controls.ts
function group(name, ...children) {
  return h("span", { className: "group" }, h("span", { className: "name" }, name), ...children);
}
function checkbox(act) {
  const box = h("input", { type: "checkbox", onchange: () => act(box.checked) });
  return box;
}
function slider({ label, max, step }, act) {
  const input = h("input", {
    type: "range",
    min: "0",
    max: String(max),
    step: String(step),
    "aria-label": label,
    oninput: () => act(Number(input.value))
  });
  return input;
}
function options(entries) {
  return entries.map(([value, text2]) => h("option", { value }, text2));
}
function select(label, entries, act) {
  const list = h("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options(entries));
  return list;
}
function headChips(count, toggle) {
  return range(count).map((head) => h("button", {
    type: "button",
    className: "chip",
    title: "Shift adds or removes",
    "aria-label": `head ${head}`,
    onclick: (event) => toggle(head, addsToSelection(event))
  }, String(head)));
}
function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}
function toggleHead(heads2, head, adds, least) {
  if (!adds) return [head];
  const others = heads2.filter((other) => other !== head);
  const removed = others.length < heads2.length && others.length >= least;
  return (removed ? others : [...others, head]).sort((a, b) => a - b);
}

// src/patches/controls.ts
var PatchesControls = class {
  constructor(frame, playback, switchPanel) {
    this.frame = frame;
    this.playback = playback;
    const { model } = frame;
    const last = playback.layers.length - 1;
    this.layer = slider({ label: "Layer", max: last, step: 1 }, (place) => {
      playback.stop();
      playback.show(place);
    });
    this.play = h("button", { type: "button", className: "play", onclick: () => playback.toggle() });
    this.blend = slider({ label: "How much the map covers the image", max: 1, step: 0.05 }, (blend) => frame.set({ blend }));
    this.shared = checkbox((shared) => frame.set({ shared }));
    const labels = model.get("labels").map((name) => [name, tokenLabel(name)]);
    this.target = select("Class that is explained", labels, (target) => frame.set({ target }));
    this.target.className = "class";
    this.panels = model.get("offered").map((name) => h("button", { type: "button", className: "chip", value: name, onclick: () => switchPanel(name) }, methodTitle(name)));
    this.layOut();
  }
  frame;
  playback;
  /** Stands below the panels. */
  shared;
  layer;
  layerNumber = h("span", { className: "count" });
  play;
  chips = h("span", { className: "chips", role: "group", "aria-label": "Heads" });
  blend;
  target;
  panels;
  layOut() {
    const { model, bar } = this.frame;
    const layers = group("Layer", this.layer, this.layerNumber, this.play);
    layers.hidden = this.playback.layers.length < 2;
    const blend = group("Image", this.blend, h("span", { className: "name" }, "map"));
    blend.hidden = model.get("trace").patches.image === null;
    const classes = group("Class", this.target);
    classes.hidden = model.get("labels").length < 2;
    const panels = group("Beside", h("span", { className: "chips" }, ...this.panels));
    panels.setAttribute("role", "group");
    panels.setAttribute("aria-label", "Panels");
    bar.append(layers, group("Heads", this.chips), blend, classes, panels);
  }
  draw() {
    const { model } = this.frame;
    const number = model.get("layer");
    this.layer.value = String(this.playback.place);
    this.layer.setAttribute("aria-valuetext", `layer ${number}`);
    this.layerNumber.textContent = String(number);
    this.drawPlay();
    this.blend.value = String(model.get("blend"));
    this.shared.checked = model.get("shared");
    this.target.value = model.get("target");
    for (const panel of this.panels) press(panel, model.get("panels").includes(panel.value));
    this.drawHeads(model.get("trace").layers[number].heads);
  }
  drawPlay() {
    const { playing, stepwise } = this.playback;
    const [sign, label] = playing ? ["❚❚", "Pause"] : stepwise ? ["▸❘", "Next layer"] : ["▶", "Play the layers"];
    this.play.textContent = sign;
    this.play.setAttribute("aria-label", label);
    this.play.title = label;
  }
  /** A button for the mean of all heads, and one for each head. */
  drawHeads(count) {
    const { model } = this.frame;
    if (this.chips.childElementCount !== count + 1)
      this.chips.replaceChildren(
        h("button", { type: "button", className: "chip", onclick: () => this.frame.set({ heads: [] }) }, "mean"),
        ...headChips(count, (head, adds) => this.frame.set({ heads: toggleHead(model.get("heads"), head, adds, 0) }))
      );
    const selected = model.get("heads").filter((head) => head < count);
    [...this.chips.children].forEach((chip, n) => press(chip, n === 0 ? selected.length === 0 : selected.includes(n - 1)));
  }
};

// src/patches/figure_svg.ts
var SHADES = 64;
function scaleElement(paint, { low, high, unit, colours }) {
  return h("span", { className: "scale" }, h("span", {}, low), scaleBar(paint, colours), h("span", {}, high), h("span", {}, unit));
}
function scaleBar(paint, colours) {
  const canvas = h("canvas", { width: SHADES, height: 1, "aria-hidden": "true" });
  const last = SHADES - 1;
  paintPixels(canvas, SHADES, 1, (x) => paint.rgba(colours === "signed" ? 2 * x / last - 1 : x / last, colours));
  return canvas;
}
var [LARGE, SMALL2, GAP, TOP] = [420, 170, 18, 36];
var PANELS_PER_ROW = 3;
var WORDS_HEIGHT = 64;
var SCALE_HEIGHT = 32;
function figureSvg(figure) {
  const { ground, paint, large, panels, scales } = figure;
  const aspect = ground.height / ground.width;
  const across = Math.min(PANELS_PER_ROW, panels.length);
  const left = 2 * GAP + LARGE;
  const rowHeight = SMALL2 * aspect + WORDS_HEIGHT + (panels.some(({ scale }) => scale) ? SCALE_HEIGHT : 0);
  const below = TOP + Math.ceil(panels.length / PANELS_PER_ROW) * rowHeight;
  const width = left + Math.max(across, scales.length ? 2 : 0) * (SMALL2 + GAP);
  const height = Math.max(TOP + LARGE * aspect + 36, below + 18 * scales.length);
  const place = (n) => ({ x: left + n % across * (SMALL2 + GAP), y: TOP + Math.floor(n / across) * rowHeight });
  const content = [
    overlaySvg(ground, large.map, paint, large.query, { x: GAP, y: TOP, width: LARGE }),
    scaleSvg(figure, large.scale, GAP, TOP + LARGE * aspect + 20),
    ...panels.map((panel, n) => panelSvg(figure, panel, place(n).x, place(n).y)),
    ...scales.map((scale, n) => scaleSvg(figure, scale, left, below + 18 * n))
  ];
  const body = `<defs>${paint.filterSvg}</defs>${content.join("")}`;
  return { width, height: Math.ceil(height), attributes: 'font-family="sans-serif"', body };
}
function panelSvg(figure, { title, map, value, note, scale }, x, y) {
  const { ground, paint, roles } = figure;
  const below = y + SMALL2 * ground.height / ground.width;
  return [
    text(x, y - 8, title, roles.text, 12),
    text(x, below + 15, value, roles.muted),
    text(x, below + 29, note, roles.muted),
    overlaySvg(ground, map, paint, null, { x, y, width: SMALL2 }),
    ...scale ? [scaleSvg(figure, { ...scale, unit: "" }, x - 26, below + 46), text(x, below + 60, scale.unit, roles.muted)] : []
  ].join("");
}
function scaleSvg({ paint, roles }, { low, high, unit, colours }, x, y) {
  const place = `x="${x + 52}" y="${y - 9}" width="96" height="10"`;
  return [
    text(x + 46, y, low, roles.muted, 11, "end"),
    `<rect ${place} fill="${roles.mat}"/>`,
    `<image ${place} preserveAspectRatio="none" href="${scaleBar(paint, colours).toDataURL()}"/>`,
    text(x + 154, y, `${high}  ${unit}`, roles.muted)
  ].join("");
}
function text(x, y, content, colour, size = 11, anchor = "start") {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}">${escapeXml(content)}</text>`;
}

// src/patches/score_kinds.ts
var UNITS = {
  share: "share of attention",
  rank: "share of the map’s total",
  signed: "logits against and for"
};
var EVEN = 2;
var COLOURS = { share: "heat", rank: "unsigned", signed: "signed" };
function scaledMaps(maps2, shared, leading = 0) {
  const drawn = new Map([...maps2].map(([name, { values, kind }]) => [name, kind === "rank" ? sharesOfTotal(values) : values]));
  const topOf = (name) => strongest(drawn.get(name), maps2.get(name).kind, leading);
  const uniform = 1 / (leading + Math.max(0, ...[...drawn.values()].map(({ length }) => length)));
  const tops = /* @__PURE__ */ new Map();
  for (const [name, { kind }] of maps2) tops.set(kind, Math.max(tops.get(kind) ?? 0, topOf(name)));
  return {
    maps: new Map([...maps2].map(([name, { kind }]) => {
      const values = drawn.get(name);
      return [name, mapUpTo(values, shared ? tops.get(kind) : topOf(name), kind)];
    })),
    shared: shared ? [...tops].map(([kind, top]) => scaleOf(kind, top, uniform)) : [],
    own: new Map(shared ? [] : [...maps2].map(([name, { kind }]) => [name, scaleOf(kind, topOf(name), uniform)]))
  };
}
function strongest(values, kind, leading = 0) {
  return Math.max(largestMagnitude(values), kind === "share" ? Math.min(1, EVEN * (1 / (values.length + leading))) : 0);
}
function mapUpTo(values, top, kind = "share") {
  return { shares: values.map((value) => value / (top || 1)), colours: COLOURS[kind] };
}
function scaleOf(kind, top, uniform = 0) {
  const signed = kind === "signed";
  const [unit, colours] = [UNITS[kind], COLOURS[kind]];
  const high = { share: `${formatNumber(top)}${uniform && top === EVEN * uniform ? " (2 × uniform)" : ""}`, rank: percent(top), signed: formatSigned(top) }[kind];
  return { low: signed ? formatSigned(-top) : "0", high, unit, colours };
}
function scoreText({ values, kind }, patch) {
  const value = values[patch];
  return { share: formatNumber(value), rank: percent(sharesOfTotal(values)[patch]), signed: formatSigned(value) }[kind];
}
function strongestPatch({ values }) {
  return values.reduce((best, value, n) => Math.abs(value) > Math.abs(values[best]) ? n : best, 0);
}
function sharesOfTotal(values) {
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0);
  return values.map((value) => total > 0 ? value / total : 0);
}
function percent(share) {
  return `${formatNumber(100 * share)}%`;
}

// src/patches/large_picture.ts
var LargePicture = class {
  constructor(grid, ground, events, signal) {
    this.grid = grid;
    this.events = events;
    this.overlay = new Overlay(ground);
    const { element } = this.overlay;
    this.focusable = h(
      "div",
      { className: "asked", tabIndex: 0, role: "application", "aria-roledescription": "grid of patches" },
      element
    );
    this.element = h(
      "figure",
      { className: "large" },
      this.title,
      this.focusable,
      this.leading,
      this.scale
    );
    element.addEventListener("pointermove", (event) => events.pointed(this.overlay.at(event)), { signal });
    element.addEventListener("pointerleave", () => events.pointed(null), { signal });
    element.addEventListener("click", (event) => {
      const patch = this.overlay.at(event);
      if (patch !== null) events.clicked(patch);
    }, { signal });
  }
  grid;
  events;
  element;
  /** Takes the keys that move the patch. */
  focusable;
  overlay;
  title = h("span", { className: "title" });
  note = "";
  leading = h("div", { className: "leading", role: "group", "aria-label": "Tokens before the patches" });
  scale = h("div", { className: "scales" });
  /** Shows a row of attention; `pointed` is the patch whose number is read. */
  draw({ query, weights }, pointed, paint, note) {
    const { grid } = this;
    const ofPatches = weights.subarray(grid.leading);
    const top = strongest(ofPatches, "share", grid.leading);
    this.overlay.show(mapUpTo(ofPatches, top), paint, { query: grid.patchAt(query), pointed });
    this.drawLeading(query, weights);
    this.scale.replaceChildren(scaleElement(paint, scaleOf("share", top, 1 / weights.length)));
    this.title.textContent = grid.titleOf(query);
    this.note = note;
    this.focusable.setAttribute("aria-label", `${this.title.textContent}, ${note}`);
  }
  /** Title and note in one line. */
  get heading() {
    return `${this.title.textContent} · ${this.note}`;
  }
  /** The tokens before the patches: the weights on them, and a way to see what they attend to. */
  drawLeading(query, weights) {
    const { leading } = this.grid;
    if (this.leading.childElementCount === 0) this.leading.append(...this.leadingButtons());
    const name = capitalized(this.grid.nameOf(query));
    [...this.leading.children].forEach((chip, n) => {
      press(chip, leading ? query === n : query === null);
      const weight = leading ? formatNumber(weights[n]) : "";
      chip.lastElementChild.textContent = weight;
      if (leading) chip.title = `${name} attends to it with ${weight}; click to see its attention`;
    });
  }
  leadingButtons() {
    const button = (position, name) => h("button", { type: "button", className: "chip", onclick: () => this.events.chosen(position) }, name, h("span", { className: "number" }));
    if (!this.grid.leading) return [button(null, "all positions")];
    return range(this.grid.leading).map((n) => button(n || null, this.grid.nameOf(n)));
  }
};

// src/patches/map_scores.ts
var MapScores = class {
  constructor(frame, patches, signal) {
    this.frame = frame;
    this.patches = patches;
    this.signal = signal;
  }
  frame;
  patches;
  signal;
  failures = /* @__PURE__ */ new Map();
  requested = /* @__PURE__ */ new Set();
  /** A panel's scores for the chosen class; requested where they are not here. */
  of(name) {
    const { model } = this.frame;
    const [header, bytes] = [model.get("maps")[name], model.get("scores")];
    const isOfTarget = header && (header.target === "" || header.target === model.get("target"));
    if (isOfTarget && bytes.byteLength >= 4 * (header.place + 1) * this.patches) {
      const note = header.target === "" ? header.verdict : `for “${tokenLabel(header.target, 24)}” · ${header.verdict}`;
      return { values: readSingles(bytes, header.place * this.patches, this.patches), kind: header.kind, note };
    }
    this.request(name);
    return null;
  }
  /** Why a panel has no scores. */
  failureOf(name) {
    return this.failures.get(this.keyOf(name));
  }
  /** Lets a panel be requested again. */
  reset(name) {
    this.failures.delete(this.keyOf(name));
    this.requested.delete(this.keyOf(name));
  }
  keyOf(name) {
    return `${name}/${this.frame.model.get("target")}`;
  }
  /** Requests a panel's scores once for each class. */
  request(name) {
    const key = this.keyOf(name);
    if (this.requested.has(key) || this.failures.has(key)) return;
    this.requested.add(key);
    this.frame.request("map", { name }).catch((error) => {
      if (this.signal.aborted) return;
      this.requested.delete(key);
      this.failures.set(key, error.message);
      this.frame.redraw();
    });
  }
};

// src/patches/panels.ts
var MapPanel = class {
  figure;
  overlay;
  title = h("span", { className: "title" });
  value = h("span", { className: "note value" });
  note = h("span", { className: "note" });
  scale = h("div", { className: "scales" });
  waiting = h("div", { className: "waiting", role: "status" });
  constructor(ground, events, signal) {
    this.overlay = new Overlay(ground);
    const { element } = this.overlay;
    element.append(this.waiting);
    element.addEventListener("pointermove", (event) => events.pointed(this.overlay.at(event)), { signal });
    element.addEventListener("pointerleave", () => events.pointed(null), { signal });
    this.figure = h("figure", {}, this.title, element, h("figcaption", {}, this.scale, this.value, this.note));
  }
  draw({ name, how, map, scale, value, note, failure }, pointed, paint) {
    this.title.textContent = methodTitle(name);
    this.title.title = how ?? methodTitle(name);
    this.overlay.show(map, paint, { query: null, pointed });
    this.waiting.hidden = map !== null || name === "image";
    this.waiting.textContent = map ? "" : failure ?? "Computing …";
    this.waiting.classList.toggle("failed", failure !== void 0 && !map);
    this.scale.replaceChildren(...scale && map ? [scaleElement(paint, scale)] : []);
    this.value.textContent = value;
    this.note.textContent = note;
    this.figure.setAttribute("aria-label", [methodTitle(name), note, failure].filter(Boolean).join(", "));
  }
  get words() {
    return { value: this.value.textContent ?? "", note: this.note.textContent ?? "" };
  }
};
var MapPanels = class {
  constructor(ground, events, signal) {
    this.ground = ground;
    this.events = events;
    this.signal = signal;
  }
  ground;
  events;
  signal;
  element = h("div", { className: "beside" });
  panels = /* @__PURE__ */ new Map();
  /** Puts the panels of these names side by side. */
  layOut(names) {
    const figures = names.map((name) => this.panel(name).figure);
    const { children } = this.element;
    if (figures.length !== children.length || figures.some((figure, n) => figure !== children[n]))
      this.element.replaceChildren(...figures);
    this.element.dataset["count"] = String(figures.length);
    this.element.style.setProperty("--panels", String(figures.length));
  }
  panel(name) {
    let panel = this.panels.get(name);
    if (!panel) this.panels.set(name, panel = new MapPanel(this.ground, this.events, this.signal));
    return panel;
  }
  draw(drawings, pointed, paint) {
    for (const drawing of drawings) this.panel(drawing.name).draw(drawing, pointed, paint);
  }
  /** The panels as a saved figure shows them. */
  figures(names, { maps: maps2, own }) {
    return names.map((name) => ({
      title: methodTitle(name),
      map: maps2.get(name) ?? null,
      scale: own.get(name) ?? null,
      ...this.panels.get(name)?.words ?? { value: "", note: "" }
    }));
  }
};

// src/patches/patches.css
var patches_default = '.stage.patches { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: flex-start; overflow: visible; }\n.large { flex: 1 1 300px; max-width: 500px; min-width: 0; }\n.right { flex: 1 1 300px; min-width: 0; }\n.beside { display: grid; grid-template-columns: repeat(auto-fill, minmax(124px, 1fr)); gap: 12px 14px; }\n.beside[data-count="1"], .beside[data-count="2"], .beside[data-count="4"] { grid-template-columns: repeat(auto-fit, minmax(min(200px, 45%), 1fr)); max-width: calc(var(--panels) * 264px); }\n.foot { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; margin-top: 8px; font-size: 12px; }\n.large figcaption, .beside figcaption { display: block; }\nfigure { margin: 0; min-width: 0; }\nfigcaption { margin-top: 5px; }\n.overlay { position: relative; width: 100%; overflow: visible; background: var(--surface); outline: 1px solid var(--line); }\n.overlay > * { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }\n.overlay .heat, .overlay[data-crisp] img { image-rendering: pixelated; }\n.overlay svg { overflow: visible; pointer-events: none; }\n.overlay svg * { fill: none; vector-effect: non-scaling-stroke; }\n.overlay .lines { stroke: var(--grid); stroke-opacity: 0.16; stroke-width: 1; }\n.overlay .query { stroke: var(--query); stroke-width: 2.5; paint-order: stroke; filter: drop-shadow(0 0 1px var(--halo)) drop-shadow(0 0 1px var(--halo)); }\n.overlay .pointed { stroke: var(--key); stroke-width: 1.5; filter: drop-shadow(0 0 1px var(--halo)) drop-shadow(0 0 1px var(--halo)); }\n.asked { position: relative; cursor: crosshair; touch-action: manipulation; outline: none; }\n.asked:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }\n.title { font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; display: block; min-height: 1.4em; }\n.large .title { margin-bottom: 4px; }\n.beside .title { margin-bottom: 3px; font-size: 11.5px; }\n.note { display: block; color: var(--muted); font-size: 11.5px; line-height: 1.35; min-height: 1.35em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }\n.note.failed { color: var(--warning); }\n.waiting { position: absolute; inset: 0; display: grid; place-items: center; text-align: center; padding: 8px; font-size: 12px; color: var(--muted); background: var(--surface); overflow: auto; }\n.waiting.failed { color: var(--warning); }\n.leading { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; margin-top: 7px; min-height: 26px; font-variant-numeric: tabular-nums; }\n.leading .number { color: var(--muted); margin-left: 5px; }\n.leading .number:empty { margin: 0; }\n.leading button[aria-pressed="true"] .number { color: inherit; }\n.scales { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--muted); font-size: 12px; min-height: 18px; }\n.beside .scales:empty { display: none; }\n.large .scales { margin-top: 6px; }\n.large .scale canvas { width: 160px; }\n.scale { display: inline-flex; align-items: center; gap: 6px; font-variant-numeric: tabular-nums; }\n.beside .scale canvas { flex: 1 1 30px; min-width: 0; width: 100%; }\n.beside .scale { width: 100%; font-size: 11px; flex-wrap: wrap; row-gap: 1px; }\n.beside .scale span:last-child { flex-basis: 100%; }\n.scale canvas { width: 72px; height: 10px; border-radius: 2px; background: var(--mat); }\n.chips { display: inline-flex; flex-wrap: wrap; gap: 3px; }\n.chip { min-width: 24px; padding: 0 6px; min-height: 22px; text-align: center; font-variant-numeric: tabular-nums; border-radius: 4px; }\n.play { width: 30px; padding: 2px 0; text-align: center; }\n.count { min-width: 1.6em; text-align: right; font-variant-numeric: tabular-nums; }\nselect.class { max-width: 170px; }\n';

// src/patches/patch_grid.ts
var MOST_NAMED = 3;
var PatchGrid = class {
  constructor(trace) {
    this.trace = trace;
    ({ rows: this.rows, cols: this.cols, leading: this.leading } = trace.patches);
  }
  trace;
  rows;
  cols;
  /** Tokens before the first patch. */
  leading;
  get patches() {
    return this.rows * this.cols;
  }
  /** The image of that size, with the grid over it. */
  ground([height, width]) {
    return { rows: this.rows, cols: this.cols, width, height, image: this.trace.patches.image };
  }
  /** Layers whose positions are the tokens and patches of the image. */
  get layers() {
    const isOfImage = ({ query, key }) => query === "input" && key === "input";
    return range(this.trace.layers.length).filter((n) => isOfImage(this.trace.layers[n]));
  }
  /** The sentence about layers that are omitted; "" where there are none. */
  get omission() {
    const shown = new Set(this.layers);
    const omitted = range(this.trace.layers.length).filter((n) => !shown.has(n));
    if (omitted.length === 0) return "";
    const single = omitted.length === 1;
    const [layers, are, their] = single ? ["Layer", "is", "its"] : ["Layers", "are", "their"];
    return `${layers} ${omitted.join(", ")} ${are} left out: ${their} positions are not the patches. `;
  }
  /** The patch at a position; null for a leading token or none. */
  patchAt(position) {
    return position === null || position < this.leading ? null : position - this.leading;
  }
  coordinates(patch) {
    return `(${Math.floor(patch / this.cols)}, ${patch % this.cols})`;
  }
  nameOf(position) {
    if (position === null) return "all positions";
    const patch = this.patchAt(position);
    if (patch !== null) return `patch ${this.coordinates(patch)}`;
    return tokenLabel(this.trace.tokens.input.text[position] ?? String(position));
  }
  /** What the large picture shows. */
  titleOf(query) {
    return query === null ? "What each patch receives" : `Attention of ${this.nameOf(query)}`;
  }
  /** The positions with the largest weights of a query, in words; null is the mean over all queries. */
  describeRow(query, row) {
    const best = range(row.length).sort((a, b) => row[b] - row[a]).slice(0, MOST_NAMED);
    const named2 = best.map((key) => `${key === query ? "itself" : this.nameOf(key)} ${formatNumber(row[key])}`).join(", ");
    return `${query === null ? "Most is received by" : `${capitalized(this.nameOf(query))} attends to`} ${named2}`;
  }
  /** The position with the largest weight of a query, beside what each would have if all had the same. */
  describeMost(query, row) {
    const best = row.reduce((best2, weight, n) => weight > row[best2] ? n : best2, 0);
    const times = formatNumber(Number((row[best] * row.length).toPrecision(2)));
    const most = `${best === query ? "itself" : this.nameOf(best)}, ${formatNumber(row[best])}, ${times} times uniform attention`;
    return query === null ? `most is received by ${most}` : `${this.nameOf(query)} attends most to ${most}`;
  }
  /** The weight on one patch, in words. */
  describePatch(query, patch, row) {
    const key = this.leading + patch;
    const gets = query === null ? "receives" : `gets from ${query === key ? "itself" : this.nameOf(query)}`;
    return `${capitalized(this.nameOf(key))} ${gets} ${formatNumber(row[key])}`;
  }
  /** The patch next to one, within the grid; from no patch, the one in the middle. */
  neighbour(patch, down, across) {
    if (patch === null) return Math.floor((this.rows - 1) / 2) * this.cols + Math.floor((this.cols - 1) / 2);
    const row = Math.max(0, Math.min(this.rows - 1, Math.floor(patch / this.cols) + down));
    const col = Math.max(0, Math.min(this.cols - 1, patch % this.cols + across));
    return row * this.cols + col;
  }
};
function headsText(heads2, count) {
  if (heads2.length === 1) return count === 1 ? "its only head" : `head ${heads2[0]}`;
  return heads2.length === count ? `mean of ${count} heads` : `mean of heads ${heads2.join(", ")}`;
}
function headsOrAll(heads2, count) {
  const present = heads2.filter((head) => head < count);
  return present.length ? present : range(count);
}
function steppedHeads(heads2, by, count) {
  const next = ((heads2[0] ?? -1) + 1 + by + count + 1) % (count + 1);
  return next === 0 ? [] : [next - 1];
}

// src/patches/playback.ts
var PACE = 750;
var REDUCED_MOTION = "(prefers-reduced-motion: reduce)";
var Playback = class {
  /** `layers` are those that are shown, in order. */
  constructor(frame, layers, signal) {
    this.frame = frame;
    this.layers = layers;
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }
  frame;
  layers;
  playing = false;
  timer;
  /** Whether the system asks for reduced motion: then each press shows the next layer. */
  get stepwise() {
    return globalThis.matchMedia?.(REDUCED_MOTION).matches ?? false;
  }
  /** The place of the shown layer among the layers. */
  get place() {
    return this.layers.indexOf(this.frame.model.get("layer"));
  }
  /** Shows the layer at a place; after the last one follows the first. */
  show(place) {
    this.frame.set({ layer: this.layers[(place + this.layers.length) % this.layers.length] });
  }
  /** Plays, pauses, or shows the next layer. */
  toggle() {
    if (this.layers.length < 2) return;
    if (this.playing) this.halt();
    else {
      this.playing = !this.stepwise;
      this.show(this.place + 1);
    }
    this.frame.redraw();
  }
  /** Stops without drawing. */
  halt() {
    this.playing = false;
    clearTimeout(this.timer);
    this.timer = void 0;
  }
  stop() {
    this.halt();
    this.frame.redraw();
  }
  /** Stops, and shows the layer before or after this one. */
  step(by) {
    this.stop();
    this.show(this.place + by);
  }
  /** Shows the next layer some time after this one was drawn; ends at the last one. */
  continue() {
    if (!this.playing || this.timer !== void 0) return;
    this.timer = setTimeout(() => {
      this.timer = void 0;
      if (this.place === this.layers.length - 1) this.stop();
      else this.show(this.place + 1);
    }, PACE);
  }
};

// src/patches/index.ts
var KEYS = "Point at a patch to see its attention; click keeps it, then pointing reads the numbers. Arrows move the patch, Shift with them reads, [ and ] change the layer, comma and period the head, space plays the layers, Escape goes back.";
var SHOWN = ["layer", "heads", "query", "blend", "panels", "shared", "target", "maps", "scores"];
var PatchesView = class {
  constructor(frame, signal) {
    this.frame = frame;
    this.signal = signal;
    const { model } = frame;
    this.source = new TraceSource(model, signal);
    this.grid = new PatchGrid(this.source.header);
    this.ground = this.grid.ground(model.get("size"));
    this.rows = new AttentionRows(this.source, (name, fields) => frame.request(name, fields));
    this.scores = new MapScores(frame, this.grid.patches, signal);
    this.playback = new Playback(frame, this.grid.layers, signal);
    this.controls = new PatchesControls(frame, this.playback, (name) => this.switchPanel(name));
    this.large = new LargePicture(this.grid, this.ground, {
      pointed: (patch) => this.point(patch, true),
      clicked: (patch) => this.keep(this.grid.leading + patch),
      chosen: (position) => {
        this.point(null, true);
        frame.set({ query: position });
      }
    }, signal);
    this.panels = new MapPanels(this.ground, { pointed: (patch) => this.point(patch, false) }, signal);
    const shared = h("label", { title: "Otherwise each panel is on its own scale" }, this.controls.shared, "one scale for maps of the same unit");
    this.foot = h("div", { className: "foot" }, shared, this.scales);
    this.layOut();
  }
  frame;
  signal;
  source;
  grid;
  ground;
  rows;
  scores;
  playback;
  controls;
  large;
  panels;
  scales = h("span", { className: "scales" });
  foot;
  /** The patch of the large picture that is pointed at, while none is kept: its attention is shown. */
  attending = null;
  /** The patch whose numbers are read. */
  pointed = null;
  current = null;
  /** Counts drawings: the result of a superseded one is discarded. */
  drawings = 0;
  layOut() {
    const { frame, signal } = this;
    frame.stage.classList.add("patches");
    frame.stage.append(this.large.element, h("div", { className: "right" }, this.panels.element, this.foot));
    frame.root.addEventListener("keydown", (event) => this.onKey(event), { signal });
    listen(frame.model, SHOWN, frame.redraw, signal);
  }
  // -- state ----------------------------------------------------------------------------------------------
  get headCount() {
    return this.source.header.layers[this.frame.model.get("layer")].heads;
  }
  get heads() {
    return headsOrAll(this.frame.model.get("heads"), this.headCount);
  }
  /** The position whose attention is shown: pointed at, kept, or the class token; null for the mean over all. */
  get query() {
    const { leading } = this.grid;
    return this.attending !== null ? leading + this.attending : this.frame.model.get("query") ?? (leading ? 0 : null);
  }
  get paint() {
    return new OverlayPaint(this.frame.model.get("blend"), this.frame.dark, this.ground.image !== null);
  }
  get layerText() {
    return `layer ${this.frame.model.get("layer")}, ${headsText(this.heads, this.headCount)}`;
  }
  // -- drawing --------------------------------------------------------------------------------------------
  draw() {
    const names = this.frame.model.get("panels");
    this.controls.draw();
    this.explain();
    this.panels.layOut(names);
    this.foot.hidden = names.length === 0;
    const drawing = ++this.drawings;
    this.drawMaps(names, drawing).then(
      () => {
        if (drawing !== this.drawings) return;
        this.frame.notify("");
        this.playback.continue();
      },
      (error) => {
        if (this.signal.aborted || drawing !== this.drawings) return;
        this.playback.halt();
        this.controls.draw();
        this.frame.notify(error instanceof Error ? error.message : String(error));
      }
    );
  }
  explain() {
    const { grid, frame } = this;
    const query = frame.model.get("query");
    const whose = grid.patchAt(query) !== null ? "the outlined patch" : query === null && !grid.leading ? "every position, on average" : "the class token";
    frame.explain(`${grid.omission}In the large picture: the brighter a patch, the larger the weight on it of ${whose}. Patches are named (row, column), from 0.`, KEYS);
  }
  async drawMaps(names, drawing) {
    const { frame, grid, query } = this;
    const { model } = frame;
    const rowOf = (from) => this.rows.of(model.get("layer"), this.heads, from);
    const [weights, ofClass] = await Promise.all([
      rowOf(query),
      names.includes("attention") ? rowOf(grid.leading ? 0 : null) : null
    ]);
    if (drawing !== this.drawings) return;
    const maps2 = /* @__PURE__ */ new Map();
    for (const name of names) {
      const scores = name === "image" ? null : name === "attention" ? ofClass && this.attentionScores(ofClass) : this.scores.of(name);
      if (scores) maps2.set(name, scores);
    }
    const row = { query, weights };
    this.current = { row, maps: maps2 };
    const [paint, scaled] = [this.paint, scaledMaps(maps2, model.get("shared"), grid.leading)];
    this.large.draw(row, this.pointed, paint, this.layerText);
    const panels = names.map((name) => this.panelDrawing(name, maps2.get(name), scaled));
    this.panels.draw(panels, this.pointed ?? this.attending, paint);
    this.scales.replaceChildren(...scaled.shared.map((scale) => scaleElement(paint, scale)));
    const text2 = this.pointed !== null ? grid.describePatch(query, this.pointed, weights) : this.attending !== null ? grid.describeRow(query, weights) : "";
    frame.say(text2 && `${text2} · ${this.layerText}`);
    if (this.attending === null) frame.title(this.layerText, grid.describeMost(query, weights));
  }
  attentionScores(row) {
    const { leading } = this.grid;
    const note = `${leading ? `of ${this.grid.nameOf(0)}` : "received"}, layer ${this.frame.model.get("layer")}`;
    return { values: row.subarray(leading), kind: "share", note };
  }
  panelDrawing(name, scores, scaled) {
    const [map, scale] = [scaled.maps.get(name) ?? null, scaled.own.get(name) ?? null];
    const how = this.frame.model.get("maps")[name]?.how;
    const failure = this.scores.failureOf(name);
    if (name !== "image") return { name, how, map, scale, value: scores ? this.valueText(scores) : "", note: scores?.note ?? "", failure };
    const { width, height } = this.ground;
    const value = tokenLabel(this.source.header.prediction ?? "as the model sees it");
    return { name, how, map, scale, value, note: `${width} × ${height} pixels`, failure };
  }
  /** The number of the patch that is pointed at, else the largest. */
  valueText(scores) {
    const pointed = this.pointed ?? this.attending;
    const patch = pointed ?? strongestPatch(scores);
    const even = scores.kind === "share" ? `, uniform ${formatNumber(1 / (scores.values.length + this.grid.leading))}` : "";
    return `${pointed === null ? "most " : ""}${this.grid.coordinates(patch)}: ${scoreText(scores, patch)}${even}`;
  }
  figure() {
    const { frame, grid } = this;
    const { model } = frame;
    const { query } = this;
    return {
      picture: this.svg(),
      title: `${this.large.heading}: ${grid.describeRow(query, this.current?.row.weights ?? new Float32Array(grid.patches + grid.leading))}`,
      subtitle: [traceTitle(this.source.header), model.get("trace").prediction].filter(Boolean).join(" · "),
      caption: "The brighter a patch, the larger the weight on it, on a square-root scale.",
      file: ["patches", "layer", model.get("layer"), "head", this.heads.length === this.headCount ? "mean" : this.heads.join("-"), query ?? "mean"].join("-")
    };
  }
  svg() {
    const { frame, grid, current } = this;
    const scaled = scaledMaps(current?.maps ?? /* @__PURE__ */ new Map(), frame.model.get("shared"), grid.leading);
    const ofPatches = current?.row.weights.subarray(grid.leading) ?? new Float32Array(grid.patches);
    const top = strongest(ofPatches, "share", grid.leading);
    return figureSvg({
      ground: this.ground,
      paint: this.paint,
      roles: frame.roles,
      large: { map: mapUpTo(ofPatches, top), query: grid.patchAt(this.query), scale: scaleOf("share", top, 1 / (grid.patches + grid.leading)) },
      panels: this.panels.figures(frame.model.get("panels"), scaled),
      scales: scaled.shared
    });
  }
  // -- what the user does ---------------------------------------------------------------------------------
  /** A patch under the pointer: on the large picture its attention is shown, unless a patch is kept; elsewhere its numbers are read. */
  point(patch, onLarge) {
    const [attending, pointed] = onLarge && this.frame.model.get("query") === null ? [patch, null] : [null, patch];
    if (attending === this.attending && pointed === this.pointed) return;
    [this.attending, this.pointed] = [attending, pointed];
    this.frame.redraw();
  }
  /** Keeps a position, or releases it where it was kept. */
  keep(position) {
    this.point(null, true);
    this.frame.set({ query: this.frame.model.get("query") === position ? null : position });
  }
  switchPanel(name) {
    const { model } = this.frame;
    this.scores.reset(name);
    const panels = new Set(model.get("panels"));
    if (!panels.delete(name)) panels.add(name);
    this.frame.set({ panels: model.get("offered").filter((other) => panels.has(other)) });
  }
  /** Moves the patch that attends, or the one whose numbers are read. */
  move(down, across, reads) {
    const { grid, frame } = this;
    const from = reads ? this.pointed : grid.patchAt(frame.model.get("query")) ?? this.attending;
    const patch = grid.neighbour(from, down, across);
    this.attending = null;
    this.pointed = reads ? patch : null;
    if (!reads) frame.set({ query: grid.leading + patch });
    frame.redraw();
  }
  onKey(event) {
    if (event.target instanceof HTMLSelectElement) return;
    const inPicture = event.target === this.large.focusable;
    runKey(event, { ...this.keys, ...inPicture ? this.keysOfPicture(event.shiftKey) : {} });
  }
  get keys() {
    const { frame, playback } = this;
    const stepHead = (by) => frame.set({ heads: steppedHeads(frame.model.get("heads"), by, this.headCount) });
    return {
      "[": () => playback.step(-1),
      "]": () => playback.step(1),
      ",": () => stepHead(-1),
      ".": () => stepHead(1),
      Escape: () => {
        playback.stop();
        this.point(null, true);
        frame.set({ query: null });
      }
    };
  }
  keysOfPicture(reads) {
    return {
      ArrowUp: () => this.move(-1, 0, reads),
      ArrowDown: () => this.move(1, 0, reads),
      ArrowLeft: () => this.move(0, -1, reads),
      ArrowRight: () => this.move(0, 1, reads),
      " ": () => this.playback.toggle()
    };
  }
};
function patchesContent(frame) {
  let ending = new AbortController();
  frame.signal.addEventListener("abort", () => ending.abort());
  let patches = new PatchesView(frame, ending.signal);
  listen(frame.model, ["trace"], () => {
    ending.abort();
    ending = new AbortController();
    frame.bar.replaceChildren();
    frame.stage.replaceChildren();
    patches = new PatchesView(frame, ending.signal);
    frame.redraw();
  }, frame.signal);
  return { draw: () => patches.draw(), figure: () => patches.figure() };
}
var index_default = view("Patches", patches_default, patchesContent);
export {
  index_default as default
};
