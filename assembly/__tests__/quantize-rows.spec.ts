import { Q4_ROW_GROUP, Q4_SCALE, Q4_START, q4RowBytes } from "../kernels/q4/layout";
import { ROW_HEADER, largestMagnitude, quantizeRow } from "../kernels/q8/quantize-rows";
import { quantizeRowQ4 } from "../kernels/q4/quantize-rows";
import { integersOf, scaleOf, slice, vectorAt } from "./reference/integers";
import { below, buffer, guarded, random, randomize, seed, zeros } from "./support";

// Rows for int4 weights (kernels/layout.q4.ts): bytes beside relaxed SIMD, else plain integers or differences of 16 bits. Rows for
// int8 are tested beside matmul.q8. Compiled twice (as-pect.relaxed.asconfig.json).

const SIZES: StaticArray<i32> = [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 112, 128];

/** The integer that a row has for input k. */
function stored(row: usize, k: i32): i32 {
  const group = row + <usize>(k >> 5) * Q4_ROW_GROUP;
  const i = <usize>(k & 31);
  return ASC_FEATURE_RELAXED_SIMD ? load<i8>(group + i) : load<i16>(group + (i << 1));
}

function startOf(row: usize, group: usize): i32 { return load<i32>(row + group * Q4_ROW_GROUP, Q4_START); }
function scaleBits(row: usize, group: usize): u32 { return load<u32>(row + group * Q4_ROW_GROUP, Q4_SCALE); }

/** How many of a row's numbers are not the definition's. */
function differing(x: usize, count: usize, plain: bool): i32 {
  const bytes = q4RowBytes(count), row = buffer(bytes);
  quantizeRowQ4(row, x, count, plain);
  expect(guarded(row, bytes)).toBe(true);
  const v = vectorAt(x, count);
  let wrong = 0;
  for (let first = 0; first < v.length; first += 32) {
    const group = slice(v, first, min(first + 32, v.length));
    const q = integersOf(group, 127);
    const X = new StaticArray<i32>(32);
    for (let i = 0; i < q.length; i++) X[i] = q[i];
    let start = 0;
    for (let i = 0; i < 32; i++) {
      const plane = (i >> 1) & 3;
      const whole = plain || ASC_FEATURE_RELAXED_SIMD || plane == 0;
      if (stored(row, first + i) != (whole ? X[i] : X[i] - 16 * X[i - 2])) wrong++;
      if (X[i] < -127 || X[i] > 127) wrong++;
      if (plane < 3 || ASC_FEATURE_RELAXED_SIMD) start -= 8 * X[i];
    }
    if (scaleBits(row, first >> 5) != reinterpret<u32>(scaleOf(group, 127))) wrong++;
    // Sums over an unpacked panel of 16 bits begin with its first products.
    if ((!plain || ASC_FEATURE_RELAXED_SIMD) && startOf(row, first >> 5) != start) wrong++;
  }
  return wrong;
}

