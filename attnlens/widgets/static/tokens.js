// Generated from widgets/src/tokens/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

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
var unsignedRamp = (dark2) => ramp("unsigned", dark2);
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

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
}

// src/drawing/token_label.ts
var SIGNS = { " ": "␣", "\n": "↵", "	": "⇥", "\r": "␍", " ": "⍽" };
var LONGEST = 40;
var UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
var JOINER = /(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})/gu;
function tokenLabel(text2, longest = LONGEST) {
  const start = text2.slice(0, longest * 2);
  const seen = start.trim() === "" ? start.replace(/[ \u00a0]/g, (c) => SIGNS[c]) : start;
  const joined2 = new Set([...seen.matchAll(JOINER)].map(({ index }) => index));
  const sign = (c) => SIGNS[c] ?? (c < " " ? String.fromCharCode(9216 + c.charCodeAt(0)) : `‹${c.charCodeAt(0).toString(16)}›`);
  const clear = seen.replace(UNSEEN, (c, at) => joined2.has(at) ? c : sign(c));
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

// src/drawing/titles.ts
function capitalized(text2) {
  return text2.slice(0, 1).toUpperCase() + text2.slice(1);
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

// src/ui/downloads.ts
function downloadButtons(picture, failed) {
  const button2 = (kind, title, act) => {
    const run = async () => act(picture());
    return h("button", { type: "button", className: "quiet", title, onclick: () => void run().catch(failed) }, kind);
  };
  return [
    button2("PNG", "Save as PNG", async (saved) => save(await rasterize(saved), `${saved.file}.png`)),
    button2("SVG", "Save as SVG", async (saved) => save(svgBlob(saved), `${saved.file}.svg`)),
    button2("PDF", "Print on a page of its size, or save as PDF", print)
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
function guardField(field, host, signal) {
  field.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  field.addEventListener("focusin", () => host.setAttribute(NO_SHORTCUTS, "true"), { signal });
  field.addEventListener("focusout", () => host.removeAttribute(NO_SHORTCUTS), { signal });
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
function segments(label, buttons) {
  return h("span", { className: "segments", role: "group", "aria-label": label }, ...buttons);
}
function button(text2, act) {
  return h("button", { type: "button", onclick: act }, text2);
}
function options(entries) {
  return entries.map(([value, text2]) => h("option", { value }, text2));
}
function select(label, entries, act) {
  const list = h("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options(entries));
  return list;
}
function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}

// src/tokens/state.ts
var LEVELS = ["token", "word", "sentence"];

// src/tokens/controls.ts
var PREDICTED = "\0";
var TokensControls = class {
  constructor(frame, explainer) {
    this.frame = frame;
    this.explainer = explainer;
    this.choices = frame.model.get("choices");
    const { targets, methods, titles } = this.choices;
    this.target = select("Class that is explained", [[PREDICTED, "predicted"]], (value) => explainer.request({ target: value === PREDICTED ? null : value }));
    this.predicted = this.target.options[0];
    this.target.append(...options(targets.map((name) => [name, tokenLabel(name)])));
    this.typedTarget = h("input", {
      type: "text",
      size: 18,
      "aria-label": "Class that is explained: its name or number; empty for the predicted one",
      onchange: () => explainer.request({ target: this.typedTarget.value === "" ? null : this.typedTarget.value })
    });
    this.method = select("Method", methods.map((name) => [name, methodTitle(name)]), (method) => explainer.request({ method }));
    this.attribution = select("Attribution", titles.map((title, n) => [String(n), tokenLabel(title, 90)]), (value) => frame.set({ number: Number(value) }));
    this.levels = LEVELS.map((level) => button(level, () => frame.set({ level })));
    this.orders = [false, true].map((sort) => button(sort ? "ranked" : "text", () => frame.set({ sort })));
    guardField(this.typedTarget, frame.root.host, frame.signal);
    this.layOut();
  }
  frame;
  explainer;
  target;
  predicted;
  /** Instead of the list, where the classes have no names. */
  typedTarget;
  method;
  attribution;
  levels;
  orders;
  choices;
  get hasNames() {
    return this.choices.targets.length > 0;
  }
  layOut() {
    const { live, titles } = this.choices;
    const named3 = (name, shown, control) => h("label", { hidden: !shown }, h("span", { className: "name" }, name), control);
    this.frame.bar.append(
      named3("Why", live, this.hasNames ? this.target : this.typedTarget),
      named3("Method", live, this.method),
      named3("Show", titles.length > 1, this.attribution),
      segments("What a score belongs to", this.levels),
      segments("Picture", this.orders)
    );
  }
  draw(scored) {
    const { model, root } = this.frame;
    const { target, method } = this.explainer.latest;
    const name = scored.result.prediction?.[0] ?? "";
    const isClass = name !== "" && (!this.hasNames || this.choices.targets.includes(name));
    this.predicted.textContent = this.typedTarget.placeholder = isClass ? `predicted: ${tokenLabel(name)}` : "predicted";
    this.target.value = target === null ? PREDICTED : String(target);
    if (root.activeElement !== this.typedTarget) this.typedTarget.value = target === null ? "" : String(target);
    this.method.value = method;
    this.attribution.value = String(model.get("number"));
    const offered = model.get("shown").texts[scored.result.text].map(({ level }) => level);
    this.levels.forEach((level, n) => {
      press(level, LEVELS[n] === scored.parts.level);
      level.disabled = !offered.includes(LEVELS[n]);
    });
    this.orders.forEach((order, n) => press(order, n === 1 === model.get("sort")));
  }
};

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
function formatColumn(value, most, isSigned) {
  if (!Number.isFinite(value)) return "–";
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most || 1))));
  const text2 = Math.abs(value).toFixed(decimals);
  return isSigned && Number(text2) !== 0 ? `${value > 0 ? "+" : "−"}${text2}` : text2;
}
function formatPercent(share) {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)}%` : `${Math.round(100 * share)}%`;
}

// src/protocol/float16.ts
function readSingles(bytes, skip, count) {
  return Float32Array.from({ length: count }, (_, n) => bytes.getFloat32(4 * (skip + n), true));
}

// src/tokens/scored_text.ts
var MOST_RANKED = 24;
var FAINTEST_SIGN = 5e-3;
var LONGEST2 = { token: 40, word: 60, sentence: 1200 };
var ScoredText = class {
  constructor(result, parts, scores) {
    this.result = result;
    this.parts = parts;
    this.scores = scores;
    this.most = scores.reduce((most, score) => Math.max(most, Number.isFinite(score) ? Math.abs(score) : 0), 0);
    this.special = new Set(parts.special);
  }
  result;
  parts;
  scores;
  /** The largest magnitude, at which the colours end. */
  most;
  special;
  isSpecial(part) {
    return this.special.has(part);
  }
  /** A part's share of the largest magnitude, with its sign, at least `faintest` unless it is 0; NaN counts as 0. */
  share(part, faintest = 0) {
    const share = this.most > 0 && Number.isFinite(this.scores[part]) ? this.scores[part] / this.most : 0;
    return Math.sign(share) * Math.max(Math.abs(share), faintest);
  }
  /** Whether a part is coloured: special tokens only where their score counts. */
  isColoured(part) {
    return !this.isSpecial(part) || Math.abs(this.scores[part]) > this.most / 1e3;
  }
  /** Whether a part opposes what is explained, as far as colours show it: its mark besides the hue. */
  isAgainst(part) {
    return this.result.signed && this.isColoured(part) && this.share(part) < -FAINTEST_SIGN;
  }
  /** A part as the text shows it. */
  label(part) {
    const text2 = this.parts.text[part];
    return tokenLabel(text2.trim() || text2, LONGEST2[this.parts.level]);
  }
  /** A part's score alone. */
  scoreText(part) {
    return this.result.signed ? formatSigned(this.scores[part]) : formatNumber(this.scores[part]);
  }
  /** A part and its score in words. */
  spoken(part) {
    const special = this.isSpecial(part) ? " (special)" : "";
    const unit = this.result.signed ? ` ${this.result.unit}` : "";
    return `“${tokenLabel(this.parts.text[part])}”${special}: ${this.scoreText(part)}${unit}`;
  }
  /** A part in words, with its side and its rank. */
  describe(part) {
    const { parts, scores, result } = this;
    const score = scores[part];
    const rank = scores.reduce((rank2, other) => rank2 + Number(Math.abs(other) > Math.abs(score)), 1);
    const side = !result.signed || !score ? "" : ` ${score > 0 ? "for" : "against"} ${tokenLabel(result.question, 60)}`;
    return `${this.spoken(part)}${side} · rank ${rank} of ${parts.text.length} · ${parts.level} ${part}`;
  }
  /** The parts of largest magnitude, from most for to most against, without special ones. */
  get ranking() {
    const { parts, scores } = this;
    return [...parts.text.keys()].filter((part) => !this.isSpecial(part)).sort((a, b) => Math.abs(scores[b]) - Math.abs(scores[a])).slice(0, MOST_RANKED).sort((a, b) => scores[b] - scores[a]);
  }
  /** What is explained, and which parts count most. */
  get inWords() {
    const { result, ranking } = this;
    const named3 = (part) => `“${this.label(part)}” (${this.scoreText(part)})`;
    const [first, last] = [ranking[0], ranking.at(-1)];
    const question = `why ${tokenLabel(result.question, 60)}`;
    if (first === void 0 || last === void 0 || this.most === 0) return [question, ""];
    if (!result.signed) return [question, `${named3(first)} counts most`];
    const sides = [
      ...this.scores[first] > 0 ? [`${named3(first)} supports it most`] : [],
      ...this.isAgainst(last) ? [`${named3(last)} opposes it most`] : []
    ];
    return [question, sides.join(", ")];
  }
  /** How many parts a ranking omits, and the sum of their scores. */
  get unranked() {
    const listed = new Set(this.ranking);
    const others = [...this.parts.text.keys()].filter((part) => !listed.has(part) && !this.isSpecial(part));
    return { count: others.length, sum: others.reduce((sum, part) => sum + this.scores[part], 0) };
  }
  /** A score as it stands in a column. */
  columnText(part) {
    return formatColumn(this.scores[part], this.most, this.result.signed);
  }
  /** The part that holds a token; -1 for none. */
  partOf(token) {
    return token === null ? -1 : this.parts.first.findLastIndex((first) => first <= token);
  }
};
function readScoredText({ texts, results }, bytes, wanted, level) {
  const number = Math.min(wanted, results.length - 1);
  const result = results[number];
  const levels = texts[result.text];
  const parts = levels.find((other) => other.level === level) ?? levels[0];
  const before = results.slice(0, number).flatMap(({ text: text2 }) => texts[text2]).concat(levels.slice(0, levels.indexOf(parts)));
  const skip = before.reduce((sum, { text: text2 }) => sum + text2.length, 0);
  return new ScoredText(result, parts, readSingles(bytes, skip, parts.text.length));
}
function paragraphsOf({ text: text2, special, segment }) {
  const isSpecial = new Set(special);
  const paragraphs = [];
  let current = -1;
  text2.forEach((_, part) => {
    const other = segment[part] ?? 0;
    if (paragraphs.length === 0 || !isSpecial.has(part) && current >= 0 && other !== current) paragraphs.push([]);
    if (!isSpecial.has(part)) current = other;
    paragraphs.at(-1).push(part);
  });
  return paragraphs;
}
function barBounds(values) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return { low, span: high - low || 1 };
}
function barOf(score, { low, span }) {
  const [from, to] = [Math.min(0, score || 0), Math.max(0, score || 0)];
  return { left: (from - low) / span * 100, width: (to - from) / span * 100 };
}
function sameText(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
function resultFor({ text: text2, target, method }, state) {
  if (!sameText(text2, state.text)) return -1;
  return state.shown.results.findIndex(({ asked }) => asked.some((request2) => request2[0] === target && request2[1] === method));
}

// src/tokens/explainer.ts
var IDLE = "Change the text: it is explained again as you type.";
var REST = 400;
var Explainer = class {
  constructor(frame) {
    this.frame = frame;
    const { model, signal, root } = frame;
    this.live = model.get("choices").live;
    this.fields = h("div", { className: "texts", hidden: !this.live });
    this.note = h("div", { className: "note", role: "status", hidden: !this.live });
    this.requests = new LatestRequest((request2) => this.explain(request2), {
      changed: frame.redraw,
      done: () => this.say(IDLE),
      failed: (reason) => this.say(reason, "error")
    }, signal);
    this.showText();
    this.say(IDLE);
    listen(model, ["text"], () => {
      if (!this.typing) this.showText();
    }, signal);
    guardField(this.fields, root.host, signal);
  }
  frame;
  fields;
  note;
  requests;
  boxes = [];
  live;
  /** Whether a request waits: what Python sends meanwhile is older. */
  get typing() {
    return this.requests.waiting !== null;
  }
  get busy() {
    return this.requests.latest !== null;
  }
  get failed() {
    return this.note.dataset["kind"] === "error";
  }
  /** The latest request, else what is shown. */
  get latest() {
    const { model } = this.frame;
    return this.requests.latest ?? { text: model.get("text"), target: model.get("target"), method: model.get("method") };
  }
  /** Requests what has changed, after a while where it may change again; `shows` writes the text into the fields too. */
  request(change, rest = 0, shows = false) {
    if (shows && change.text !== void 0) this.showText(change.text);
    const text2 = this.live ? { text: this.typedText } : {};
    this.requests.submit({ ...this.latest, ...text2, ...change }, rest);
  }
  /** Shows a result that is here already, or requests it from Python. */
  async explain(request2) {
    const { frame } = this;
    const number = resultFor(request2, { text: frame.model.get("text"), shown: frame.model.get("shown") });
    if (number < 0) await frame.request("explain", { ...request2 });
    else frame.set({ target: request2.target, method: request2.method, number });
  }
  say(text2, kind = "busy") {
    this.note.textContent = text2;
    this.note.dataset["kind"] = kind;
  }
  get typedText() {
    const texts = this.boxes.map((box) => box.value);
    return texts.length === 2 ? [texts[0], texts[1]] : texts[0] ?? "";
  }
  showText(text2 = this.frame.model.get("text")) {
    const texts = typeof text2 === "string" ? [text2] : text2;
    if (this.boxes.length !== texts.length) {
      this.boxes = texts.map((_, n) => this.textBox(texts.length === 1 ? "Text" : `Text ${n + 1} of the pair`));
      this.fields.replaceChildren(...this.boxes);
    }
    this.boxes.forEach((box, n) => {
      if (box.value !== texts[n]) box.value = texts[n];
    });
  }
  textBox(name) {
    return h("textarea", {
      rows: 1,
      spellcheck: false,
      dir: "auto",
      "aria-label": `${name}: explained again as you type`,
      oninput: () => {
        this.frame.set({ before: null });
        this.request({}, REST);
      }
    });
  }
};

// src/tokens/facts.ts
var Facts = class {
  /** Above the scores. */
  question = h("div", { className: "asked" });
  /** Below them. */
  reading;
  scale = h("div", { className: "scale" });
  sums = h("p", { className: "sums" });
  verdict = h("p", { className: "verdict", role: "note" });
  constructor() {
    this.reading = h("div", { className: "under" }, this.scale, this.sums, this.verdict);
  }
  draw({ result, most }, ramp2) {
    this.question.replaceChildren(...questionFacts(result));
    this.scale.replaceChildren(...scaleContent(result, most, ramp2));
    const { change, sum, value } = result;
    const at = (logit) => value === null ? "" : ` (${formatSigned(logit)})`;
    this.sums.hidden = change === null || sum === null;
    if (change !== null && sum !== null)
      this.sums.replaceChildren(
        named2("The scores add up to "),
        formatSigned(sum),
        named2(`; from the baseline${at(value - change)} to the text${at(value)} the ${result.unit} changes by `),
        formatSigned(change)
      );
    this.verdict.textContent = capitalized(result.verdict);
    this.verdict.dataset["kind"] = result.converged === false ? "warn" : "";
  }
  /** The line above a saved picture. */
  get heading() {
    return [...this.question.children].map((fact) => fact.textContent).join("  ·  ");
  }
  /** The line below it: the verdict, and what the colours mean. */
  ending({ result, most }) {
    const end = formatNumber(most);
    const signed = `blue supports ${tokenLabel(result.question, 60)}, red and underlined opposes it, up to ±${end}`;
    return `${this.verdict.textContent}  ·  ${result.signed ? signed : `strong colours are important, up to ${end}`}`;
  }
};
var named2 = (text2) => h("span", { className: "name" }, text2);
function questionFacts(result) {
  const fact = (name, ...content) => h("span", {}, named2(`${name} `), ...content);
  const strong = (text2) => h("b", { dir: "auto" }, tokenLabel(text2, 80));
  const [predicted, probability] = result.prediction ?? ["", null];
  return [
    ...predicted ? [fact("predicted", strong(predicted), probability === null ? "" : ` ${formatPercent(probability)}`)] : [],
    fact("explained", strong(result.question), result.value === null ? "" : ` ${result.unit} ${formatSigned(result.value)}`),
    fact("by", tokenLabel(result.how, 120)),
    ...result.model ? [fact("model", tokenLabel(result.model, 60))] : []
  ];
}
function scaleContent(result, most, ramp2) {
  const bar = h("span", { className: "ramp", style: { background: cssGradient(ramp2, result.signed) } });
  const side = (text2, sign = "") => h("span", { className: `side ${sign}` }, text2);
  const end = formatNumber(most);
  if (!result.signed) return ["0", bar, end, side("importance")];
  return [side("against", "against"), `−${end}`, bar, `+${end} ${result.unit}`, side(`for ${tokenLabel(result.question, 60)}`)];
}
function cssGradient(ramp2, signed) {
  const stops = Array.from({ length: 11 }, (_, i) => ramp2(signed ? i / 5 - 1 : i / 10));
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

// src/tokens/figure_svg.ts
var EDGE2 = 8;
function figureSvg(body, elements, roles) {
  const outer = body.getBoundingClientRect();
  const parts = [];
  elements.forEach((element) => parts.push(...element.querySelector("i") ? barSvg(element, outer, roles.text) : wordSvg(element, outer)));
  const [width, height] = [Math.ceil(outer.width + 2 * EDGE2), Math.ceil(outer.height + 2 * EDGE2)];
  return { width, height, attributes: 'font-family="system-ui, sans-serif"', body: parts.join("") };
}
function barSvg(element, outer, ink) {
  const bar = element.querySelector("i");
  const cells = [element.firstElementChild, element.lastElementChild].map((cell) => {
    const box = cell.getBoundingClientRect();
    const [x, y] = [box.right - outer.left + EDGE2, box.top - outer.top + EDGE2 + box.height * 0.72];
    return text(x, y, cell.textContent ?? "", 13, ink, ' text-anchor="end"');
  });
  return [block(bar.getBoundingClientRect(), outer, bar.style.background), ...cells];
}
function wordSvg(element, outer) {
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize) || 15;
  const { background } = element.style;
  const blocks = background ? [...element.getClientRects()].map((box) => block(box, outer, background)) : [];
  const sign = element.classList.contains("against") ? ' text-decoration="underline"' : "";
  const words = linesOf(element).map(({ text: line, box }) => text(box.left - outer.left + EDGE2, box.bottom - outer.top + EDGE2 - box.height * 0.24, line, size, style.color, sign));
  return [...blocks, ...words];
}
function text(x, y, content, size, colour, attributes = "") {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" fill="${colour}"${attributes}>${escapeXml(content)}</text>`;
}
function block(box, outer, colour) {
  const [x, y] = [box.left - outer.left + EDGE2, box.top - outer.top + EDGE2];
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(box.width)}" height="${round(box.height)}" rx="3" fill="${colour}"/>`;
}
function linesOf(element) {
  const lines = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range2 = document.createRange();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let start = 0;
    for (const letter of node.textContent ?? "") {
      range2.setStart(node, start);
      range2.setEnd(node, start += letter.length);
      const box = range2.getClientRects?.()[0];
      const last = lines.at(-1);
      if (!box) continue;
      if (last && Math.abs(last.box.bottom - box.bottom) < 2) {
        last.text += letter;
        last.box = new DOMRect(Math.min(last.box.left, box.left), last.box.top, 0, last.box.height);
      } else lines.push({ text: letter, box });
    }
  }
  return lines;
}
function round(value) {
  return Math.round(value * 10) / 10;
}

