import { GROUP, WEIGHTS_F32, WEIGHTS_Q4, WEIGHTS_Q8 } from "../contract";
import { multiply } from "../kernels/f32/matmul";
import { unpackOutput } from "../kernels/f32/panel";
import { packIntegersQ4 } from "../kernels/q4/integers";
import { q4PanelBytes, q4RowBytes, q4UnpackedBytes } from "../kernels/q4/layout";
import { q4Multiply, quantizeRowsQ4 } from "../kernels/q4/matmul";
import { packPanelQ4, unpackOutputQ4 } from "../kernels/q4/panel";
import { packIntegersQ8 } from "../kernels/q8/integers";
import { q8Multiply, q8PanelBytes } from "../kernels/q8/matmul";
import { packPanelQ8, unpackOutputQ8 } from "../kernels/q8/panel";
import { ROW_HEADER, quantizeRow } from "../kernels/q8/quantize-rows";

// Which kernels a type of weights has: chosen here and nowhere else. A type's folder in kernels/ has its panels and its products.

/** Bytes of a panel of 16 outputs with `k` inputs. */
export function panelBytes(type: u32, k: usize): usize {
  return type == WEIGHTS_Q8 ? q8PanelBytes(k) : type == WEIGHTS_Q4 ? q4PanelBytes(k) : k << 6;
}

/** Inputs of a panel in f32 on its way to integers, padded to whole groups of int4. */
// @ts-ignore: decorator
@inline
export function paddedInputs(k: u64): u64 { return (k + (GROUP - 1)) / GROUP * GROUP; }

/** panel = x f32[k padded with zero rows to paddedInputs(k)][16]; not for f32, whose panels are x. */
export function packPanel(type: u32, panel: usize, x: usize, k: usize): void {
  if (type == WEIGHTS_Q8) packPanelQ8(panel, x, k);
  else packPanelQ4(panel, x, k);
}

/** panel = rows of sixteen outputs' integers, as files have them; its scales stay. */
export function packIntegers(type: u32, panel: usize, x: usize, k: usize): void {
  if (type == WEIGHTS_Q8) packIntegersQ8(panel, x, k);
  else packIntegersQ4(panel, x, k);
}

/** out f32[k] = output `n` of packed panels. */
export function unpack(type: u32, out: usize, panels: usize, k: usize, n: usize): void {
  if (type == WEIGHTS_Q8) unpackOutputQ8(out, panels, k, n);
  else if (type == WEIGHTS_Q4) unpackOutputQ4(out, panels, k, n);
  else unpackOutput(out, panels, k, n);
}

/** Bytes of a row of `k` activations as the products take it; 0: as f32, where it is. */
export function integerRowBytes(type: u32, k: usize): usize {
  if (type == WEIGHTS_Q8) return (ROW_HEADER + (((k + 15) & ~15) << 1) + 63) & ~63;
  return type == WEIGHTS_Q4 ? q4RowBytes(k) : 0;
}

/** Bytes that a thread's products need beside: a panel unpacked. */
export function unpackedBytes(type: u32, k: usize): usize {
  return type == WEIGHTS_Q4 ? q4UnpackedBytes(k) : 0;
}

/**
 * Rows first … last − 1 of x[rows][k] (f32, padded with +0 to a multiple of 16) to integers at `out`, `outStride` bytes apart; not for
 * f32. `rows`: of the whole step, for int4 has one form for few and one for many.
 */
export function quantizeRows(type: u32, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, first: usize, last: usize, k: usize): void {
  if (type == WEIGHTS_Q4) quantizeRowsQ4(out, outStride, x, xStride, rows, first, last, k);
  else for (let r = first; r < last; r++) quantizeRow(out + r * outStride, x + r * xStride, k);
}

/** out[rows][panels · 16] = x[rows][k] · w, sums without bias. x as quantizeRows left it, or f32. `unpacked`: scratch of unpackedBytes. */
export function multiplyPanels(
  type: u32, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, panels: usize, unpacked: usize,
): void {
  if (type == WEIGHTS_F32) multiply(out, outStride, x, xStride, rows, w, k, panels);
  else if (type == WEIGHTS_Q8) q8Multiply(out, outStride, x, xStride, rows, w, k, panels);
  else q4Multiply(out, outStride, x, xStride, rows, w, k, panels, unpacked);
}
