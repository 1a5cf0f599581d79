import { Q4_GROUP, Q4_NIBBLES, Q4_ROW_GROUP, Q4_ROW_INTEGERS, Q4_START, q4PanelBytes, q4UnpackedBytes } from "./layout";
import { addScaled, clearSums } from "./sums";

// matmul.ts on i32x4.relaxed_dot_i8x16_i7x16_add_s, for the module that needs relaxed SIMD. Its result is the engine's choice only
// where a second operand has its top bit set or a sum of two products leaves 16 bits. Here the second operand is a nibble, 0 … 15, and
// 2 · 15 · 127 fits, so every engine computes the same sums. From MANY_ROWS rows on a panel is unpacked once and serves all of them.
//
//   unpacked  u8[K/4 quads of k][4 quads of outputs][4 outputs · 4 k], 64 bytes a quad of k, groups one after the other

/** Fewest rows for which unpacking pays (docs/performance.md). */
const MANY_ROWS: usize = 12;

/** Sixteen times 0x0f, in memory: V8 builds constants anew in every turn of a loop. */
const LOW_HALVES = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);

// @ts-ignore: decorator
@inline
function dot(x: v128, nibbles: v128, sum: v128): v128 { return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, nibbles, sum); }

/** An octet of four outputs: its low halves, then its high ones. */
// @ts-ignore: decorator
@inline
function dotOctet(low: v128, high: v128, v: v128, mask: v128, sum: v128): v128 {
  return dot(high, v128.and(i16x8.shr_u(v, 4), mask), dot(low, v128.and(v, mask), sum));
}

/** 1 row × 16 outputs over all groups. `bytes`: of the panel. */
export function q4Dot8OneRow(out: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, bytes: usize): void {
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  const end = w + bytes;
  const mask = v128.load(LOW_HALVES);
  clearSums(out);
  for (; w < end; w += Q4_GROUP - Q4_NIBBLES, x += Q4_ROW_GROUP - Q4_ROW_INTEGERS) {
    let a0 = v128.load32_splat(x, Q4_START), a1 = a0, a2 = a0, a3 = a0;
    const octets = w + Q4_NIBBLES;
    while (w < octets) {
      const low = v128.load32_splat(x);
      x += 4;
      const high = v128.load32_splat(x);
      a0 = dotOctet(low, high, v128.load(w), mask, a0); a1 = dotOctet(low, high, v128.load(w, 16), mask, a1);
      a2 = dotOctet(low, high, v128.load(w, 32), mask, a2); a3 = dotOctet(low, high, v128.load(w, 48), mask, a3);
      x += 4; w += 64;
    }
    addScaled(out, w, x - Q4_ROW_INTEGERS, a0, a1, a2, a3);
  }
}

/** 1 row × 16 outputs, twice at once from two streams that lie far apart (f32/matmul.ts, tileTwoStreams). */
export function q4Dot8TwoStreams(
  out: usize, outFar: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, wFar: usize, bytes: usize,
): void {
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  let v = w + wFar;
  const end = w + bytes;
  const mask = v128.load(LOW_HALVES);
  const far = out + outFar;
  clearSums(out);
  clearSums(far);
  for (; w < end; w += Q4_GROUP - Q4_NIBBLES, v += Q4_GROUP - Q4_NIBBLES, x += Q4_ROW_GROUP - Q4_ROW_INTEGERS) {
    let a0 = v128.load32_splat(x, Q4_START), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    const octets = w + Q4_NIBBLES;
    while (w < octets) {
      const low = v128.load32_splat(x);
      x += 4;
      const high = v128.load32_splat(x);
      a0 = dotOctet(low, high, v128.load(w), mask, a0); a1 = dotOctet(low, high, v128.load(w, 16), mask, a1);
      a2 = dotOctet(low, high, v128.load(w, 32), mask, a2); a3 = dotOctet(low, high, v128.load(w, 48), mask, a3);
      b0 = dotOctet(low, high, v128.load(v), mask, b0); b1 = dotOctet(low, high, v128.load(v, 16), mask, b1);
      b2 = dotOctet(low, high, v128.load(v, 32), mask, b2); b3 = dotOctet(low, high, v128.load(v, 48), mask, b3);
      x += 4; w += 64; v += 64;
    }
    addScaled(out, w, x - Q4_ROW_INTEGERS, a0, a1, a2, a3);
    addScaled(far, v, x - Q4_ROW_INTEGERS, b0, b1, b2, b3);
  }
}

