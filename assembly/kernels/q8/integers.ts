import { integerPlace } from "./panel";

// A file's rows of integers to panels: 16 outputs of k inputs at a time become one panel. Nothing is computed, bytes are put
// elsewhere, so this goes as fast as memory does. The panel's scales stay as they are.

/** Bytes at x of the same 16 inputs of eight outputs, `row` bytes apart: eight pairs of inputs as vectors `to`, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function placePairs(to: usize, x: usize, row: usize): void {
  const sign = i8x16.splat(-128);
  const far = x + (row << 2);
  const h0 = v128.load(x), h1 = v128.load(x + row), h2 = v128.load(x + row * 2), h3 = v128.load(x + row * 3);
  const l0 = v128.xor(v128.load(far), sign), l1 = v128.xor(v128.load(far + row), sign);
  const l2 = v128.xor(v128.load(far + row * 2), sign), l3 = v128.xor(v128.load(far + row * 3), sign);
  transposeTo(to, firstBytes(l0, h0), firstBytes(l1, h1), firstBytes(l2, h2), firstBytes(l3, h3));
  transposeTo(to + 128, lastBytes(l0, h0), lastBytes(l1, h1), lastBytes(l2, h2), lastBytes(l3, h3));
}

// @ts-ignore: decorator
@inline
function firstBytes(low: v128, high: v128): v128 {
  return v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function lastBytes(low: v128, high: v128): v128 {
  return v128.shuffle<i8>(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** The 32-bit words of four vectors, transposed: vectors `to`, 32 bytes apart. */
// @ts-ignore: decorator
@inline
function transposeTo(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2)); v128.store(to, v128.shuffle<i64>(ab, cd, 1, 3), 32);
  v128.store(to, v128.shuffle<i64>(AB, CD, 0, 2), 64); v128.store(to, v128.shuffle<i64>(AB, CD, 1, 3), 96);
}

/** panel (layout in matmul.ts) = x i8[16][k]. */
export function packIntegersQ8(panel: usize, x: usize, k: usize): void {
  const whole = k & ~15;
  for (let i: usize = 0; i < whole; i += 16) {
    placePairs(panel + (i << 4), x + i, k);
    placePairs(panel + (i << 4) + 16, x + (k << 3) + i, k);
  }
  const even = (k + 1) & ~1; // an odd k has one more input, of zeros
  for (let output: usize = 0; output < 16; output++) {
    for (let i = whole; i < even; i++) {
      const value = i < k ? load<u8>(x + output * k + i) : 0;
      store<u8>(panel + integerPlace(output, i), (output >> 2) & 1 ? value ^ 128 : value);
    }
  }
}
