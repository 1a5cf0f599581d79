import { halfBits, roundToHalf } from "./half";
import { halfPlace } from "./matmul.f16";
import { q8PanelBytes } from "./matmul.q8";
import { q8ValueBytes } from "./attention.q8";

// One token's key and value, each with its bias added, into its place in a page (layouts in attention.ts, attention.q8.ts).
//   x     f32[2 · width]   key, then value, as the linear layer left them
//   bias  f32[2 · width]
// `keys`, `values`: this layer's part of the page; `lane`: the token's position modulo 16.

// @ts-ignore: decorator
@inline
function put<T>(to: usize, value: f32): void {
  if (sizeof<T>() == 4) store<f32>(to, value);
  else store<u16>(to, <u16>i32x4.extract_lane(halfBits(roundToHalf(f32x4.splat(value))), 0));
}

/** Where a panel of T has output `n`. */
// @ts-ignore: decorator
@inline
function place<T>(n: usize): usize { return sizeof<T>() == 4 ? n : halfPlace(n); }

/** T: f32, or u16 for binary16 (to nearest, ties to even; beyond ±65504 that). */
export function storeKeyValue<T>(keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const bytes = heads * (size << 2);
  let key = keys + place<T>(lane) * sizeof<T>();
  for (let i: usize = 0; i < bytes; i += 4, key += 16 * sizeof<T>()) put<T>(key, load<f32>(x + i) + load<f32>(bias + i));
  let from = x + bytes;
  let add = bias + bytes;
  let panel = values + (lane << 4) * sizeof<T>();
  for (let h: usize = 0; h < heads; h++) {
    for (let d: usize = 0; d < size; d += 16, panel += 256 * sizeof<T>()) {
      const count = min<usize>(16, size - d);
      for (let i: usize = 0; i < count; i++, from += 4, add += 4) put<T>(panel + place<T>(i) * sizeof<T>(), load<f32>(from) + load<f32>(add));
    }
  }
}

const SMALLEST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰

/** The largest magnitude of x + bias; as integers, so that a NaN counts as the largest. */
function largestSum(x: usize, bias: usize, size: usize): f32 {
  let largest: u32 = 0;
  for (let i: usize = 0; i < size << 2; i += 4) {
    largest = max(largest, reinterpret<u32>(load<f32>(x + i) + load<f32>(bias + i)) & 0x7fffffff);
  }
  return reinterpret<f32>(largest);
}

// @ts-ignore: decorator
@inline
function factorOf(largest: f32): f32 { return largest < SMALLEST ? 0 : 127 / largest; }
// @ts-ignore: decorator
@inline
function scaleOf(largest: f32): f32 { return largest < SMALLEST ? 0 : largest / 127; }
// @ts-ignore: decorator
@inline
function rounded(value: f32, factor: f32): i32 { return <i32>nearest<f32>(value * factor); }

/** int8, one scale a head and token. */
export function storeKeyValueQ8(keys: usize, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  const keyBytes = q8PanelBytes(size);
  const valueBytes = q8ValueBytes(size);
  const width = heads * (size << 2);
  // The token is an output of the keys' panel (k = dimension) and an input of the values' (k = token).
  const low = (lane >> 2) & 1;
  const keyByte = ((lane >> 3) << 4) + ((lane & 3) << 2) + (1 - low);
  const valuePair = ((lane >> 1) << 5) + ((lane & 1) << 1);
  for (let h: usize = 0; h < heads; h++) {
    const panel = keys + h * keyBytes;
    let largest = largestSum(x, bias, size);
    let factor = factorOf(largest);
    store<f32>(panel + keyBytes - 64 + (lane << 2), scaleOf(largest));
    for (let d: usize = 0; d < size; d++) {
      const q = rounded(load<f32>(x + (d << 2)) + load<f32>(bias + (d << 2)), factor);
      store<u8>(panel + ((d >> 1) << 5) + ((d & 1) << 1) + keyByte, q + <i32>(low << 7));
    }

    const block = values + h * valueBytes;
    largest = largestSum(x + width, bias + width, size);
    factor = factorOf(largest);
    store<f32>(block + valueBytes - 64 + (lane << 2), scaleOf(largest));
    for (let d: usize = 0; d < size; d++) {
      const q = rounded(load<f32>(x + width + (d << 2)) + load<f32>(bias + width + (d << 2)), factor);
      const lower = (d >> 2) & 1;
      const at = block + ((d >> 4) << 8) + valuePair + (((d >> 3) & 1) << 4) + ((d & 3) << 2) + (1 - lower);
      store<u8>(at, q + <i32>(lower << 7));
    }
    x += size << 2;
    bias += size << 2;
  }
}
