import { HALF_FACTOR, halfBits, halfToFloat, roundToHalf } from "../kernels/f16/half";
import { halfPlace, halfTileOneRow, halfTileTwoRows, halfTileTwoStreams } from "../kernels/f16/matmul";
import { multiplyReference } from "./reference/matmul";
import { halfOf } from "./reference/integers";
import { below, buffer, difference, guarded, randoms, seed, untouched } from "./support";

// @ts-ignore: decorator
@inline
function rounded(x: f32): f32 {
  return f32x4.extract_lane(roundToHalf(f32x4.splat(x)), 0);
}

describe("binary16", () => {
  it("all finite patterns widen to their value and come back", () => {
    let differing = 0;
    for (let bits: u32 = 0; bits < 65536; bits++) {
      const exponent = <i32>(bits >> 10) & 31;
      if (exponent == 31) continue;
      const fraction = <f32>(bits & 1023);
      const size: f32 = exponent == 0 ? fraction * <f32>(2 ** -24) : (1024 + fraction) * reinterpret<f32>((exponent - 25 + 127) << 23);
      const value = bits & 0x8000 ? -size : size;
      const y = f32x4.extract_lane(halfToFloat(i32x4.splat(bits)), 0);
      if (reinterpret<u32>(y) != reinterpret<u32>(value)) differing++;
      if (reinterpret<u32>(rounded(y)) != reinterpret<u32>(value)) differing++;
      if (<u32>i32x4.extract_lane(halfBits(f32x4.splat(value)), 0) != bits) differing++;
    }
    expect(differing).toBe(0);
  });

  it("rounds to nearest, ties to even: every boundary between neighbours, and the values beside it", () => {
    let differing = 0;
    for (let bits: u32 = 0; bits < 0x7bff; bits++) {
      const a = f32x4.extract_lane(halfToFloat(i32x4.splat(bits)), 0), b = f32x4.extract_lane(halfToFloat(i32x4.splat(bits + 1)), 0);
      const middle: f32 = (a + b) / 2; // exact
      if (rounded(middle) != (bits & 1 ? b : a)) differing++;
      if (rounded(reinterpret<f32>(reinterpret<u32>(middle) - 1)) != a) differing++;
      if (rounded(reinterpret<f32>(reinterpret<u32>(middle) + 1)) != b) differing++;
      if (rounded(-middle) != -rounded(middle)) differing++;
    }
    expect(differing).toBe(0);
  });

  it("is the reference's everywhere, and stops at 65504", () => {
    let differing = 0;
    for (let b: u32 = 0; b < 0x7f800000; b += 3571) {
      const x = reinterpret<f32>(b | ((b & 1) << 31));
      if (reinterpret<u32>(rounded(x)) != reinterpret<u32>(halfOf(x))) differing++;
    }
    expect(differing).toBe(0);
    expect(rounded(65504)).toBe(65504);
    expect(rounded(65520)).toBe(65504);
    expect(rounded(-3e38)).toBe(-65504);
  });
});

/** Panels of binary16 [k][16] and the same values as f32. */
let halves: usize = 0;
let floats: usize = 0;

function panels(k: usize): void {
  halves = buffer(k * 32);
  floats = buffer(k * 64);
  for (let i: usize = 0; i < k * 16; i++) {
    const bits = below(20) == 0 ? below(1024) : (below(2) << 15) | ((10 + below(8)) << 10) | below(1024); // subnormals too
    store<u16>(halves + (i >> 4) * 32 + halfPlace(i & 15) * 2, <u16>bits);
    store<f32>(floats + i * 4, f32x4.extract_lane(halfToFloat(i32x4.splat(bits)), 0));
  }
}

const SIZES: StaticArray<i32> = [1, 3, 15, 16, 17, 64, 100];

/** Rows as these tiles want them: multiplied by HALF_FACTOR. */
function scaled(x: usize, count: usize): usize {
  const to = buffer(count * 4);
  for (let i: usize = 0; i < count; i++) store<f32>(to + (i << 2), load<f32>(x + (i << 2)) * HALF_FACTOR);
  return to;
}

describe("tiles on binary16 panels", () => {
  it("a k has outputs 4, 0, 5, 1, 6, 2, 7, 3 and then those eight more", () => {
    const order: StaticArray<i32> = [4, 0, 5, 1, 6, 2, 7, 3, 12, 8, 13, 9, 14, 10, 15, 11];
    for (let i = 0; i < 16; i++) expect(halfPlace(order[i])).toBe(i);
  });

  it("have the bits of f32 products on the widened weights", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      panels(k * 3);
      const x = randoms(k * 2 + 3, 1), y = scaled(x, k * 2 + 3), xStride = k * 4 + 12, out = buffer(256), wanted = buffer(256);
      halfTileOneRow(out, y, 0, halves, 0, k * 32, 0);
      multiplyReference(wanted, 64, x, 0, 1, floats, k, 1);
      expect(difference(out, wanted, 64)).toBe(-1, "one row, K = " + k.toString());
      halfTileTwoRows(out, 192, y, 0, xStride, halves, k * 32, k * 32, 0);
      multiplyReference(wanted, 192, x, xStride, 2, floats + k * 64, k, 1);
      expect(difference(out, wanted, 64)).toBe(-1, "two rows, K = " + k.toString());
      halfTileTwoStreams(out, 192, y, 0, halves, 0, k * 64, k * 32);
      multiplyReference(wanted, 64, x, 0, 1, floats, k, 1);
      multiplyReference(wanted + 192, 64, x, 0, 1, floats + k * 128, k, 1);
      expect(difference(out, wanted, 64)).toBe(-1, "two streams, K = " + k.toString());
      expect(guarded(out, 256) && untouched(out + 64, 128)).toBe(true);
    }
  });

  it("a sum that is stored and taken up again is the same sum", () => {
    seed(2);
    const k: usize = 33;
    panels(k);
    const x = randoms(k * 2, 1), y = scaled(x, k * 2), out = buffer(128), wanted = buffer(128);
    multiplyReference(wanted, 64, x, k * 4, 2, floats, k, 1);
    for (let cut: usize = 0; cut <= k; cut++) {
      halfTileTwoRows(out, 64, y, 0, k * 4, halves, 0, cut * 32, 0);
      halfTileTwoRows(out, 64, y, cut * 4, k * 4, halves, cut * 32, (k - cut) * 32, 1);
      expect(difference(out, wanted, 32)).toBe(-1);
      halfTileOneRow(out, y, 0, halves, 0, cut * 32, 0);
      halfTileOneRow(out, y, cut * 4, halves, cut * 32, (k - cut) * 32, 1);
      expect(difference(out, wanted, 16)).toBe(-1);
    }
  });
});
