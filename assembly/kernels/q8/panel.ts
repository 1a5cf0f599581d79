import { SMALLEST } from "../smallest";
import { q8PanelBytes } from "./matmul";

// f32 panels to int8 panels, and back for the embedding. One scale an output: scale = max |w| / 127,
// q = nearest(w · (127 / max |w|)), ties to even. Lanes are outputs.

const MAGIC: f32 = 12582912; // 1.5 · 2²³: adding it rounds to an integer, ties to even

/** The largest magnitude of each of four outputs: x f32[k][16], four columns at `x`. */
// @ts-ignore: decorator
@inline
function largestOf(x: usize, end: usize): v128 {
  let m = f32x4.splat(0);
  for (; x < end; x += 64) m = f32x4.pmax(m, f32x4.abs(v128.load(x)));
  return m;
}

// @ts-ignore: decorator
@inline
function factorOf(largest: v128): v128 {
  return v128.and(f32x4.div(f32x4.splat(127), largest), f32x4.ge(largest, f32x4.splat(SMALLEST)));
}

// @ts-ignore: decorator
@inline
function scaleOf(largest: v128): v128 {
  return v128.and(f32x4.div(largest, f32x4.splat(127)), f32x4.ge(largest, f32x4.splat(SMALLEST)));
}

// @ts-ignore: decorator
@inline
function rounded(w: v128, factor: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(w, factor), f32x4.splat(MAGIC)), f32x4.splat(MAGIC));
}

/** Two k of eight outputs: one vector of the layout in matmul.ts. */
// @ts-ignore: decorator
@inline
function join(high0: v128, low0: v128, high1: v128, low1: v128): v128 {
  const offset = i32x4.splat(128);
  const even = i32x4.add(i32x4.add(i32x4.shl(high0, 8), low0), offset);
  const odd = i32x4.add(i32x4.add(i32x4.shl(high1, 8), low1), offset);
  return v128.or(v128.and(even, i32x4.splat(0xffff)), i32x4.shl(odd, 16));
}

/** panel (layout in matmul.ts) = x f32[k][16]. If k is odd there is one more row of x, of zeros. */
export function packPanelQ8(panel: usize, x: usize, k: usize): void {
  const end = x + (k << 6);
  const m0 = largestOf(x, end), m1 = largestOf(x + 16, end), m2 = largestOf(x + 32, end), m3 = largestOf(x + 48, end);
  const scales = panel + q8PanelBytes(k) - 64;
  v128.store(scales, scaleOf(m0)); v128.store(scales, scaleOf(m1), 16);
  v128.store(scales, scaleOf(m2), 32); v128.store(scales, scaleOf(m3), 48);
  const f0 = factorOf(m0), f1 = factorOf(m1), f2 = factorOf(m2), f3 = factorOf(m3);
  for (; x < end; x += 128, panel += 32) {
    v128.store(panel, join(
      rounded(v128.load(x), f0), rounded(v128.load(x, 16), f1), rounded(v128.load(x, 64), f0), rounded(v128.load(x, 80), f1),
    ));
    v128.store(panel, join(
      rounded(v128.load(x, 32), f2), rounded(v128.load(x, 48), f3), rounded(v128.load(x, 96), f2), rounded(v128.load(x, 112), f3),
    ), 16);
  }
}

/** out[k] f32 = output `n` of packed panels: integer · scale. */
export function unpackOutputQ8(out: usize, panels: usize, k: usize, n: usize): void {
  const panelBytes = q8PanelBytes(k);
  const panel = panels + (n >> 4) * panelBytes;
  const output = n & 15;
  const scale = load<f32>(panel + panelBytes - 64 + (output << 2));
  for (let i: usize = 0; i < k; i++) store<f32>(out + (i << 2), <f32>integerAt(panel, output, i) * scale);
}

/** Where in a panel the integer of an output (0 … 15) for input `i` is; outputs 4 … 7 and 12 … 15 have it plus 128. */
// @ts-ignore: decorator
@inline
export function integerPlace(output: usize, i: usize): usize {
  return ((output >> 3) << 4) + ((output & 3) << 2) + (((output >> 2) & 1) ^ 1) + ((i >> 1) << 5) + ((i & 1) << 1);
}

/** The integer of an output (0 … 15) of a panel for input `i`. */
export function integerAt(panel: usize, output: usize, i: usize): i32 {
  const byte = panel + integerPlace(output, i);
  return (output >> 2) & 1 ? <i32>load<u8>(byte) - 128 : <i32>load<i8>(byte);
}
