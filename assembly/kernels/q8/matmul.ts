import { BLOCK } from "../../contract";
import { ROW_HEADER } from "./quantize-rows";

// Matrix products on int8 weights. All sums are integers and exact, so their order is free; what is rounded, and when, is
// the end: y = (f32(sum) · scale of the output) · scale of the row. K beyond BLOCK: f32 sums of blocks, ascending.
//
// A panel has 16 outputs; two k of eight outputs fill one vector of 16-bit lanes, lane 2j + i being k = 2m + i:
//
//   vector a  high bytes: outputs 0 … 3     low bytes: outputs 4 … 7, plus 128
//   vector b  high bytes: outputs 8 … 11    low bytes: outputs 12 … 15, plus 128
//
// A = Σ (q >> 8) · x and B = Σ q · x: one shift instead of a widening. high = A, low = B − 256·A − 128·Σx, modulo 2³².
//   panel: [K/2 pairs][a, b] = 16 · K bytes (K padded to even), then 16 scales f32
//   x: rows that quantizeRow left

/** Bytes of a panel of `k` inputs. */
// @ts-ignore: decorator
@inline
export function q8PanelBytes(k: usize): usize { return (((k + 1) & ~1) << 4) + 64; }

// @ts-ignore: decorator
@inline
function finish(out: usize, a0: v128, b0: v128, a1: v128, b1: v128, sum: i32, scale: f32, scales: usize, resume: i32): void {
  const offset = i32x4.splat(sum << 7);
  let y0 = f32x4.convert_i32x4_s(a0);
  let y1 = f32x4.convert_i32x4_s(i32x4.sub(i32x4.sub(b0, i32x4.shl(a0, 8)), offset));
  let y2 = f32x4.convert_i32x4_s(a1);
  let y3 = f32x4.convert_i32x4_s(i32x4.sub(i32x4.sub(b1, i32x4.shl(a1, 8)), offset));
  if (resume) {
    y0 = f32x4.add(v128.load(out), y0); y1 = f32x4.add(v128.load(out, 16), y1);
    y2 = f32x4.add(v128.load(out, 32), y2); y3 = f32x4.add(v128.load(out, 48), y3);
  }
  if (scales) {
    const r = f32x4.splat(scale);
    y0 = f32x4.mul(f32x4.mul(y0, v128.load(scales)), r); y1 = f32x4.mul(f32x4.mul(y1, v128.load(scales, 16)), r);
    y2 = f32x4.mul(f32x4.mul(y2, v128.load(scales, 32)), r); y3 = f32x4.mul(f32x4.mul(y3, v128.load(scales, 48)), r);
  }
  v128.store(out, y0); v128.store(out, y1, 16); v128.store(out, y2, 32); v128.store(out, y3, 48);
}

/**
 * 2 rows × 16 outputs of one block. `x`: the first row; `block`: index of the block; `bytes`: 16 · its (even) k. `scales`: those of
 * the panel if this is the last block, else 0. `resume` 1: adds to what `out` holds.
 */
export function q8TileTwoRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize, block: usize,
  wBase: usize, wOffset: usize, bytes: usize, scales: usize, resume: i32,
): void {
  const x = xBase + xOffset;
  let x0 = x + ROW_HEADER + block * (BLOCK << 1);
  let x1 = x0 + xStride;
  let w = wBase + wOffset;
  const end = w + bytes;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, c0 = a0, d0 = a0, c1 = a0, d1 = a0;
  while (w < end) {
    const q0 = v128.load(w), q1 = v128.load(w, 16);
    const h0 = i16x8.shr_s(q0, 8), h1 = i16x8.shr_s(q1, 8);
    let s = v128.load32_splat(x0);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(h0, s)); b0 = i32x4.add(b0, i32x4.dot_i16x8_s(q0, s));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(h1, s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(q1, s));
    s = v128.load32_splat(x1);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(h0, s)); d0 = i32x4.add(d0, i32x4.dot_i16x8_s(q0, s));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(h1, s)); d1 = i32x4.add(d1, i32x4.dot_i16x8_s(q1, s));
    x0 += 4; x1 += 4; w += 32;
  }
  const sums = x + 4 + (block << 2);
  finish(out, a0, b0, a1, b1, load<i32>(sums), load<f32>(x), scales, resume);
  finish(out + outStride, c0, d0, c1, d1, load<i32>(sums + xStride), load<f32>(x + xStride), scales, resume);
}

