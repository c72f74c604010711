// A matrix moved by hand: the pointer points, picks, drags and zooms; keys step from cell to cell.

export interface Cell {
  row: number;
  col: number;
}

/** What is moved; places are in pixels of the plot, from its upper left corner. */
export interface Steered {
  readonly element: HTMLElement;
  /** Where the plot begins in the element. */
  readonly corner: { left: number; top: number };
  /** Rows and columns in sight. */
  readonly seen: { rows: number; cols: number };
  cellAt(x: number, y: number): Cell | null;
  point(cell: Cell | null): void;
  /** Points at the cell so many rows down and columns across, and brings it into sight. */
  step(down: number, across: number): void;
  /** Selects the cell, by default the one that is pointed at. */
  pick(cell?: Cell | null): void;
  pan(x: number, y: number): void;
  zoom(by: number, x?: number, y?: number): void;
  fit(): void;
}

/** A pointer that moved less was held still. */
const STILL = 4;

export function steer(matrix: Steered, signal: AbortSignal): void {
  byPointer(matrix, signal);
  byWheel(matrix, signal);
  matrix.element.addEventListener("keydown", (event) => byKey(matrix, event), { signal });
  matrix.element.addEventListener("blur", () => matrix.point(null), { signal });
}

function place({ element, corner }: Steered, event: MouseEvent): [x: number, y: number] {
  const box = element.getBoundingClientRect();
  return [event.clientX - box.left - corner.left, event.clientY - box.top - corner.top];
}

function byPointer(matrix: Steered, signal: AbortSignal): void {
  const { element } = matrix;
  let held: { x: number; y: number; moved: boolean } | null = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = { x: event.clientX, y: event.clientY, moved: false };
    element.setPointerCapture(event.pointerId);
  }, { signal });
  element.addEventListener("pointermove", (event) => {
    if (!held) return matrix.point(matrix.cellAt(...place(matrix, event)));
    const [x, y] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(x, y) < STILL) return;
    held = { x: event.clientX, y: event.clientY, moved: true };
    matrix.pan(x, y);
  }, { signal });
  element.addEventListener("pointerup", (event) => {
    const cell = matrix.cellAt(...place(matrix, event));
    if (held && !held.moved && cell) matrix.pick(cell);
    held = null;
  }, { signal });
  element.addEventListener("pointercancel", () => (held = null), { signal });
  element.addEventListener("pointerleave", () => matrix.point(null), { signal });
  element.addEventListener("dblclick", (event) => matrix.zoom(event.shiftKey ? 0.5 : 2, ...place(matrix, event)), { signal });
}

function byWheel(matrix: Steered, signal: AbortSignal): void {
  const { element } = matrix;
  element.addEventListener("wheel", (event) => {
    // A page scrolls on over a matrix that nobody works with.
    const root = element.getRootNode();
    if (!event.ctrlKey && root instanceof ShadowRoot && root.activeElement !== element) return;
    event.preventDefault();
    matrix.zoom(Math.exp(-event.deltaY / 300), ...place(matrix, event));
  }, { signal, passive: false });
}

function byKey(matrix: Steered, event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own: its zoom, its history
  const acts: Record<string, () => void> = {
    ArrowUp: () => matrix.step(-1, 0),
    ArrowDown: () => matrix.step(1, 0),
    ArrowLeft: () => matrix.step(0, -1),
    ArrowRight: () => matrix.step(0, 1),
    PageUp: () => matrix.step(-matrix.seen.rows, 0),
    PageDown: () => matrix.step(matrix.seen.rows, 0),
    Home: () => matrix.step(0, -Infinity),
    End: () => matrix.step(0, Infinity),
    Enter: () => matrix.pick(),
    " ": () => matrix.pick(),
    "+": () => matrix.zoom(1.5),
    "=": () => matrix.zoom(1.5),
    "-": () => matrix.zoom(1 / 1.5),
    "0": () => matrix.fit(),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation(); // a notebook has keys of its own
  act();
}
