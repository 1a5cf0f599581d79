import { Q4_SCALE } from "./layout";

// The f32 sums of 16 outputs while the groups of an int4 panel go by; they are kept in memory, for registers are few.

// @ts-ignore: decorator
@inline
export function clearSums(out: usize): void {
  const zero = f32x4.splat(0);
  v128.store(out, zero); v128.store(out, zero, 16); v128.store(out, zero, 32); v128.store(out, zero, 48);
}

/** out[16] += f32(a0 … a3) · (scale of the output · scale of the row). `scales`: f32[16] of the group; `x`: the group of the row. */
// @ts-ignore: decorator
@inline
export function addScaled(out: usize, scales: usize, x: usize, a0: v128, a1: v128, a2: v128, a3: v128): void {
  const r = v128.load32_splat(x, Q4_SCALE);
  v128.store(out, f32x4.add(v128.load(out), f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(r, v128.load(scales)))));
  v128.store(out, f32x4.add(v128.load(out, 16), f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(r, v128.load(scales, 16)))), 16);
  v128.store(out, f32x4.add(v128.load(out, 32), f32x4.mul(f32x4.convert_i32x4_s(a2), f32x4.mul(r, v128.load(scales, 32)))), 32);
  v128.store(out, f32x4.add(v128.load(out, 48), f32x4.mul(f32x4.convert_i32x4_s(a3), f32x4.mul(r, v128.load(scales, 48)))), 48);
}
