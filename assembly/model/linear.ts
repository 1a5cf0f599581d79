import { Header, WEIGHTS_Q8, WEIGHTS_Q4 } from "../memory/header";
import { multiply } from "../kernels/matmul";
import { q8Multiply } from "../kernels/matmul.q8";
import { q4Multiply, quantizeRowsQ4 } from "../kernels/matmul.q4";
import { quantizeRow } from "../kernels/quantize-rows";

/**
 * out[rows][n padded to 16] = x[rows][k] · W, sums without bias; W in the model's weight type. Strides in bytes; x is padded
 * with +0 to a multiple of 16.
 */
export function linear(h: Header, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, n: usize): void {
  const panels = (n + 15) >> 4;
  if (h.weightType == WEIGHTS_Q8) {
    for (let r: usize = 0; r < rows; r++) quantizeRow(h.integers + r * h.integerBytes, x + r * xStride, k);
    q8Multiply(out, outStride, h.integers, h.integerBytes, rows, w, k, panels);
  } else if (h.weightType == WEIGHTS_Q4) {
    quantizeRowsQ4(h.integers, h.integerBytes, x, xStride, rows, k);
    q4Multiply(out, outStride, h.integers, h.integerBytes, rows, w, k, panels, h.unpacked);
  } else {
    multiply(out, outStride, x, xStride, rows, w, k, panels);
  }
}
