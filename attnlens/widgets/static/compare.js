// Generated from widgets/src/compare/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

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
var inks = { on_dark: "#ffffff", on_light: "#000000" };

// src/drawing/palette.ts
function rolesOf(isDark) {
  return isDark ? dark : light;
}
function stopsOf(map, isDark) {
  return maps[map][isDark ? "dark" : "light"];
}
var INKS = inks;
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
var attentionRamp = (dark2) => ramp("attention", dark2);
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
function weightColours(options2, top) {
  const { log, threshold, signed } = options2;
  const magnitude = intensityScale(top, log);
  const share = signed ? (weight) => (1 + Math.sign(weight) * magnitude(Math.abs(weight))) / 2 : magnitude;
  const ramp2 = signed ? (share2) => options2.ramp(2 * share2 - 1) : options2.ramp;
  return { name: [log, threshold, top, ramp2(0), ramp2(1)].join(), ramp: ramp2, share, threshold, top, log, signed };
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
function range(count) {
  return [...Array(count).keys()];
}

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
var WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
var MARK = /[\p{Mn}\p{Me}\u200d]|\p{Emoji_Modifier}/u;
var FLAG = /\p{Regional_Indicator}/u;
function lettersWide(text) {
  return [...text].reduce((sum, letter) => sum + (MARK.test(letter) ? 0 : FLAG.test(letter) ? 1 : WIDE.test(letter) ? 2 : 1), 0);
}

// src/drawing/axis_labels.ts
var LABEL_HEIGHT = 12;
var LETTER_WIDTH = 6.7;
var MOST_LETTERS = 15;
var MANY = 1024;
function labelRoom(tokens) {
  const letters = tokens.length > MANY ? [MOST_LETTERS] : tokens.map((text) => lettersWide(tokenLabel(text, MOST_LETTERS)));
  return LETTER_WIDTH * Math.min(MOST_LETTERS, Math.max(0, ...letters));
}
function axisLabels({ tokens, positions, start, cell, size, marked, room }) {
  const step = Math.max(1, Math.ceil(LABEL_HEIGHT / cell));
  const special = new Set(tokens.special);
  const letters = Math.min(MOST_LETTERS, Math.floor(room / LETTER_WIDTH));
  const out = [];
  const add = (n) => {
    const offset = (n - start + 0.5) * cell;
    if (n >= positions.length || offset < 0 || offset > size) return;
    const position = positions[n];
    out.push({ offset, text: tokenLabel(tokens.text[position], letters), special: special.has(position), marked: n === marked });
  };
  for (let n = Math.max(0, Math.ceil((start - 0.5) / step)) * step; n <= start + size / cell; n += step)
    if (marked < 0 || Math.abs(n - marked) >= step) add(n);
  if (marked >= 0) add(marked);
  return out;
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

// src/drawing/number_format.ts
var READS_ZERO = 5e-3;
function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
function formatTick(value) {
  return formatNumber(value).replace(/^-/, "−");
}
function formatColumn(value, most, isSigned) {
  if (!Number.isFinite(value)) return "–";
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most || 1))));
  const text = Math.abs(value).toFixed(decimals);
  return isSigned && Number(text) !== 0 ? `${value > 0 ? "+" : "−"}${text}` : text;
}

// src/drawing/legend.ts
var LONGEST2 = 160;
var BANDS = 32;
var LETTERS_APART = 11;
function legendTicks({ top, log, signed, share }, length) {
  const logarithmic = [top, 0.1, 0.01, 1e-3].filter((weight) => weight <= top);
  const weights = signed ? [top, 0, -top] : log ? logarithmic : [top, top / 2, 0];
  const out = [];
  for (const weight of weights) {
    const y = (1 - share(weight)) * (length - 1);
    if (y - (out.at(-1)?.y ?? -Infinity) > LETTERS_APART) out.push({ y, text: formatTick(weight) });
  }
  return out;
}
function paintLegend(context, colours, x, y, room, { ink, name, muted }) {
  const length = Math.min(room, LONGEST2);
  for (let line = 0; line < length; line++) {
    context.fillStyle = colours.ramp(1 - line / (length - 1));
    context.fillRect(x, y + line, 12, 1.5);
  }
  context.fillStyle = ink;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const ticks = legendTicks(colours, length);
  for (const tick of ticks) context.fillText(tick.text, x + 17, y + tick.y);
  if (!hasName(length, name)) return;
  context.save();
  context.translate(x + nameOffset(ticks), y + length / 2);
  context.rotate(Math.PI / 2);
  context.fillStyle = muted;
  context.textAlign = "center";
  context.fillText(name, 0, 0);
  context.restore();
}
var LETTER = 6.2;
function hasName(length, name) {
  return name !== "" && length >= LETTER * name.length;
}
function nameOffset(ticks) {
  return 17 + 6 * Math.max(...ticks.map(({ text }) => text.length)) + 8;
}
function legendSvg(colours, x, y, room, { name, muted }) {
  const length = Math.min(room, LONGEST2);
  const high = length / BANDS;
  const bands = Array.from({ length: BANDS }, (_, n) => `<rect x="${x}" y="${y + n * high}" width="12" height="${high + 0.3}" fill="${colours.ramp(1 - n / (BANDS - 1))}"/>`);
  const ticks = legendTicks(colours, length);
  const texts = ticks.map((tick) => `<text x="${x + 17}" y="${y + tick.y}" dominant-baseline="middle">${tick.text}</text>`);
  const title = `<text transform="translate(${x + nameOffset(ticks)} ${y + length / 2}) rotate(90)" dominant-baseline="middle" text-anchor="middle" font-family="sans-serif" fill="${muted}">${name}</text>`;
  return [...bands, ...texts, ...hasName(length, name) ? [title] : []].join("");
}

