import { lanesBelow } from "../lanes";
import { SMALLEST } from "../smallest";
import { q8ValueBytes } from "./attention";
import { q8PanelBytes } from "./matmul";

// As ../store-key-value.ts, to int8 with one scale a head and token (layouts in attention.ts).

/** The token is an output of the keys' panel, whose inputs are the dimensions. */
export function storeKeysQ8(keys: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const panelBytes = q8PanelBytes(size);
  const low = (lane >> 2) & 1;
  const byte = ((lane >> 3) << 4) + ((lane & 3) << 2) + (1 - low);
  for (let h: usize = 0; h < heads; h++, x += size << 2, bias += size << 2, keys += panelBytes) {
    const largest = largestSum(x, bias, size);
    store<f32>(keys + panelBytes - 64 + (lane << 2), scaleOf(largest));
    storeColumn(keys + byte, x, bias, size, factorOf(largest), <i32>(low << 7));
  }
}

/** The token is an input of the values' panels, whose outputs are the dimensions. */
export function storeValuesQ8(values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const valueBytes = q8ValueBytes(size);
  const pair = ((lane >> 1) << 5) + ((lane & 1) << 1);
  for (let h: usize = 0; h < heads; h++, x += size << 2, bias += size << 2, values += valueBytes) {
    const largest = largestSum(x, bias, size);
    store<f32>(values + valueBytes - 64 + (lane << 2), scaleOf(largest));
    storeRow(values + pair, x, bias, size, factorOf(largest));
  }
}

// @ts-ignore: decorator
@inline
function factorOf(largest: f32): f32 { return largest < SMALLEST ? 0 : 127 / largest; }
// @ts-ignore: decorator
@inline
function scaleOf(largest: f32): f32 { return largest < SMALLEST ? 0 : largest / 127; }

/** x + bias of elements i … i + 3, +0 from `count` on. */
// @ts-ignore: decorator
@inline
function sumsAt(x: usize, bias: usize, i: usize, count: usize): v128 {
  const sums = f32x4.add(v128.load(x + (i << 2)), v128.load(bias + (i << 2)));
  return i + 4 <= count ? sums : v128.and(sums, lanesBelow(<i32>i, <i32>count));
}

/** Four rounded integers; 0 of what is not a number. */
// @ts-ignore: decorator
@inline
function integersAt(x: usize, bias: usize, i: usize, count: usize, factor: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(sumsAt(x, bias, i, count), factor)));
}

/** The largest magnitude of x + bias; compared as integers, so that a NaN counts as the largest. */
function largestSum(x: usize, bias: usize, count: usize): f32 {
  let m = i32x4.splat(0);
  for (let i: usize = 0; i < count; i += 4) m = i32x4.max_u(m, f32x4.abs(sumsAt(x, bias, i, count)));
  return reinterpret<f32>(max(
    max(i32x4.extract_lane(m, 0), i32x4.extract_lane(m, 1)), max(i32x4.extract_lane(m, 2), i32x4.extract_lane(m, 3)),
  ));
}

/** One output of a panel, its byte of the first input at `to`: pairs of inputs 32 bytes apart, those of a pair two. */
function storeColumn(to: usize, x: usize, bias: usize, count: usize, factor: f32, offset: i32): void {
  const f = f32x4.splat(factor), o = i32x4.splat(offset);
  for (let i: usize = 0; i < count; i += 4, to += 64) {
    const q = i32x4.add(integersAt(x, bias, i, count, f), o);
    v128.store_lane<u8>(to, q, 0);
    if (i + 1 < count) v128.store_lane<u8>(to, q, 4, 2);
    if (i + 2 < count) v128.store_lane<u8>(to, q, 8, 32);
    if (i + 3 < count) v128.store_lane<u8>(to, q, 12, 34);
  }
}

/** One input of the panels, its two bytes of outputs 0 and 4 at `to`. Outputs from `count` to the next multiple of 8 become 0. */
function storeRow(to: usize, x: usize, bias: usize, count: usize, factor: f32): void {
  const f = f32x4.splat(factor), offset = i32x4.splat(128), mask = i32x4.splat(0xff);
  for (let i: usize = 0; i < count; i += 8) {
    const high = integersAt(x, bias, i, count, f);
    const low = i + 4 < count ? integersAt(x, bias, i + 4, count, f) : i32x4.splat(0);
    const q = v128.or(i32x4.shl(high, 8), v128.and(i32x4.add(low, offset), mask));
    const at = to + ((i >> 4) << 8) + ((i & 8) << 1);
    v128.store_lane<u16>(at, q, 0); v128.store_lane<u16>(at, q, 2, 4);
    v128.store_lane<u16>(at, q, 4, 8); v128.store_lane<u16>(at, q, 6, 12);
  }
}
