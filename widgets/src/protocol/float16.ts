// float16 as Python writes it. Every bit pattern is looked up, which is as fast as a browser's native Float16Array.

let table: Float32Array | undefined;

/** The number that 16 bits stand for. */
function decode(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** The number of every bit pattern. */
export function halfValues(): Float32Array {
  return (table ??= Float32Array.from({ length: 65536 }, (_, bits) => decode(bits)));
}

/** Decodes float16 to float32. */
export function decodeHalves(halves: Uint16Array): Float32Array {
  const values = halfValues();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = values[halves[i]!]!;
  return out;
}

/** `count` float16 values within a block of bytes, as bit patterns: a view, or a copy where they are not aligned. */
export function halvesAt(bytes: DataView, start: number, count: number): Uint16Array {
  const offset = bytes.byteOffset + start;
  if (offset % 2 === 0) return new Uint16Array(bytes.buffer as ArrayBuffer, offset, count);
  return new Uint16Array(bytes.buffer.slice(offset, offset + 2 * count) as ArrayBuffer);
}

/** Decodes `count` float16 values from byte `start` on. */
export function readHalves(bytes: DataView, start: number, count: number): Float32Array {
  return decodeHalves(halvesAt(bytes, start, count));
}

/** Reads `count` little-endian float32 values, after skipping the first `skip` values. */
export function readSingles(bytes: DataView, skip: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, n) => bytes.getFloat32(4 * (skip + n), true));
}
