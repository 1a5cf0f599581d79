// Matrix products on packed panels. One running sum an output, from +0, k ascending, product and sum rounded separately
// (docs/NUMERICS.md). Lanes are outputs. All four functions below follow that order, so a row gets the same bits whichever
// of them computes it. Biases are added by whatever reads the result next.
//
//   x    f32[rows][K]         rows `xStride` bytes apart
//   w    f32[panels][K][16]   packed panels, 64 bytes a k
//   out  f32[rows][panels·16] rows `outStride` bytes apart
//
// Pointers come as base and offset and are added here: V8 cannot see that a bare parameter is zero-extended and would
// repeat that in every iteration. Each kernel has one loop and is exported, so that it is neither unrolled into spills nor
// inlined into a caller whose loops V8 would then unroll (docs/performance.md).

/**
 * 2 rows × 16 outputs. `bytes` = 64 · K. `resume` 1: the sums go on from what `out` holds, 0: from +0.
 * 8 sums + 4 weights + splat + product = 14 of the 15 vector registers V8 hands out.
 */
export function tileTwoRows(
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
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    let s = v128.load32_splat(x0);
    a0 = f32x4.add(a0, f32x4.mul(w0, s));
    a1 = f32x4.add(a1, f32x4.mul(w1, s));
    a2 = f32x4.add(a2, f32x4.mul(w2, s));
    a3 = f32x4.add(a3, f32x4.mul(w3, s));
    s = v128.load32_splat(x1);
    b0 = f32x4.add(b0, f32x4.mul(w0, s));
    b1 = f32x4.add(b1, f32x4.mul(w1, s));
    b2 = f32x4.add(b2, f32x4.mul(w2, s));
    b3 = f32x4.add(b3, f32x4.mul(w3, s));
    x0 += 4; x1 += 4; w += 64;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
  v128.store(out1, b0); v128.store(out1, b1, 16); v128.store(out1, b2, 32); v128.store(out1, b3, 48);
}

/** 1 row × 16 outputs, for what is left over. `bytes` = 64 · K. */
export function tileOneRow(
  out: usize, xBase: usize, xOffset: usize, wBase: usize, wOffset: usize, bytes: usize, resume: i32,
): void {
  let x = xBase + xOffset;
  let w = wBase + wOffset;
  const end = w + bytes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  if (resume) { a0 = v128.load(out); a1 = v128.load(out, 16); a2 = v128.load(out, 32); a3 = v128.load(out, 48); }
  while (w < end) {
    const s = v128.load32_splat(x);
    a0 = f32x4.add(a0, f32x4.mul(v128.load(w), s));
    a1 = f32x4.add(a1, f32x4.mul(v128.load(w, 16), s));
    a2 = f32x4.add(a2, f32x4.mul(v128.load(w, 32), s));
    a3 = f32x4.add(a3, f32x4.mul(v128.load(w, 48), s));
    x += 4; w += 64;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
}

/**
 * 1 row × 16 outputs, twice at once from two streams that lie far apart: memory answers two streams faster than one. The
 * second stream's out and w lie `outFar` and `wFar` bytes behind the first's. `bytes` = 64 · K.
 */
export function tileTwoStreams(
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
    a0 = f32x4.add(a0, f32x4.mul(v128.load(w), s));
    a1 = f32x4.add(a1, f32x4.mul(v128.load(w, 16), s));
    a2 = f32x4.add(a2, f32x4.mul(v128.load(w, 32), s));
    a3 = f32x4.add(a3, f32x4.mul(v128.load(w, 48), s));
    b0 = f32x4.add(b0, f32x4.mul(v128.load(v), s));
    b1 = f32x4.add(b1, f32x4.mul(v128.load(v, 16), s));
    b2 = f32x4.add(b2, f32x4.mul(v128.load(v, 32), s));
    b3 = f32x4.add(b3, f32x4.mul(v128.load(v, 48), s));
    x += 4; w += 64; v += 64;
  }
  v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
  v128.store(out1, b0); v128.store(out1, b1, 16); v128.store(out1, b2, 32); v128.store(out1, b3, 48);
}

/** out[panels·16] = x[K] · w over `panels` panels, two streams half of the panels apart. */
function multiplyRow(out: usize, x: usize, w: usize, k: usize, panels: usize): void {
  const panelBytes = k << 6;
  const half = panels >> 1;
  for (let p: usize = 0; p < half; p++) {
    tileTwoStreams(out + (p << 6), half << 6, x, 0, w, p * panelBytes, half * panelBytes, panelBytes);
  }
  if (panels & 1) tileOneRow(out + ((panels - 1) << 6), x, 0, w, (panels - 1) * panelBytes, panelBytes, 0);
}

/**
 * out[rows][panels·16] = x[rows][K] · w. Panels outside, rows inside: a panel is read from memory once and then stays in
 * the second-level cache; the rows come from the third level (docs/performance.md).
 */
export function multiply(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  if (rows == 1) { multiplyRow(out, x, w, k, panels); return; }
  const panelBytes = k << 6;
  const even = rows & ~1;
  for (let p: usize = 0; p < panels; p++) {
    const panel = p * panelBytes;
    const outPanel = out + (p << 6);
    for (let r: usize = 0; r < even; r += 2) {
      tileTwoRows(outPanel + r * outStride, outStride, x, r * xStride, xStride, w, panel, panelBytes, 0);
    }
    if (rows & 1) tileOneRow(outPanel + even * outStride, x, even * xStride, w, panel, panelBytes, 0);
  }
}
