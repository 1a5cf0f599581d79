// The tiles of f32/matmul.ts on panels of binary16, for a cache held in half precision: widened exactly in registers, then the
// same operations in the same order on f32. What widening costs is what these loops cost. So its last operation, times 2¹¹², is
// left to the caller: rows of x come multiplied by HALF_FACTOR (half.ts), which changes no bit of a product. And halves lie in pairs, one of
// outputs j and j + 4 in each 32-bit lane: the upper one is widened by a shift and a mask, the lower one likewise after it came to
// the upper place by a load two bytes before (docs/performance.md).
//
//   w  binary16[k][16], 32 bytes a k: outputs 4, 0, 5, 1, 6, 2, 7, 3, then 12, 8, 13, 9, 14, 10, 15, 11
//
// The two bytes before a panel are read, and masked away.

/** Place of output `n` of a panel among the 16 halves of a k. */
// @ts-ignore: decorator
@inline
export function halfPlace(n: usize): usize { return (n & 8) + ((n & 3) << 1) + (((n >> 2) & 1) ^ 1); }

/** Sign, exponent and fraction after the shift. */
const C = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

/** The upper halves of four lanes, shifted to where f32 has its fields, all else masked away: 2⁻¹¹² of their value. */
// @ts-ignore: decorator
@inline
export function widen(pairs: v128): v128 {
  return v128.and(i32x4.shr_s(pairs, 3), v128.load(C));
}

/** As tileTwoRows. `bytes` = 32 · K. */
export function halfTileTwoRows(
  out: usize, outStride: usize, xBase: usize, xOffset: usize, xStride: usize,
  wBase: usize, wOffset: usize, bytes: usize, resume: i32,
): void {
  const out1 = out + outStride;
  let x0 = xBase + xOffset;
  let x1 = x0 + xStride;
  let w = wBase + wOffset - 2;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  if (resume) {
    a0 = v128.load(out); a1 = v128.load(out, 16); a2 = v128.load(out, 32); a3 = v128.load(out, 48);
    b0 = v128.load(out1); b1 = v128.load(out1, 16); b2 = v128.load(out1, 32); b3 = v128.load(out1, 48);
  }
  while (w < end) {
    const s = v128.load32_splat(x0), t = v128.load32_splat(x1);
    let v = widen(v128.load(w, 2));
    a0 = f32x4.add(a0, f32x4.mul(v, s)); b0 = f32x4.add(b0, f32x4.mul(v, t));
    v = widen(v128.load(w));
    a1 = f32x4.add(a1, f32x4.mul(v, s)); b1 = f32x4.add(b1, f32x4.mul(v, t));
    v = widen(v128.load(w, 18));
    a2 = f32x4.add(a2, f32x4.mul(v, s)); b2 = f32x4.add(b2, f32x4.mul(v, t));
    v = widen(v128.load(w, 16));
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
  let w = wBase + wOffset - 2;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  if (resume) { a0 = v128.load(out); a1 = v128.load(out, 16); a2 = v128.load(out, 32); a3 = v128.load(out, 48); }
  while (w < end) {
    const s = v128.load32_splat(x);
    a0 = f32x4.add(a0, f32x4.mul(widen(v128.load(w, 2)), s));
    a1 = f32x4.add(a1, f32x4.mul(widen(v128.load(w)), s));
    a2 = f32x4.add(a2, f32x4.mul(widen(v128.load(w, 18)), s));
    a3 = f32x4.add(a3, f32x4.mul(widen(v128.load(w, 16)), s));
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
  let w = wBase + wOffset - 2;
  let v = w + wFar;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  while (w < end) {
    const s = v128.load32_splat(x);
    a0 = f32x4.add(a0, f32x4.mul(widen(v128.load(w, 2)), s));
    a1 = f32x4.add(a1, f32x4.mul(widen(v128.load(w)), s));
    a2 = f32x4.add(a2, f32x4.mul(widen(v128.load(w, 18)), s));
    a3 = f32x4.add(a3, f32x4.mul(widen(v128.load(w, 16)), s));
    b0 = f32x4.add(b0, f32x4.mul(widen(v128.load(v, 2)), s));
    b1 = f32x4.add(b1, f32x4.mul(widen(v128.load(v)), s));
    b2 = f32x4.add(b2, f32x4.mul(widen(v128.load(v, 18)), s));
    b3 = f32x4.add(b3, f32x4.mul(widen(v128.load(v, 16)), s));
    x += 4; w += 32; v += 32;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
  v128.store(out1, b0); v128.store(out1, b1, 16); v128.store(out1, b2, 32); v128.store(out1, b3, 48);
}
