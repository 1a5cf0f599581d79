// Matrix products on int4 weights in groups of 32 inputs, one scale (an f16 value, held as f32) a group and output.
//   y = (Σ over groups, ascending, from +0: f32(integer sum of the group) · scale) · scale of the row
//
// A panel has 16 outputs. Eight k of four outputs fill one vector: a 16-bit lane holds four nibbles, lane 2j + i of them
// k = 2·plane + i of output j: v = n0 + 16·n1 + 256·n2 + 4096·n3, n0 … n2 stored + 8 (0 … 15), n3 signed. With
// t_j = v >> 4j (arithmetic):  n0·x0 + n1·x1 + n2·x2 + n3·x3 = v·x0 + t1·(x1 − 16·x0) + t2·(x2 − 16·x1) + t3·(x3 − 16·x2),
// so no mask is needed; rows of x hold the differences, and fit 16 bits since |x| ≤ 1927 (17 · 1927 ≤ 32767).
// The + 8 is taken back by starting a group's sum at −8 · Σ x of planes 0 … 2.
//
//   panel: groups of [4 octets of k][4 quads of outputs][16 bytes] = 256 bytes, then 16 scales f32 = 320 bytes a group
//   x: f32 scale, padding to 64 bytes, then groups of [4 octets][4 planes][i16 pair] = 64 bytes, i32 start, padding: 80 bytes

/** Bytes of a group of a panel; of a group of a row; before the groups of a row. */
export const Q4_GROUP: usize = 320;
export const Q4_ROW_GROUP: usize = 80;
export const Q4_ROW_HEADER: usize = 64;

// @ts-ignore: decorator
@inline
export function q4Groups(k: usize): usize { return (k + 31) >> 5; }
// @ts-ignore: decorator
@inline
export function q4PanelBytes(k: usize): usize { return q4Groups(k) * Q4_GROUP; }
// @ts-ignore: decorator
@inline
export function q4RowBytes(k: usize): usize { return (Q4_ROW_HEADER + q4Groups(k) * Q4_ROW_GROUP + 63) & ~63; }

/** 1 row × 16 outputs over all groups. `bytes`: of the panel. */
export function q4TileOneRow(out: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, bytes: usize): void {
  const row = xBase + xOffset;
  let x = row + Q4_ROW_HEADER;
  let w = wBase + wOffset;
  const end = w + bytes;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  while (w < end) {
    let a0 = v128.load32_splat(x, 64), a1 = a0, a2 = a0, a3 = a0;
    const octets = w + 256;
    while (w < octets) {
      const x0 = v128.load32_splat(x), x1 = v128.load32_splat(x, 4), x2 = v128.load32_splat(x, 8), x3 = v128.load32_splat(x, 12);
      let v = v128.load(w);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v, x0)); a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.shr_s(v, 4), x1));
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.shr_s(v, 8), x2)); a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.shr_s(v, 12), x3));
      v = v128.load(w, 16);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v, x0)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.shr_s(v, 4), x1));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.shr_s(v, 8), x2)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.shr_s(v, 12), x3));
      v = v128.load(w, 32);
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v, x0)); a2 = i32x4.add(a2, i32x4.dot_i16x8_s(i16x8.shr_s(v, 4), x1));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(i16x8.shr_s(v, 8), x2)); a2 = i32x4.add(a2, i32x4.dot_i16x8_s(i16x8.shr_s(v, 12), x3));
      v = v128.load(w, 48);
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v, x0)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(i16x8.shr_s(v, 4), x1));
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(i16x8.shr_s(v, 8), x2)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(i16x8.shr_s(v, 12), x3));
      x += 16; w += 64;
    }
    y0 = f32x4.add(y0, f32x4.mul(f32x4.convert_i32x4_s(a0), v128.load(w)));
    y1 = f32x4.add(y1, f32x4.mul(f32x4.convert_i32x4_s(a1), v128.load(w, 16)));
    y2 = f32x4.add(y2, f32x4.mul(f32x4.convert_i32x4_s(a2), v128.load(w, 32)));
    y3 = f32x4.add(y3, f32x4.mul(f32x4.convert_i32x4_s(a3), v128.load(w, 48)));
    x += 16; w += 64;
  }
  const r = v128.load32_splat(row);
  v128.store(out, f32x4.mul(y0, r)); v128.store(out, f32x4.mul(y1, r), 16);
  v128.store(out, f32x4.mul(y2, r), 32); v128.store(out, f32x4.mul(y3, r), 48);
}

/**
 * 2 rows × 16 outputs over all groups; f32 sums are kept in `out`. The four planes of an octet are shifted in place, one after
 * the other. The tests between them never hold: they keep the compiler of Node 20 and 22 from loading all of an octet's splats
 * first, for which it lacks the registers.
 */
