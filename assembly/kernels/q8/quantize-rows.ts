import { BLOCK } from "../../contract";
import { SMALLEST } from "../smallest";

// Rows of f32 to 12-bit integers for int8 weights, one scale a row (docs/NUMERICS.md, "Integer weights"). A row leaves
//
//   f32 scale, i32 sums[15], then i16 x[K padded with 0]
//
// `sums` has Σ x of each block of BLOCK elements, MOST_BLOCKS of them at most (the bindings see to it): the correction that the offset of
// packed weights needs.

/** Bytes before the integers of a row. */
export const ROW_HEADER: usize = 64;
/** The largest integer: sums of a block fit 32 bits. */
export const LIMIT_Q8: f32 = 2047;

const MAGIC: f32 = 12582912; // 1.5 · 2²³: adding it rounds to an integer, ties to even, in the low bits

/** The largest magnitude of x[count], padded with zeros to a multiple of 4. Compared as integers: a NaN counts as the largest. */
export function largestMagnitude(x: usize, count: usize): f32 {
  const end = x + (count << 2);
  let m = i32x4.splat(0);
  for (; x < end; x += 16) m = i32x4.max_u(m, f32x4.abs(v128.load(x)));
  return reinterpret<f32>(max(
    max(i32x4.extract_lane(m, 0), i32x4.extract_lane(m, 1)), max(i32x4.extract_lane(m, 2), i32x4.extract_lane(m, 3)),
  ));
}

/** Eight rounded integers. */
// @ts-ignore: decorator
@inline
export function integers(x: usize, factor: v128): v128 {
  const magic = f32x4.splat(MAGIC);
  return i16x8.narrow_i32x4_s(
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), factor), magic), magic),
    i32x4.sub(f32x4.add(f32x4.mul(v128.load(x, 16), factor), magic), magic),
  );
}

/**
 * One row: x[count] (f32, padded with zeros to a multiple of 16). Integers from `count` to the next
 * multiple of 16 are 0. `count` ≤ MOST_BLOCKS · BLOCK.
 */
export function quantizeRow(out: usize, x: usize, count: usize): void {
  const largest = largestMagnitude(x, count);
  const none = largest < SMALLEST;
  const factor = f32x4.splat(none ? 0 : LIMIT_Q8 / largest);
  store<f32>(out, none ? 0 : largest / LIMIT_Q8); // a NaN or an infinity goes on to every output and is found in the logits
  const ones = i16x8.splat(1);
  let to = out + ROW_HEADER;
  let sum = out + 4;
  let left = count;
  while (left > 0) {
    const block = min(left, BLOCK);
    const end = x + (((block + 15) & ~15) << 2);
    let s = i32x4.splat(0);
    for (; x < end; x += 32, to += 16) {
      const q = integers(x, factor);
      s = i32x4.add(s, i32x4.dot_i16x8_s(q, ones));
      v128.store(to, q);
    }
    store<i32>(sum, (i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)) + (i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)));
    sum += 4;
    left -= block;
  }
}
