import { halfBits, roundToHalf } from "./f16/half";
import { halfPlace } from "./f16/matmul";

// One token's key or value, with its bias added, into its place in a page (layouts in attention.ts). T is what the
// cache holds: f32, or u16 for binary16, to which sums are rounded (to nearest, ties to even; what is beyond ±65504 becomes ±65504). A call
// may store some of the heads: those that follow each other.
//   x, bias  f32[heads · size]
//   keys, values  of the first of these heads in this layer's part of the page; `lane`: the token's position modulo 16

export function storeKeys<T>(keys: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  storeColumn<T>(keys + place<T>(lane) * sizeof<T>(), x, bias, heads * size);
}

export function storeValues<T>(values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): void {
  let row = values + (lane << 4) * sizeof<T>();
  for (let h: usize = 0; h < heads; h++) {
    for (let d: usize = 0; d < size; d += 16, row += 256 * sizeof<T>()) {
      const count = min<usize>(16, size - d);
      storeRow<T>(row, x, bias, count);
      x += count << 2;
      bias += count << 2;
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
