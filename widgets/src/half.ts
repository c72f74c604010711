// float16, as Python writes it: every half is looked up, which is as fast as a browser's own Float16Array.

let table: Float32Array | undefined;

/** The number that 16 bits stand for. */
function value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** Little-endian halves to floats. */
export function floats(halves: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => value(bits));
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]!]!;
  return out;
}

/** A view of `count` halves within a block of bytes; copied where it is not aligned. */
export function halves(bytes: DataView, start: number, count: number): Uint16Array {
  const at = bytes.byteOffset + start;
  if (at % 2 === 0) return new Uint16Array(bytes.buffer as ArrayBuffer, at, count);
  return new Uint16Array(bytes.buffer.slice(at, at + 2 * count) as ArrayBuffer);
}
