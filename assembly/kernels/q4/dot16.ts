import { Q4_GROUP, Q4_NIBBLES, Q4_SCALE, Q4_START, q4PanelBytes, q4UnpackedBytes } from "./layout";
import { addScaled, clearSums } from "./sums";

// matmul.ts on i32x4.dot_i16x8_s: every engine with SIMD has it.
//
// A 16-bit lane of an octet is v = n0 + 16·n1 + 256·n2 + 4096·n3, n0 … n2 stored + 8, n3 signed. With t_j = v >> 4j (arithmetic):
//   n0·x0 + n1·x1 + n2·x2 + n3·x3 = v·x0 + t1·(x1 − 16·x0) + t2·(x2 − 16·x1) + t3·(x3 − 16·x2),
// so no mask is needed; rows of x hold the differences (at most 17 · 127). From MANY_ROWS rows on a panel is unpacked once and then
// serves all of them, so the shifts are paid once; those rows hold plain integers.
//
//   unpacked  i16[K/2 pairs][4 quads of outputs][4 outputs · 2 k], 64 bytes a pair, groups one after the other

/** Fewest rows for which unpacking pays (docs/performance.md). */
const MANY_ROWS: usize = 10;

/** How many of the first of `rows` rows are to be plain integers. */
// @ts-ignore: decorator
@inline
export function plainRows(rows: usize): usize { return rows >= MANY_ROWS ? rows & ~1 : 0; }

/** 1 row × 16 outputs over all groups. `bytes`: of the panel. */
export function q4TileOneRow(out: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, bytes: usize): void {
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  const end = w + bytes;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  while (w < end) {
    let a0 = v128.load32_splat(x, Q4_START), a1 = a0, a2 = a0, a3 = a0;
    const octets = w + Q4_NIBBLES;
    while (w < octets) {
      // The pointer moves between: JavaScriptCore is slow at splats with an offset, and V8 does not mind (docs/performance.md).
      const x0 = v128.load32_splat(x); x += 4;
      const x1 = v128.load32_splat(x); x += 4;
      const x2 = v128.load32_splat(x); x += 4;
      const x3 = v128.load32_splat(x);
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
      x += 4; w += 64;
    }
    const r = v128.load32_splat(x - 64, Q4_SCALE);
    y0 = f32x4.add(y0, f32x4.mul(f32x4.convert_i32x4_s(a0), f32x4.mul(r, v128.load(w))));
    y1 = f32x4.add(y1, f32x4.mul(f32x4.convert_i32x4_s(a1), f32x4.mul(r, v128.load(w, 16))));
    y2 = f32x4.add(y2, f32x4.mul(f32x4.convert_i32x4_s(a2), f32x4.mul(r, v128.load(w, 32))));
    y3 = f32x4.add(y3, f32x4.mul(f32x4.convert_i32x4_s(a3), f32x4.mul(r, v128.load(w, 48))));
    x += 16; w += 64;
  }
  v128.store(out, y0); v128.store(out, y1, 16); v128.store(out, y2, 32); v128.store(out, y3, 48);
}

/**
 * 2 rows × 16 outputs over all groups; f32 sums are kept in `out`. The four planes of an octet are shifted in place, one after
 * the other. The tests between them never hold: they keep the compiler of Node 20 and 22 from loading all of an octet's splats
 * first, for which it lacks the registers.
 */
export function q4TileTwoRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize, wBase: usize, wOffset: usize, bytes: usize,
): void {
  const out1 = out + outStride;
  let x0 = xBase + xOffset;
  let x1 = x0 + xStride;
  let w = wBase + wOffset;
  const end = w + bytes;
  clearSums(out);
  clearSums(out1);
  while (w < end) {
    let a0 = v128.load32_splat(x0, Q4_START), a1 = a0, a2 = a0, a3 = a0;
    let b0 = v128.load32_splat(x1, Q4_START), b1 = b0, b2 = b0, b3 = b0;
    const octets = w + Q4_NIBBLES;
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
    addScaled(out, w, x0 - 64, a0, a1, a2, a3);
    addScaled(out1, w, x1 - 64, b0, b1, b2, b3);
    x0 += 16; x1 += 16; w += 64;
  }
}

