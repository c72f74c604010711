// @vitest-environment jsdom
// A matrix operated by pointer, wheel and keys.

import { beforeEach, describe, expect, test, vi } from "vitest";
import { attachInteractions, keyActions, type Navigable } from "../../src/drawing/interactions";

/** A plot of 10 x 10 cells of 20 pixels, 30 pixels from the left and 40 from the top of its element. */
function navigable() {
  const element = document.createElement("div");
  element.tabIndex = 0;
  element.setPointerCapture = vi.fn();
  element.getBoundingClientRect = () => ({ left: 100, top: 200 }) as DOMRect;
  const matrix = {
    element,
    corner: { left: 30, top: 40 },
    seen: { rows: 4, cols: 6 },
    cellAt: (x: number, y: number) => (x >= 0 && y >= 0 && x < 200 && y < 200 ? { row: Math.floor(y / 20), col: Math.floor(x / 20) } : null),
    point: vi.fn(),
    step: vi.fn(),
    select: vi.fn(),
    pan: vi.fn(),
    zoom: vi.fn(),
    fit: vi.fn(),
  };
  return matrix satisfies Navigable;
}

let matrix: ReturnType<typeof navigable>;
let ending: AbortController;

/** An event at a pixel of the plot. */
function pointer(type: string, x: number, y: number, more: MouseEventInit = {}): Event {
  const event = new MouseEvent(type, { clientX: 130 + x, clientY: 240 + y, bubbles: true, cancelable: true, ...more });
  matrix.element.dispatchEvent(event);
  return event;
}

function key(name: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more });
  matrix.element.dispatchEvent(event);
  return event;
}

beforeEach(() => {
  document.body.replaceChildren();
  matrix = navigable();
  ending = new AbortController();
  document.body.append(matrix.element);
  attachInteractions(matrix, ending.signal);
});

describe("the pointer", () => {
  test("points at the cell under it, and at none beside the plot", () => {
    pointer("pointermove", 45, 61);
    pointer("pointermove", -1, 61);
    expect(matrix.point.mock.calls.flat()).toEqual([{ row: 3, col: 2 }, null]);
  });

  test("selects a cell by a click, also by one that trembles", () => {
    pointer("pointerdown", 45, 61);
    pointer("pointermove", 47, 62);
    pointer("pointerup", 47, 62);
    expect(matrix.select.mock.calls).toEqual([[{ row: 3, col: 2 }]]);
    expect(matrix.pan).not.toHaveBeenCalled();
  });

  test("drags the matrix and selects nothing", () => {
    pointer("pointerdown", 45, 61);
    pointer("pointermove", 65, 61);
    pointer("pointermove", 66, 58);
    pointer("pointerup", 66, 58);
    expect(matrix.pan.mock.calls).toEqual([[20, 0], [1, -3]]);
    expect(matrix.select).not.toHaveBeenCalled();
    expect(matrix.point).not.toHaveBeenCalled();
    pointer("pointermove", 5, 5);
    expect(matrix.point).toHaveBeenCalledOnce();
  });

  test("does nothing with another button, or beside the plot", () => {
    pointer("pointerdown", 45, 61, { button: 2 });
    pointer("pointerup", 45, 61, { button: 2 });
    pointer("pointerdown", -5, 61);
    pointer("pointerup", -5, 61);
    expect(matrix.select).not.toHaveBeenCalled();
  });

  test("lets go where the browser takes over, and points at nothing where it leaves", () => {
    pointer("pointerdown", 45, 61);
    pointer("pointercancel", 45, 61);
    pointer("pointermove", 95, 61);
    expect(matrix.pan).not.toHaveBeenCalled();
    pointer("pointerleave", 500, 61);
    expect(matrix.point).toHaveBeenLastCalledWith(null);
  });

  test("zooms by a double click, out with Shift", () => {
    pointer("dblclick", 45, 61);
    pointer("dblclick", 45, 61, { shiftKey: true });
    expect(matrix.zoom.mock.calls).toEqual([[2, 45, 61], [0.5, 45, 61]]);
  });
});

describe("the wheel", () => {
  /** Puts the matrix into a shadow root, as a view does. */
  function inShadow(): void {
    const host = document.body.appendChild(document.createElement("div"));
    host.attachShadow({ mode: "open" }).append(matrix.element);
  }
  const wheel = (more: WheelEventInit = {}) => {
    const event = new WheelEvent("wheel", { deltaY: -300, clientX: 175, clientY: 301, cancelable: true, ...more });
    matrix.element.dispatchEvent(event);
    return event;
  };

  test("scrolls the page over a matrix without the focus", () => {
    inShadow();
    expect(wheel().defaultPrevented).toBe(false);
    expect(matrix.zoom).not.toHaveBeenCalled();
  });

  test("zooms a matrix with the focus at the pixel under the pointer", () => {
    inShadow();
    matrix.element.focus();
    expect(wheel().defaultPrevented).toBe(true);
    expect(matrix.zoom.mock.calls).toEqual([[Math.E, 45, 61]]);
  });

  test("zooms with Ctrl in any case: a pinch on a touchpad", () => {
    inShadow();
    wheel({ ctrlKey: true, deltaY: 300 });
    expect(matrix.zoom.mock.calls[0]![0]).toBeCloseTo(1 / Math.E, 6);
  });
});

describe("keys", () => {
  test("step from cell to cell, by a page, and to the ends of a row", () => {
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-4, 0],
      PageDown: [4, 0],
      Home: [0, -Infinity],
      End: [0, Infinity],
    };
    for (const name of Object.keys(steps)) key(name);
    expect(matrix.step.mock.calls).toEqual(Object.values(steps));
  });

  test("select, zoom and show all", () => {
    for (const name of ["Enter", " ", "+", "=", "-", "0"]) expect(key(name).defaultPrevented).toBe(true);
    expect(matrix.select.mock.calls).toEqual([[], []]);
    expect(matrix.zoom.mock.calls).toEqual([[1.5], [1.5], [1 / 1.5]]);
    expect(matrix.fit).toHaveBeenCalledOnce();
  });

  test("of the browser are left to it", () => {
    for (const more of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) expect(key("+", more).defaultPrevented).toBe(false);
    expect(matrix.zoom).not.toHaveBeenCalled();
  });

  test("of the matrix do not reach the notebook, others do", () => {
    const notebook = vi.fn();
    document.body.addEventListener("keydown", notebook);
    key("ArrowDown");
    expect(notebook).not.toHaveBeenCalled();
    expect(key("x").defaultPrevented).toBe(false);
    expect(notebook).toHaveBeenCalledOnce();
    document.body.removeEventListener("keydown", notebook);
  });

  test("are those that the matrix's label names", () => {
    const names = Object.keys(keyActions(matrix));
    for (const name of ["ArrowUp", "ArrowLeft", "Enter", "+", "-", "0"]) expect(names).toContain(name);
  });
});

describe("the end", () => {
  test("points at nothing where the focus leaves", () => {
    matrix.element.dispatchEvent(new FocusEvent("blur"));
    expect(matrix.point.mock.calls).toEqual([[null]]);
  });

  test("leaves no listener behind", () => {
    ending.abort();
    pointer("pointerdown", 45, 61);
    pointer("pointermove", 45, 61);
    pointer("pointerup", 45, 61);
    pointer("dblclick", 45, 61);
    key("ArrowDown");
    matrix.element.dispatchEvent(new WheelEvent("wheel", { ctrlKey: true, deltaY: 1 }));
    for (const act of [matrix.point, matrix.step, matrix.select, matrix.pan, matrix.zoom]) expect(act).not.toHaveBeenCalled();
  });
});
