// Which part of a matrix is in sight.

import { describe, expect, test } from "vitest";
import { LARGEST_CELL, Viewport } from "../../src/drawing/viewport";

function viewport(rows = 100, cols = 50, size = 400): Viewport {
  const view = new Viewport();
  view.resize(rows, cols, size);
  return view;
}

describe("a viewport", () => {
  test("shows the whole at first, in cells that are not too large", () => {
    expect(viewport().sight).toEqual({ x: 0, y: 0, cell: 4 });
    expect(viewport(3, 2).sight.cell).toBe(LARGEST_CELL);
    expect(viewport(3, 2).zoomed).toBe(false);
  });

  test("shows the whole again where the shape or the size changed, and only there", () => {
    const view = viewport();
    view.zoom(4);
    expect(view.resize(100, 50, 400)).toBe(false);
    expect(view.zoomed).toBe(true);
    expect(view.resize(100, 50, 300)).toBe(true);
    expect(view.sight).toEqual({ x: 0, y: 0, cell: 3 });
    view.zoom(4);
    expect(view.resize(90, 50, 300)).toBe(true);
    expect(view.zoomed).toBe(false);
  });

  test("keeps what is at a pixel there while it zooms", () => {
    const view = viewport(100, 100);
    const before = view.cellAt(161, 283);
    view.zoom(2, 161, 283);
    expect(view.sight.cell).toBe(8);
    expect(view.cellAt(161, 283)).toEqual(before);
  });

  test("zooms around the middle by default, within limits", () => {
    const view = viewport(100, 100);
    view.zoom(2);
    expect(view.sight).toEqual({ x: 25, y: 25, cell: 8 });
    view.zoom(1e9);
    expect(view.sight.cell).toBe(LARGEST_CELL);
    view.zoom(1e-9);
    expect(view.sight).toEqual({ x: 0, y: 0, cell: 4 });
  });

  test("is moved against the pointer, not beyond the edges", () => {
    const view = viewport(100, 100);
    view.zoom(2);
    view.pan(-80, 40);
    expect(view.sight).toEqual({ x: 35, y: 20, cell: 8 });
    view.pan(1e6, -1e6);
    expect(view.sight).toEqual({ x: 0, y: 50, cell: 8 });
  });

  test("moves no further than needed to reveal a cell", () => {
    const view = viewport(100, 100);
    view.zoom(2);
    view.reveal({ row: 30, col: 40 });
    expect(view.sight).toEqual({ x: 25, y: 25, cell: 8 });
    view.reveal({ row: 80, col: 10 });
    expect(view.sight).toEqual({ x: 10, y: 31, cell: 8 });
  });

  test("follows another one of another shape within its own edges", () => {
    const view = viewport(20, 20);
    view.follow({ x: 90, y: 3, cell: 40 });
    expect(view.sight).toEqual({ x: 10, y: 3, cell: 40 });
  });

  test("knows the cell at a pixel, and none beside the matrix", () => {
    const view = viewport();
    expect(view.cellAt(0, 0)).toEqual({ row: 0, col: 0 });
    expect(view.cellAt(199, 399)).toEqual({ row: 99, col: 49 });
    for (const [x, y] of [[-1, 0], [0, -1], [201, 0], [0, 401]] as const) expect(view.cellAt(x, y)).toBe(null);
  });

  test("has the size of the matrix, no more than the plot", () => {
    expect([viewport().width, viewport().height, viewport().tallest]).toEqual([200, 400, 400]);
    expect([viewport(3, 2).width, viewport(3, 2).height, viewport(3, 2).tallest]).toEqual([96, 144, 144]);
  });

  test("chooses the level whose cells come closest to a pixel of the screen", () => {
    const levels = [400, 800, 1600, 3200].map((count) => viewport(count, count).level(1, 9));
    expect(levels).toEqual([0, 1, 2, 3]);
    expect(viewport(800, 800).level(2, 9)).toBe(0);
    expect(viewport(3200, 3200).level(1, 2)).toBe(2);
  });

  test("lists the cells and the tiles in sight", () => {
    const view = viewport(1000, 1000, 500);
    expect(view.tilesInSight(0)).toEqual({ rows: { first: 0, end: 4 }, cols: { first: 0, end: 4 } });
    expect(view.tilesInSight(2)).toEqual({ rows: { first: 0, end: 1 }, cols: { first: 0, end: 1 } });
    view.follow({ x: 512, y: 255.5, cell: 40 });
    expect(view.cellsInSight).toEqual({ rows: { first: 255, end: 268 }, cols: { first: 512, end: 525 } });
    expect(view.tilesInSight(0)).toEqual({ rows: { first: 0, end: 2 }, cols: { first: 2, end: 3 } });
  });

  test("lists no tile beyond the last cell", () => {
    const view = viewport(256, 256, 256);
    expect(view.tilesInSight(0)).toEqual({ rows: { first: 0, end: 1 }, cols: { first: 0, end: 1 } });
  });
});