/** `bytes`: of the packed panel. */
function unpackPanel(to: usize, w: usize, bytes: usize): void {
  const end = w + bytes;
  const mask = v128.load(LOW_HALVES);
  for (; w < end; w += Q4_GROUP - Q4_NIBBLES) {
    const octets = w + Q4_NIBBLES;
    for (; w < octets; w += 64, to += 128) {
      for (let quad: usize = 0; quad < 64; quad += 16) {
        const v = v128.load(w + quad);
        v128.store(to + quad, v128.and(v, mask));
        v128.store(to + quad, v128.and(i16x8.shr_u(v, 4), mask), 64);
      }
    }
  }
}

/** 2 rows × 16 outputs of an unpacked panel; `bytes` of it, `scales` of its first group in the packed one. */
export function q4Dot8ManyRows(
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
    let a0 = v128.load32_splat(x0, Q4_START), a1 = a0, a2 = a0, a3 = a0;
    let b0 = v128.load32_splat(x1, Q4_START), b1 = b0, b2 = b0, b3 = b0;
    const group = w + 512;
    while (w < group) {
      const s = v128.load32_splat(x0), t = v128.load32_splat(x1);
      let v = v128.load(w);
      a0 = dot(s, v, a0); b0 = dot(t, v, b0);
      v = v128.load(w, 16);
      a1 = dot(s, v, a1); b1 = dot(t, v, b1);
      v = v128.load(w, 32);
      a2 = dot(s, v, a2); b2 = dot(t, v, b2);
      v = v128.load(w, 48);
      a3 = dot(s, v, a3); b3 = dot(t, v, b3);
      x0 += 4; x1 += 4; w += 64;
    }
    addScaled(out, scales, x0 - Q4_ROW_INTEGERS, a0, a1, a2, a3);
    addScaled(out1, scales, x1 - Q4_ROW_INTEGERS, b0, b1, b2, b3);
    x0 += Q4_ROW_GROUP - Q4_ROW_INTEGERS; x1 += Q4_ROW_GROUP - Q4_ROW_INTEGERS; scales += Q4_GROUP;
  }
}

/** out[rows][panels·16] = x[rows][K] · w. `unpacked`: scratch of q4UnpackedBytes. */
export function multiplyDot8(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  if (rows < MANY_ROWS) multiplyFew(out, outStride, x, xStride, rows, w, q4PanelBytes(k), panels);
  else multiplyMany(out, outStride, x, xStride, rows, w, k, panels, unpacked);
}

function multiplyFew(out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, bytes: usize, panels: usize): void {
  const half = panels >> 1;
  for (let p: usize = 0; p < half; p++) {
    for (let r: usize = 0; r < rows; r++) {
      q4Dot8TwoStreams(out + r * outStride + (p << 6), half << 6, x, r * xStride, w, p * bytes, half * bytes, bytes);
    }
  }
  if (panels & 1) {
    const p = panels - 1;
    for (let r: usize = 0; r < rows; r++) q4Dot8OneRow(out + r * outStride + (p << 6), x, r * xStride, w, p * bytes, bytes);
  }
}

function multiplyMany(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  const bytes = q4PanelBytes(k);
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const panel = p * bytes;
    const outPanel = out + (p << 6);
    unpackPanel(unpacked, w + panel, bytes);
    for (let r: usize = 0; r < even; r += 2) {
      q4Dot8ManyRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, unpacked, q4UnpackedBytes(k), w + panel + Q4_NIBBLES);
    }
    if (rows & 1) q4Dot8OneRow(outPanel + even * outStride, x, even * xStride, w, panel, bytes);
  }
}
