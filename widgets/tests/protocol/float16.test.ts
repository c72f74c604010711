// Decoding of float16 and float32.

import { describe, expect, test } from "vitest";
import { decodeHalves, halvesAt, readHalves, readSingles } from "../../src/protocol/float16";
import { half, halves, singles } from "../fake";

describe("float16", () => {
  test("every kind of bit pattern is the number that it stands for", () => {
    const patterns: [bits: number, value: number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    expect([...decodeHalves(Uint16Array.from(patterns, ([bits]) => bits))]).toEqual(patterns.map(([, value]) => value));
    expect(decodeHalves(Uint16Array.of(0x7e00))[0]).toBeNaN();
  });

  test("numbers with eleven significant bits survive", () => {
    const values = [0.5, 0.125, 1 / 1024, 3.140625, 1000];
    expect([...decodeHalves(Uint16Array.from(values, half))]).toEqual(values);
  });

  test("larger patterns are larger numbers, up to infinity", () => {
    const all = decodeHalves(Uint16Array.from({ length: 0x7c01 }, (_, bits) => bits));
    for (let n = 1; n < all.length; n++) expect(all[n]! > all[n - 1]!).toBe(true);
  });

  test("is read from an odd address too", () => {
    const block = new DataView(Uint8Array.of(9, 0x00, 0x3c, 0x00, 0xc0).buffer, 1);
    expect([...readHalves(block, 0, 2)]).toEqual([1, -2]);
    expect([...readHalves(block, 2, 1)]).toEqual([-2]);
  });

  test("aligned values are a view of the block, others a copy", () => {
    const block = new Uint8Array(9);
    expect(halvesAt(new DataView(block.buffer), 2, 2).buffer).toBe(block.buffer);
    expect(halvesAt(new DataView(block.buffer, 1), 2, 2).buffer).not.toBe(block.buffer);
  });

  test("begins at a byte and ends after a count", () => {
    expect([...readHalves(halves(1, 2, 4, 8), 2, 2)]).toEqual([2, 4]);
    expect(readHalves(halves(1), 0, 0).length).toBe(0);
  });
});

describe("float32", () => {
  test("skips values, and reads little-endian", () => {
    expect([...readSingles(singles(1, -2, 0.5), 1, 2)]).toEqual([-2, 0.5]);
    const bytes = new DataView(Uint8Array.of(0, 0, 0x80, 0x3f).buffer);
    expect([...readSingles(bytes, 0, 1)]).toEqual([1]);
  });

  test("is read from any address", () => {
    const block = new Uint8Array(7);
    new DataView(block.buffer).setFloat32(3, 1.5, true);
    expect([...readSingles(new DataView(block.buffer, 3), 0, 1)]).toEqual([1.5]);
  });

  test("does not read beyond its block", () => {
    expect(() => readSingles(singles(1), 0, 2)).toThrow(RangeError);
  });
});
