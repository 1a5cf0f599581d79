// Sums of products in plain loops over packed panels of 16 outputs: f32[panels][K][16].

// @ts-ignore: decorator
@inline
export function packed(w: usize, k: usize, row: usize, n: usize): f32 {
  return load<f32>(w + ((n >> 4) * k + row) * 64 + (n & 15) * 4);
}

/** out[rows][outStride], strides in bytes: one sum from +0, k ascending. */
export function multiplyReference(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let n: usize = 0; n < panels * 16; n++) {
      let sum: f32 = 0;
      for (let i: usize = 0; i < k; i++) sum = sum + load<f32>(x + r * xStride + (i << 2)) * packed(w, k, i, n);
      store<f32>(out + r * outStride + (n << 2), sum);
    }
  }
}

/** The same sums in another order, which must show: k descending. */
export function multiplyDescending(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let n: usize = 0; n < panels * 16; n++) {
      let sum: f32 = 0;
      for (let i = k; i-- > 0;) sum = sum + load<f32>(x + r * xStride + (i << 2)) * packed(w, k, i, n);
      store<f32>(out + r * outStride + (n << 2), sum);
    }
  }
}

/** As two sums of half the terms each: what a block that is added to another would give. */
export function multiplyHalves(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let n: usize = 0; n < panels * 16; n++) {
      let a: f32 = 0, b: f32 = 0;
      for (let i: usize = 0; i < k / 2; i++) a = a + load<f32>(x + r * xStride + (i << 2)) * packed(w, k, i, n);
      for (let i = k / 2; i < k; i++) b = b + load<f32>(x + r * xStride + (i << 2)) * packed(w, k, i, n);
      store<f32>(out + r * outStride + (n << 2), a + b);
    }
  }
}

/** With products and sums that do not round in between, as a fused multiply-add would. */
export function multiplyFused(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize,
): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let n: usize = 0; n < panels * 16; n++) {
      let sum: f32 = 0;
      for (let i: usize = 0; i < k; i++) {
        sum = <f32>(<f64>sum + <f64>load<f32>(x + r * xStride + (i << 2)) * <f64>packed(w, k, i, n)); // the product is exact
      }
      store<f32>(out + r * outStride + (n << 2), sum);
    }
  }
}
