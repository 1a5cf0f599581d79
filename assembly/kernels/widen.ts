import { BF16, F16, F32, Q4_0 } from "../contract";
import { dequantize } from "./blocks";

// From a checkpoint's bytes to f32.


/** f32x4 constants: exponent bits of F32, sign, magnitude after widening, 2¹¹² (moves F16's exponent to F32's). */
const C = memory.data<u32>([
  0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000,
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x0fffe000, 0x0fffe000, 0x0fffe000, 0x0fffe000,
  0x77800000, 0x77800000, 0x77800000, 0x77800000,
  0x47800000, 0x47800000, 0x47800000, 0x47800000, // 65536: where F16's infinity and NaN begin after widening
], 16);

/**
 * out[count] f32 = x[count] of type `dtype` (any alignment). F16 and BF16 exactly, subnormals included; F64 rounded once.
 * Returns 1 if all are finite f32. `out` and `x` must have room for three more elements.
 */
export function widen(out: usize, x: usize, dtype: i32, count: usize): i32 {
  if (dtype == F32) return widenF32(out, x, count);
  if (dtype == F16) return widenF16(out, x, count);
  if (dtype == BF16) return widenBF16(out, x, count);
  if (dtype >= Q4_0) {
    dequantize(out, x, dtype, count);
    return widenF32(out, out, count);
  }
  return widenF64(out, x, count);
}

function widenF32(out: usize, x: usize, count: usize): i32 {
  const exponent = v128.load(C);
  const whole = count & ~3;
  let bad = i32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 4) {
    const v = v128.load(x + (i << 2));
    bad = v128.or(bad, i32x4.eq(v128.and(v, exponent), exponent));
    v128.store(out + (i << 2), v);
  }
  let fine = !v128.any_true(bad);
  for (let i = whole; i < count; i++) {
    const v = load<u32>(x + (i << 2));
    if ((v & 0x7f800000) == 0x7f800000) fine = false;
    store<u32>(out + (i << 2), v);
  }
  return i32(fine);
}

function widenF16(out: usize, x: usize, count: usize): i32 {
  const exponent = v128.load(C), sign = v128.load(C, 16), magnitude = v128.load(C, 32);
  const scale = v128.load(C, 48), limit = v128.load(C, 64);
  let bad = i32x4.splat(0);
  for (let i: usize = 0; i < count; i += 4) {
    const v = i32x4.extend_low_i16x8_s(v128.load64_zero(x + (i << 1)));
    // Ten bits of fraction and five of exponent as a tiny F32 (subnormal if the half is), then times 2¹¹²: exact.
    const w = f32x4.mul(v128.and(i32x4.shl(v, 13), magnitude), scale);
    // Infinity and NaN came out as 65536 and more: their exponent is filled, so that firstNotFinite finds them.
    const beyond = f32x4.ge(w, limit);
    bad = v128.or(bad, v128.and(beyond, lanesLeft(i, count)));
    v128.store(out + (i << 2), v128.or(v128.or(w, v128.and(beyond, exponent)), v128.and(v, sign)));
  }
  return v128.any_true(bad) ? 0 : 1;
}

function widenBF16(out: usize, x: usize, count: usize): i32 {
  const exponent = v128.load(C);
  let bad = i32x4.splat(0);
  for (let i: usize = 0; i < count; i += 4) {
    const v = i32x4.shl(i32x4.extend_low_i16x8_u(v128.load64_zero(x + (i << 1))), 16);
    bad = v128.or(bad, v128.and(i32x4.eq(v128.and(v, exponent), exponent), lanesLeft(i, count)));
    v128.store(out + (i << 2), v);
  }
  return v128.any_true(bad) ? 0 : 1;
}

function widenF64(out: usize, x: usize, count: usize): i32 {
  let fine = true;
  for (let i: usize = 0; i < count; i++) {
    const v = <f32>load<f64>(x + (i << 3));
    if ((reinterpret<u32>(v) & 0x7f800000) == 0x7f800000) fine = false;
    store<f32>(out + (i << 2), v);
  }
  return i32(fine);
}

// @ts-ignore: decorator
@inline
function lanesLeft(first: usize, count: usize): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(<i32>first), i32x4(0, 1, 2, 3)), i32x4.splat(<i32>count));
}

/** Index of the first element of x[count] that is not a finite f32; `count` if there is none. */
export function firstNotFinite(x: usize, count: usize): usize {
  for (let i: usize = 0; i < count; i++) {
    if ((load<u32>(x + (i << 2)) & 0x7f800000) == 0x7f800000) return i;
  }
  return count;
}
