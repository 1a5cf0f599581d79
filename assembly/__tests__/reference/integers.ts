import { packed } from "./matmul";

// "Integer weights" of docs/NUMERICS.md in plain loops.

const SMALLEST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰

export function largestOf(x: StaticArray<f32>): f32 {
  let m: f32 = 0;
  for (let i = 0; i < x.length; i++) m = max(m, abs(x[i]));
  return m;
}

/** The integers of a vector whose largest magnitude is to be `top`. */
export function integersOf(x: StaticArray<f32>, top: f32): StaticArray<i32> {
  const m = largestOf(x);
  const q = new StaticArray<i32>(x.length);
  for (let i = 0; i < x.length; i++) q[i] = m < SMALLEST ? 0 : <i32>nearest<f32>(x[i] * (top / m));
  return q;
}

export function scaleOf(x: StaticArray<f32>, top: f32): f32 {
  const m = largestOf(x);
  return m < SMALLEST ? 0 : m / top;
}

/** count f32 at p. */
export function vectorAt(p: usize, count: usize): StaticArray<f32> {
  const x = new StaticArray<f32>(<i32>count);
  for (let i: usize = 0; i < count; i++) x[<i32>i] = load<f32>(p + (i << 2));
  return x;
}

/** Output n of f32 panels. */
export function outputAt(w: usize, k: usize, n: usize): StaticArray<f32> {
  const x = new StaticArray<f32>(<i32>k);
  for (let i: usize = 0; i < k; i++) x[<i32>i] = packed(w, k, i, n);
  return x;
}

/** The integer of a q8 panel, by the drawing in kernels/q8/matmul.ts: 16-bit lanes of two vectors a pair of k. */
export function decodeQ8(panel: usize, output: usize, i: usize): i32 {
  const lane = load<u16>(panel + (i >> 1) * 32 + (output >> 3) * 16 + ((output & 3) * 2 + (i & 1)) * 2);
  return (output & 4) == 0 ? <i32><i8>(lane >> 8) : <i32>(lane & 255) - 128;
}

/** The nibble of a q4 panel, by the drawing in kernels/q4/layout.ts. */
export function decodeQ4(panel: usize, output: usize, i: usize): i32 {
  const vector = panel + (i >> 5) * 320 + ((i >> 3) & 3) * 64 + (output >> 2) * 16;
  if (ASC_FEATURE_RELAXED_SIMD) {
    const byte = <i32>load<u8>(vector + (output & 3) * 4 + (i & 3));
    return (i & 4 ? byte / 16 : byte % 16) - 8;
  }
  const lane = load<u16>(vector + ((output & 3) * 2 + (i & 1)) * 2);
  const plane = <u32>(i >> 1) & 3;
  const nibble = <i32>((<u32>lane >> (plane * 4)) & 15);
  return plane < 3 ? nibble - 8 : nibble >= 8 ? nibble - 16 : nibble;
}

/** One output of int8 weights: blocks of 8192 exact, then in f32 ascending. */
export function dotQ8(x: StaticArray<i32>, w: StaticArray<i32>, s: f32, r: f32): f32 {
  let y: f32 = 0;
  for (let first = 0; first < x.length; first += 8192) {
    let sum: i64 = 0;
    for (let i = first; i < min(first + 8192, x.length); i++) sum += <i64>x[i] * w[i];
    y = first == 0 ? <f32>sum : y + <f32>sum;
  }
  return (y * s) * r;
}

/** The nearest binary16 value, ties to even, at most 65504. */
export function halfOf(x: f32): f32 {
  const exponent = max((<i32>(reinterpret<u32>(x) >> 23) & 255) - 127, -14) - 10;
  const quantum = reinterpret<f64>(<u64>(exponent + 1023) << 52);
  const rounded = nearest<f64>(<f64>abs(x) / quantum) * quantum;
  return copysign<f32>(<f32>Math.min(rounded, 65504), x);
}

/** Nibbles of a group under a scale. */
export function nibblesOf(w: StaticArray<f32>, s: f32): StaticArray<i32> {
  const q = new StaticArray<i32>(w.length);
  for (let i = 0; i < w.length; i++) q[i] = s == 0 ? 0 : <i32>max<f32>(min<f32>(nearest<f32>(w[i] * (<f32>1 / s)), 7), -8);
  return q;
}

/** The scale of a group: searched by least squared error. */
export function groupScale(w: StaticArray<f32>): f32 {
  let e: f32 = 0;
  for (let i = 0; i < w.length; i++) if (abs(w[i]) > abs(e)) e = w[i];
  if (abs(e) < SMALLEST) return 0;
  let best: f32 = 0, least = f32.POSITIVE_INFINITY;
  for (let candidate = 0; candidate < 24; candidate++) {
    const sigma: f32 = candidate < 12 ? -1 : 1;
    const quarters = 30 + candidate % 12;
    const s = halfOf(e / (sigma * <f32>quarters * <f32>0.25));
    const q = nibblesOf(w, s);
    let error: f32 = 0;
    for (let i = 0; i < w.length; i++) {
      const d: f32 = w[i] - <f32>q[i] * s;
      error = error + d * d;
    }
    if (error < least) {
      least = error;
      best = s;
    }
  }
  return best;
}

export function slice(x: StaticArray<f32>, first: i32, end: i32): StaticArray<f32> {
  const y = new StaticArray<f32>(end - first);
  for (let i = first; i < end; i++) y[i - first] = x[i];
  return y;
}

/** One output of int4 weights, from f32 activations: sum · (scale of the output · scale of the row), group after group. */
export function dotQ4(x: StaticArray<f32>, w: StaticArray<f32>): f32 {
  let y: f32 = 0;
  for (let first = 0; first < x.length; first += 32) {
    const end = min(first + 32, x.length);
    const activations = slice(x, first, end), group = slice(w, first, end);
    const X = integersOf(activations, 127), r = scaleOf(activations, 127);
    const s = groupScale(group), q = nibblesOf(group, s);
    let sum = 0;
    for (let i = 0; i < q.length; i++) sum += X[i] * q[i];
    y = y + <f32>sum * (s * r);
  }
  return y;
}