/** `bytes`: of the packed panel. Planes 0 … 2 are stored + 8, plane 3 signed. */
function unpackPanel(to: usize, w: usize, bytes: usize): void {
  const end = w + bytes;
  const eight = i16x8.splat(8), mask = i16x8.splat(15);
  while (w < end) {
    const octets = w + Q4_NIBBLES;
    for (; w < octets; w += 64, to += 256) {
      for (let quad: usize = 0; quad < 64; quad += 16) {
        const v = v128.load(w + quad);
        const t = to + quad;
        v128.store(t, i16x8.sub(v128.and(v, mask), eight));
        v128.store(t, i16x8.sub(v128.and(i16x8.shr_u(v, 4), mask), eight), 64);
        v128.store(t, i16x8.sub(v128.and(i16x8.shr_u(v, 8), mask), eight), 128);
        v128.store(t, i16x8.shr_s(v, 12), 192);
      }
    }
    w += 64;
  }
}

/**
 * 2 rows × 16 outputs of an unpacked panel; `bytes` of it, `scales` of its first group in the packed one. A group's first products
 * start its sums, which saves their additions.
 */
export function q4TileManyRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize, wBase: usize, bytes: usize, scales: usize,
): void {
  const out1 = out + outStride;
  let x0 = xBase + xOffset;
  let x1 = x0 + xStride;
  let w = wBase;
  const end = w + bytes;
  clearSums(out);
  clearSums(out1);
  while (w < end) {
    const u0 = v128.load(w), u1 = v128.load(w, 16), u2 = v128.load(w, 32), u3 = v128.load(w, 48);
    let z = v128.load32_splat(x0);
    let a0 = i32x4.dot_i16x8_s(u0, z), a1 = i32x4.dot_i16x8_s(u1, z), a2 = i32x4.dot_i16x8_s(u2, z), a3 = i32x4.dot_i16x8_s(u3, z);
    z = v128.load32_splat(x1);
    let b0 = i32x4.dot_i16x8_s(u0, z), b1 = i32x4.dot_i16x8_s(u1, z), b2 = i32x4.dot_i16x8_s(u2, z), b3 = i32x4.dot_i16x8_s(u3, z);
    const group = w + 1024;
    x0 += 4; x1 += 4; w += 64;
    while (w < group) {
      const v0 = v128.load(w), v1 = v128.load(w, 16), v2 = v128.load(w, 32), v3 = v128.load(w, 48);
      let s = v128.load32_splat(x0);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v0, s)); a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v1, s));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(v2, s)); a3 = i32x4.add(a3, i32x4.dot_i16x8_s(v3, s));
      s = v128.load32_splat(x1);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(v0, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(v1, s));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(v2, s)); b3 = i32x4.add(b3, i32x4.dot_i16x8_s(v3, s));
      x0 += 4; x1 += 4; w += 64;
    }
    addScaled(out, scales, x0 - 64, a0, a1, a2, a3);
    addScaled(out1, scales, x1 - 64, b0, b1, b2, b3);
    x0 += 16; x1 += 16; scales += Q4_GROUP;
  }
}

/** out[rows][panels·16] = x[rows][K] · w; the first plainRows(rows) rows of x plain. `unpacked`: scratch of q4UnpackedBytes. */
export function multiplyDot16(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  const bytes = q4PanelBytes(k);
  const plain = plainRows(rows);
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const panel = p * bytes;
    const outPanel = out + (p << 6);
    if (plain) unpackPanel(unpacked, w + panel, bytes);
    for (let r: usize = 0; r < even; r += 2) {
      if (plain) q4TileManyRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, unpacked, q4UnpackedBytes(k), w + panel + Q4_NIBBLES);
      else q4TileTwoRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, w, panel, bytes);
    }
    if (rows & 1) q4TileOneRow(outPanel + even * outStride, x, even * xStride, w, panel, bytes);
  }
}
