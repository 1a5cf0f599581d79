import { GROUP } from "../../contract";
import { Q4_GROUP, Q4_NIBBLES, nibbleAt, placeNibbles, q4PanelBytes } from "./layout";
import { roundToHalf } from "../f16/half";
import { SMALLEST } from "../smallest";

// f32 panels to int4 panels, and back for the embedding. GROUP inputs k of one output share a scale, a binary16 value; each
// weight is clamp(nearest(w / scale), −8, 7). The scale is searched for: the one with the least sum of squared differences.

/** Steps of the search: the extreme value divided by −8 · (1 − step / 32), then by 8 likewise. */
const STEPS = 12;

const GROUP_BYTES: usize = GROUP * 64; // f32[GROUP][16]

// @ts-ignore: decorator
@inline
function nibbles(w: v128, inverse: v128): v128 {
  return f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.mul(w, inverse)), f32x4.splat(-8)), f32x4.splat(7));
}

/** (w − scale · nibble)² of four outputs. */
// @ts-ignore: decorator
@inline
function squaredDifference(w: v128, scale: v128, inverse: v128): v128 {
  const d = f32x4.sub(w, f32x4.mul(nibbles(w, inverse), scale));
  return f32x4.mul(d, d);
}

// @ts-ignore: decorator
@inline
function inverseOf(scale: v128): v128 {
  return v128.and(f32x4.div(f32x4.splat(1), scale), f32x4.ne(scale, f32x4.splat(0)));
}

/**
 * The best scale of a group of four outputs, x f32[GROUP][16]. Equal errors: the candidate tried first. What cannot be the best is left
 * early, which changes no bit: a sum of squares, each addition rounded, is never less than the sum of some of them in the same order.
 */
function searchScale(x: usize): v128 {
  let high = f32x4.splat(0), low = high, extreme = high; // the value of largest magnitude, the first of equals
  for (let y = x; y < x + GROUP_BYTES; y += 64) {
    const w = v128.load(y);
    high = f32x4.pmax(high, w);
    low = f32x4.pmin(low, w);
    extreme = v128.bitselect(w, extreme, f32x4.gt(f32x4.abs(w), f32x4.abs(extreme)));
  }
  let best = f32x4.splat(0);
  let least = f32x4.splat(Infinity);
  for (let sign = -1; sign <= 1; sign += 2) {
    for (let step = 0; step < STEPS; step += 2) {
      const scale0 = scaleOf(extreme, sign, step), scale1 = scaleOf(extreme, sign, step + 1);
      const inverse0 = inverseOf(scale0), inverse1 = inverseOf(scale1);
      // The two outermost values alone: most of what is cut off.
      let error0 = f32x4.add(squaredDifference(high, scale0, inverse0), squaredDifference(low, scale0, inverse0));
      let error1 = f32x4.add(squaredDifference(high, scale1, inverse1), squaredDifference(low, scale1, inverse1));
      if (!v128.any_true(f32x4.lt(f32x4.pmin(error0, error1), least))) continue;
      error0 = error1 = f32x4.splat(0);
      let y = x;
      for (let part = 0; part < 4; part++) {
        for (const end = y + (GROUP_BYTES >> 2); y < end; y += 64) {
          const w = v128.load(y);
          error0 = f32x4.add(error0, squaredDifference(w, scale0, inverse0));
          error1 = f32x4.add(error1, squaredDifference(w, scale1, inverse1));
        }
        if (!v128.any_true(f32x4.lt(f32x4.pmin(error0, error1), least))) break;
      }
      let better = f32x4.lt(error0, least);
      best = v128.bitselect(scale0, best, better); least = v128.bitselect(error0, least, better);
      better = f32x4.lt(error1, least);
      best = v128.bitselect(scale1, best, better); least = v128.bitselect(error1, least, better);
    }
  }
  return v128.and(best, f32x4.ge(f32x4.abs(extreme), f32x4.splat(SMALLEST)));
}

// @ts-ignore: decorator
@inline
function scaleOf(extreme: v128, sign: i32, step: i32): v128 {
  const divisor = f32((step + 30) * sign) * f32(0.25); // ±8 · (1 + (step − 2) / 32)
  return roundToHalf(f32x4.div(extreme, f32x4.splat(divisor)));
}

/** Eight k of four outputs: one vector of the layout. */
function joinOctet(x: usize, inverse: v128): v128 {
  let v = i32x4.splat(0);
  for (let i = 0; i < 8; i++) {
    v = v128.or(v, placeNibbles(i32x4.trunc_sat_f32x4_s(nibbles(v128.load(x + (<usize>i << 6)), inverse)), i));
  }
  return v;
}

/** panel (layout in layout.ts) = x f32[k padded with zero rows to a multiple of GROUP][16]. */
export function packPanelQ4(panel: usize, x: usize, k: usize): void {
  const last = panel + q4PanelBytes(k);
  for (; panel < last; panel += Q4_GROUP, x += GROUP_BYTES) {
    for (let quad: usize = 0; quad < 64; quad += 16) {
      const scale = searchScale(x + quad);
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
    const scale = load<f32>(panel + i / <usize>GROUP * Q4_GROUP + Q4_NIBBLES + (output << 2));
    store<f32>(out + (i << 2), <f32>nibbleAt(panel, output, i) * scale);
  }
}
