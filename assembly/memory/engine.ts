/** f32 constants: 2⁻¹²⁶, 2⁻³. Loaded, so that the compiler cannot do the multiplication. */
const C = memory.data<u32>([0x00800000, 0x00800000, 0x00800000, 0x00800000, 0x3e000000, 0x3e000000, 0x3e000000, 0x3e000000], 16);

/**
 * 0 if subnormal numbers are kept, 1 / 2 if scalar / SIMD arithmetic flushes them to zero: a native library in the same
 * process can switch the processor to that, and then results would differ from everyone else's.
 */
export function checkEngine(): i32 {
  if (reinterpret<u32>(load<f32>(C) * load<f32>(C, 16)) != 0x00100000) return 1;
  const product = f32x4.mul(v128.load(C), v128.load(C, 16));
  return v128.any_true(v128.xor(product, i32x4.splat(0x00100000))) ? 2 : 0;
}
