import { q4RowBytes } from "../kernels/matmul.q4";
import { LIMIT_Q8, ROW_HEADER, largestMagnitude, quantizeRow, quantizeRowQ4 } from "../kernels/quantize-rows";
import { integersOf, scaleOf, vectorAt } from "./reference/integers";
import { below, buffer, guarded, randomize, seed, zeros } from "./support";

// Rows for int4 weights hold differences (layout in matmul.q4.ts); those for int8 are tested beside matmul.q8.

const SIZES: StaticArray<i32> = [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 49, 64, 100];

/** The 16 bits that a row has for input k. */
function stored(row: usize, k: i32): i32 {
  const group = <usize>(k >> 5);
  return load<i16>(row + 64 + group * 80 + (<usize>(k & 31) << 1));
}

/** How many of a row's numbers are not the definition's. */
function differing(x: usize, count: usize): i32 {
  const bytes = q4RowBytes(count), row = buffer(bytes);
  quantizeRowQ4(row, x, count);
  expect(guarded(row, bytes)).toBe(true);
  const v = vectorAt(x, count), q = integersOf(v, 1927);
  const padded = <i32>((count + 31) & ~31);
  const X = new StaticArray<i32>(padded);
  for (let k = 0; k < q.length; k++) X[k] = q[k];
  let wrong = reinterpret<u32>(load<f32>(row)) != reinterpret<u32>(scaleOf(v, 1927)) ? 1 : 0;
  for (let first = 0; first < padded; first += 32) {
    let start = 0;
    for (let k = first; k < first + 32; k++) {
      const plane = (k >> 1) & 3;
      const difference = plane ? X[k] - 16 * X[k - 2] : X[k];
      if (difference < -32768 || difference > 32767) wrong++;
      if (stored(row, k) != difference) wrong++;
      if (plane < 3) start -= 8 * X[k];
    }
    if (load<i32>(row + 64 + <usize>(first >> 5) * 80 + 64) != start) wrong++;
  }
  return wrong;
}

describe("quantizeRowQ4", () => {
  it("any width: scale, differences, the start of each group; zeros behind", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const count = <usize>SIZES[i], x = zeros(((count + 15) & ~15) * 4);
      randomize(x, count, 3);
      expect(differing(x, count)).toBe(0, "K = " + count.toString());
    }
  });

  it("the largest activations of any signs: differences are at most 17 · 1927 and fit 16 bits", () => {
    seed(2);
    for (let pattern: u32 = 0; pattern < 256; pattern++) { // the signs of every octet, then 32 of any signs
      const x = zeros(128);
      for (let k: u32 = 0; k < 32; k++) store<f32>(x + (k << 2), (pattern >> (k & 7)) & 1 ? 2 : -2);
      expect(differing(x, 32)).toBe(0);
      for (let k: u32 = 0; k < 32; k++) store<f32>(x + (k << 2), below(2) ? 2 : -2);
      expect(differing(x, 32)).toBe(0);
    }
    const x = zeros(64), row = buffer(q4RowBytes(16));
    for (let k: u32 = 0; k < 16; k++) store<f32>(x + (k << 2), (k >> 1) & 1 ? 5 : -5);
    quantizeRowQ4(row, x, 16);
    expect(stored(row, 2)).toBe(17 * 1927);
    expect(stored(row, 4)).toBe(-17 * 1927);
    expect(17 * 1928 > 32767).toBe(true);
  });

  it("zeros, and what is too small to scale, are zeros with scale 0; NaN and infinity do not vanish", () => {
    const x = zeros(64), row = buffer(q4RowBytes(16));
    for (let i = 0; i < 2; i++) {
      quantizeRowQ4(row, x, 16);
      expect(load<f32>(row)).toBe(0);
      for (let k = 0; k < 16; k++) expect(stored(row, k)).toBe(0);
      store<f32>(x + 12, 7e-31);
    }
    store<f32>(x + 12, 8e-31); // just above 2⁻¹⁰⁰
    quantizeRowQ4(row, x, 16);
    expect(stored(row, 3) + 16 * stored(row, 1)).toBe(1927);
    for (let i = 0; i < 3; i++) {
      store<f32>(x + 12, i == 0 ? f32.NaN : i == 1 ? f32.POSITIVE_INFINITY : f32.NEGATIVE_INFINITY);
      quantizeRowQ4(row, x, 16);
      expect(isFinite(load<f32>(row))).toBe(false);
    }
  });
});

describe("largestMagnitude", () => {
  it("of either sign, in any place; a NaN counts as the largest", () => {
    for (let count: usize = 4; count <= 32; count += 4) {
      const x = zeros(count * 4);
      randomize(x, count, 1);
      for (let i: usize = 0; i < count; i++) {
        const kept = load<f32>(x + (i << 2));
        store<f32>(x + (i << 2), i & 1 ? 9 : -9);
        expect(largestMagnitude(x, count)).toBe(9);
        store<f32>(x + (i << 2), f32.NaN);
        expect(isNaN(largestMagnitude(x, count))).toBe(true);
        store<f32>(x + (i << 2), kept);
      }
    }
  });
});

describe("quantizeRow and quantizeRowQ4", () => {
  it("round ties to even, and take steps of their own", () => {
    const x = zeros(64), row = buffer(q4RowBytes(16)), other = buffer(ROW_HEADER + 32);
    store<f32>(x, 1927);
    store<f32>(x + 4, 0.5);
    store<f32>(x + 16, -1.5);
    store<f32>(x + 20, 2.5);
    quantizeRowQ4(row, x, 16);
    expect(load<f32>(row)).toBe(1);
    expect(stored(row, 1)).toBe(0);
    expect(stored(row, 4)).toBe(-2);
    expect(stored(row, 5)).toBe(2);
    quantizeRow(other, x, 16, LIMIT_Q8);
    expect(load<i16>(other + ROW_HEADER)).toBe(2047);
    expect(load<i16>(other + ROW_HEADER + 2)).toBe(1); // 0.531
  });
});
