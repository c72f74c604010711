// The same cells by WebGL2: a fragment is a cell, queries and keys are textures of half floats.

import { TILE_SIDE } from "../protocol/tiles";
import type { Block, ShownHeads } from "./cells";

/** Texels in a row of a texture. */
const ACROSS = 2048;
/** What stands for infinity in a texture. */
const ENDLESS = 3e38;
/** What stands for an open side of a band. */
const OPEN = 1 << 30;

const CORNERS = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;

/** `rows` and `cols` hold each position's place in the layer, and its log-sum-exp or what is added to its scores. */
const fragmentShader = (texels: number) => `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
uniform sampler2D queries, keys, rows, cols;
uniform ivec2 corner, end;
uniform ivec3 band;
uniform int size;
uniform float scale, softcap;
uniform bool largest;
out vec4 cell;

const int TEXELS = ${texels};
const int VECTORS = ${Math.floor(ACROSS / texels)};

ivec2 vectorAt(int n) { return ivec2((n % VECTORS) * TEXELS, n / VECTORS); }
ivec2 placeAt(int n) { return ivec2(n % ${ACROSS}, n / ${ACROSS}); }

void main() {
  ivec2 first = corner + ivec2(gl_FragCoord.xy) * size;
  ivec2 stop = min(first + size, end);
  float most = -${ENDLESS.toExponential()}, sum = 0.0;
  for (int i = first.y; i < stop.y; i++) {
    ivec2 from = vectorAt(i);
    vec4 query[TEXELS];
    for (int n = 0; n < TEXELS; n++) query[n] = texelFetch(queries, from + ivec2(n, 0), 0);
    vec2 row = texelFetch(rows, placeAt(i), 0).xy;
    for (int j = first.x; j < stop.x; j++) {
      vec2 col = texelFetch(cols, placeAt(j), 0).xy;
      int distance = int(col.x) - int(row.x) - band.z;
      if (distance < -band.x || distance > band.y) continue;
      ivec2 to = vectorAt(j);
      float score = 0.0;
      for (int n = 0; n < TEXELS; n++) score += dot(query[n], texelFetch(keys, to + ivec2(n, 0), 0));
      score *= scale;
      if (softcap > 0.0) score = softcap * tanh(clamp(score / softcap, -20.0, 20.0));
      score += col.y - row.y;
      most = max(most, score);
      if (!largest) sum += exp(score);
    }
  }
  cell = vec4(largest ? exp(most) : sum);
}`;

export class WebglCells {
  private readonly programs = new Map<number, WebGLProgram>();
  private shown: ShownHeads | null = null;
  private textures: WebGLTexture[] = [];

