// The tiles of matmul.ts on panels of binary16, for a cache held in half precision: widened exactly in registers, then the
// same operations in the same order on f32. What widening costs is what these loops cost, so its last operation, times 2¹¹², is
// left to the caller: rows of x come multiplied by HALF_FACTOR, which changes no bit of a product.
//
//   w  binary16[k][16], 32 bytes a k

/** 2¹¹²: what x has to be multiplied by. */
export const HALF_FACTOR: f32 = 5.192296858534828e33;

/** Sign, exponent and fraction after the shift. */
const C = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

/** Four sign-extended halves, shifted to where f32 has its fields, the copies of the sign masked away: 2⁻¹¹² of their value. */
// @ts-ignore: decorator
@inline
function widen(bits: v128): v128 {
  return v128.and(i32x4.shl(bits, 13), v128.load(C));
}

/** As tileTwoRows. `bytes` = 32 · K. */
export function halfTileTwoRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize,
  wBase: usize, wOffset: usize, bytes: usize, resume: i32,
): void {
  const out1 = out + outStride;
  let x0 = xBase + xOffset;
  let x1 = x0 + xStride;
  let w = wBase + wOffset;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  if (resume) {
    a0 = v128.load(out); a1 = v128.load(out, 16); a2 = v128.load(out, 32); a3 = v128.load(out, 48);
    b0 = v128.load(out1); b1 = v128.load(out1, 16); b2 = v128.load(out1, 32); b3 = v128.load(out1, 48);
  }
  while (w < end) {
    const s = v128.load32_splat(x0), t = v128.load32_splat(x1);
    let h = v128.load(w);
    let v = widen(i32x4.extend_low_i16x8_s(h));
    a0 = f32x4.add(a0, f32x4.mul(v, s)); b0 = f32x4.add(b0, f32x4.mul(v, t));
    v = widen(i32x4.extend_high_i16x8_s(h));
    a1 = f32x4.add(a1, f32x4.mul(v, s)); b1 = f32x4.add(b1, f32x4.mul(v, t));
    h = v128.load(w, 16);
    v = widen(i32x4.extend_low_i16x8_s(h));
    a2 = f32x4.add(a2, f32x4.mul(v, s)); b2 = f32x4.add(b2, f32x4.mul(v, t));
    v = widen(i32x4.extend_high_i16x8_s(h));
    a3 = f32x4.add(a3, f32x4.mul(v, s)); b3 = f32x4.add(b3, f32x4.mul(v, t));
    x0 += 4; x1 += 4; w += 32;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
  v128.store(out1, b0); v128.store(out1, b1, 16); v128.store(out1, b2, 32); v128.store(out1, b3, 48);
}

/** As tileOneRow. `bytes` = 32 · K. */
export function halfTileOneRow(
  out: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, bytes: usize, resume: i32,
): void {
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  if (resume) { a0 = v128.load(out); a1 = v128.load(out, 16); a2 = v128.load(out, 32); a3 = v128.load(out, 48); }
  while (w < end) {
    const s = v128.load32_splat(x);
    const h = v128.load(w), g = v128.load(w, 16);
    a0 = f32x4.add(a0, f32x4.mul(widen(i32x4.extend_low_i16x8_s(h)), s));
    a1 = f32x4.add(a1, f32x4.mul(widen(i32x4.extend_high_i16x8_s(h)), s));
    a2 = f32x4.add(a2, f32x4.mul(widen(i32x4.extend_low_i16x8_s(g)), s));
    a3 = f32x4.add(a3, f32x4.mul(widen(i32x4.extend_high_i16x8_s(g)), s));
    x += 4; w += 32;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
}

/** As tileTwoStreams. `bytes` = 32 · K. */
export function halfTileTwoStreams(
  out: usize, outFar: usize, xBase: usize, xOffset: usize,
  wBase: usize, wOffset: usize, wFar: usize, bytes: usize,
): void {
  const out1 = out + outFar;
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  let v = w + wFar;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  while (w < end) {
    const s = v128.load32_splat(x);
    let h = v128.load(w);
    a0 = f32x4.add(a0, f32x4.mul(widen(i32x4.extend_low_i16x8_s(h)), s));
    a1 = f32x4.add(a1, f32x4.mul(widen(i32x4.extend_high_i16x8_s(h)), s));
    h = v128.load(w, 16);
    a2 = f32x4.add(a2, f32x4.mul(widen(i32x4.extend_low_i16x8_s(h)), s));
    a3 = f32x4.add(a3, f32x4.mul(widen(i32x4.extend_high_i16x8_s(h)), s));
    h = v128.load(v);
    b0 = f32x4.add(b0, f32x4.mul(widen(i32x4.extend_low_i16x8_s(h)), s));
    b1 = f32x4.add(b1, f32x4.mul(widen(i32x4.extend_high_i16x8_s(h)), s));
    h = v128.load(v, 16);
    b2 = f32x4.add(b2, f32x4.mul(widen(i32x4.extend_low_i16x8_s(h)), s));
    b3 = f32x4.add(b3, f32x4.mul(widen(i32x4.extend_high_i16x8_s(h)), s));
    x += 4; w += 32; v += 32;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
  v128.store(out1, b0); v128.store(out1, b1, 16); v128.store(out1, b2, 32); v128.store(out1, b3, 48);
}
