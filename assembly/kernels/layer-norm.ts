import { lanesBelow, sumLanes } from "./lanes";

/**
 * out[rows][stride] = layer norm of x[rows][stride] (docs/NUMERICS.md). `width` elements count; x is padded with +0 to a
 * multiple of 16, gain and bias likewise, so the padding of `out` is +0 again. Strides in bytes, multiples of 64.
 */
export function layerNorm(
  out: usize, x: usize, gain: usize, bias: usize, stride: usize, rows: usize, width: usize, epsilon: f32,
): void {
  for (let r: usize = 0; r < rows; r++) normalizeRow(out + r * stride, x + r * stride, gain, bias, width, epsilon);
}

/** Three passes over one row: mean, variance, result. Its own function: one row, then it returns and is optimised early. */
export function normalizeRow(out: usize, x: usize, gain: usize, bias: usize, width: usize, epsilon: f32): void {
  const bytes = ((width + 15) & ~15) << 2;
  const whole = (width & ~15) << 2;
  let p0 = f32x4.splat(0), p1 = p0, p2 = p0, p3 = p0;
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = x + i;
    p0 = f32x4.add(p0, v128.load(p)); p1 = f32x4.add(p1, v128.load(p, 16));
    p2 = f32x4.add(p2, v128.load(p, 32)); p3 = f32x4.add(p3, v128.load(p, 48));
  }
  const mean = f32x4.splat(sumLanes(p0, p1, p2, p3) / <f32>width);

  p0 = f32x4.splat(0); p1 = p0; p2 = p0; p3 = p0;
  for (let i: usize = 0; i < whole; i += 64) {
    const p = x + i;
    const d0 = f32x4.sub(v128.load(p), mean), d1 = f32x4.sub(v128.load(p, 16), mean);
    const d2 = f32x4.sub(v128.load(p, 32), mean), d3 = f32x4.sub(v128.load(p, 48), mean);
    p0 = f32x4.add(p0, f32x4.mul(d0, d0)); p1 = f32x4.add(p1, f32x4.mul(d1, d1));
    p2 = f32x4.add(p2, f32x4.mul(d2, d2)); p3 = f32x4.add(p3, f32x4.mul(d3, d3));
  }
  if (whole < bytes) {
    // The padding is 0, not the mean: its differences are masked away.
    const p = x + whole;
    const left = <i32>(width & 15);
    const d0 = v128.and(f32x4.sub(v128.load(p), mean), lanesBelow(0, left));
    const d1 = v128.and(f32x4.sub(v128.load(p, 16), mean), lanesBelow(4, left));
    const d2 = v128.and(f32x4.sub(v128.load(p, 32), mean), lanesBelow(8, left));
    const d3 = v128.and(f32x4.sub(v128.load(p, 48), mean), lanesBelow(12, left));
    p0 = f32x4.add(p0, f32x4.mul(d0, d0)); p1 = f32x4.add(p1, f32x4.mul(d1, d1));
    p2 = f32x4.add(p2, f32x4.mul(d2, d2)); p3 = f32x4.add(p3, f32x4.mul(d3, d3));
  }
  const variance = sumLanes(p0, p1, p2, p3) / <f32>width;
  // + 0, unless the squares overflowed: 1 / ∞ = 0 would make a row that is finite and wrong, so it becomes NaN.
  const reciprocal = f32x4.splat(1 / sqrt(variance + epsilon) + (variance - variance));

  for (let i: usize = 0; i < bytes; i += 16) {
    const d = f32x4.mul(f32x4.sub(v128.load(x + i), mean), reciprocal);
    v128.store(out + i, f32x4.add(f32x4.mul(d, v128.load(gain + i)), v128.load(bias + i)));
  }
}