  private constructor(private readonly gl: WebGL2RenderingContext) {
    const target = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, target);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, TILE_SIDE, TILE_SIDE);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
  }

  /** Null where there is no WebGL2 that draws floats. */
  static create(): WebglCells | null {
    if (typeof OffscreenCanvas === "undefined") return null;
    const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
    return gl?.getExtension("EXT_color_buffer_float") ? new WebglCells(gl) : null;
  }

  /** The cells of a block of one head; null where another way must be taken. */
  cells(shown: ShownHeads, block: Block): Float32Array | null {
    const { gl } = this;
    const [high, wide] = [Math.ceil((block.bottom - block.top) / block.size), Math.ceil((block.right - block.left) / block.size)];
    if (!this.takes(shown) || high > TILE_SIDE || wide > TILE_SIDE) return null;
    if (shown !== this.shown) this.upload(shown);
    this.draw(shown, block, wide, high);
    const texels = new Float32Array(4 * high * wide);
    gl.readPixels(0, 0, wide, high, gl.RGBA, gl.FLOAT, texels);
    if (gl.isContextLost() || gl.getError()) return null;
    return Float32Array.from({ length: high * wide }, (_, n) => texels[4 * n]!);
  }

  /** One head whose vectors fit the textures, without a bias or a mask that differs by query. */
  private takes({ heads: [head, ...others], rows, cols }: ShownHeads): boolean {
    const texels = Math.ceil(head!.layer.halfVectors("key").size / 4);
    const tallest = Math.max(rows.length, cols.length) / Math.floor(ACROSS / texels);
    return !others.length && head!.layer.extrasOfKeys && tallest <= this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE);
  }

  private draw({ heads: [head] }: ShownHeads, { top, bottom, left, right, size, pool }: Block, wide: number, high: number): void {
    const { gl } = this;
    const { header } = head!.layer;
    const program = this.program(Math.ceil(head!.layer.halfVectors("key").size / 4));
    const place = (name: string) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    ["queries", "keys", "rows", "cols"].forEach((name, unit) => gl.uniform1i(place(name), unit));
    gl.uniform2i(place("corner"), left, top);
    gl.uniform2i(place("end"), right, bottom);
    const [before, after, offset] = header.band ?? [null, null, 0];
    gl.uniform3i(place("band"), before ?? OPEN, after ?? OPEN, offset);
    gl.uniform1i(place("size"), size);
    gl.uniform1f(place("scale"), header.scale ?? 1);
    gl.uniform1f(place("softcap"), header.softcap ?? 0);
    gl.uniform1i(place("largest"), Number(pool === "max"));
    gl.viewport(0, 0, wide, high);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private program(texels: number): WebGLProgram {
    const { gl } = this;
    let program = this.programs.get(texels);
    if (!program) {
      program = gl.createProgram();
      const sources = [[gl.VERTEX_SHADER, CORNERS], [gl.FRAGMENT_SHADER, fragmentShader(texels)]] as const;
      for (const [kind, source] of sources) {
        const shader = gl.createShader(kind)!;
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      this.programs.set(texels, program);
    }
    return program;
  }

  /** Makes the textures of another head or of other positions. */
  private upload(shown: ShownHeads): void {
    const { gl } = this;
    const { rows, cols, heads: [head] } = shown;
    const { layer, lse } = head!;
    const add = layer.extras();
    this.textures.forEach((texture) => gl.deleteTexture(texture));
    this.textures = [
      this.vectors(0, layer.halfVectors("query"), rows),
      this.vectors(1, layer.halfVectors("key"), cols),
      this.places(2, rows, (row) => lse[row]!),
      this.places(3, cols, (col) => add?.(0, col) ?? 0),
    ];
    this.shown = shown;
  }

  /** Vectors side by side, each as whole texels. */
  private vectors(unit: number, { bits, size }: { bits: Uint16Array; size: number }, positions: Int32Array): WebGLTexture {
    const { gl } = this;
    const texels = Math.ceil(size / 4);
    const across = Math.floor(ACROSS / texels);
    const high = Math.ceil(positions.length / across);
    const out = new Uint16Array(4 * ACROSS * high);
    positions.forEach((position, n) => {
      const to = 4 * (Math.floor(n / across) * ACROSS + (n % across) * texels);
      out.set(bits.subarray(position * size, (position + 1) * size), to);
    });
    return this.texture(unit, high, gl.RGBA16F, gl.RGBA, gl.HALF_FLOAT, out);
  }

  /** Each position, and a number that belongs to it. */
  private places(unit: number, positions: Int32Array, number: (position: number) => number): WebGLTexture {
    const { gl } = this;
    const high = Math.ceil(positions.length / ACROSS);
    const out = new Float32Array(2 * ACROSS * high);
    positions.forEach((position, n) => {
      out[2 * n] = position;
      out[2 * n + 1] = Math.max(-ENDLESS, Math.min(ENDLESS, number(position)));
    });
    return this.texture(unit, high, gl.RG32F, gl.RG, gl.FLOAT, out);
  }

  private texture(unit: number, high: number, inner: number, format: number, type: number, data: ArrayBufferView): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, inner, ACROSS, high, 0, format, type, data);
    return texture;
  }
}