describe("quantizeRowQ4", () => {
  it("any width: integers, a scale and a start for each group; zeros behind", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      for (let plain = 0; plain < 2; plain++) {
        const count = <usize>SIZES[i], x = zeros(((count + 15) & ~15) * 4);
        for (let k: usize = 0; k < count; k++) store<f32>(x + (k << 2), random(k < 32 ? 1 : k < 64 ? 50 : 7));
        expect(differing(x, count, plain == 1)).toBe(0, "K = " + count.toString());
      }
    }
  });

  it("does not read beyond what is padded: the last half of a group may be another's", () => {
    seed(4);
    for (let count: usize = 1; count <= 48; count++) {
      const padded = (count + 15) & ~15, x = zeros((padded + 16) * 4);
      randomize(x, count, 1);
      for (let k = padded; k < padded + 16; k++) store<f32>(x + (k << 2), 1000);
      expect(differing(x, count, false)).toBe(0);
      expect(differing(x, count, true)).toBe(0);
    }
  });

  it("the scale of a group is its own: another group's numbers do not change it", () => {
    seed(5);
    const x = zeros(96 * 4), row = buffer(q4RowBytes(96)), other = buffer(q4RowBytes(96));
    randomize(x, 96, 1);
    quantizeRowQ4(row, x, 96, false);
    store<f32>(x + 40 * 4, 1e20);
    quantizeRowQ4(other, x, 96, false);
    for (let g: usize = 0; g < 3; g++) expect(scaleBits(row, g) == scaleBits(other, g)).toBe(g != 1);
    for (let k = 0; k < 96; k++) if (k >> 5 != 1) expect(stored(row, k)).toBe(stored(other, k));
    expect(stored(other, 33)).toBe(0, "beside 1e20 nothing is left");
  });

  it("the largest activations of any signs: differences are at most 17 · 127", () => {
    seed(2);
    for (let pattern: u32 = 0; pattern < 256; pattern++) { // the signs of every octet, then 32 of any signs
      const x = zeros(128);
      for (let k: u32 = 0; k < 32; k++) store<f32>(x + (k << 2), (pattern >> (k & 7)) & 1 ? 2 : -2);
      expect(differing(x, 32, false)).toBe(0);
      expect(differing(x, 32, true)).toBe(0);
      for (let k: u32 = 0; k < 32; k++) store<f32>(x + (k << 2), below(2) ? 2 : -2);
      expect(differing(x, 32, false)).toBe(0);
      expect(differing(x, 32, true)).toBe(0);
    }
    const x = zeros(64), row = buffer(q4RowBytes(16));
    for (let k: u32 = 0; k < 16; k++) store<f32>(x + (k << 2), (k >> 1) & 1 ? 5 : -5);
    quantizeRowQ4(row, x, 16, false);
    expect(stored(row, 2)).toBe(ASC_FEATURE_RELAXED_SIMD ? 127 : 17 * 127);
    expect(stored(row, 4)).toBe(ASC_FEATURE_RELAXED_SIMD ? -127 : -17 * 127);
  });

  it("zeros, and what is too small to scale, are zeros with scale 0, group by group", () => {
    const x = zeros(128), row = buffer(q4RowBytes(32));
    for (let i = 0; i < 3; i++) {
      for (let plain = 0; plain < 2; plain++) {
        quantizeRowQ4(row, x, 32, plain);
        expect(scaleBits(row, 0)).toBe(0);
        for (let k = 0; k < 32; k++) expect(stored(row, k)).toBe(0);
        expect(differing(x, 32, plain == 1)).toBe(0);
      }
      store<f32>(x + 12, i == 0 ? 7e-31 : -7.8886084e-31); // just below 2⁻¹⁰⁰
    }
    store<f32>(x + 12, 7.888609052210118e-31); // 2⁻¹⁰⁰ itself has a scale
    quantizeRowQ4(row, x, 32, true);
    expect(stored(row, 3)).toBe(127);
    expect(scaleBits(row, 0)).not.toBe(0);
    const two = zeros(256);
    store<f32>(two + 4, 1e-33);
    store<f32>(two + 132, 1);
    expect(differing(two, 64, false)).toBe(0);
    const both = buffer(q4RowBytes(64));
    quantizeRowQ4(both, two, 64, true);
    expect(scaleBits(both, 0)).toBe(0);
    expect(stored(both, 33)).toBe(127);
  });

  it("NaN and infinity do not vanish, and stay in their group", () => {
    seed(6);
    const x = zeros(96 * 4), row = buffer(q4RowBytes(96));
    for (let at: u32 = 0; at < 96; at += 7) {
      for (let i = 0; i < 3; i++) {
        randomize(x, 96, 1);
        store<f32>(x + (at << 2), i == 0 ? f32.NaN : i == 1 ? f32.POSITIVE_INFINITY : f32.NEGATIVE_INFINITY);
        quantizeRowQ4(row, x, 96, false);
        for (let g: u32 = 0; g < 3; g++) expect(isFinite(reinterpret<f32>(scaleBits(row, g)))).toBe(g != at >> 5);
      }
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
    store<f32>(x, 127);
    store<f32>(x + 4, 0.5);
    store<f32>(x + 16, -1.5);
    store<f32>(x + 20, 2.5);
    quantizeRowQ4(row, x, 16, true);
    expect(reinterpret<f32>(scaleBits(row, 0))).toBe(1);
    expect(stored(row, 0)).toBe(127);
    expect(stored(row, 1)).toBe(0);
    expect(stored(row, 4)).toBe(-2);
    expect(stored(row, 5)).toBe(2);
    quantizeRow(other, x, 16);
    expect(load<i16>(other + ROW_HEADER)).toBe(2047);
    expect(load<i16>(other + ROW_HEADER + 2)).toBe(8); // 8.06
  });
});
