import { Q4_GROUP, q4PanelBytes, q4TileOneRow } from "./matmul.q4";
import { ROW_HEADER } from "./quantize-rows";

// Many rows on int4 weights: a panel is unpacked to 16-bit integers once and then serves all rows, so the shifts of matmul.q4.ts are
// paid once. Integer sums are exact, so the bits are the same. Worth it from MANY_ROWS rows on.
//
//   unpacked  i16[K/2 pairs][4 quads of outputs][4 outputs · 2 k], 64 bytes a pair, groups one after the other
//   x         rows that quantizeRow left with int4's limit, 16 zeros or finite integers behind them

/** Fewest rows for which unpacking pays (docs/performance.md). */
export const MANY_ROWS: usize = 10;

/** Bytes of an unpacked panel of `k` inputs. */
// @ts-ignore: decorator
@inline
export function q4UnpackedBytes(k: usize): usize { return (q4PanelBytes(k) / Q4_GROUP) << 10; }

/** `bytes`: of the packed panel. Planes 0 … 2 are stored + 8, plane 3 signed. */
export function unpackPanelQ4(to: usize, w: usize, bytes: usize): void {
  const end = w + bytes;
  const eight = i16x8.splat(8), mask = i16x8.splat(15);
  while (w < end) {
    const octets = w + 256;
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

/**
 * 2 rows × 16 outputs of an unpacked panel; `bytes` of it, `scales` of its first group in the packed one. A group's first products
 * start its sums, which saves their additions.
 */
export function q4TileManyRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize, wBase: usize, bytes: usize, scales: usize,
): void {
  const row = xBase + xOffset;
  const out1 = out + outStride;
  let x0 = row + ROW_HEADER;
  let x1 = x0 + xStride;
  let w = wBase;
  const end = w + bytes;
  const zero = f32x4.splat(0);
  v128.store(out, zero); v128.store(out, zero, 16); v128.store(out, zero, 32); v128.store(out, zero, 48);
  v128.store(out1, zero); v128.store(out1, zero, 16); v128.store(out1, zero, 32); v128.store(out1, zero, 48);
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
    addScaled(out, scales, a0, a1, a2, a3);
    addScaled(out1, scales, b0, b1, b2, b3);
    scales += Q4_GROUP;
  }
  scaleSums(out, load<f32>(row));
  scaleSums(out1, load<f32>(row + xStride));
}

/**
 * out[rows][panels·16] = x[rows][K] · w. Rows of x that quantizeRow left; if their number is odd, the last one as quantizeRowQ4 leaves
 * it. `unpacked`: scratch of q4UnpackedBytes.
 */
export function q4MultiplyMany(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  const bytes = q4PanelBytes(k);
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const panel = w + p * bytes;
    const outPanel = out + (p << 6);
    unpackPanelQ4(unpacked, panel, bytes);
    for (let r: usize = 0; r < even; r += 2) {
      q4TileManyRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, unpacked, q4UnpackedBytes(k), panel + 256);
    }
    if (rows & 1) q4TileOneRow(outPanel + even * outStride, x, even * xStride, panel, 0, bytes);
  }
}
