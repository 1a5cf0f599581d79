import { exp16 } from "./exp";
import { lanesBelow, sumLanes } from "./lanes";

/** Below this a score's exponential is +0: e⁻⁶⁴ of the largest cannot show in a binary32 sum. */
const LOWEST: f32 = -64;

/**
 * scores[0 … count−1] → exp(score · scale − maximum) in place, and returns their sum (lanes: position modulo 16). Lanes from
 * `count` to the next multiple of 16 become +0, whatever stood there.
 */
export function softmaxRow(scores: usize, count: i32, scale: f32): f32 {
  const bytes = (<usize>count & ~15) << 2;
  const left = count & 15;
  const factor = f32x4.splat(scale);
  let m0 = f32x4.mul(v128.load32_splat(scores), factor), m1 = m0, m2 = m0, m3 = m0;
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = scores + i;
    const s0 = f32x4.mul(v128.load(p), factor), s1 = f32x4.mul(v128.load(p, 16), factor);
    const s2 = f32x4.mul(v128.load(p, 32), factor), s3 = f32x4.mul(v128.load(p, 48), factor);
    v128.store(p, s0); v128.store(p, s1, 16); v128.store(p, s2, 32); v128.store(p, s3, 48);
    m0 = f32x4.pmax(m0, s0); m1 = f32x4.pmax(m1, s1); m2 = f32x4.pmax(m2, s2); m3 = f32x4.pmax(m3, s3);
  }
  if (left) {
    // Stale lanes take the maximum so far: they cannot raise it.
    const p = scores + bytes;
    const s0 = v128.bitselect(f32x4.mul(v128.load(p), factor), m0, lanesBelow(0, left));
    const s1 = v128.bitselect(f32x4.mul(v128.load(p, 16), factor), m1, lanesBelow(4, left));
    const s2 = v128.bitselect(f32x4.mul(v128.load(p, 32), factor), m2, lanesBelow(8, left));
    const s3 = v128.bitselect(f32x4.mul(v128.load(p, 48), factor), m3, lanesBelow(12, left));
    v128.store(p, s0); v128.store(p, s1, 16); v128.store(p, s2, 32); v128.store(p, s3, 48);
    m0 = f32x4.pmax(m0, s0); m1 = f32x4.pmax(m1, s1); m2 = f32x4.pmax(m2, s2); m3 = f32x4.pmax(m3, s3);
  }
  m0 = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  const maximum = f32x4.splat(max(
    max(f32x4.extract_lane(m0, 0), f32x4.extract_lane(m0, 1)), max(f32x4.extract_lane(m0, 2), f32x4.extract_lane(m0, 3)),
  ));

  let p0 = f32x4.splat(0), p1 = p0, p2 = p0, p3 = p0;
  const lowest = f32x4.splat(LOWEST);
  for (let i: usize = 0; i < bytes; i += 64) {
    const p = scores + i;
    const x0 = f32x4.sub(v128.load(p), maximum), x1 = f32x4.sub(v128.load(p, 16), maximum);
    const x2 = f32x4.sub(v128.load(p, 32), maximum), x3 = f32x4.sub(v128.load(p, 48), maximum);
    exp16(p, x0, x1, x2, x3);
    const e0 = v128.andnot(v128.load(p), f32x4.lt(x0, lowest)), e1 = v128.andnot(v128.load(p, 16), f32x4.lt(x1, lowest));
    const e2 = v128.andnot(v128.load(p, 32), f32x4.lt(x2, lowest)), e3 = v128.andnot(v128.load(p, 48), f32x4.lt(x3, lowest));
    v128.store(p, e0); v128.store(p, e1, 16); v128.store(p, e2, 32); v128.store(p, e3, 48);
    p0 = f32x4.add(p0, e0); p1 = f32x4.add(p1, e1); p2 = f32x4.add(p2, e2); p3 = f32x4.add(p3, e3);
  }
  if (left) {
    const p = scores + bytes;
    const x0 = f32x4.sub(v128.load(p), maximum), x1 = f32x4.sub(v128.load(p, 16), maximum);
    const x2 = f32x4.sub(v128.load(p, 32), maximum), x3 = f32x4.sub(v128.load(p, 48), maximum);
    exp16(p, x0, x1, x2, x3);
    const e0 = v128.and(v128.andnot(v128.load(p), f32x4.lt(x0, lowest)), lanesBelow(0, left));
    const e1 = v128.and(v128.andnot(v128.load(p, 16), f32x4.lt(x1, lowest)), lanesBelow(4, left));
    const e2 = v128.and(v128.andnot(v128.load(p, 32), f32x4.lt(x2, lowest)), lanesBelow(8, left));
    const e3 = v128.and(v128.andnot(v128.load(p, 48), f32x4.lt(x3, lowest)), lanesBelow(12, left));
    v128.store(p, e0); v128.store(p, e1, 16); v128.store(p, e2, 32); v128.store(p, e3, 48);
    p0 = f32x4.add(p0, e0); p1 = f32x4.add(p1, e1); p2 = f32x4.add(p2, e2); p3 = f32x4.add(p3, e3);
  }
  return sumLanes(p0, p1, p2, p3);
}

/** x[0 … count−1] *= factor, in place. */
export function scaleRow(x: usize, count: usize, factor: f32): void {
  const end = x + (count << 2);
  const whole = x + ((count & ~3) << 2);
  const f = f32x4.splat(factor);
  for (; x < whole; x += 16) v128.store(x, f32x4.mul(v128.load(x), f));
  for (; x < end; x += 4) store<f32>(x, load<f32>(x) * factor);
}

/** out[0 … count−1] = x / divisor. */
export function divideRow(out: usize, x: usize, count: usize, divisor: f32): void {
  const bytes = count << 2;
  const whole = bytes & ~15;
  const d = f32x4.splat(divisor);
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, f32x4.div(v128.load(x + i), d));
  for (let i = whole; i < bytes; i += 4) store<f32>(out + i, load<f32>(x + i) / divisor);
}
