// IEEE 754 binary16 by integer arithmetic, for scales and for the cache (docs/NUMERICS.md).

/** 2¹¹²: from the exponent of a binary16 whose fields were shifted to where f32 has them to that of its value. */
export const HALF_FACTOR: f32 = 5.192296858534828e33;

/** Rounds four f32 to the nearest binary16 values, ties to even, still as f32; beyond ±65504 they become ±65504. */
// @ts-ignore: decorator
@inline
export function roundToHalf(x: v128): v128 {
  const magnitude = f32x4.pmin(f32x4.abs(x), f32x4.splat(65504));
  // Normal halves have 10 bits of fraction: 13 bits of the f32 are rounded away.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = v128.and(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff)), odd), i32x4.splat(~0x1fff));
  // Below 2⁻¹⁴ they are multiples of 2⁻²⁴: adding 0.75 = 1.5 · 2²³ · 2⁻²⁴ rounds to one.
  const small = f32x4.sub(f32x4.add(magnitude, f32x4.splat(0.75)), f32x4.splat(0.75));
  const rounded = v128.bitselect(small, normal, f32x4.lt(magnitude, f32x4.splat(6.103515625e-5)));
  return v128.or(rounded, v128.and(x, i32x4.splat(0x80000000)));
}

/** The 16 bits of a value that roundToHalf left, in the low half of each 32-bit lane. */
// @ts-ignore: decorator
@inline
export function halfBits(x: v128): v128 {
  // times 2⁻¹¹² moves the exponent to binary16's: exact, also for its subnormals
  const moved = f32x4.mul(f32x4.abs(x), f32x4.splat(1.925929944387236e-34));
  return v128.or(i32x4.shr_u(moved, 13), i32x4.shl(i32x4.shr_u(x, 31), 15));
}

/** Four binary16 in the low halves of 32-bit lanes (sign-extended or not) to f32, exactly. */
// @ts-ignore: decorator
@inline
export function halfToFloat(bits: v128): v128 {
  const moved = v128.and(i32x4.shl(bits, 13), i32x4.splat(0x0fffe000));
  return v128.or(f32x4.mul(moved, f32x4.splat(HALF_FACTOR)), i32x4.shl(i32x4.shr_u(bits, 15), 31));
}

/** 1 if none of the binary16 in `bytes` bytes at x, a multiple of 16, is a NaN or infinite. */
export function halvesAreFinite(x: usize, bytes: usize): i32 {
  const end = x + bytes;
  const whole = x + (bytes & ~63);
  const magnitude = i16x8.splat(0x7fff);
  let a = i16x8.splat(0), b = a, c = a, d = a;
  for (; x < whole; x += 64) {
    a = i16x8.max_u(a, v128.and(v128.load(x), magnitude)); b = i16x8.max_u(b, v128.and(v128.load(x, 16), magnitude));
    c = i16x8.max_u(c, v128.and(v128.load(x, 32), magnitude)); d = i16x8.max_u(d, v128.and(v128.load(x, 48), magnitude));
  }
  for (; x < end; x += 16) a = i16x8.max_u(a, v128.and(v128.load(x), magnitude));
  const largest = i16x8.max_u(i16x8.max_u(a, b), i16x8.max_u(c, d));
  return i32(!v128.any_true(i16x8.ge_u(largest, i16x8.splat(0x7c00))));
}
