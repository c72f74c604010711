// Canvases at the screen's resolution.

import { h } from "../ui/dom";

/** A canvas's context at the screen's resolution, cleared; coordinates are CSS pixels. */
export function canvasContext(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = globalThis.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d")!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** A ramp of colours as a small bar, from 0 to 1. */
export function gradientBar(ramp: (share: number) => string): HTMLCanvasElement {
  const width = 80;
  const canvas = h("canvas");
  const context = canvasContext(canvas, width, 10);
  for (let x = 0; x < width; x++) {
    context.fillStyle = ramp(x / (width - 1));
    context.fillRect(x, 0, 1, 10);
  }
  return canvas;
}

/** Draws an image pixel by pixel: `pixel` returns red, green, blue and opacity, 0 to 255. */
export function paintPixels(
  canvas: HTMLCanvasElement, cols: number, rows: number, pixel: (n: number) => readonly number[],
): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  canvas.width = cols;
  canvas.height = rows;
  const image = context.createImageData(cols, rows);
  for (let n = 0; n < cols * rows; n++) image.data.set(pixel(n), 4 * n);
  context.putImageData(image, 0, 0);
}