/** 1 row × 16 outputs of one block. */
export function q8TileOneRow(
  out: usize, xBase: usize, xOffset: usize, block: usize, wBase: usize, wOffset: usize, bytes: usize, scales: usize, resume: i32,
): void {
  const x = xBase + xOffset;
  let x0 = x + ROW_HEADER + block * (BLOCK << 1);
  let w = wBase + wOffset;
  const end = w + bytes;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0;
  while (w < end) {
    const q0 = v128.load(w), q1 = v128.load(w, 16);
    const s = v128.load32_splat(x0);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.shr_s(q0, 8), s)); b0 = i32x4.add(b0, i32x4.dot_i16x8_s(q0, s));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.shr_s(q1, 8), s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(q1, s));
    x0 += 4; w += 32;
  }
  finish(out, a0, b0, a1, b1, load<i32>(x + 4 + (block << 2)), load<f32>(x), scales, resume);
}

/** 1 row × 16 outputs, twice at once from two streams that lie far apart (f32/matmul.ts, tileTwoStreams). */
export function q8TileTwoStreams(
  out: usize, outFar: usize, xBase: usize, xOffset: usize, block: usize,
  wBase: usize, wOffset: usize, wFar: usize, bytes: usize, scales: usize, resume: i32,
): void {
  const x = xBase + xOffset;
  let x0 = x + ROW_HEADER + block * (BLOCK << 1);
  let w = wBase + wOffset;
  let v = w + wFar;
  const end = w + bytes;
  let a0 = i32x4.splat(0), b0 = a0, a1 = a0, b1 = a0, c0 = a0, d0 = a0, c1 = a0, d1 = a0;
  while (w < end) {
    const q0 = v128.load(w), q1 = v128.load(w, 16);
    const s = v128.load32_splat(x0);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.shr_s(q0, 8), s)); b0 = i32x4.add(b0, i32x4.dot_i16x8_s(q0, s));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.shr_s(q1, 8), s)); b1 = i32x4.add(b1, i32x4.dot_i16x8_s(q1, s));
    const p0 = v128.load(v), p1 = v128.load(v, 16);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(i16x8.shr_s(p0, 8), s)); d0 = i32x4.add(d0, i32x4.dot_i16x8_s(p0, s));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(i16x8.shr_s(p1, 8), s)); d1 = i32x4.add(d1, i32x4.dot_i16x8_s(p1, s));
    x0 += 4; w += 32; v += 32;
  }
  const sums = x + 4 + (block << 2);
  finish(out, a0, b0, a1, b1, load<i32>(sums), load<f32>(x), scales, resume);
  finish(out + outFar, c0, d0, c1, d1, load<i32>(sums), load<f32>(x), scales ? scales + wFar : 0, resume);
}

/** out[rows][panels·16] = x[rows][K] · w; rows of x that quantizeRow left, `xStride` bytes apart. */
export function q8Multiply(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  const panelBytes = q8PanelBytes(k);
  for (let block: usize = 0, first: usize = 0; first < k; first += BLOCK, block++) {
    const bytes = ((min(k - first, BLOCK) + 1) & ~1) << 4;
    const last = first + BLOCK >= k;
    multiplyBlock(out, outStride, x, xStride, rows, w + (first << 4), block, bytes, panels, panelBytes, last ? w + panelBytes - 64 : 0);
  }
}

function multiplyBlock(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, block: usize, bytes: usize,
  panels: usize, panelBytes: usize, scales: usize,
): void {
  const resume = i32(block != 0);
  if (rows == 1) {
    const half = panels >> 1;
    for (let p: usize = 0; p < half; p++) {
      q8TileTwoStreams(
        out + (p << 6), half << 6, x, 0, block, w, p * panelBytes, half * panelBytes, bytes, scales ? scales + p * panelBytes : 0, resume,
      );
    }
    if (panels & 1) {
      const p = panels - 1;
      q8TileOneRow(out + (p << 6), x, 0, block, w, p * panelBytes, bytes, scales ? scales + p * panelBytes : 0, resume);
    }
    return;
  }
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const panel = p * panelBytes;
    const scale = scales ? scales + panel : 0;
    const outPanel = out + (p << 6);
    for (let r: usize = 0; r < even; r += 2) {
      q8TileTwoRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, block, w, panel, bytes, scale, resume);
    }
    if (rows & 1) q8TileOneRow(outPanel + even * outStride, x, even * xStride, block, w, panel, bytes, scale, resume);
  }
}
