/** f32 constants: 2⁻¹²⁶, 2⁻³. Loaded, so that the compiler cannot do the multiplication. */
const C = memory.data<u32>([0x00800000, 0x00800000, 0x00800000, 0x00800000, 0x3e000000, 0x3e000000, 0x3e000000, 0x3e000000], 16);
/** Sixteen times −127, then 15: the ends of what kernels/q4/dot8.ts multiplies. */
const D = memory.data<u32>([0x81818181, 0x81818181, 0x81818181, 0x81818181, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f], 16);

/**
 * 0, or what is wrong. 1 / 2: scalar / SIMD arithmetic flushes subnormal numbers to zero (a native library in the same process can
 * switch the processor to that). 3: the 8-bit dot product of relaxed SIMD is not the standard's. Results would differ from everyone
 * else's.
 */
export function checkEngine(): i32 {
  if (reinterpret<u32>(load<f32>(C) * load<f32>(C, 16)) != 0x00100000) return 1;
  const product = f32x4.mul(v128.load(C), v128.load(C, 16));
  if (v128.any_true(v128.xor(product, i32x4.splat(0x00100000)))) return 2;
  if (ASC_FEATURE_RELAXED_SIMD) {
    const dot = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(D), v128.load(D, 16), i32x4.splat(1));
    if (v128.any_true(v128.xor(dot, i32x4.splat(1 - 4 * 127 * 15)))) return 3;
  }
  return 0;
}
