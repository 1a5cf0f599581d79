/** "Integer weights" of docs/NUMERICS.md: quantisation. Integers are numbers without fraction; products of them sum exactly. */
import { add, bitsOf, divide, multiply, subtract } from "./float.ts";

/** Largest magnitude of an activation: beside int8 weights, and in a group beside int4 weights. */
export const ACTIVATION_Q8 = 2047;
export const ACTIVATION_Q4 = 127;
const WEIGHT_Q8 = 127;

/** Inputs of one exact sum beside int8 weights. */
export const BLOCK = 8192;
/** Inputs that share a scale in int4. */
export const GROUP = 32;
const SMALLEST = 2 ** -100;

/** The nearest integer, ties to even. */
export function nearest(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** The nearest binary16, ties to even, at most ±65504. */
export function half(x: number): number {
  const magnitude = Math.min(Math.abs(x), 65504);
  const exponent = Math.max((bitsOf(magnitude) >> 23) - 127, -14);
  const unit = 2 ** (exponent - 10);
  const rounded = nearest(magnitude / unit) * unit;
  return x < 0 || Object.is(x, -0) ? -rounded : rounded;
}

/** integers · scale ≈ what was quantised */
export interface Quantized {
  integers: Int32Array;
  scale: number;
}

/** To integers of at most `most`: rows of activations, groups of them, outputs of an int8 matrix, keys and values. */
export function quantize(x: Float32Array, most: number): Quantized {
  const m = x.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  if (m < SMALLEST) return { integers: new Int32Array(x.length), scale: 0 };
  const f = divide(most, m);
  return { integers: Int32Array.from(x, (value) => nearest(multiply(value, f))), scale: divide(m, most) };
}

export const quantizeOutput = (w: Float32Array): Quantized => quantize(w, WEIGHT_Q8);

/** A group of at most 32 weights in −8 … 7 for a given scale. */
export function nibbles(w: Float32Array, scale: number): Int32Array {
  if (scale === 0) return new Int32Array(w.length);
  const inverse = divide(1, scale);
  return Int32Array.from(w, (value) => Math.min(Math.max(nearest(multiply(value, inverse)), -8), 7));
}

/** The scale of a group: of 24 candidates the one with the least sum of squared errors. */
export function searchScale(w: Float32Array): number {
  const e = w.reduce((extreme, value) => (Math.abs(value) > Math.abs(extreme) ? value : extreme), 0);
  let best = 0;
  if (Math.abs(e) < SMALLEST) return best;
  let least = Infinity; // a sum that overflows is not less
  for (const sign of [-1, 1]) {
    for (let i = 0; i <= 11; i++) {
      const scale = half(divide(e, sign * (30 + i) * 0.25));
      const integers = nibbles(w, scale);
      let error = 0;
      w.forEach((value, k) => {
        const d = subtract(value, multiply(integers[k], scale));
        error = add(error, multiply(d, d));
      });
      if (error < least) {
        least = error;
        best = scale;
      }
    }
  }
  return best;
}

/** The exact sum of a[from …] · b[from …] up to b's `to`. It is less than 2³¹ in magnitude, so binary64 loses nothing. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k < to; k++) sum += a[k] * b[k];
  if (sum < -(2 ** 31) || sum >= 2 ** 31) throw new Error(`${sum} is no 32-bit integer`);
  return sum;
}
