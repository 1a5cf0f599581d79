import { exp16 } from "./exp";
import { lanesBelow, sumLanes } from "./lanes";
import { tileOneRow, tileTwoRows, tileTwoStreams } from "./matmul";

// Causal attention on the paged cache (docs/NUMERICS.md). A page's keys of one head are a panel with K = head size and 16
// outputs (the tokens); its values are panels with K = 16 tokens and 16 outputs (dimensions). So the matmul tiles do both,
// the values' sums going on from page to page.
//
//   keys    [head][dimension][16 tokens]             of one page and layer
//   values  [head][panel of 16 dimensions][16 tokens][16]

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

/** out[0 … count−1] = x / divisor. */
export function divideRow(out: usize, x: usize, count: usize, divisor: f32): void {
  const bytes = count << 2;
  const whole = bytes & ~15;
  const d = f32x4.splat(divisor);
  for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, f32x4.div(v128.load(x + i), d));
  for (let i = whole; i < bytes; i += 4) store<f32>(out + i, load<f32>(x + i) / divisor);
}

/**
 * One query row, all heads. Pages outside, heads inside: keys and values of a page lie together, so memory is read in long
 * runs, as two streams half of the heads apart.
 *   out      f32[heads · size]       the row's result
 *   q        f32[heads · size]
 *   pages    u32[⌈count / 16⌉]       page numbers
 *   keys, values                     of this layer in page 0; pages lie `pageBytes` apart
 *   scores   f32[heads][scoreStride] scratch, stride in bytes, a multiple of 64
 *   sums     f32[heads][panels · 16] scratch, panels = ⌈size / 16⌉, followed by the divisors f32[heads]
 */
export function attendOneRow(
  out: usize, q: usize, pages: usize, keys: usize, values: usize, pageBytes: usize,
  count: i32, heads: usize, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize,
): void {
  const panels = (size + 15) >> 4;
  const half = heads >> 1;
  const keyBytes = size << 6; // of one head in one page
  const valueBytes = panels << 10;
  const sumBytes = panels << 6;
  for (let t: i32 = 0; t < count; t += 16) {
    const page = keys + <usize>load<u32>(pages + (t >> 2)) * pageBytes;
    const block = scores + (t << 2);
    for (let h: usize = 0; h < half; h++) {
      tileTwoStreams(
        block + h * scoreStride, half * scoreStride, q, h * (size << 2), half * (size << 2),
        page, h * keyBytes, half * keyBytes, keyBytes, 0,
      );
    }
    if (heads & 1) {
      tileOneRow(block + (heads - 1) * scoreStride, q, (heads - 1) * (size << 2), page, (heads - 1) * keyBytes, keyBytes, 0);
    }
  }
  const divisors = sums + heads * sumBytes;
  for (let h: usize = 0; h < heads; h++) store<f32>(divisors + (h << 2), softmaxRow(scores + h * scoreStride, count, scale));
  for (let t: i32 = 0; t < count; t += 16) {
    const page = values + <usize>load<u32>(pages + (t >> 2)) * pageBytes;
    const block = t << 2;
    const bytes = <usize>min(16, count - t) << 6;
    const resume = t != 0;
    for (let h: usize = 0; h < half; h++) {
      for (let p: usize = 0; p < panels; p++) {
        tileTwoStreams(
          sums + h * sumBytes + (p << 6), half * sumBytes, scores, h * scoreStride + block, half * scoreStride,
          page, h * valueBytes + (p << 10), half * valueBytes, bytes, resume,
        );
      }
    }
    if (heads & 1) {
      const h = heads - 1;
      for (let p: usize = 0; p < panels; p++) {
        tileOneRow(sums + h * sumBytes + (p << 6), scores, h * scoreStride + block, page, h * valueBytes + (p << 10), bytes, resume);
      }
    }
  }
  for (let h: usize = 0; h < heads; h++) {
    divideRow(out + h * (size << 2), sums + h * sumBytes, size, load<f32>(divisors + (h << 2)));
  }
}

/**
 * Two query rows of one head, the first at position count − 2, the second at count − 1. `q` and `out` rows lie `qStride` and
 * `outStride` bytes apart; keys and values are this head's in page 0. scores f32[2][scoreStride], sums f32[2][panels · 16];
 * the two divisors are returned in `divisors` f32[2].
 */
export function attendTwoRows(
  out: usize, outStride: usize, q: usize, qStride: usize, pages: usize, keys: usize, values: usize, pageBytes: usize,
  count: i32, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize, divisors: usize,
): void {
  const panels = (size + 15) >> 4;
  const sumBytes = panels << 6;
  for (let t: i32 = 0; t < count; t += 16) {
    tileTwoRows(scores + (t << 2), scoreStride, q, 0, qStride, keys, <usize>load<u32>(pages + (t >> 2)) * pageBytes, size << 6, 0);
  }
  const s0 = softmaxRow(scores, count - 1, scale);
  const s1 = softmaxRow(scores + scoreStride, count, scale);
  // The first row does not see the last token. Where that opens a new block of 16, its masked lanes were not reached.
  if (((count - 1) & 15) == 0) memory.fill(scores + ((count - 1) << 2), 0, 64);
  for (let t: i32 = 0; t < count; t += 16) {
    const page = <usize>load<u32>(pages + (t >> 2)) * pageBytes;
    const bytes = <usize>min(16, count - t) << 6;
    for (let p: usize = 0; p < panels; p++) {
      tileTwoRows(sums + (p << 6), sumBytes, scores, t << 2, scoreStride, values, page + (p << 10), bytes, t != 0);
    }
  }
  divideRow(out, sums, size, s0);
  divideRow(out + outStride, sums + sumBytes, size, s1);
  store<f32>(divisors, s0);
  store<f32>(divisors, s1, 4);
}
