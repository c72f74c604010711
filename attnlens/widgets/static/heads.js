// Generated from widgets/src/heads/ by `npm run build`; do not edit. Sources: sha256 bcbc4591dfdd71c0a2e609c8f43e0ba2ce6cc05a5f0806e881cba53118a31b74

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

// src/protocol/widget_model.ts
function listen(model, names, callback, signal) {
  for (const name of names) model.on(`change:${name}`, callback);
  signal.addEventListener("abort", () => names.forEach((name) => model.off(`change:${name}`, callback)), { once: true });
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

// src/ui/controls.ts
function segments(label, buttons) {
  return h("span", { className: "segments", role: "group", "aria-label": label }, ...buttons);
}
function button(text, act) {
  return h("button", { type: "button", onclick: act }, text);
}
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
function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}
function toggleHead(heads2, head, adds, least) {
  if (!adds) return [head];
  const others = heads2.filter((other) => other !== head);
  const removed = others.length < heads2.length && others.length >= least;
  return (removed ? others : [...others, head]).sort((a, b) => a - b);
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

// src/heads/heads_model.ts
var LAYER_LABEL = 76;
var ROOMY = 24;
var [USUAL, LARGEST, TALL] = [56, 96, 560];
var FAINTEST = 0.15;
function readThumbnails(bytes, sizes) {
  let start = 0;
  return sizes.map(([heads2, rows, cols]) => {
    const count = heads2 * rows * cols;
    const values = readHalves(bytes, start, count);
    start += 2 * count;
    return { heads: heads2, rows, cols, values };
  });
}
function thumbnailOpacity({ rows, cols, values }, head) {
  const picture = values.subarray(head * rows * cols, (head + 1) * rows * cols);
  const share = intensityScale(picture.reduce((a, b) => Math.max(a, b), 0), false);
  return picture.map((weight) => Math.sqrt(share(weight)));
}
function headPlaces(sizes) {
  return sizes.flatMap(([heads2], layer) => range(heads2).map((head) => ({ layer, head })));
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
var UNITS = { entropy: "nats" };
function statisticWithUnit(name) {
  return [statisticTitle(name), UNITS[name] && `in ${UNITS[name]}`].filter(Boolean).join(" ");
}
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

// src/heads/controls.ts
var HeadsControls = class {
  constructor(frame) {
    this.frame = frame;
    this.by = select("Statistic that colours the heads", [], (by) => frame.set({ by }));
    this.cells = ["value", "pattern"].map((cells) => button(cells, () => frame.set({ cells })));
    this.cellsGroup = segments("What a square shows", this.cells);
    this.sort = checkbox((sort) => frame.set({ sort }));
    this.listColumns();
    frame.bar.append(
      h("label", {}, h("span", { className: "name" }, "Show"), this.by),
      this.cellsGroup,
      h("label", {}, this.sort, "rank, largest first"),
      this.legend
    );
  }
  frame;
  by;
  sort;
  cells;
  cellsGroup;
  legend = h("span", { className: "legend" });
  listColumns() {
    const columns = this.frame.model.get("columns").map((name) => [name, statisticTitle(name)]);
    this.by.replaceChildren(...options([["", "pattern of each head"], ...columns]));
  }
  draw(statistic, ramp2) {
    const { model } = this.frame;
    this.by.value = model.get("by");
    this.cellsGroup.hidden = model.get("by") === "";
    for (const cells of this.cells) press(cells, cells.textContent === model.get("cells"));
    this.sort.checked = model.get("sort");
    this.sort.disabled = model.get("by") === "";
    const { extent } = statistic;
    const [low = "", high = ""] = extent ? scaleEnds(model.get("by"), extent) : [];
    this.legend.replaceChildren(...extent ? [`${statisticWithUnit(model.get("by"))}: ${low}`, gradientBar(ramp2), high] : []);
  }
};

// src/heads/heads.css
var heads_default = '.grid { display: grid; padding: 4px 4px 4px 0; width: max-content; align-items: center; }\n.grid .axis { color: var(--muted); font-size: 11px; line-height: 8px; white-space: nowrap; overflow: visible; min-width: 0; padding: 2px 0; text-align: center; font-variant-numeric: tabular-nums; }\n.grid .axis.row { text-align: right; padding-right: 4px; }\n.tile { padding: 0; min-height: 0; border: 1px solid var(--line); border-radius: 3px; background: var(--background); line-height: 0; position: relative; }\n.tile .value { line-height: 1; font-variant-numeric: tabular-nums; }\n.grid .axis.row { position: sticky; left: 0; z-index: 2; background: var(--background); }\n.more { margin: 0 0 4px; color: var(--muted); font-size: 12px; }\n.tile canvas { width: 100%; height: 100%; border-radius: 2px; image-rendering: pixelated; }\n.tile[aria-selected="true"] { outline: 2px solid var(--text); outline-offset: 1px; }\n.tile:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; z-index: 1; }\n.ranked { padding: 3px; display: flex; flex-wrap: wrap; gap: 6px; }\n.ranked figure { margin: 0; text-align: center; font-size: 11px; color: var(--muted); font-variant-numeric: tabular-nums; }\n';

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
  svg(heads2, ink, scale) {
    const valued = new Map(this.drawn.map((drawing) => [keyOf(drawing.place), drawing]));
    return headsSvg(heads2, ink, scale, (place) => {
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
function headsSvg(heads2, ink, scale, cellOf) {
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
    width: Math.max(at(most), scale ? 400 : 0),
    height: at(heads2.length) + (scale ? 24 : 0),
    attributes: `font-family="sans-serif" font-size="12" fill="${ink}"`,
    body: [
      text(edge - 22, edge - 12, "layer"),
      text(at(most / 2), edge - 28, "head"),
      scale ? scaleSvg(scale, edge - 40, at(heads2.length) + 4) : "",
      ...range(most).map((head) => text(at(head) + size / 2, edge - 12, head)),
      ...heads2.flatMap((count, layer) => [
        text(edge - 22, at(layer) + size / 2 + 4, layer),
        ...range(count).map((head) => square({ layer, head }))
      ])
    ].join("")
  };
}

// src/heads/index.ts
var HOW = {
  query: "In a square queries run down and keys across; strong colours are large weights, each square on its own scale. Hues tell heads apart.",
  patch: "A square is the image: what the class token attends to; strong colours are large weights, each square on its own scale. Hues tell heads apart."
};
var [SMALLEST_VALUE, SMALLEST_PATTERN] = [8, 16];
var KEYS = "Click a head to select it, Shift adds one; arrow keys move.";
var HeadsView = class {
  constructor(frame) {
    this.frame = frame;
    const { model, signal } = frame;
    this.controls = new HeadsControls(frame);
    const place = h("div");
    frame.stage.append(place);
    this.picture = new HeadsPicture(place, {
      select: (place2, adds) => this.select(place2, adds),
      pointed: (place2) => frame.say(place2 ? this.statistic.describe(place2, model.get("stacks")) : "")
    });
    this.thumbnails = this.readThumbnails();
    listen(model, ["layer", "heads", "by", "cells", "sort", "stats"], frame.redraw, signal);
    listen(model, ["thumbnails"], () => {
      this.thumbnails = this.readThumbnails();
      this.layout = "";
      this.controls.listColumns();
      frame.redraw();
    }, signal);
  }
  frame;
  controls;
  picture;
  thumbnails;
  layout = "";
  requested = false;
  readThumbnails() {
    const { model } = this.frame;
    return readThumbnails(model.get("thumbnails"), model.get("sizes"));
  }
  get places() {
    return headPlaces(this.frame.model.get("sizes"));
  }
  get statistic() {
    const { model } = this.frame;
    return new HeadStatistic(model.get("by"), model.get("stats"), this.places);
  }
  /** Selects a head; adds it to the selection where that is of the same layer. */
  select({ layer, head }, adds) {
    const { model } = this.frame;
    const heads2 = toggleHead(model.get("heads"), head, adds && layer === model.get("layer"), 1);
    this.frame.set({ layer, heads: heads2 });
  }
  draw() {
    const { model, dark: dark2, roles, width } = this.frame;
    const by = model.get("by");
    this.frame.explain(by ? `${capitalized(statisticTitle(by))}: ${model.get("meanings")[by]}.` : HOW[model.get("rows")], KEYS);
    if (by && !(by in model.get("stats"))) this.requestStatistics();
    const [statistic, ramp2] = [this.statistic, statisticRamp(attentionRamp(dark2))];
    this.layOut(statistic, width);
    this.controls.draw(statistic, ramp2);
    this.drawHeadline(statistic);
    const { ends } = statistic;
    const drawings = this.places.map((place) => {
      const value = statistic.of(place);
      return {
        place,
        colour: statistic.colour(place, ramp2, dark2, roles.neutral),
        selected: place.layer === model.get("layer") && model.get("heads").includes(place.head),
        label: statistic.describe(place, model.get("stacks")),
        value: this.valued ? value === null ? "" : cellNumber(value, statistic.extent) : null,
        mark: endMark(ends, place)
      };
    });
    this.picture.draw(drawings, this.thumbnails, { layer: model.get("layer"), head: model.get("heads")[0] ?? 0 });
  }
  /** Whether squares show the value of a statistic and not a pattern. */
  get valued() {
    const { model } = this.frame;
    return model.get("by") in model.get("stats") && model.get("cells") === "value";
  }
  drawHeadline(statistic) {
    const { model } = this.frame;
    const by = model.get("by");
    const strongest = model.get("strongest");
    const [name = "", said = ""] = by ? [statisticTitle(by), [statistic.describeEnds(model.get("stacks"), this.valued && !this.picture.hasNumbers), this.selectedInWords(statistic)].filter(Boolean).join("; ")] : strongest ? [placeTitle(strongest, model.get("stacks")), strongestInWords(strongest)] : [];
    this.frame.title(said === "" ? "" : name, said);
  }
  /** The outlined head with its value; "" for several. */
  selectedInWords(statistic) {
    const { model } = this.frame;
    const [head, ...others] = model.get("heads");
    const value = head === void 0 || others.length ? null : statistic.of({ layer: model.get("layer"), head });
    return value === null ? "" : `outlined: ${placeTitle({ layer: model.get("layer"), head }, model.get("stacks"))} (${formatNumber(value)})`;
  }
  /** Lays the squares out where the order or the width changed. */
  layOut(statistic, width) {
    const { model } = this.frame;
    const ranked = model.get("sort") && statistic.extent !== null;
    const layout = JSON.stringify([ranked && model.get("by"), width, this.valued, model.get("stacks")]);
    if (layout === this.layout) return;
    this.layout = layout;
    const heads2 = this.headCounts;
    const square = squareSize(width, Math.max(...heads2), heads2.length, this.valued ? SMALLEST_VALUE : SMALLEST_PATTERN);
    this.picture.layOut(heads2, ranked ? statistic.ranking : null, square, model.get("stacks"));
  }
  get headCounts() {
    return this.frame.model.get("sizes").map(([heads2]) => heads2);
  }
  requestStatistics() {
    if (this.requested) return;
    const { frame } = this;
    this.requested = true;
    frame.notify("Computing the statistics of all heads …", "busy");
    frame.request("stats").then(
      () => frame.notify(""),
      (error) => !frame.signal.aborted && frame.notify(error.message)
    ).finally(() => this.requested = false);
  }
  figure() {
    const { model, roles, dark: dark2 } = this.frame;
    const by = model.get("by");
    const { extent } = this.statistic;
    const selected = model.get("heads").map((head) => placeTitle({ layer: model.get("layer"), head }, model.get("stacks")));
    return {
      picture: this.picture.svg(this.headCounts, roles.text, extent && { ...extent, ramp: statisticRamp(attentionRamp(dark2)), unit: statisticTitle(by) }),
      title: by ? [capitalized(statisticTitle(by)), this.statistic.describeEnds(model.get("stacks"))].filter(Boolean).join(": ") : "The attention of every head",
      subtitle: [model.get("about"), selected.length ? `selected: ${selected.join(", ")}` : ""].filter(Boolean).join("   "),
      caption: by ? `${capitalized(statisticTitle(by))}: ${model.get("meanings")[by]}.` : HOW[model.get("rows")],
      file: ["heads", by || "patterns"].join("-")
    };
  }
};
function strongestInWords({ query, key, weight }) {
  const ofImage = /^patch \(\d+, \d+\)$/.test(key);
  const on = ofImage ? "one patch" : "one ordinary token";
  return `of all heads the one whose “${tokenLabel(query)}” puts most weight on ${on}, ${formatNumber(weight)} on ${ofImage ? key : `“${tokenLabel(key)}”`}`;
}
var index_default = view("Attention heads", heads_default, (frame) => {
  const heads2 = new HeadsView(frame);
  return { draw: () => heads2.draw(), figure: () => heads2.figure() };
});
export {
  index_default as default
};
