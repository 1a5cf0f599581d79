import { Q4_GROUP, Q4_NIBBLES, nibbleAt, placeNibbles, q4PanelBytes } from "./layout.q4";
import { roundToHalf } from "./half";

// f32 panels to int4 panels, and back for the embedding. Groups of 32 k of one output share a scale, a binary16 value; each
// weight is clamp(nearest(w / scale), −8, 7). The scale is searched for: the one with the least sum of squared differences.

const SMALLEST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰: a group below counts as zeros

/** Steps of the search: the extreme value divided by −8 · (1 − step / 32), then by 8 likewise. */
const STEPS = 12;

// @ts-ignore: decorator
@inline
function nibbles(w: v128, inverse: v128): v128 {
  return f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.mul(w, inverse)), f32x4.splat(-8)), f32x4.splat(7));
}

/** Σ (w − scale · nibble)² over the `rows` of four outputs at x f32[rows][16]. */
function squaredError(x: usize, end: usize, scale: v128, inverse: v128): v128 {
  let sum = f32x4.splat(0);
  for (; x < end; x += 64) {
    const w = v128.load(x);
    const d = f32x4.sub(w, f32x4.mul(nibbles(w, inverse), scale));
    sum = f32x4.add(sum, f32x4.mul(d, d));
  }
  return sum;
}

/** The value of largest magnitude (the first of equals) of four outputs. */
function extremeOf(x: usize, end: usize): v128 {
  let extreme = f32x4.splat(0);
  for (; x < end; x += 64) {
    const w = v128.load(x);
    extreme = v128.bitselect(w, extreme, f32x4.gt(f32x4.abs(w), f32x4.abs(extreme)));
  }
  return extreme;
}

// @ts-ignore: decorator
@inline
function inverseOf(scale: v128): v128 {
  return v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.ne(scale, f32x4.splat(0)));
}

/** The best scale of a group for four outputs. Equal errors: the candidate tried first. */
function searchScale(x: usize, end: usize): v128 {
  const extreme = extremeOf(x, end);
  let best = f32x4.splat(0);
  let least = f32x4.splat(Infinity);
  for (let sign = -1; sign <= 1; sign += 2) {
    for (let step = 0; step < STEPS; step++) {
      const divisor = f32((step + 30) * sign) * f32(0.25); // ±8 · (1 + (step − 2) / 32)
      const scale = roundToHalf(f32x4.div(extreme, f32x4.splat(divisor)));
      const error = squaredError(x, end, scale, inverseOf(scale));
      const better = f32x4.lt(error, least);
      best = v128.bitselect(scale, best, better);
      least = v128.bitselect(error, least, better);
    }
  }
  return v128.and(best, f32x4.ge(f32x4.abs(extreme), f32x4.splat(SMALLEST)));
}

/** Eight k of four outputs: one vector of the layout. */
function joinOctet(x: usize, inverse: v128): v128 {
  let v = i32x4.splat(0);
  for (let i = 0; i < 8; i++) {
    v = v128.or(v, placeNibbles(i32x4.trunc_sat_f32x4_s(nibbles(v128.load(x + (<usize>i << 6)), inverse)), i));
  }
  return v;
}

/** panel (layout in layout.q4.ts) = x f32[k padded with zero rows to a multiple of 32][16]. */
export function packPanelQ4(panel: usize, x: usize, k: usize): void {
  const last = panel + q4PanelBytes(k);
  for (; panel < last; panel += Q4_GROUP, x += 2048) {
    for (let quad: usize = 0; quad < 64; quad += 16) {
      const scale = searchScale(x + quad, x + 2048);
      v128.store(panel + Q4_NIBBLES + quad, scale);
      const inverse = inverseOf(scale);
      for (let octet: usize = 0; octet < 4; octet++) v128.store(panel + (octet << 6) + quad, joinOctet(x + (octet << 9) + quad, inverse));
    }
  }
}

/** out[k] f32 = output `n` of packed panels: nibble · scale. */
export function unpackOutputQ4(out: usize, panels: usize, k: usize, n: usize): void {
  const panel = panels + (n >> 4) * q4PanelBytes(k);
  const output = n & 15;
  for (let i: usize = 0; i < k; i++) {
    const scale = load<f32>(panel + (i >> 5) * Q4_GROUP + Q4_NIBBLES + (output << 2));
    store<f32>(out + (i << 2), <f32>nibbleAt(panel, output, i) * scale);
  }
}