// src/tokens/picture.ts
var FAINTEST_BAR = 0.35;
var PartsPicture = class {
  constructor(events, signal) {
    this.events = events;
    this.element.append(this.body, this.tip);
    const { body } = this;
    body.addEventListener("pointerover", (event) => this.point(partOf(event)), { signal });
    body.addEventListener("pointerleave", () => this.point(-1), { signal });
    body.addEventListener("focusin", (event) => this.point(partOf(event)), { signal });
    body.addEventListener("focusout", () => this.point(-1), { signal });
    body.addEventListener("click", (event) => this.onClick(partOf(event)), { signal });
    body.addEventListener("keydown", (event) => this.onKey(event), { signal });
  }
  events;
  element = h("div", { className: "scored" });
  body = h("div", {});
  /** The score beside the part that is pointed at. */
  tip = h("div", { className: "tip", hidden: true, "aria-hidden": "true" });
  drawing = null;
  /** By part; a ranking omits some. */
  elements = [];
  layout = "";
  pointedPart = -1;
  /** Whether something was drawn. */
  get drawn() {
    return this.drawing !== null;
  }
  draw(drawing) {
    const { scored, ranked } = drawing;
    this.drawing = drawing;
    const layout = JSON.stringify([scored.parts, ranked && [...scored.scores], scored.result.signed]);
    const changed = layout !== this.layout;
    const focused = this.body.contains(this.body.getRootNode().activeElement);
    this.layout = layout;
    if (changed) this.layOut(drawing);
    this.elements.forEach((element, part) => element.setAttribute("aria-label", scored.spoken(part)));
    this.paint(drawing);
    if (focused && changed) this.elements.find((element) => element?.tabIndex === 0)?.focus({ preventScroll: true });
    if (!focused) this.point(this.pointedPart);
  }
  setBusy(busy) {
    this.element.setAttribute("aria-busy", String(busy));
  }
  // -- layout ---------------------------------------------------------------------------------------------
  layOut({ scored, ranked }) {
    this.elements = [];
    this.body.replaceChildren(...ranked ? this.ranking(scored) : [this.runningText(scored)]);
  }
  runningText(scored) {
    const { space } = scored.parts;
    const paragraphs = paragraphsOf(scored.parts).map((parts) => {
      const paragraph = h("p", { className: "running", dir: "auto", role: "presentation" });
      for (const part of parts) {
        if (space[part] === 2) paragraph.append(h("br"));
        else if (space[part] === 1) paragraph.append(" ");
        paragraph.append(this.addPart(partElement(scored, part), part));
      }
      return paragraph;
    });
    const listbox = { role: "listbox", "aria-label": "Text with scores", "aria-orientation": "horizontal" };
    return h("div", listbox, ...paragraphs);
  }
  ranking(scored) {
    const rows = scored.ranking.map((part) => this.addPart(h(
      "div",
      { className: "rank" },
      h("span", { className: "word", dir: "auto" }, scored.label(part)),
      h("span", { className: "track" }, h("i", {})),
      h("span", { className: "figure" }, scored.columnText(part))
    ), part));
    const { count, sum } = scored.unranked;
    const together = scored.result.signed ? `; together ${formatSigned(sum)}` : "";
    return [
      h("div", { className: "ranks", role: "listbox", "aria-label": "Strongest scores" }, ...rows),
      h("p", { className: "rest", hidden: count === 0 }, `${count} weaker ${scored.parts.level}s are not listed${together}.`)
    ];
  }
  /** Makes an element stand for a part. */
  addPart(element, part) {
    element.setAttribute("role", "option");
    element.tabIndex = -1;
    element.dataset["part"] = String(part);
    return this.elements[part] = element;
  }
  // -- colours --------------------------------------------------------------------------------------------
  paint({ scored, ramp: ramp2, ranked }) {
    const selected = this.events.selected();
    const bounds = ranked ? barBounds(scored.ranking.map((part) => scored.scores[part])) : null;
    this.elements.forEach((element, part) => {
      if (bounds) paintBar(element, scored, part, ramp2, bounds);
      else if (scored.isColoured(part)) {
        const colour = ramp2(scored.share(part));
        Object.assign(element.style, { background: colour, color: inkOn(colour) });
        element.classList.toggle("against", scored.isAgainst(part));
      } else {
        Object.assign(element.style, { background: "", color: "" });
        element.classList.remove("against");
      }
      element.setAttribute("aria-selected", String(part === selected));
    });
    const entry = this.elements[selected] ? selected : this.elements.findIndex((element) => element);
    this.elements.forEach((element, part) => element.tabIndex = part === entry ? 0 : -1);
  }
  // -- pointing and keys ----------------------------------------------------------------------------------
  point(part) {
    this.pointedPart = part;
    this.events.pointed(this.elements[part] ? part : this.events.selected());
    const element = this.elements[part];
    this.tip.hidden = !element || this.drawing.ranked;
    if (!element) return;
    this.tip.textContent = this.drawing.scored.scoreText(part);
    const outer = this.element.getBoundingClientRect();
    const inner = element.getClientRects()[0] ?? element.getBoundingClientRect();
    this.tip.style.left = `${Math.max(0, Math.min(inner.left - outer.left, outer.width - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${inner.bottom - outer.top + 5}px`;
  }
  onClick(part) {
    if (part < 0) return;
    this.events.select(part === this.events.selected() ? -1 : part);
    this.elements[part].focus({ preventScroll: true });
  }
  onKey(event) {
    if (hasModifier(event)) return;
    const { scored, ranked } = this.drawing;
    const order = ranked ? scored.ranking : [...this.elements.keys()];
    const at = order.indexOf(partOf(event));
    const next = nextIndex(event.key, at, order.length, this.rightToLeft);
    if (event.key === "Escape") this.events.select(-1);
    else if (event.key === "Enter" || event.key === " ") this.events.select(order[at] === this.events.selected() ? -1 : order[at] ?? -1);
    else if (next !== null) {
      const part = order[next];
      if (part === void 0) return;
      this.events.select(part);
      this.elements[part].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
  get rightToLeft() {
    const text2 = this.body.querySelector(".running");
    return text2 !== null && getComputedStyle(text2).direction === "rtl";
  }
};
function nextIndex(key, at, count, rightToLeft) {
  const back = rightToLeft ? 1 : -1;
  const places = {
    ArrowLeft: at + back,
    ArrowRight: at - back,
    ArrowUp: at - 1,
    ArrowDown: at + 1,
    Home: 0,
    End: count - 1
  };
  return key in places ? Math.max(0, Math.min(count - 1, places[key])) : null;
}
function partOf(event) {
  const element = event.target.closest?.("[data-part]");
  return element instanceof HTMLElement ? Number(element.dataset["part"]) : -1;
}
function partElement(scored, part) {
  const text2 = scored.label(part);
  const isPiece = text2.startsWith("##") && text2.length > 2;
  const element = h("span", { className: "part" }, isPiece && h("span", { className: "mark" }, "##"), isPiece ? text2.slice(2) : text2);
  element.classList.toggle("special", scored.isSpecial(part));
  element.classList.toggle("glued", scored.parts.space[part] === 0);
  return element;
}
function paintBar(element, scored, part, ramp2, bounds) {
  const bar = element.querySelector("i");
  const { left, width } = barOf(scored.scores[part], bounds);
  Object.assign(bar.style, { left: `${left}%`, width: `${width}%`, background: ramp2(scored.share(part, FAINTEST_BAR)) });
  bar.parentElement.style.setProperty("--zero", `${-bounds.low / bounds.span * 100}%`);
}

// src/tokens/token_edit.ts
var NO_KERNEL = "To mask or replace a token the model has to run: al.TokensView(lens, text) or al.Explorer(lens, text) in a notebook.";
function replaced(text2, segment, [start, end], by) {
  const texts = typeof text2 === "string" ? [text2] : [...text2];
  const letters = [...texts[segment]];
  const [before, after] = [letters.slice(0, start).join(""), letters.slice(end).join("")];
  texts[segment] = by === "" ? joined(before, after) : before + by + after;
  return texts.length === 2 ? [texts[0], texts[1]] : texts[0];
}
function joined(before, after) {
  if (before === "") return after.trimStart();
  if (after === "") return before.trimEnd();
  if (!/\s$/.test(before) || !/^\s/.test(after)) return before + after;
  return before.endsWith(" ") ? before.slice(0, -1) + after : before + (after.startsWith(" ") ? after.slice(1) : after);
}
function predictionText({ prediction }) {
  const [label, probability] = prediction ?? ["", null];
  return `${tokenLabel(label)}${probability === null ? "" : ` ${formatPercent(probability)}`}`;
}
var TokenEdit = class {
  constructor(frame, explainer) {
    this.frame = frame;
    this.explainer = explainer;
    const { live, mask } = frame.model.get("choices");
    this.field = h("input", { type: "text", size: 10, placeholder: "another word", "aria-label": "Replace the selected part by" });
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && this.field.value.trim() && this.apply(this.field.value.trim()));
    guardField(this.field, frame.root.host, frame.signal);
    if (live) this.actions.append(
      this.name,
      ...mask ? [button("mask", () => this.apply(mask))] : [],
      button("remove", () => this.apply("")),
      this.field
    );
    else this.actions.append(h("span", { className: "name" }, NO_KERNEL));
    this.element.append(this.actions, this.outcome);
  }
  frame;
  explainer;
  element = h("div", { className: "edit", hidden: true });
  actions = h("div", { className: "actions" });
  outcome = h("p", { className: "outcome", role: "status", hidden: true });
  field;
  name = h("span", { className: "name" });
  scored = null;
  part = -1;
  /** By text: the changes that led to it from the first one, in words. */
  changes = /* @__PURE__ */ new Map();
  /** The result before the first change. */
  first = null;
  draw(scored) {
    const { model } = this.frame;
    this.scored = scored;
    this.part = scored.partOf(model.get("token"));
    const can = this.part >= 0 && !scored.isSpecial(this.part) && this.span !== null;
    const before = model.get("before");
    this.actions.hidden = !can;
    if (can) this.name.textContent = `“${scored.label(this.part)}”`;
    if (before === null) this.first = null;
    this.outcome.hidden = before === null || sameText(before, model.get("text"));
    this.element.hidden = this.actions.hidden && this.outcome.hidden;
    if (!this.outcome.hidden && before !== null) this.outcome.replaceChildren(...this.outcomeContent(scored.result, before));
  }
  get span() {
    return this.scored?.parts.span[this.part] ?? null;
  }
  /** Explains the text with the selected part replaced; what was there first is kept to return to. */
  apply(by) {
    const { scored, span, frame } = this;
    if (!scored || !span) return;
    const { model } = frame;
    const text2 = model.get("text");
    const before = model.get("before");
    if (before === null) this.first = scored.result;
    this.field.value = "";
    const named3 = `“${scored.label(this.part)}”`;
    const changed = replaced(text2, scored.parts.segment[this.part] ?? 0, span, by);
    const earlier = before === null || sameText(before, text2) ? [] : this.changes.get(JSON.stringify(text2));
    if (earlier) this.changes.set(JSON.stringify(changed), [...earlier, by === "" ? `without ${named3}` : `${named3} → “${tokenLabel(by)}”`]);
    frame.set({ before: before ?? text2, token: null });
    this.explainer.request({ text: changed }, 0, true);
  }
  outcomeContent(now, before) {
    const { first } = this;
    const same = first !== null && first.question === now.question && first.value !== null && now.value !== null;
    const change = same ? `, its ${now.unit} by ${formatSigned(now.value - first.value)}` : "";
    const undo = button("undo", () => {
      this.frame.set({ before: null, token: null });
      this.explainer.request({ text: before }, 0, true);
    });
    const was = first ? [h("b", {}, predictionText(first)), " → "] : ["now "];
    return [`${this.changes.get(JSON.stringify(this.frame.model.get("text")))?.join(", ") ?? "Changed"}: `, ...was, h("b", {}, predictionText(now)), `${change} `, undo];
  }
};

// src/tokens/tokens.css
var tokens_default = '.texts { display: grid; gap: 4px; }\n.texts textarea {\n  display: block; width: 100%; min-height: 34px; max-height: 9em; padding: 6px 9px; resize: vertical; field-sizing: content;\n  font: inherit; font-size: 14px; line-height: 1.45; color: inherit; background: var(--surface);\n  border: 1px solid var(--line); border-radius: 5px; overflow-wrap: anywhere;\n}\n.note { min-height: 1.5em; margin: 3px 0 1px; font-size: 12px; color: var(--muted); overflow-wrap: anywhere; }\n.note[data-kind="error"] { color: var(--warning); }\n.note[data-kind="error"]::before { content: "⚠ "; }\n.asked { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 2px 0 8px; font-size: 12px; overflow-wrap: anywhere; }\n.asked .name, .sums .name { color: var(--muted); }\n.asked b { font-weight: 600; }\n.scored { position: relative; transition: opacity 0.2s 0.35s; }\n.scored[aria-busy="true"] { opacity: 0.55; }\n.running { margin: 0; padding: 2px 5px; font-size: 15px; line-height: 2; overflow-wrap: anywhere; }\n.running + .running { margin-top: 8px; padding-top: 8px; border-top: 1px dashed var(--line); }\n.part { padding: 2px 4px; border-radius: 4px; cursor: pointer; unicode-bidi: isolate; white-space: pre-wrap; -webkit-box-decoration-break: clone; box-decoration-break: clone; }\n.part.glued { margin-inline-start: 1px; padding-inline-start: 2px; border-start-start-radius: 0; border-end-start-radius: 0; }\n.against { text-decoration: underline 1.5px; text-underline-offset: 3px; text-decoration-skip-ink: none; }\n.part .mark { opacity: 0.65; }\n.part.special { font: 11px var(--mono); color: var(--muted); padding: 2px 1px; }\n.part:hover { box-shadow: 0 0 0 1.5px var(--muted); }\n.part[aria-selected="true"] { box-shadow: 0 0 0 2px var(--background), 0 0 0 4px var(--text); }\n.part:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }\n.edit { margin-top: 10px; font-size: 13px; }\n.edit .actions { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }\n.edit .name { color: var(--muted); overflow-wrap: anywhere; }\n.outcome { margin: 6px 0 0; padding: 4px 9px; border-left: 3px solid var(--accent); background: var(--surface); border-radius: 4px; overflow-wrap: anywhere; }\n.tip {\n  position: absolute; z-index: 3; pointer-events: none; padding: 1px 7px; border-radius: 4px; white-space: nowrap;\n  background: var(--text); color: var(--background); font-size: 12px; font-variant-numeric: tabular-nums;\n}\n.ranks { display: grid; grid-template-columns: minmax(60px, max-content) 1fr max-content; gap: 3px 10px; align-items: center; max-width: 760px; }\n.ranks .rank { display: grid; grid-template-columns: subgrid; grid-column: 1 / -1; align-items: center; padding: 1px 4px; border-radius: 4px; cursor: pointer; }\n.ranks .rank:hover { background: var(--surface); }\n.ranks .rank[aria-selected="true"] { background: var(--surface); box-shadow: inset 3px 0 0 var(--text); }\n.ranks .rank:focus-visible { outline: 2px solid var(--accent); }\n.ranks .word { text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: pre; max-width: 260px; unicode-bidi: isolate; }\n.ranks .track { position: relative; height: 16px; background: linear-gradient(var(--line), var(--line)) var(--zero) 0 / 1px 100% no-repeat; }\n.ranks .track i { position: absolute; top: 1px; bottom: 1px; border-radius: 2px; min-width: 1px; }\n.ranks .figure { text-align: right; font-variant-numeric: tabular-nums; }\n.rest { margin: 6px 4px 0; color: var(--muted); font-size: 12px; }\n.under { display: flex; flex-wrap: wrap; gap: 4px 22px; align-items: baseline; margin-top: 8px; }\n.under .scale { flex-basis: 100%; }\n.scale { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 9px; font-variant-numeric: tabular-nums; }\n.scale .ramp { width: 150px; height: 10px; border-radius: 2px; }\n.scale .side { color: var(--muted); overflow-wrap: anywhere; }\n.sums { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }\n.verdict { margin: 0; overflow-wrap: anywhere; }\n.verdict[data-kind="warn"] { padding: 5px 9px; border-left: 3px solid var(--warning); border-radius: 4px; background: var(--surface); color: var(--warning); font-weight: 600; }\n.verdict[data-kind="warn"]::before { content: "⚠ "; }\n@media (forced-colors: active) {\n  .part, .ramp, .track, .track i { forced-color-adjust: none; }\n  .part[aria-selected="true"], .ranks .rank[aria-selected="true"] { outline: 3px solid Highlight; outline-offset: 1px; }\n  .part:hover { outline: 1px solid CanvasText; }\n  .tip { border: 1px solid CanvasText; }\n}\n';

// src/tokens/index.ts
var KEYS = "Point at a part for its score; arrows move, Escape clears.";
var HOW = {
  signed: "Blue supports the class, red and underlined opposes it, strong colours the most.",
  unsigned: "Strong colours are important; the method does not say whether for or against."
};
var TokensView = class {
  constructor(frame) {
    this.frame = frame;
    const { model, signal, stage } = frame;
    this.scored = this.readScores();
    this.explainer = new Explainer(frame);
    this.controls = new TokensControls(frame, this.explainer);
    this.picture = new PartsPicture({
      pointed: (part) => frame.say(part >= 0 ? this.scored.describe(part) : ""),
      select: (part) => frame.set({ token: part < 0 ? null : this.scored.parts.first[part] }),
      selected: () => this.scored.partOf(model.get("token"))
    }, signal);
    const { fields, note } = this.explainer;
    this.edit = new TokenEdit(frame, this.explainer);
    stage.append(fields, note, frame.headline, this.facts.question, this.picture.element, this.edit.element, this.facts.reading);
    listen(model, ["shown", "scores", "target", "method", "number", "level", "sort", "token", "before"], frame.redraw, signal);
  }
  frame;
  explainer;
  controls;
  facts = new Facts();
  picture;
  edit;
  scored;
  readScores() {
    const { model } = this.frame;
    return readScoredText(model.get("shown"), model.get("scores"), model.get("number"), model.get("level"));
  }
  draw() {
    if (!this.explainer.typing || !this.picture.drawn) this.drawScores();
    this.controls.draw(this.scored);
    const { busy, failed } = this.explainer;
    this.picture.setBusy(busy || failed);
    if (busy) this.explainer.say("Reading …");
  }
  drawScores() {
    const { model, dark: dark2 } = this.frame;
    this.scored = this.readScores();
    const { scored } = this;
    const { signed } = scored.result;
    const ramp2 = signed ? signedRamp(dark2) : unsignedRamp(dark2);
    this.picture.draw({ scored, ramp: ramp2, ranked: model.get("sort") });
    this.facts.draw(scored, ramp2);
    this.frame.title(...scored.inWords);
    this.edit.draw(scored);
    this.frame.explain(HOW[signed ? "signed" : "unsigned"], KEYS);
  }
  figure() {
    const { result } = this.scored;
    return {
      picture: figureSvg(this.picture.body, this.picture.elements, this.frame.roles),
      title: this.facts.heading,
      subtitle: "",
      caption: this.facts.ending(this.scored),
      file: ["attribution", result.question, result.how].join("-")
    };
  }
};
var index_default = view("Token attribution", tokens_default, (frame) => {
  const tokens = new TokensView(frame);
  return { draw: () => tokens.draw(), figure: () => tokens.figure() };
});
export {
  index_default as default
};
