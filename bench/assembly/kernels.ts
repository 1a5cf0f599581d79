/** The kernels of the forward pass in f32, one by one, for bench/commands/kernels.ts. Compiled when that runs; not part of the package. */
import { attendOneRow as attendOne, attendTwoRows as attendTwo } from "../../assembly/kernels/attention";
import { storeKeyValue as storeKeyValueOf } from "../../assembly/kernels/store-key-value";

export { activate } from "../../assembly/kernels/activation";
export { layerNorm } from "../../assembly/kernels/layer-norm";
export { multiply, tileOneRow, tileTwoRows, tileTwoStreams } from "../../assembly/kernels/matmul";
export { addResidual } from "../../assembly/kernels/rows";

export function attendOneRow(
  out: usize, q: usize, pages: usize, keys: usize, values: usize, keyPageBytes: usize, valuePageBytes: usize,
  count: i32, heads: usize, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize,
): void {
  attendOne<f32>(out, q, pages, keys, values, keyPageBytes, valuePageBytes, count, heads, size, scale, scores, scoreStride, sums);
}

export function attendTwoRows(
  out: usize, outStride: usize, q: usize, qStride: usize, pages: usize, keys: usize, values: usize, keyPageBytes: usize, valuePageBytes: usize,
  count: i32, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize, divisors: usize,
): void {
  attendTwo<f32>(out, outStride, q, qStride, pages, keys, values, keyPageBytes, valuePageBytes, count, size, scale, scores, scoreStride, sums, divisors);
}

export function storeKeyValue(keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  storeKeyValueOf<f32>(keys, values, lane, x, bias, heads, size);
}
