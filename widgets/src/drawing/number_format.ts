// Numbers as they are shown.

/** Smaller weights would read 0.00 with two decimals. */
export const READS_ZERO = 0.005;

/** A number with three significant figures; "–" for NaN and infinities. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A number with a true minus and no plus. */
export function formatTick(value: number): string {
  return formatNumber(value).replace(/^-/, "−");
}

/** A number with its sign, a true minus; zero has none. */
export function formatSigned(value: number): string {
  const magnitude = formatNumber(Math.abs(value));
  return magnitude === "0" || magnitude === "–" ? magnitude : `${value > 0 ? "+" : "−"}${magnitude}`;
}

/** A number as it stands in a column: all with as many decimals as give the largest, `most`, three figures. */
export function formatColumn(value: number, most: number, isSigned: boolean): string {
  if (!Number.isFinite(value)) return "–";
  const decimals = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(most || 1))));
  const text = Math.abs(value).toFixed(decimals);
  return isSigned && Number(text) !== 0 ? `${value > 0 ? "+" : "−"}${text}` : text;
}

/** A probability in percent, with decimals where it would round to certainty. */
export function formatPercent(share: number): string {
  return share > 0.995 && share < 1 ? `${(100 * share).toFixed(share > 0.9995 ? 2 : 1)}%` : `${Math.round(100 * share)}%`;
}
