// A matrix operated by hand: the pointer points, selects, drags and zooms; keys move from cell to cell.

import { runKey, type KeyActions } from "../ui/keyboard";
import type { Cell } from "./viewport";

/** What is operated; coordinates are in pixels of the plot, from its upper left corner. */
export interface Navigable {
  readonly element: HTMLElement;
  /** Where the plot begins within the element. */
  readonly corner: { left: number; top: number };
  /** Rows and columns in sight. */
  readonly seen: { rows: number; cols: number };
  cellAt(x: number, y: number): Cell | null;
  point(cell: Cell | null): void;
  /** Points at the cell that many rows down and columns across, and reveals it. */
  step(down: number, across: number): void;
  /** Selects a cell, by default the one that is pointed at. */
  select(cell?: Cell | null): void;
  pan(x: number, y: number): void;
  zoom(factor: number, x?: number, y?: number): void;
  fit(): void;
}

/** Pixels that a pointer may move within a click. */
const CLICK_RADIUS = 4;

export function attachInteractions(matrix: Navigable, signal: AbortSignal): void {
  attachPointer(matrix, signal);
  attachWheel(matrix, signal);
  matrix.element.addEventListener("keydown", (event) => runKey(event, keyActions(matrix)), { signal });
  matrix.element.addEventListener("blur", () => matrix.point(null), { signal });
}

function positionOf({ element, corner }: Navigable, event: MouseEvent): [x: number, y: number] {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left - corner.left, event.clientY - box.top - corner.top];
}

function attachPointer(matrix: Navigable, signal: AbortSignal): void {
  const { element } = matrix;
  let drag: { x: number; y: number; moved: boolean } | null = null;
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
  element.addEventListener("pointercancel", () => (drag = null), { signal });
  element.addEventListener("pointerleave", () => matrix.point(null), { signal });
  element.addEventListener("dblclick", (event) => {
    matrix.zoom(event.shiftKey ? 0.5 : 2, ...positionOf(matrix, event));
  }, { signal });
}

function attachWheel(matrix: Navigable, signal: AbortSignal): void {
  const { element } = matrix;
  element.addEventListener("wheel", (event) => {
    // The page scrolls on over a matrix without the focus.
    const root = element.getRootNode();
    if (!event.ctrlKey && root instanceof ShadowRoot && root.activeElement !== element) return;
    event.preventDefault();
    matrix.zoom(Math.exp(-event.deltaY / 300), ...positionOf(matrix, event));
  }, { signal, passive: false });
}

export function keyActions(matrix: Navigable): KeyActions {
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
    "0": () => matrix.fit(),
  };
}