export function q4TileTwoRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize, wBase: usize, wOffset: usize, bytes: usize,
): void {
  const row = xBase + xOffset;
  const out1 = out + outStride;
  let x0 = row + Q4_ROW_HEADER;
  let x1 = x0 + xStride;
  let w = wBase + wOffset;
  const end = w + bytes;
  const zero = f32x4.splat(0);
  v128.store(out, zero); v128.store(out, zero, 16); v128.store(out, zero, 32); v128.store(out, zero, 48);
  v128.store(out1, zero); v128.store(out1, zero, 16); v128.store(out1, zero, 32); v128.store(out1, zero, 48);
  while (w < end) {
    let a0 = v128.load32_splat(x0, 64), a1 = a0, a2 = a0, a3 = a0;
    let b0 = v128.load32_splat(x1, 64), b1 = b0, b2 = b0, b3 = b0;
    const octets = w + 256;
    while (w < octets) {
      let v0 = v128.load(w), v1 = v128.load(w, 16), v2 = v128.load(w, 32), v3 = v128.load(w, 48);
      let s = v128.load32_splat(x0);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v0, s)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v1, s));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v2, s)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v3, s));
      s = v128.load32_splat(x1);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v0, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v1, s));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v2, s)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v3, s));
      if (w >= octets) break;
      v0 = i16x8.shr_s(v0, 4); v1 = i16x8.shr_s(v1, 4); v2 = i16x8.shr_s(v2, 4); v3 = i16x8.shr_s(v3, 4);
      s = v128.load32_splat(x0, 4);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v0, s)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v1, s));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v2, s)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v3, s));
      s = v128.load32_splat(x1, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v0, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v1, s));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v2, s)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v3, s));
      if (w >= octets) break;
      v0 = i16x8.shr_s(v0, 4); v1 = i16x8.shr_s(v1, 4); v2 = i16x8.shr_s(v2, 4); v3 = i16x8.shr_s(v3, 4);
      s = v128.load32_splat(x0, 8);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v0, s)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v1, s));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v2, s)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v3, s));
      s = v128.load32_splat(x1, 8);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v0, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v1, s));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v2, s)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v3, s));
      if (w >= octets) break;
      v0 = i16x8.shr_s(v0, 4); v1 = i16x8.shr_s(v1, 4); v2 = i16x8.shr_s(v2, 4); v3 = i16x8.shr_s(v3, 4);
      s = v128.load32_splat(x0, 12);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v0, s)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v1, s));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v2, s)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v3, s));
      s = v128.load32_splat(x1, 12);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v0, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v1, s));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v2, s)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v3, s));
      x0 += 16; x1 += 16; w += 64;
    }
    addScaled(out, w, a0, a1, a2, a3);
    addScaled(out1, w, b0, b1, b2, b3);
    x0 += 16; x1 += 16; w += 64;
  }
  scaleSums(out, load<f32>(row));
  scaleSums(out1, load<f32>(row + xStride));
}

/** out[16] += f32(sums) · scales. */
// @ts-ignore: decorator
@inline
function addScaled(out: usize, scales: usize, a0: v128, a1: v128, a2: v128, a3: v128): void {
  v128.store(out, f32x4.add(v128.load(out), f32x4.mul(f32x4.convert_i32x4_s(a0), v128.load(scales))));
  v128.store(out, f32x4.add(v128.load(out, 16), f32x4.mul(f32x4.convert_i32x4_s(a1), v128.load(scales, 16))), 16);
  v128.store(out, f32x4.add(v128.load(out, 32), f32x4.mul(f32x4.convert_i32x4_s(a2), v128.load(scales, 32))), 32);
  v128.store(out, f32x4.add(v128.load(out, 48), f32x4.mul(f32x4.convert_i32x4_s(a3), v128.load(scales, 48))), 48);
}

// @ts-ignore: decorator
@inline
function scaleSums(out: usize, scale: f32): void {
  const r = f32x4.splat(scale);
  v128.store(out, f32x4.mul(v128.load(out), r)); v128.store(out, f32x4.mul(v128.load(out, 16), r), 16);
  v128.store(out, f32x4.mul(v128.load(out, 32), r), 32); v128.store(out, f32x4.mul(v128.load(out, 48), r), 48);
}

/** out[rows][panels·16] = x[rows][K] · w; rows of x that quantizeRowQ4 left, `xStride` bytes apart. */
export function q4Multiply(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  const bytes = q4PanelBytes(k);
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const outPanel = out + (p << 6);
    for (let r: usize = 0; r < even; r += 2) q4TileTwoRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, w, p * bytes, bytes);
    if (rows & 1) q4TileOneRow(outPanel + even * outStride, x, even * xStride, w, p * bytes, bytes);
  }
}