// src/drawing/svg.ts
var [EDGE, NARROWEST] = [14, 460];
var TITLE = { size: 15, line: 20, letter: 9 };
var SMALL = { size: 12, line: 16, letter: 6.2 };
function escapeXml(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "�");
}
function figureDocument({ picture, title, subtitle, caption }, { background, text, muted }) {
  const width = Math.max(picture.width + 2 * EDGE, NARROWEST);
  const parts = [];
  let y = EDGE;
  const write = (content, { size, line, letter }, style) => {
    for (const words of wrapped(content, Math.floor((width - 2 * EDGE) / letter))) {
      parts.push(`<text x="${EDGE}" y="${y + size}" font-size="${size}" ${style}>${escapeXml(words)}</text>`);
      y += line;
    }
  };
  write(title, TITLE, `font-weight="bold" fill="${text}"`);
  write(subtitle, SMALL, `fill="${muted}"`);
  parts.push(svgInset(picture, (width - picture.width) / 2, y += 8));
  y += picture.height + 4;
  write(caption, SMALL, `fill="${muted}"`);
  const height = Math.ceil(y + EDGE);
  const attributes = 'font-family="system-ui, sans-serif"';
  const body = `<rect width="100%" height="100%" fill="${background}"/>${parts.join("")}`;
  return { width, height, attributes, body, document: svgElement(body, width, height, attributes) };
}
function wrapped(text, letters) {
  const lines = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
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

// src/drawing/tile_cache.ts
var MOST_TILES = 400;
function within({ first, end }, index) {
  return index >= first && index < end;
}
var TileCache = class {
  constructor(rows, cols, requestTile, events) {
    this.requestTile = requestTile;
    this.events = events;
    this.coarsest = coarsestLevel(rows, cols);
  }
  requestTile;
  events;
  /** The level at which the matrix is one tile. */
  coarsest;
  tiles = /* @__PURE__ */ new Map();
  pending = /* @__PURE__ */ new Set();
  largest = /* @__PURE__ */ new Map();
  /** Stops reporting events. */
  close() {
    this.events = null;
  }
  at(level, row, col) {
    const key = `${level}/${row}/${col}`;
    const cached2 = this.tiles.get(key);
    if (cached2) {
      this.tiles.delete(key);
      this.tiles.set(key, cached2);
    }
    return cached2;
  }
  /** The largest magnitude among the tiles of a level; at the coarsest level that of the matrix. 0 until one arrived. */
  largestWeight(level = this.coarsest) {
    return this.largest.get(level) ?? 0;
  }
  /** Requests a tile unless it is here. One that is under way is requested again, since it is needed sooner than others. */
  request(level, row, col) {
    const key = `${level}/${row}/${col}`;
    if (this.tiles.has(key)) return;
    const tile = this.requestTile(level, row, col);
    if (this.pending.has(key)) return void tile.catch(() => {
    });
    this.pending.add(key);
    this.events?.pending(this.pending.size);
    tile.then(
      (tile2) => {
        this.hold(key, tile2);
        this.largest.set(level, Math.max(this.largestWeight(level), largestMagnitude(tile2.weights)));
        this.ended(key);
        this.events?.arrived(level);
      },
      (error) => {
        this.ended(key);
        if (error.name !== "AbortError") this.events?.failed(error);
      }
    );
  }
  /** Only these tiles, and the coarsest, count as under way; others may come later. */
  see(level, rows, cols) {
    const isSeen = (key) => {
      const [at, row, col] = key.split("/").map(Number);
      return at === this.coarsest || at === level && within(rows, row) && within(cols, col);
    };
    [...this.pending].filter((key) => !isSeen(key)).forEach((key) => this.ended(key));
  }
  ended(key) {
    if (this.pending.delete(key)) this.events?.pending(this.pending.size);
  }
  /** Drops the tiles that were not looked at for the longest time. */
  hold(key, tile) {
    this.tiles.set(key, { tile, picture: null, colours: "" });
    for (const oldest of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) return;
      if (oldest !== `${this.coarsest}/0/0`) this.tiles.delete(oldest);
    }
  }
  /** A single weight; null where its tile is not here. */
  weight(row, col) {
    const tile = this.at(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE))?.tile;
    return tile ? tile.weights[row % TILE_SIDE * tile.cols + col % TILE_SIDE] : null;
  }
  /** The pooled weight of a cell at that level, or at the next coarser one that is here. */
  pooledWeight(level, row, col) {
    for (let up = Math.max(1, level); up <= this.coarsest; up++) {
      const [down, across] = [row >> up, col >> up];
      const tile = this.at(up, Math.floor(down / TILE_SIDE), Math.floor(across / TILE_SIDE))?.tile;
      if (tile) return { weight: tile.weights[down % TILE_SIDE * tile.cols + across % TILE_SIDE], size: 2 ** up };
    }
    return null;
  }
};
function tilePicture(cached2, { name, ramp: ramp2, share, threshold }) {
  if (cached2.picture && cached2.colours === name) return cached2.picture;
  const { rows, cols, weights } = cached2.tile;
  const canvas = h("canvas", { width: cols, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(cols, rows);
  const colours = new Uint32Array(rampTable(ramp2).buffer);
  const pixels = new Uint32Array(image.data.buffer);
  const zero = Math.round(255 * share(0));
  for (let n = 0; n < weights.length; n++) {
    const weight = weights[n];
    pixels[n] = colours[Math.abs(weight) < threshold ? zero : Math.round(255 * share(weight))];
  }
  context.putImageData(image, 0, 0);
  cached2.colours = name;
  return cached2.picture = canvas;
}

// src/drawing/matrix_painter.ts
var LEAN = Math.PI / 3;
var NO_ROOM = 20;
var THIN_CELL = 5;
var ROOMY_CELL = 22;
var numberSize = (cell) => Math.min(12, Math.floor(cell * 0.4));
var AXIS_NAME = 18;
var NAMED_PLOT = 100;
var FONT = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
function paintMatrix(context, scene) {
  const { drawing, viewport, tiles, margins, colours } = scene;
  const { width, height } = viewport;
  context.save();
  context.translate(margins.left, margins.top);
  context.beginPath();
  context.rect(0, 0, width, height);
  context.clip();
  context.fillStyle = drawing.ramp(0);
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  tiles.request(tiles.coarsest, 0, 0);
  if (tiles.at(tiles.coarsest, 0, 0)) paintTiles(context, scene);
  paintNumbers(context, scene);
  paintCross(context, scene);
  context.restore();
  context.strokeStyle = drawing.roles.muted;
  context.globalAlpha = 0.5;
  context.lineWidth = 1;
  context.strokeRect(margins.left - 0.5, margins.top - 0.5, width + 1, height + 1);
  context.globalAlpha = 1;
  paintLabels(context, scene);
  paintAxisNames(context, scene);
  if (hasLegend(scene)) paintLegend(context, colours, margins.left + width + 16, margins.top, height, legendStyle(drawing));
}
function legendStyle({ roles, signed }) {
  return { ink: roles.text, muted: roles.muted, name: signed ? "weight, b − a" : "attention weight" };
}
function hasLegend({ margins, colours }) {
  return colours.top > 0 && margins.legend > NO_ROOM;
}
function paintTiles(context, scene) {
  const { rows, cols } = scene.viewport.tilesInSight(scene.level);
  scene.tiles.see(scene.level, rows, cols);
  for (let row = rows.first; row < rows.end; row++)
    for (let col = cols.first; col < cols.end; col++) {
      scene.tiles.request(scene.level, row, col);
      paintTile(context, scene, row, col);
    }
}
function paintTile(context, { viewport, tiles, level, colours }, row, col) {
  const { sight } = viewport;
  const x = (col * (TILE_SIDE << level) - sight.x) * sight.cell;
  const y = (row * (TILE_SIDE << level) - sight.y) * sight.cell;
  for (let up = 0; level + up <= tiles.coarsest; up++) {
    const cached2 = tiles.at(level + up, row >> up, col >> up);
    if (!cached2) continue;
    const side = TILE_SIDE >> up;
    const [left, above] = [(col - (col >> up << up)) * side, (row - (row >> up << up)) * side];
    const [wide, high] = [Math.min(side, cached2.tile.cols - left), Math.min(side, cached2.tile.rows - above)];
    if (wide < 1 || high < 1) return;
    const pixels = sight.cell * 2 ** (level + up);
    context.drawImage(tilePicture(cached2, colours), left, above, wide, high, x, y, wide * pixels, high * pixels);
    return;
  }
}
function paintNumbers(context, scene) {
  context.font = `${numberSize(scene.viewport.sight.cell)}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { text, ink, x, y } of cellNumbers(scene)) {
    context.fillStyle = ink;
    context.fillText(text, x, y);
  }
}
function cellNumbers({ drawing, viewport, tiles, colours }) {
  const { sight } = viewport;
  if (sight.cell < ROOMY_CELL) return [];
  const { rows, cols } = viewport.cellsInSight;
  const out = [];
  for (let row = rows.first; row < rows.end; row++)
    for (let col = cols.first; col < cols.end; col++) {
      const weight = tiles.weight(row, col);
      if (weight === null || Math.abs(weight) < Math.max(drawing.threshold, READS_ZERO)) continue;
      const ink = inkOn(colours.ramp(colours.share(weight)));
      const text = weight.toFixed(2).replace(/^(-?)0/, "$1").replace("-", "−");
      out.push({ text, ink, x: (col + 0.5 - sight.x) * sight.cell, y: (row + 0.5 - sight.y) * sight.cell });
    }
  return out;
}
function markedCell({ drawing, pointed }) {
  return {
    row: pointed?.row ?? drawing.rows.indexOf(drawing.selected.query ?? -1),
    col: pointed?.col ?? drawing.cols.indexOf(drawing.selected.key ?? -1)
  };
}
function paintCross(context, scene) {
  context.strokeStyle = scene.drawing.roles.selection;
  context.lineWidth = scene.viewport.sight.cell < THIN_CELL ? 1 : 1.5;
  for (const [x, y, width, height] of crossBoxes(scene)) context.strokeRect(x, y, width, height);
}
function crossBoxes(scene) {
  const { sight, width, height } = scene.viewport;
  const { row, col } = markedCell(scene);
  const [inset, thick] = sight.cell < THIN_CELL ? [0.5, 0] : [0, sight.cell];
  return [
    ...row >= 0 ? [[-2, (row + inset - sight.y) * sight.cell, width + 4, thick]] : [],
    ...col >= 0 ? [[(col + inset - sight.x) * sight.cell, -2, thick, height + 4]] : []
  ];
}
function crossSvg(scene) {
  const { left, top } = scene.margins;
  const { width, height } = scene.viewport;
  const boxes = crossBoxes(scene).map(([x, y, wide, high]) => `<rect x="${x}" y="${y}" width="${wide}" height="${high}" fill="none" stroke="${scene.drawing.roles.selection}" stroke-width="1.5"/>`);
  return boxes.length ? [`<svg x="${left}" y="${top}" width="${width}" height="${height}">${boxes.join("")}</svg>`] : [];
}
function labelMargins(queries, keys) {
  return { left: Math.ceil(12 + AXIS_NAME + labelRoom(queries)), top: Math.ceil(12 + AXIS_NAME + labelRoom(keys) * Math.sin(LEAN)) };
}
function axisNames(scene) {
  const { left, top } = scene.margins;
  const { width, height } = scene.viewport;
  const labels = placedLabels(scene);
  const longest = (turned) => Math.max(0, ...labels.filter((label) => label.turned === turned).map(({ text, room }) => Math.min(room, lettersWide(text) * LETTER_WIDTH)));
  const [x, y] = [left - 6 - longest(false) - 12, top - 6 - longest(true) * Math.sin(LEAN) - 14];
  return [
    ...left > NO_ROOM + AXIS_NAME && height >= NAMED_PLOT ? [{ text: "query", x: Math.max(10, x), y: top + height / 2, turned: true }] : [],
    ...top > NO_ROOM + AXIS_NAME ? [{ text: "key", x: left + width / 2, y: Math.max(10, y), turned: false }] : []
  ];
}
function paintAxisNames(context, scene) {
  context.fillStyle = scene.drawing.roles.muted;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { text, x, y, turned } of axisNames(scene)) {
    context.save();
    context.translate(x, y);
    if (turned) context.rotate(-Math.PI / 2);
    context.fillText(text, 0, 0);
    context.restore();
  }
}
function paintLabels(context, scene) {
  const { roles } = scene.drawing;
  for (const { x, y, turned, text, special, marked, room } of placedLabels(scene)) {
    context.save();
    context.translate(x, y);
    if (turned) context.rotate(-LEAN);
    context.textAlign = turned ? "left" : "right";
    context.textBaseline = "middle";
    context.font = `${marked ? "bold " : ""}11px ${FONT}`;
    context.fillStyle = special && !marked ? roles.muted : roles.text;
    context.fillText(text, 0, 0, room);
    context.restore();
  }
}
function placedLabels(scene) {
  const { queries, keys, rows, cols } = scene.drawing;
  const { left, top } = scene.margins;
  const { sight, width, height } = scene.viewport;
  const { row, col } = markedCell(scene);
  const [beside, above] = [left - 10 - AXIS_NAME, (top - 10 - AXIS_NAME) / Math.sin(LEAN)];
  const side = { cell: sight.cell };
  const down = axisLabels({ ...side, tokens: queries, positions: rows, start: sight.y, size: height, marked: row, room: beside });
  const across = axisLabels({ ...side, tokens: keys, positions: cols, start: sight.x, size: width, marked: col, room: above });
  return [
    ...left > NO_ROOM ? down.map((label) => ({ ...label, turned: false, x: left - 6, y: top + label.offset, room: beside })) : [],
    ...across.map((label) => ({ ...label, turned: true, x: left + label.offset, y: top - 6, room: above }))
  ];
}
function matrixSvg(scene, legendRoom) {
  const { drawing, viewport, margins, colours } = scene;
  const { width: wide, height: high } = viewport;
  const legend = hasLegend(scene);
  const canvas = h("canvas");
  const context = canvasContext(canvas, wide, high);
  context.imageSmoothingEnabled = false;
  paintTiles(context, scene);
  const place = `x="${margins.left}" y="${margins.top}" width="${wide}" height="${high}"`;
  const texts = placedLabels(scene).map(({ x, y, turned, text, marked, room }) => {
    const [turn, anchor] = turned ? [" rotate(-60)", "start"] : ["", "end"];
    const fit = lettersWide(text) * LETTER_WIDTH > room ? ` textLength="${room.toFixed(1)}" lengthAdjust="spacingAndGlyphs"` : "";
    const style = `${marked ? ` font-weight="bold"` : ""}${fit}`;
    return `<text transform="translate(${x} ${y})${turn}" dominant-baseline="middle" text-anchor="${anchor}"${style}>${escapeXml(text)}</text>`;
  });
  const names = axisNames(scene).map(({ text, x, y, turned }) => `<text transform="translate(${x} ${y})${turned ? " rotate(-90)" : ""}" dominant-baseline="middle" text-anchor="middle" font-family="sans-serif" font-size="12">${text}</text>`);
  const numbers = cellNumbers(scene).map(({ text, ink, x, y }) => `<text x="${margins.left + x}" y="${margins.top + y}" dominant-baseline="middle" text-anchor="middle" font-family="sans-serif" font-size="${numberSize(viewport.sight.cell)}" fill="${ink}">${text}</text>`);
  return {
    width: margins.left + wide + (legend ? legendRoom : margins.top / 2),
    height: margins.top + high + 10,
    attributes: `font-family="monospace" font-size="11" fill="${drawing.roles.text}"`,
    body: `<image ${place} style="image-rendering:pixelated" href="${canvas.toDataURL()}"/><rect ${place} fill="none" stroke="${drawing.roles.text}" stroke-opacity="0.4"/>${[...texts, ...names, ...numbers, ...crossSvg(scene)].join("")}${legend ? legendSvg(colours, margins.left + wide + 16, margins.top, high, legendStyle(drawing)) : ""}`
  };
}

// src/drawing/titles.ts
var MOST_WORDS = 40;
function capitalized(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
function traceTitle({ model, tokens, patches }) {
  const words = tokens.input.text.filter((_, n) => !tokens.input.special.includes(n));
  const text = patches ? `an image of ${patches.rows} × ${patches.cols} patches` : words.slice(0, MOST_WORDS).map((word) => tokenLabel(word)).join(" ");
  return [model, `${text}${!patches && words.length > MOST_WORDS ? " …" : ""}`].filter(Boolean).join(" · ");
}
function layerTitle({ layers, stacks }, number) {
  const { kind } = layers[number];
  const of = stacks[number] || (kind === "self" ? "" : kind);
  return of ? `${number} (${of})` : String(number);
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
function quoted(tokens, position) {
  if (tokens.leading !== void 0 && position >= tokens.leading) return `patch (${tokens.text[position].replace(",", ", ")})`;
  return `“${tokenLabel(tokens.text[position] ?? "?")}”`;
}

// src/factors/head_tiles.ts
var DIRECT = 3;
var BACKGROUND = 2048;
var MOST_TILES2 = 400;
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
    if (level >= this.background || this.settled.size <= MOST_TILES2) return;
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
var MOST_TILES3 = 400;
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
    return cached(this.tiles, name, MOST_TILES3, () => this.cutter(selection).then((cut) => cut(level, row, col)));
  }
  /** Coarse tiles are requested, finer ones computed here where that can be; in a report also coarse ones that it lacks. */
  async remoteTile(selection, level, row, col) {
    const { queries, keys } = this.header.layers[selection.layer];
    const requested = () => cached(this.tiles, `${level}/${row}/${col}/${JSON.stringify(selection)}`, MOST_TILES3, () => this.requestTile(selection, level, row, col));
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
function suppressShortcuts(element, signal) {
  globalThis.addEventListener("keydown", (event) => {
    if (!event.composedPath().includes(element)) return;
    const runsCell = event.shiftKey && event.key === "Enter";
    element.toggleAttribute(NO_SHORTCUTS, !(hasModifier(event) || runsCell));
  }, { capture: true, signal });
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
  say(text) {
    this.readout.textContent = text;
  }
  /** Shows what is seen, and what that says; "" shows nothing. */
  title(name, said = "") {
    this.headline.hidden = name === "";
    this.headline.replaceChildren(h("b", {}, capitalized(name)), said ? `: ${said}` : "");
  }
  /** Shows how to read the picture; a button shows how to move in it by mouse and keys. */
  explain(text, shortcuts = "") {
    this.explanation.textContent = text;
    this.shortcuts.textContent = shortcuts;
    this.shortcutsButton.hidden = shortcuts === "";
  }
  switchShortcuts() {
    this.shortcuts.hidden = !this.shortcuts.hidden;
    this.shortcutsButton.setAttribute("aria-expanded", String(!this.shortcuts.hidden));
  }
  /** Shows a lasting message: an error, a note, or work in progress, which takes no room; "" removes it. */
  notify(text, kind = "error") {
    this.notice.hidden = text === "";
    this.notice.textContent = text;
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

// src/compare/alignment.ts
var Alignment = class {
  /** Positions of a and b, in order. */
  pairs;
  toB;
  toA;
  constructor(bytes) {
    this.pairs = Array.from({ length: bytes.byteLength / 8 }, (_, n) => [bytes.getInt32(8 * n, true), bytes.getInt32(8 * n + 4, true)]);
    this.toB = new Map(this.pairs);
    this.toA = new Map(this.pairs.map(([a, b]) => [b, a]));
  }
  /** The position of b beside one of a. */
  ofB(a) {
    return this.toB.get(a);
  }
  /** The position of a beside one of b. */
  ofA(b) {
    return this.toA.get(b);
  }
  /** Positions of a that have a counterpart: the rows and columns of the difference. */
  get shared() {
    return this.pairs.map(([a]) => a);
  }
  /** Whether every token of a and of b stands beside the token of the same position. */
  isParallel(tokensOfA, tokensOfB) {
    return tokensOfA === tokensOfB && this.pairs.length === tokensOfA && this.pairs.every(([a, b]) => a === b);
  }
  /** A cell of one panel in both traces. */
  both(panel, query, key) {
    const cell = { query, key };
    if (panel === "b") return { a: { query: this.ofA(query), key: this.ofA(key) }, b: cell };
    return { a: cell, b: { query: this.ofB(query), key: this.ofB(key) } };
  }
  /** Row and column of a cell of a within the difference; null where it is not there. */
  inDifference({ query, key }) {
    const at = (position) => this.pairs.findIndex(([a]) => a === position);
    const [row, col] = [at(query), at(key)];
    return row < 0 || col < 0 ? null : { row, col };
  }
  /** The cell of a that changes most, with both weights; null where nothing is shared. */
  largestChange(a, b, keys) {
    let most = null, distance2 = -1;
    for (const [i, k] of this.pairs)
      for (const [j, l] of this.pairs) {
        const [from, to] = [a[i * keys.a + j], b[k * keys.b + l]];
        if (Math.abs(to - from) > distance2) [most, distance2] = [{ query: i, key: j, a: from, b: to }, Math.abs(to - from)];
      }
    return most;
  }
  /** Tiles of b minus a over the shared positions; `keys` are the columns of both matrices. */
  difference(a, b, keys) {
    const { length } = this.pairs;
    const out = new Float32Array(length ** 2);
    this.pairs.forEach(([i, k], n) => this.pairs.forEach(([j, l], m) => {
      out[n * length + m] = b[k * keys.b + l] - a[i * keys.a + j];
    }));
    return tileCutter(out, length, length, "max");
  }
};
function subtractTiles(a, b) {
  return { ...a, weights: a.weights.map((weight, n) => b.weights[n] - weight) };
}
function sameAxes(a, b) {
  return a.query === b.query && a.key === b.key && a.queries === b.queries && a.keys === b.keys;
}

// src/compare/compare.css
var compare_default = '.top { display: flex; flex-wrap: wrap; gap: 10px 24px; justify-content: space-between; align-items: flex-start; }\n.top > * { max-width: 100%; }\n.top > div:last-child { overflow-x: auto; }\n.sides { flex: 1 1 240px; min-width: 0; }\n.side { margin: 0 0 8px; padding-left: 18px; position: relative; line-height: 1.5; overflow-wrap: anywhere; }\n.side > b { position: absolute; left: 0; }\n.side .text { font-size: 14px; unicode-bidi: isolate; }\n.side mark { background: none; color: inherit; font-weight: 600; text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px; }\n.side .facts { display: block; color: var(--muted); font-size: 12px; }\n.side .facts b { color: var(--text); }\n.scores { flex: 1 1 280px; max-width: 480px; min-width: 0; font-size: 12px; }\n.scores p { margin: 6px 0; }\n.top .scores p { margin-top: 0; }\n.scores .rows { max-height: 440px; overflow-y: auto; }\n.scores table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n.scores th { font-weight: normal; text-align: right; padding: 2px 6px; color: var(--muted); }\n.scores th[scope="row"] { font-family: var(--mono); color: var(--text); text-align: right; unicode-bidi: isolate; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; max-width: 190px; }\n.scores td { text-align: right; padding: 2px 6px; }\n.scores td:last-child { width: 45%; white-space: nowrap; }\n.scores th:last-child { text-align: left; }\n.scores .number { display: inline-block; width: 56px; text-align: right; margin-right: 8px; vertical-align: middle; }\n.change { display: inline-block; width: calc(100% - 68px); vertical-align: middle; position: relative; height: 12px; background: linear-gradient(var(--line), var(--line)) 50% 0 / 1px 100% no-repeat; }\n.change i { position: absolute; top: 1px; bottom: 1px; background: var(--for); }\n.change.against i { background: var(--against); }\n.panels { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; margin-top: 8px; }\n.panels[data-across="2"] { display: grid; grid-template-columns: max-content 1fr; }\n.panels figure { margin: 0; }\n.panels figcaption { font-size: 12px; color: var(--muted); display: flex; gap: 6px; align-items: center; min-height: 28px; }\n.panels figcaption b { color: var(--text); }\n.panels select { min-height: 22px; padding: 0 4px; }\n.distances { display: grid; gap: 2px; width: max-content; align-items: center; }\n.distances .axis { color: var(--muted); font-size: 10px; text-align: center; font-variant-numeric: tabular-nums; }\n.legend + .distances { margin-top: 4px; }\n.distances button { width: 24px; height: 18px; min-height: 0; padding: 0; border-radius: 2px; border-color: transparent; }\n.distances button[aria-selected="true"] { outline: 2px solid var(--text); outline-offset: 1px; }\n@media (forced-colors: active) { .distances button { forced-color-adjust: none; } }\n@media print {\n  .panels, .top { break-inside: avoid; }\n}\n';

// src/ui/controls.ts
function checkbox(act) {
  const box = h("input", { type: "checkbox", onchange: () => act(box.checked) });
  return box;
}
function options(entries) {
  return entries.map(([value, text]) => h("option", { value }, text));
}
function select(label, entries, act) {
  const list = h("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options(entries));
  return list;
}
function fillNumbers(list, count) {
  if (list.childElementCount !== count) list.replaceChildren(...options(range(count).map((n) => [String(n), String(n)])));
}
function zoomButtons(target) {
  const titled = (title, text, act) => h("button", { type: "button", title, onclick: act }, text);
  return h(
    "span",
    { className: "segments" },
    titled("Zoom in", "+", () => target().zoom(1.6)),
    titled("Zoom out", "−", () => target().zoom(1 / 1.6)),
    titled("Show all", "all", () => target().fit())
  );
}

// src/compare/controls.ts
var HEAD_TRAITS = { a: ["layer", "head"], b: ["other_layer", "other_head"] };
var CompareControls = class {
  constructor(frame, change, matrix) {
    this.frame = frame;
    const { model } = frame;
    const list = (trait, trace) => select(
      trait.replace("_", " "),
      (trace?.layers ?? []).map((_, n) => [String(n), layerTitle(trace, n)]),
      (value) => change(trait, Number(value))
    );
    this.log = checkbox((log) => frame.set({ log }));
    this.lists = {
      layer: list("layer", model.get("a_trace")),
      head: list("head"),
      other_layer: list("other_layer", model.get("b_trace")),
      other_head: list("other_head")
    };
    frame.bar.append(h("label", {}, this.log, "log scale"), zoomButtons(matrix));
  }
  frame;
  log;
  lists;
  /** The caption of a trace's panel, with the lists that choose its head. */
  caption(side) {
    const [layer, head] = HEAD_TRAITS[side];
    return h("figcaption", {}, h("b", {}, side), "layer", this.lists[layer], "head", this.lists[head]);
  }
  /** Shows the chosen heads; `heads` are how many the layers have, and which is shown. */
  draw(heads2) {
    const { model } = this.frame;
    for (const side of ["a", "b"]) {
      const [layer, head] = HEAD_TRAITS[side];
      fillNumbers(this.lists[head], heads2[side].count);
      this.lists[head].value = String(heads2[side].shown);
      this.lists[layer].value = String(model.get(layer));
    }
    this.log.checked = model.get("log");
  }
};

// src/compare/distance_map.ts
var FAINTEST = 0.08;
function describePartner(layer, head, partner, metric) {
  if (!partner) return `layer ${layer}, head ${head}: not compared`;
  const [distance2, other, otherHead] = partner;
  const beside = other === layer && otherHead === head ? "" : ` beside layer ${other}, head ${otherHead} of b`;
  return `layer ${layer}, head ${head}${beside}: ${metric} ${distance2 === null ? "unknown" : formatNumber(distance2)}`;
}
function describePair(a, b, stacks) {
  const same = a.layer === b.layer && a.head === b.head;
  return placeTitle(a, stacks) + (same ? "" : ` beside ${placeTitle(b, stacks)} of b`);
}
function describeRank(partners, a, b, metric) {
  const [distance2, layer, head] = partners[a.layer]?.[a.head] ?? [null];
  if (distance2 === null || layer !== b.layer || head !== b.head) return "";
  const all = partners.flat().flatMap((partner) => partner?.[0] ?? []);
  const rank = 1 + all.filter((other) => other > distance2).length;
  const measured = `${metricTitle(metric)} ${formatNumber(distance2)}`;
  return rank === 1 && all.length > 1 ? `of ${all.length} heads the one that differs most, ${measured}` : `${measured}, rank ${rank} of ${all.length}`;
}
var METRICS = { hellinger: "Hellinger distance", jensen_shannon: "Jensen-Shannon divergence" };
function metricTitle(metric) {
  return METRICS[metric] ?? `${statisticTitle(metric)} distance`;
}
function largestDistance(partners) {
  return Math.max(0, ...partners.flat().map((partner) => partner?.[0] ?? 0));
}
var DistanceMap = class {
  constructor(partners, metric, events) {
    this.partners = partners;
    this.events = events;
    this.metric = metricTitle(metric);
    this.largest = largestDistance(partners);
    this.cells = this.largest > 0 ? partners.map((row, layer) => row.map((_, head) => this.cell(layer, head))) : [];
    this.element.hidden = this.largest === 0;
    if (this.largest > 0) this.element.append(this.legend, this.layOut());
  }
  partners;
  events;
  element = h("div");
  legend = h("span", { className: "legend" });
  largest;
  /** [layer][head], built once so that the focus stays where it is; empty where no distance is known. */
  cells;
  metric;
  cell(layer, head) {
    const text = describePartner(layer, head, this.partners[layer][head], this.metric);
    return h("button", {
      type: "button",
      role: "gridcell",
      tabIndex: -1,
      disabled: !this.partners[layer][head],
      "aria-label": text,
      title: text,
      onclick: () => this.events.chosen(layer, head),
      onpointerenter: () => this.events.described(text),
      onpointerleave: () => this.events.described(""),
      onfocus: () => this.events.described(text),
      onkeydown: (event) => this.onKey(event, layer, head)
    });
  }
  layOut() {
    const heads2 = Math.max(...this.partners.map((row) => row.length));
    const axis = (text) => h("span", { className: "axis", "aria-hidden": "true" }, String(text));
    return h(
      "div",
      {
        className: "distances",
        role: "grid",
        "aria-label": `${this.metric} of the heads: rows are layers`,
        style: { gridTemplateColumns: `auto repeat(${heads2}, 24px)` }
      },
      axis("layer \\ head"),
      ...range(heads2).map(axis),
      ...this.cells.map((row, layer) => h(
        "div",
        { role: "row", style: { display: "contents" } },
        axis(layer),
        ...row,
        ...range(heads2 - row.length).map(() => h("span"))
      ))
    );
  }
  /** Arrows move the focus, past heads that were not compared. */
  onKey(event, layer, head) {
    const move = (down, across) => () => {
      let [row, col] = [layer + down, head + across];
      while (this.cells[row]?.[col]?.disabled) [row, col] = [row + down, col + across];
      this.cells[row]?.[col]?.focus();
    };
    runKey(event, { ArrowLeft: move(0, -1), ArrowRight: move(0, 1), ArrowUp: move(-1, 0), ArrowDown: move(1, 0) });
  }
  draw(layer, head, dark2) {
    if (this.largest === 0) return;
    const ramp2 = attentionRamp(dark2);
    const selected = this.cells[layer]?.[head];
    const entry = selected && !selected.disabled ? selected : this.cells.flat().find((cell) => !cell.disabled);
    this.cells.forEach((row, layer2) => row.forEach((cell, head2) => {
      const distance2 = this.partners[layer2]?.[head2]?.[0];
      cell.style.background = distance2 == null ? "" : ramp2(FAINTEST + (1 - FAINTEST) * distance2 / this.largest);
      cell.setAttribute("aria-selected", String(cell === selected));
      cell.tabIndex = cell === entry ? 0 : -1;
    }));
    this.legend.replaceChildren(`${this.metric} of a and b: 0`, gradientBar(ramp2), formatNumber(this.largest));
  }
};

// src/compare/panel_layout.ts
var [LARGEST, OF_THREE, OF_TWO] = [440, 236, 165];
var MOST_LABELS = 108;
var NO_LABELS = 10;
var [LEGEND, NO_LEGEND] = [86, 12];
var GAP = 12;
var furtherLabels = ({ left, same }) => same ? NO_LABELS : Math.min(MOST_LABELS, left);
function plotSide(across, width, labels) {
  const beside = Math.min(MOST_LABELS, labels.left) + (across - 1) * furtherLabels(labels);
  const legends = across * LEGEND - (across === 3 ? LEGEND - NO_LEGEND : 0);
  return Math.floor((width - beside - legends - (across - 1) * GAP) / across);
}
function panelsAcross(width, labels) {
  return plotSide(3, width, labels) >= OF_THREE ? 3 : plotSide(2, width, labels) >= OF_TWO ? 2 : 1;
}
function panelMargins(panel, width, labels) {
  const across = panelsAcross(width, labels);
  const first = across === 1 || panel === "a" || across === 2 && panel === "difference";
  return {
    plot: Math.min(LARGEST, plotSide(across, width, labels)),
    left: first ? Math.min(MOST_LABELS, labels.left) : furtherLabels(labels),
    top: Math.min(MOST_LABELS, labels.top),
    legend: panel === "a" && across > 1 ? NO_LEGEND : LEGEND
  };
}

// src/drawing/interactions.ts
var CLICK_RADIUS = 4;
function attachInteractions(matrix, signal) {
  attachPointer(matrix, signal);
  attachWheel(matrix, signal);
  matrix.element.addEventListener("keydown", (event) => runKey(event, keyActions(matrix)), { signal });
  matrix.element.addEventListener("blur", () => matrix.point(null), { signal });
}
function positionOf({ element, corner }, event) {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left - corner.left, event.clientY - box.top - corner.top];
}
function attachPointer(matrix, signal) {
  const { element } = matrix;
  let drag = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, moved: false };
    element.setPointerCapture(event.pointerId);
  }, { signal });
  element.addEventListener("pointermove", (event) => {
    if (!drag) return matrix.point(matrix.cellAt(...positionOf(matrix, event)));
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(x, y) < CLICK_RADIUS) return;
    drag = { x: event.clientX, y: event.clientY, moved: true };
    matrix.pan(x, y);
  }, { signal });
  element.addEventListener("pointerup", (event) => {
    const cell = matrix.cellAt(...positionOf(matrix, event));
    if (drag && !drag.moved && cell) matrix.select(cell);
    drag = null;
  }, { signal });
  element.addEventListener("pointercancel", () => drag = null, { signal });
  element.addEventListener("pointerleave", () => matrix.point(null), { signal });
  element.addEventListener("dblclick", (event) => {
    matrix.zoom(event.shiftKey ? 0.5 : 2, ...positionOf(matrix, event));
  }, { signal });
}
function attachWheel(matrix, signal) {
  const { element } = matrix;
  element.addEventListener("wheel", (event) => {
    const root = element.getRootNode();
    if (!event.ctrlKey && root instanceof ShadowRoot && root.activeElement !== element) return;
    event.preventDefault();
    matrix.zoom(Math.exp(-event.deltaY / 300), ...positionOf(matrix, event));
  }, { signal, passive: false });
}
function keyActions(matrix) {
  return {
    ArrowUp: () => matrix.step(-1, 0),
    ArrowDown: () => matrix.step(1, 0),
    ArrowLeft: () => matrix.step(0, -1),
    ArrowRight: () => matrix.step(0, 1),
    PageUp: () => matrix.step(-matrix.seen.rows, 0),
    PageDown: () => matrix.step(matrix.seen.rows, 0),
    Home: () => matrix.step(0, -Infinity),
    End: () => matrix.step(0, Infinity),
    Enter: () => matrix.select(),
    " ": () => matrix.select(),
    "+": () => matrix.zoom(1.5),
    "=": () => matrix.zoom(1.5),
    "-": () => matrix.zoom(1 / 1.5),
    "0": () => matrix.fit()
  };
}

// src/drawing/viewport.ts
var LARGEST_CELL = 48;
var Viewport = class {
  sight = { x: 0, y: 0, cell: 1 };
  rows = 0;
  cols = 0;
  /** Pixels of the plot across and down, at most. */
  size = 1;
  /** Takes the shape of a matrix and the size of the plot; where either changed, shows the whole and returns true. */
  resize(rows, cols, size) {
    if (rows === this.rows && cols === this.cols && size === this.size) return false;
    [this.rows, this.cols, this.size] = [rows, cols, size];
    this.fit();
    return true;
  }
  /** Shows the whole matrix. */
  fit() {
    this.sight = { x: 0, y: 0, cell: this.smallestCell };
  }
  get smallestCell() {
    return Math.min(LARGEST_CELL, this.size / Math.max(this.rows, this.cols, 1));
  }
  /** Whether cells are larger than where the whole matrix is shown. */
  get zoomed() {
    return this.sight.cell > this.smallestCell;
  }
  /** Enlarges cells by a factor; what is at pixel x, y stays there. */
  zoom(factor, x = this.size / 2, y = this.size / 2) {
    const { sight } = this;
    const cell = Math.min(LARGEST_CELL, Math.max(this.smallestCell, sight.cell * factor));
    this.look(sight.x + x / sight.cell - x / cell, sight.y + y / sight.cell - y / cell, cell);
  }
  /** Moves the matrix by pixels to the right and down. */
  pan(x, y) {
    const { sight } = this;
    this.look(sight.x - x / sight.cell, sight.y - y / sight.cell, sight.cell);
  }
  /** Shows the same part as another viewport. */
  follow({ x, y, cell }) {
    this.look(x, y, cell);
  }
  /** Moves no further than needed to show a cell. */
  reveal({ row, col }) {
    const { sight, seen } = this;
    this.look(Math.min(col, Math.max(sight.x, col + 1 - seen)), Math.min(row, Math.max(sight.y, row + 1 - seen)), sight.cell);
  }
  /** Sets the sight, within the edges of the matrix. */
  look(x, y, cell) {
    const seen = this.size / cell;
    this.sight = { x: Math.max(0, Math.min(x, this.cols - seen)), y: Math.max(0, Math.min(y, this.rows - seen)), cell };
  }
  /** Cells in sight across the plot. */
  get seen() {
    return this.size / this.sight.cell;
  }
  /** Pixels that the matrix takes of the plot. */
  get width() {
    return Math.min(this.size, this.cols * this.sight.cell);
  }
  get height() {
    return Math.min(this.size, this.rows * this.sight.cell);
  }
  /** Pixels that the matrix takes down at most, however it is zoomed. */
  get tallest() {
    return Math.min(this.size, this.rows * LARGEST_CELL);
  }
  /** The cell at a pixel of the plot. */
  cellAt(x, y) {
    const row = Math.floor(this.sight.y + y / this.sight.cell);
    const col = Math.floor(this.sight.x + x / this.sight.cell);
    const inside = x >= 0 && y >= 0 && x < this.size && y < this.size && row < this.rows && col < this.cols;
    return inside ? { row, col } : null;
  }
  /** The level of tiles whose cells come closest to a pixel of the screen. */
  level(pixelRatio, coarsest) {
    const pixels = this.sight.cell * pixelRatio;
    return Math.max(0, Math.min(coarsest, Math.ceil(Math.log2(1 / pixels) - 0.5)));
  }
  /** Rows and columns that are at least partly in sight. */
  get cellsInSight() {
    const range2 = (from, count) => ({ first: Math.floor(from), end: Math.ceil(Math.min(count, from + this.seen)) });
    return { rows: range2(this.sight.y, this.rows), cols: range2(this.sight.x, this.cols) };
  }
  /** Rows and columns of the tiles of a level that are in sight. */
  tilesInSight(level) {
    const span = TILE_SIDE << level;
    const range2 = (from, count) => ({
      first: Math.floor(from / span),
      end: 1 + Math.floor((Math.min(from + this.seen, count) - 1e-9) / span)
    });
    return { rows: range2(this.sight.y, this.rows), cols: range2(this.sight.x, this.cols) };
  }
};

// src/drawing/matrix.ts
var WIDE2 = { plot: 620, left: 124, top: 106, legend: 80 };
var NARROW = { plot: 620, left: 84, top: 84, legend: 78 };
var NARROW_WIDTH = 480;
function fitted(margins, { queries, keys, rows, cols }) {
  const { left, top } = labelMargins(rows.map((n) => queries.text[n]), cols.map((n) => keys.text[n]));
  return { ...margins, left: Math.min(margins.left, left), top: Math.min(margins.top, top) };
}
var SMALLEST_PLOT = 120;
var RESTING = 150;
var Matrix = class {
  constructor(events, signal) {
    this.events = events;
    this.signal = signal;
    this.element = h("canvas", {
      className: "matrix",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "matrix",
      "aria-label": "Attention matrix. Arrow keys move from cell to cell, Enter selects, plus and minus zoom, 0 shows all."
    });
    attachInteractions(this, signal);
    signal.addEventListener("abort", () => clearTimeout(this.resting), { once: true });
  }
  events;
  signal;
  element;
  viewport = new Viewport();
  drawing = null;
  tiles = null;
  margins = WIDE2;
  pointedCell = null;
  resting;
  scheduled = 0;
  /** Draws into `width` pixels. */
  show(drawing, width) {
    if (drawing.name !== this.drawing?.name) {
      this.tiles?.close();
      this.tiles = this.tilesOf(drawing);
      clearTimeout(this.resting);
    }
    this.drawing = drawing;
    const { rows, cols } = drawing;
    if (this.pointedCell && (this.pointedCell.row >= rows.length || this.pointedCell.col >= cols.length)) this.point(null);
    this.margins = drawing.margins ?? fitted(width < NARROW_WIDTH ? NARROW : WIDE2, drawing);
    const { plot, left, top, legend } = this.margins;
    if (this.viewport.resize(rows.length, cols.length, Math.max(SMALLEST_PLOT, Math.min(plot, width - left - legend)))) this.moved();
    this.element.dataset["corner"] = `${left},${top}`;
    this.paint();
  }
  /** The largest weight of what is shown, 0 until it is known. */
  get strongest() {
    return this.tiles?.largestWeight() ?? 0;
  }
  get level() {
    return this.viewport.level(globalThis.devicePixelRatio || 1, this.tiles.coarsest);
  }
  get scene() {
    const { viewport, margins, level } = this;
    const [drawing, tiles] = [this.drawing, this.tiles];
    const top = drawing.most ?? Math.max(tiles.largestWeight(), tiles.largestWeight(level));
    const colours = weightColours({ signed: false, ...drawing }, top);
    return { drawing, viewport, tiles, margins, colours, level, pointed: this.pointedCell };
  }
  tilesOf(drawing) {
    const tiles = new TileCache(drawing.rows.length, drawing.cols.length, drawing.tile, {
      arrived: (level) => {
        if (level === tiles.coarsest) this.events.scaled?.();
        if (this.pointedCell) this.report();
        this.repaint();
      },
      failed: (error) => {
        if (!this.signal.aborted) this.events.failed(error);
      },
      pending: (count) => this.events.pending(count)
    });
    return tiles;
  }
  paint() {
    if (!this.drawing || !this.tiles) return;
    const { viewport, margins } = this;
    const context = canvasContext(this.element, margins.left + viewport.size + margins.legend, margins.top + viewport.tallest + 2);
    this.element.style.touchAction = viewport.zoomed ? "none" : "pan-x pan-y";
    paintMatrix(context, this.scene);
  }
  repaint() {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      if (!this.signal.aborted) this.paint();
    });
  }
  /** What is in sight, with its labels and its legend. */
  svg() {
    return matrixSvg(this.scene, WIDE2.legend);
  }
  // -- moved by the user, or with another matrix ----------------------------------------------------------
  moved() {
    this.events.moved?.(this.viewport.sight);
    this.repaint();
  }
  /** Shows the whole matrix. */
  fit() {
    this.viewport.fit();
    this.moved();
  }
  zoom(factor, x, y) {
    this.viewport.zoom(factor, x, y);
    this.moved();
  }
  pan(x, y) {
    this.viewport.pan(x, y);
    this.moved();
  }
  /** Shows the same part as another matrix. */
  follow(sight) {
    if (!this.drawing) return;
    this.viewport.follow(sight);
    this.repaint();
  }
  /** Outlines a cell that is pointed at in another matrix; null for none. */
  mark(cell) {
    this.pointedCell = cell;
    this.repaint();
  }
  // -- pointed at and selected ----------------------------------------------------------------------------
  get corner() {
    return this.margins;
  }
  get seen() {
    const seen = Math.max(1, Math.floor(this.viewport.seen));
    return { rows: seen, cols: seen };
  }
  cellAt(x, y) {
    return this.drawing && this.viewport.cellAt(x, y);
  }
  point(cell) {
    if (cell?.row === this.pointedCell?.row && cell?.col === this.pointedCell?.col) return;
    this.pointedCell = cell;
    clearTimeout(this.resting);
    if (cell) this.report();
    else this.events.left?.();
    this.repaint();
  }
  /** Reports the pointed cell; behind a coarse picture the single weight is requested when the pointer rests. */
  report() {
    const { rows, cols } = this.drawing;
    const { row, col } = this.pointedCell;
    const weight = this.tiles.weight(row, col);
    const pooled = this.level > 0 ? this.tiles.pooledWeight(this.level, row, col) : null;
    this.events.pointed(rows[row], cols[col], weight, pooled);
    if (weight !== null) return;
    this.resting = setTimeout(() => this.tiles.request(0, Math.floor(row / TILE_SIDE), Math.floor(col / TILE_SIDE)), RESTING);
  }
  select(cell = this.pointedCell) {
    if (cell) this.events.selected(this.drawing.rows[cell.row], this.drawing.cols[cell.col]);
  }
  step(down, across) {
    const { rows, cols, selected } = this.drawing;
    const from = this.pointedCell ?? {
      row: Math.max(0, rows.indexOf(selected.query ?? -1)),
      col: Math.max(0, cols.indexOf(selected.key ?? -1))
    };
    const cell = {
      row: Math.max(0, Math.min(rows.length - 1, from.row + down)),
      col: Math.max(0, Math.min(cols.length - 1, from.col + across))
    };
    this.viewport.reveal(cell);
    this.moved();
    this.point(cell);
  }
};

// src/compare/panels.ts
var PANELS = ["a", "b", "difference"];
var TITLES = { a: "a", b: "b", difference: "b − a" };
var ComparePanels = class {
  constructor(captions, alignment, events, signal) {
    this.alignment = alignment;
    this.events = events;
    this.signal = signal;
    this.matrices = { a: this.matrix("a"), b: this.matrix("b"), difference: this.matrix("difference") };
    const difference = h("figcaption", {}, h("b", {}, TITLES.difference));
    const figure = (panel, caption) => h("figure", {}, caption, this.matrices[panel].element);
    this.figures = { a: figure("a", captions.a), b: figure("b", captions.b), difference: figure("difference", difference) };
    this.element = h("div", { className: "panels" }, ...PANELS.map((panel) => this.figures[panel]));
  }
  alignment;
  events;
  signal;
  element;
  matrices;
  figures;
  parallel = false;
  matrix(panel) {
    return new Matrix({
      pointed: (query, key) => this.point(panel, query, key),
      left: () => {
        this.events.left();
        for (const other of this.others(panel)) other.mark(null);
      },
      selected: (query, key) => {
        const { a } = this.alignment.both(panel, query, key);
        this.events.selected(a.query ?? null, a.key ?? null);
      },
      moved: (sight) => this.follow(panel, sight),
      scaled: () => this.events.scaled(),
      failed: (error) => this.events.failed(error),
      pending: () => {
      }
    }, this.signal);
  }
  others(panel) {
    return PANELS.filter((other) => other !== panel).map((other) => this.matrices[other]);
  }
  /** Panels of parallel tokens show the same part. */
  follow(panel, sight) {
    if (this.parallel) for (const other of this.others(panel)) other.follow(sight);
  }
  /** Outlines the cell in the other panels. */
  point(panel, query, key) {
    const { a, b } = this.alignment.both(panel, query, key);
    const cells = { a: toCell(a), b: toCell(b), difference: this.alignment.inDifference(a) };
    for (const other of PANELS) if (other !== panel) this.matrices[other].mark(cells[other]);
    this.events.pointed(a, b);
  }
  draw(drawing, hasDifference, parallel, width) {
    this.parallel = parallel;
    this.figures.difference.hidden = !hasDifference;
    for (const panel of PANELS)
      if (panel !== "difference" || hasDifference) this.matrices[panel].show(drawing(panel), width);
  }
  /** The largest weight of a and b, 0 until one is known. */
  get strongest() {
    return Math.max(this.matrices.a.strongest, this.matrices.b.strongest);
  }
  /** The visible panels side by side. */
  svg(roles) {
    let [x, height] = [0, 0];
    const parts = PANELS.filter((panel) => !this.figures[panel].hidden).map((panel) => {
      const picture = this.matrices[panel].svg();
      const part = `<text x="${x + 8}" y="16" font-weight="bold">${escapeXml(TITLES[panel])}</text>${svgInset(picture, x, 0)}`;
      x += picture.width + 12;
      height = Math.max(height, picture.height);
      return part;
    });
    const attributes = `font-family="sans-serif" font-size="13" fill="${roles.text}"`;
    return { width: x, height, attributes, body: parts.join("") };
  }
};
function toCell({ query, key }) {
  return query === void 0 || key === void 0 ? null : { row: query, col: key };
}

// src/compare/score_table.ts
function scoreRows({ a, b }, alignment, ofA, ofB) {
  const [textA, textB] = [ofA.tokens.input.text, ofB.tokens.input.text];
  const out = [];
  let next = 0;
  const onlyB = (end) => {
    for (; next < end; next++) if (alignment.ofA(next) === void 0) out.push({ token: textB[next], a: null, b: b[next] });
  };
  for (const n of textA.keys()) {
    const at = alignment.ofB(n);
    if (at !== void 0) onlyB(at);
    if (at !== void 0) next = Math.max(next, at + 1);
    const token = at === void 0 || textA[n] === textB[at] ? textA[n] : `${tokenLabel(textA[n])} → ${tokenLabel(textB[at])}`;
    out.push({ token, a: a[n], b: at === void 0 ? null : b[at] });
  }
  onlyB(textB.length);
  return out;
}
function scoreTable(pair, rows) {
  const difference = ({ a, b }) => (b ?? 0) - (a ?? 0);
  const most = Math.max(1e-9, ...rows.map((row) => Math.abs(difference(row))));
  const largest = Math.max(most, ...[...pair.a, ...pair.b].map(Math.abs).filter(Number.isFinite));
  const number = (score) => formatColumn(score, largest, true);
  const cell = (score) => h("td", {}, score === null ? "–" : number(score));
  const bar = (row) => {
    const share = difference(row) / most;
    const said = number(difference(row));
    return h("td", {}, h("span", { className: "number" }, said), h(
      "span",
      { className: `change ${share < 0 ? "against" : "for"}`, title: said },
      h("i", { style: { width: `${50 * Math.abs(share)}%`, left: `${share < 0 ? 50 * (1 + share) : 50}%` } })
    ));
  };
  return h(
    "div",
    { className: "scores" },
    h("p", {}, h("b", {}, "Attribution"), ` for ${tokenLabel(pair.target)}${pair.unit ? `, in ${pair.unit}` : ""}, by ${pair.how}`),
    h("div", { className: "rows", tabIndex: 0, role: "region", "aria-label": "Attributions of a and b" }, h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ...["token", "a", "b", "b − a"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", {}, h("th", { scope: "row" }, tokenLabel(row.token)), cell(row.a), cell(row.b), bar(row))))
    ))
  );
}

// src/compare/side_card.ts
var MOST_TOKENS = 80;
function changedTokens(side, alignment, a, b) {
  const [own, other] = side === "a" ? [a, b] : [b, a];
  const counterpart = (position) => side === "a" ? alignment.ofB(position) : alignment.ofA(position);
  return new Set([...own.tokens.input.text.keys()].filter((n) => {
    const at = counterpart(n);
    return at === void 0 || own.tokens.input.text[n] !== other.tokens.input.text[at];
  }));
}
function sideCard(side, { model, prediction, tokens, patches }, changed) {
  const { text, special } = tokens.input;
  const shown = [...text.keys()].filter((n) => !special.includes(n)).slice(0, MOST_TOKENS);
  const rest = text.length - special.length - shown.length;
  const words = patches ? [`an image of ${patches.rows} × ${patches.cols} patches`] : shown.flatMap((n) => [h(changed.has(n) ? "mark" : "span", {}, tokenLabel(text[n])), " "]);
  return h(
    "p",
    { className: "side" },
    h("b", {}, side),
    h("span", { className: "text" }, ...words, rest > 0 && !patches ? `… ${rest} more tokens` : ""),
    h("span", { className: "facts" }, prediction ? h("b", {}, `→ ${tokenLabel(prediction)}`) : null, prediction && model ? " · " : "", model && `model ${model}`)
  );
}

// src/compare/index.ts
var HOW = "Queries run down, keys across; a and b are on one scale. The difference is b minus a over the tokens that stand beside each other, a word beside the one that replaces it: blue where weights are larger in b, red where they are smaller; tokens of one text alone are left out. The map above shows how far apart the heads are.";
var HOW_LONG = " Of a long text a cell is the largest of the weights that it stands for; zoom in for single ones.";
var HOW_REMOTE = " Of a long text a cell of a and b is the largest of the weights that it stands for, one of b − a the difference of those two; zoom in for single weights.";
var LONG = 256;
var RESTING2 = 120;
var CompareView = class {
  constructor(frame) {
    this.frame = frame;
    const { model, signal } = frame;
    this.sources = { a: new TraceSource(model, signal, "a_"), b: new TraceSource(model, signal, "b_") };
    this.alignment = new Alignment(model.get("alignment"));
    this.controls = new CompareControls(frame, (trait, value) => this.change(trait, value), () => this.panels.matrices.a);
    this.map = new DistanceMap(model.get("partners"), model.get("metric"), {
      chosen: (layer, head) => this.choose(layer, head),
      described: (text) => frame.say(text)
    });
    this.panels = new ComparePanels({ a: this.controls.caption("a"), b: this.controls.caption("b") }, this.alignment, {
      pointed: (a, b) => {
        this.report(a, b).catch((error) => !signal.aborted && frame.notify(error.message));
      },
      left: () => {
        this.pointings++;
        frame.say("");
      },
      selected: (query, key) => {
        const same = model.get("query") === query && model.get("key") === key;
        frame.set(same ? { query: null, key: null } : { query, key });
      },
      scaled: frame.redraw,
      failed: (error) => frame.notify(error.message)
    }, signal);
    this.layOut();
  }
  frame;
  sources;
  alignment;
  controls;
  map;
  panels;
  /** The texts, and the map of heads. */
  top = h("div", { className: "top" });
  scores = null;
  differences = /* @__PURE__ */ new Map();
  /** Counts cells that were pointed at: an older one is not reported. */
  pointings = 0;
  /** Counts headlines, likewise. */
  headlines = 0;
  layOut() {
    const { frame } = this;
    const { model, signal } = frame;
    const all = [...model.get("a_trace").layers, ...model.get("b_trace").layers];
    const long = all.some(({ queries, keys }) => Math.max(queries, keys) > LONG);
    frame.explain(HOW + (this.remote ? HOW_REMOTE : long ? HOW_LONG : ""));
    const [a, b] = [model.get("a_trace"), model.get("b_trace")];
    const cards = ["a", "b"].map((side) => sideCard(side, this.sources[side].header, changedTokens(side, this.alignment, a, b)));
    this.top.append(h("div", { className: "sides" }, ...cards), this.map.element);
    frame.stage.append(this.top, this.panels.element);
    const pair = model.get("attributions");
    if (pair) this.scores = scoreTable(pair, scoreRows(pair, this.alignment, a, b));
    if (model.get("note")) frame.notify(model.get("note"), "note");
    listen(model, ["layer", "head", "other_layer", "other_head", "query", "key", "log"], frame.redraw, signal);
  }
  get remote() {
    return this.sources.a.remote || this.sources.b.remote;
  }
  // -- which heads ----------------------------------------------------------------------------------------
  layer(side) {
    return this.sources[side].header.layers[this.frame.model.get(HEAD_TRAITS[side][0])];
  }
  /** The shown head, within the layer. */
  head(side) {
    return Math.min(this.frame.model.get(HEAD_TRAITS[side][1]), this.layer(side).heads - 1);
  }
  selection(side) {
    const layer = this.frame.model.get(HEAD_TRAITS[side][0]);
    return { layer, heads: [this.head(side)], pair: "all", hide_special: false, pool: "max" };
  }
  tokens(side, axis) {
    return this.sources[side].tokens(this.selection(side).layer, axis);
  }
  /** A head of a brings its partner; one of b is chosen alone. */
  change(trait, value) {
    const { model } = this.frame;
    if (trait === "other_layer" || trait === "other_head") this.frame.set({ [trait]: value });
    else this.choose(trait === "layer" ? value : model.get("layer"), trait === "head" ? value : model.get("head"));
  }
  choose(layer, wanted) {
    const { model } = this.frame;
    const head = Math.min(wanted, model.get("a_trace").layers[layer].heads - 1);
    const partner = model.get("partners")[layer]?.[head];
    this.frame.set({ layer, head, ...partner ? { other_layer: partner[1], other_head: partner[2] } : {} });
  }
  // -- what can be subtracted -----------------------------------------------------------------------------
  get parallel() {
    return this.alignment.isParallel(this.tokens("a", "query").text.length, this.tokens("b", "query").text.length);
  }
  /** The labels of the panels; of a and b with the same tokens one panel's serve all. */
  get labels() {
    const shown = (axis) => [...this.tokens("a", axis).text, ...this.tokens("b", axis).text, ...this.sharedTokens(axis).text];
    const text = (side, axis) => this.tokens(side, axis).text;
    const same = this.parallel && ["query", "key"].every((axis) => text("a", axis).every((token, n) => token === text("b", axis)[n]));
    return { ...labelMargins(shown("query"), shown("key")), same };
  }
  /** Whether the shown layers attend between the tokens that stand beside each other. */
  get comparable() {
    const { model } = this.frame;
    const partner = model.get("partners")[model.get("layer")]?.[this.head("a")];
    if (!partner || this.alignment.pairs.length === 0) return false;
    return sameAxes(this.sources.b.header.layers[partner[1]], this.layer("b")) && (!this.remote || this.parallel);
  }
  async differenceTile(level, row, col) {
    const { sources, alignment } = this;
    const [a, b] = [this.selection("a"), this.selection("b")];
    if (this.remote) return subtractTiles(...await Promise.all([sources.a.tile(a, level, row, col), sources.b.tile(b, level, row, col)]));
    const keys = { a: this.tokens("a", "key").text.length, b: this.tokens("b", "key").text.length };
    const cut = await cached(this.differences, JSON.stringify([a, b]), 1, async () => {
      const [ofA, ofB] = await Promise.all([sources.a.matrices(a), sources.b.matrices(b)]);
      return alignment.difference(ofA[0], ofB[0], keys);
    });
    return cut(level, row, col);
  }
  // -- drawing --------------------------------------------------------------------------------------------
  draw() {
    const { model, dark: dark2, width } = this.frame;
    this.map.draw(model.get("layer"), model.get("head"), dark2);
    const head = (side) => ({ count: this.layer(side).heads, shown: this.head(side) });
    this.controls.draw({ a: head("a"), b: head("b") });
    void this.drawHeadline();
    const { labels } = this;
    const margins = (panel) => panelMargins(panel, width, labels);
    const drawing = (panel) => panel === "difference" ? this.differenceDrawing(margins(panel)) : this.traceDrawing(panel, margins(panel));
    this.panels.draw(drawing, this.comparable, this.parallel, width);
    this.placeScores(panelsAcross(width, labels));
  }
  /** Which head this is among those that differ, and which weight changes most. */
  async drawHeadline() {
    const headline = ++this.headlines;
    const { model } = this.frame;
    const [a, b] = [this.selection("a"), this.selection("b")];
    const name = describePair(this.place("a"), this.place("b"), model.get("a_trace").stacks);
    const rank = describeRank(model.get("partners"), this.place("a"), this.place("b"), model.get("metric"));
    const change = this.remote || !this.comparable ? null : await this.largestChange(a, b).catch(() => null);
    if (headline === this.headlines) this.frame.title(name, [rank, change].filter(Boolean).join("; "));
  }
  place(side) {
    return { layer: this.selection(side).layer, head: this.head(side) };
  }
  async largestChange(a, b) {
    const [ofA, ofB] = await Promise.all([this.sources.a.matrices(a), this.sources.b.matrices(b)]);
    const keys = { a: this.tokens("a", "key").text.length, b: this.tokens("b", "key").text.length };
    const change = this.alignment.largestChange(ofA[0], ofB[0], keys);
    const name = (axis, position) => quoted(this.sharedTokens(axis), position);
    return change && `${name("query", change.query)} attends to ${name("key", change.key)} with ${formatNumber(change.a)} in a, ${formatNumber(change.b)} in b`;
  }
  /** Puts the attributions where there is room: beside the texts, or after the panels. */
  placeScores(across) {
    const { scores, top, panels } = this;
    panels.element.dataset["across"] = String(across);
    if (!scores) return;
    if (across < 3) {
      if (scores.parentElement !== panels.element) panels.element.append(scores);
    } else if (scores.parentElement !== top) top.insertBefore(scores, this.map.element);
  }
  get common() {
    const { model, roles } = this.frame;
    return { threshold: 0, log: model.get("log"), roles };
  }
  traceDrawing(side, margins) {
    const { model, dark: dark2 } = this.frame;
    const selection = this.selection(side);
    const [queries, keys] = [this.tokens(side, "query"), this.tokens(side, "key")];
    const inSide = (position) => position === null || side === "a" ? position : this.alignment.ofB(position) ?? null;
    const most = this.panels.strongest;
    return {
      ...this.common,
      margins,
      name: JSON.stringify(selection),
      queries,
      keys,
      rows: [...queries.text.keys()],
      cols: [...keys.text.keys()],
      ...most > 0 ? { most } : {},
      ramp: attentionRamp(dark2),
      selected: { query: inSide(model.get("query")), key: inSide(model.get("key")) },
      tile: (level, row, col) => this.sources[side].tile(selection, level, row, col)
    };
  }
  /** The tokens of a, those that others replace with these. */
  sharedTokens(axis) {
    const [a, b] = [this.tokens("a", axis), this.tokens("b", axis)];
    const beside = (text, position) => {
      const other = b.text[this.alignment.ofB(position) ?? -1];
      return other === void 0 || other === text ? text : `${text}→${other}`;
    };
    return { ...a, text: a.text.map(beside) };
  }
  differenceDrawing(margins) {
    const { model, dark: dark2 } = this.frame;
    const { shared } = this.alignment;
    return {
      ...this.common,
      margins,
      name: JSON.stringify([this.selection("a"), this.selection("b")]),
      queries: this.sharedTokens("query"),
      keys: this.sharedTokens("key"),
      rows: shared,
      cols: shared,
      signed: true,
      ramp: signedRamp(dark2),
      selected: { query: model.get("query"), key: model.get("key") },
      tile: (level, row, col) => this.differenceTile(level, row, col)
    };
  }
  figure() {
    const { model, roles } = this.frame;
    const named2 = (side) => `layer ${model.get(HEAD_TRAITS[side][0])}, head ${this.head(side)}`;
    const partner = model.get("partners")[model.get("layer")]?.[this.head("a")];
    const distance2 = partner && partner[0] !== null ? `; ${metricTitle(model.get("metric"))} ${formatNumber(partner[0])}` : "";
    return {
      picture: this.panels.svg(roles),
      title: `a: ${named2("a")} beside b: ${named2("b")}${distance2}`,
      subtitle: ["a", "b"].map((side) => `${side}: ${traceTitle(this.sources[side].header)}`).join("   "),
      caption: "Queries run down, keys across; a and b are on one scale. b − a: blue where weights are larger in b, red where they are smaller.",
      file: ["compare", "layer", model.get("layer"), "head", this.head("a")].join("-")
    };
  }
  // -- the cell that is pointed at ------------------------------------------------------------------------
  async report(a, b) {
    const pointing = ++this.pointings;
    if (this.remote) await new Promise((rested) => setTimeout(rested, RESTING2));
    if (pointing !== this.pointings || this.frame.signal.aborted) return;
    const [ofA, ofB] = [await this.weight("a", a), await this.weight("b", b)];
    if (pointing !== this.pointings) return;
    const [side, cell] = ofA === null ? ["b", b] : ["a", a];
    const name = (axis) => quoted(this.tokens(side, axis), cell[axis] ?? 0);
    this.frame.say([
      `${name("query")} → ${name("key")}`,
      ofA === null ? "no partner in a" : `a ${formatNumber(ofA)}`,
      ofB === null ? "no partner in b" : `b ${formatNumber(ofB)}`,
      ...ofA !== null && ofB !== null ? [`b − a ${formatNumber(ofB - ofA)}`] : []
    ].join(" · "));
  }
  /** A single weight, however coarse the picture is; null where the trace has no such cell. */
  async weight(side, { query, key }) {
    if (query === void 0 || key === void 0) return null;
    const tile = await this.sources[side].tile(this.selection(side), 0, Math.floor(query / TILE_SIDE), Math.floor(key / TILE_SIDE));
    return tile.weights[query % TILE_SIDE * tile.cols + key % TILE_SIDE];
  }
};
var index_default = view("Comparison", compare_default, (frame) => {
  const compare = new CompareView(frame);
  return { draw: () => compare.draw(), figure: () => compare.figure() };
});
export {
  index_default as default
};
