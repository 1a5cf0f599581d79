import { exp16 } from "../kernels/exp";
import { FAR, padded } from "./scratch";

// Step 6 of "Choosing a token" in docs/NUMERICS.md: distances y_v = (M − x_v) / temperature (that is −z_v; the sign of a
// difference does not change its rounding) and weights.

/** y from the logits themselves. M is not −0, so no y is. */
export function distancesFromLogits(y: usize, logits: usize, vocab: i32, largest: f64, temperature: f64): void {
  const bytes = padded(vocab) << 2;
  const m = f64x2.splat(largest), t = f64x2.splat(temperature);
  for (let i: usize = 0; i < bytes; i += 16) {
    const p = logits + i, to = y + (i << 1);
    v128.store(to, f64x2.div(f64x2.sub(m, f64x2.promote_low_f32x4(v128.load64_zero(p))), t));
    v128.store(to, f64x2.div(f64x2.sub(m, f64x2.promote_low_f32x4(v128.load64_zero(p, 8))), t), 16);
  }
  padDistances(y, vocab);
}

/** y from x_v, in place. */
export function distancesFromValues(x: usize, vocab: i32, largest: f64, temperature: f64): void {
  const bytes = padded(vocab) << 3;
  const m = f64x2.splat(largest), t = f64x2.splat(temperature);
  for (let i: usize = 0; i < bytes; i += 32) {
    const p = x + i;
    v128.store(p, f64x2.div(f64x2.sub(m, v128.load(p)), t));
    v128.store(p, f64x2.div(f64x2.sub(m, v128.load(p, 16)), t), 16);
  }
  padDistances(x, vocab);
}

/** FAR from entry n to the next multiple of 16. */
export function padDistances(y: usize, n: i32): void {
  const end = padded(n);
  for (let i = <usize>n; i < end; i++) store<f64>(y + (i << 3), FAR);
}

/**
 * The power of two whose unit in the last place, as f32, is the grid q: 2⁻¹³ · 2⁻²³ = 2⁻³⁶ up to a vocabulary of 2¹⁷, and
 * beyond so that vocab · 1 / q is at most 2⁵³. Adding and subtracting it rounds a smaller weight to the grid; a weight that
 * is not smaller lies on the grid already.
 */
export function gridOf(vocab: i32): f32 {
  const e = max(17, 32 - clz(vocab - 1));
  return reinterpret<f32>((e - 30 + 127) << 23);
}

/** w_v for n entries (and +0 up to the next multiple of 16). Returns Σ w, exact. */
export function weigh(w: usize, y: usize, n: i32, grid: f32): f64 {
  const bytes = padded(n) << 2;
  const g = f32x4.splat(grid);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = y + (i << 1), to = w + i;
    exp16(to, arguments4(p), arguments4(p + 32), arguments4(p + 64), arguments4(p + 96));
    const w0 = onGrid(v128.load(to), g), w1 = onGrid(v128.load(to, 16), g);
    const w2 = onGrid(v128.load(to, 32), g), w3 = onGrid(v128.load(to, 48), g);
    v128.store(to, w0); v128.store(to, w1, 16); v128.store(to, w2, 32); v128.store(to, w3, 48);
    s0 = f64x2.add(s0, f64x2.add(low(w0), high(w0))); s1 = f64x2.add(s1, f64x2.add(low(w1), high(w1)));
    s2 = f64x2.add(s2, f64x2.add(low(w2), high(w2))); s3 = f64x2.add(s3, f64x2.add(low(w3), high(w3)));
  }
  s0 = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  return f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
}

/** Σ w of n entries, exact. */
export function sumWeights(w: usize, n: i32): f64 {
  const bytes = padded(n) << 2;
  let s0 = f64x2.splat(0), s1 = s0;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(w + i);
    s0 = f64x2.add(s0, low(v));
    s1 = f64x2.add(s1, high(v));
  }
  s0 = f64x2.add(s0, s1);
  return f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
}

/** round32(−y) of four entries. */
// @ts-ignore: decorator
@inline
function arguments4(y: usize): v128 {
  const a = f32x4.demote_f64x2_zero(v128.load(y)), b = f32x4.demote_f64x2_zero(v128.load(y, 16));
  return f32x4.neg(v128.shuffle<i64>(a, b, 0, 2));
}

// @ts-ignore: decorator
@inline
function onGrid(w: v128, grid: v128): v128 {
  return v128.bitselect(f32x4.sub(f32x4.add(w, grid), grid), w, f32x4.lt(w, grid));
}

// @ts-ignore: decorator
@inline
export function low(w: v128): v128 {
  return f64x2.promote_low_f32x4(w);
}

// @ts-ignore: decorator
@inline
export function high(w: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(w, w, 1, 1));
}
