import { Header } from "../memory/header";
import { scratchOf } from "../memory/thread-scratch";
import { barrier } from "../threads/barrier";
import { partStart } from "../threads/part";
import { integerRowBytes, multiplyPanels, panelBytes, quantizeRows } from "../types/weights";

/**
 * A part's panels of out[rows][n padded to 16] = x[rows][k] · W, sums without bias; W in the model's weight type. Strides in bytes; x is
 * padded with +0 to a multiple of 16. The columns that a part writes are columnBytes(part) … of each row: whoever reads only those, in
 * the same part, needs no barrier.
 */
export function linear(h: Header, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, n: usize, part: u32, parts: u32): void {
  const type = h.weightType;
  if (integerRowBytes(type, k)) {
    quantizeRows(type, h.integers, h.integerBytes, x, xStride, rows, partStart(rows, part, parts), partStart(rows, part + 1, parts), k);
    barrier(h);
    x = h.integers;
    xStride = h.integerBytes;
  }
  const panels = (n + 15) >> 4;
  const first = partStart(panels, part, parts), last = partStart(panels, part + 1, parts);
  multiplyPanels(type, out + (first << 6), outStride, x, xStride, rows, w + first * panelBytes(type, k), k, last - first, scratchOf(h, part).unpacked);
}

/** Where a part's columns of a row of `n` f32 begin, in bytes; they end where those of the next part begin. */
// @ts-ignore: decorator
@inline
export function columnBytes(n: usize, part: usize, parts: usize): usize {
  return partStart((n + 15) >> 4, part, parts) << 6;
}
