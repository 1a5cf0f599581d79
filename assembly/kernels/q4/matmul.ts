import { multiplyDot16, plainRows } from "./dot16";
import { multiplyDot8 } from "./dot8";
import { quantizeRowQ4 } from "./quantize-rows";

// Matrix products on int4 weights in groups of 32 inputs, one scale (an f16 value, held as f32) a group and output; the activations
// beside them are 8-bit integers, one scale a group and row.
//   y = Σ over groups, ascending, from +0: f32(integer sum of the group) · (scale of the output · scale of the row)

/**
 * Rows first … last − 1 of x[rows][k] f32, padded with +0 to a multiple of 16, to rows of q4RowBytes(k) as q4Multiply takes `rows` of
 * them. Strides in bytes.
 */
export function quantizeRowsQ4(out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, first: usize, last: usize, k: usize): void {
  const plain: usize = ASC_FEATURE_RELAXED_SIMD ? 0 : plainRows(rows);
  for (let r = first; r < last; r++) quantizeRowQ4(out + r * outStride, x + r * xStride, k, i32(r < plain));
}

/** out[rows][panels·16] = x[rows][k] · w; rows of x that quantizeRowsQ4 left. `unpacked`: scratch of q4UnpackedBytes(k). */
export function q4Multiply(
  out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) multiplyDot8(out, outStride, x, xStride, rows, w, k, panels, unpacked);
  else multiplyDot16(out, outStride, x, xStride, rows, w, k, panels, unpacked);
}
