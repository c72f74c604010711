// Arithmetic on weight matrices, stored row by row: [query * key].

/** The mean of several matrices. */
export function meanOf(matrices: Float32Array[]): Float32Array {
  if (matrices.length === 1) return matrices[0]!;
  const out = new Float32Array(matrices[0]!.length);
  for (const matrix of matrices) for (let n = 0; n < out.length; n++) out[n]! += matrix[n]! / matrices.length;
  return out;
}

/** Selected rows and columns of a matrix. */
export function submatrix(matrix: Float32Array, keys: number, rows: number[], cols: number[]): Float32Array {
  const out = new Float32Array(rows.length * cols.length);
  rows.forEach((row, i) => cols.forEach((col, j) => (out[i * cols.length + j] = matrix[row * keys + col]!)));
  return out;
}

/** The matrix with zero weight for some keys; each row is normalized to sum to one again. */
export function withoutKeys(matrix: Float32Array, keys: number, omitted: number[]): Float32Array {
  const out = matrix.slice();
  for (let start = 0; start < out.length; start += keys) {
    for (const key of omitted) out[start + key] = 0;
    let sum = 0;
    for (let j = 0; j < keys; j++) sum += out[start + j]!;
    if (sum > 0) for (let j = 0; j < keys; j++) out[start + j]! /= sum;
  }
  return out;
}

/** The largest magnitude among values; 0 for none. */
export function largestMagnitude(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
