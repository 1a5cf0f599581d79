import { GROUP } from "../../contract";
import { Q4_ROW_GROUP, Q4_SCALE, Q4_START } from "./layout";
import { integers, largestMagnitude } from "../q8/quantize-rows";
import { SMALLEST } from "../smallest";

// Rows of f32 to 8-bit integers for int4 weights, one scale for each group of GROUP (docs/NUMERICS.md, "Integer weights").

/** The largest integer: a signed byte. */
const LIMIT: f32 = 127;

/**
 * One row: x[count] f32, padded with zeros to a multiple of 16, to the rows of layout.ts. dot16 has two kinds of them: `plain`
 * integers for an unpacked panel, or the differences that a packed one takes (dot16.ts).
 */
export function quantizeRowQ4(out: usize, x: usize, count: usize, plain: i32): void {
  for (let left = count; ; left -= GROUP, x += GROUP * 4, out += Q4_ROW_GROUP) {
    const whole = left > <usize>(GROUP / 2);
    const largest = largestMagnitude(x, whole ? GROUP : GROUP / 2);
    const none = largest < SMALLEST;
    const factor = f32x4.splat(none ? 0 : LIMIT / largest);
    store<f32>(out, none ? 0 : largest / LIMIT, Q4_SCALE); // a NaN or an infinity goes on to every output and is found in the logits
    const q0 = integers(x, factor), q1 = integers(x + 32, factor);
    let q2 = i16x8.splat(0), q3 = q2;
    if (whole) { q2 = integers(x + 64, factor); q3 = integers(x + 96, factor); }
    storeGroup(out, q0, q1, q2, q3, plain);
    if (left <= <usize>GROUP) break;
  }
}

/** Four octets of integers, and −8 · Σ of those whose weights are stored + 8. */
// @ts-ignore: decorator
@inline
function storeGroup(out: usize, q0: v128, q1: v128, q2: v128, q3: v128, plain: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(out, i8x16.narrow_i16x8_s(q0, q1));
    v128.store(out, i8x16.narrow_i16x8_s(q2, q3), 16);
  } else if (plain) {
    v128.store(out, q0); v128.store(out, q1, 16); v128.store(out, q2, 32); v128.store(out, q3, 48);
    return;
  } else {
    v128.store(out, differences(q0)); v128.store(out, differences(q1), 16);
    v128.store(out, differences(q2), 32); v128.store(out, differences(q3), 48);
  }
  const minus8 = ASC_FEATURE_RELAXED_SIMD ? i16x8.splat(-8) : i16x8(-8, -8, -8, -8, -8, -8, 0, 0);
  const s = i32x4.dot_i16x8_s(i16x8.add(i16x8.add(q0, q1), i16x8.add(q2, q3)), minus8);
  store<i32>(out, (i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)) + (i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)), Q4_START);
}

/** Eight integers to the differences that an octet's four planes take. */
// @ts-ignore: decorator
@inline
function differences(q: v128): v128 {
  const before = v128.shuffle<i32>(i32x4.splat(0), q, 0, 4, 5, 6); // 0, pair 0, pair 1, pair 2
  return i16x8.sub(q, i16x8.shl(before, 4));
}
