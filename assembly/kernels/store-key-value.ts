import { halfBits, roundToHalf } from "./half";
import { lanesBelow } from "./lanes";
import { halfPlace } from "./matmul.f16";
import { q8PanelBytes } from "./matmul.q8";
import { q8ValueBytes } from "./attention.q8";

// One token's key and value, each with its bias added, into its place in a page (layouts in attention.ts, attention.q8.ts).
//   x     f32[2 · width]   key, then value, as the linear layer left them
//   bias  f32[2 · width]
// `keys`, `values`: this layer's part of the page; `lane`: the token's position modulo 16.

/** T: f32, or u16 for binary16 (to nearest, ties to even; beyond ±65504 that). */
export function storeKeyValue<T>(keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const width = heads * size;
  storeColumn<T>(keys + place<T>(lane) * sizeof<T>(), x, bias, width);
  let from = x + (width << 2);
  let add = bias + (width << 2);
  let row = values + (lane << 4) * sizeof<T>();
  for (let h: usize = 0; h < heads; h++) {
    for (let d: usize = 0; d < size; d += 16, row += 256 * sizeof<T>()) {
      const count = min<usize>(16, size - d);
      storeRow<T>(row, from, add, count);
      from += count << 2;
      add += count << 2;
    }
  }
}

/** Where a row of a panel of T has output `n`. */
// @ts-ignore: decorator
@inline
function place<T>(n: usize): usize { return sizeof<T>() == 4 ? n : halfPlace(n); }

// @ts-ignore: decorator
@inline
function halves(x: v128): v128 { return halfBits(roundToHalf(x)); }

// @ts-ignore: decorator
@inline
function storeOne<T>(to: usize, value: f32): void {
  if (sizeof<T>() == 4) store<f32>(to, value);
  else v128.store_lane<u16>(to, halves(f32x4.splat(value)), 0);
}

/** One output of a panel: elements 16 apart. */
function storeColumn<T>(to: usize, x: usize, bias: usize, count: usize): void {
  const step = 16 * sizeof<T>();
  const whole = x + ((count & ~3) << 2);
  const end = x + (count << 2);
  for (; x < whole; x += 16, bias += 16, to += 4 * step) {
    const sum = f32x4.add(v128.load(x), v128.load(bias));
    if (sizeof<T>() == 4) {
      v128.store_lane<f32>(to, sum, 0); v128.store_lane<f32>(to + step, sum, 1);
      v128.store_lane<f32>(to + 2 * step, sum, 2); v128.store_lane<f32>(to + 3 * step, sum, 3);
    } else {
      const bits = halves(sum);
      v128.store_lane<u16>(to, bits, 0); v128.store_lane<u16>(to + step, bits, 2);
      v128.store_lane<u16>(to + 2 * step, bits, 4); v128.store_lane<u16>(to + 3 * step, bits, 6);
    }
  }
  for (; x < end; x += 4, bias += 4, to += step) storeOne<T>(to, load<f32>(x) + load<f32>(bias));
}

/** One input of a panel: `count` ≤ 16 outputs, by eights as they lie in both layouts. */
function storeRow<T>(to: usize, x: usize, bias: usize, count: usize): void {
  let i: usize = 0;
  for (; i + 8 <= count; i += 8, x += 32, bias += 32, to += 8 * sizeof<T>()) {
    const low = f32x4.add(v128.load(x), v128.load(bias)), high = f32x4.add(v128.load(x, 16), v128.load(bias, 16));
    if (sizeof<T>() == 4) {
      v128.store(to, low); v128.store(to, high, 16);
    } else {
      v128.store(to, v128.or(i32x4.shl(halves(low), 16), halves(high)));
    }
  }
  for (let n: usize = 0; i < count; i++, n++, x += 4, bias += 4) {
    storeOne<T>(to + place<T>(n) * sizeof<T>(), load<f32>(x) + load<f32>(bias));
  }
}

/** int8, one scale a head and token. */
export function storeKeyValueQ8(keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const keyBytes = q8PanelBytes(size);
  const valueBytes = q8ValueBytes(size);
  const bytes = size << 2;
  const width = heads * bytes;
  // The token is an output of the keys' panel (k = dimension) and an input of the values' (k = token).
  const low = (lane >> 2) & 1;
  const keyByte = ((lane >> 3) << 4) + ((lane & 3) << 2) + (1 - low);
  const valuePair = ((lane >> 1) << 5) + ((lane & 1) << 1);
  for (let h: usize = 0; h < heads; h++, x += bytes, bias += bytes, keys += keyBytes, values += valueBytes) {
    let largest = largestSum(x, bias, size);
    store<f32>(keys + keyBytes - 64 + (lane << 2), scaleOf(largest));
    storeColumnQ8(keys + keyByte, x, bias, size, factorOf(largest), <i32>(low << 7));
    largest = largestSum(x + width, bias + width, size);
    store<f32>(values + valueBytes - 64 + (lane << 2), scaleOf(largest));
    storeRowQ8(values + valuePair, x + width, bias + width, size, factorOf(largest));
  }
}

const SMALLEST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰
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
function storeColumnQ8(to: usize, x: usize, bias: usize, count: usize, factor: f32, offset: i32): void {
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
function storeRowQ8(to: usize, x: usize, bias: usize, count: usize, factor: f32): void {
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
