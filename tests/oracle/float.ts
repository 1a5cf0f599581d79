/**
 * binary32 arithmetic in plain JavaScript. A sum, product, quotient or root of two binary32 numbers computed in binary64 and
 * then rounded to binary32 is the correctly rounded one: 53 bits are more than 2 · 24 + 2, so that rounding twice cannot show.
 *
 * This folder is the second implementation of docs/NUMERICS.md, to be read beside it. It imports nothing from the rest of
 * the project.
 */
const { fround } = Math;

export const add = (a: number, b: number): number => fround(a + b);
export const subtract = (a: number, b: number): number => fround(a - b);
export const multiply = (a: number, b: number): number => fround(a * b);
export const divide = (a: number, b: number): number => fround(a / b);
export const squareRoot = (a: number): number => fround(Math.sqrt(a));
/** a · b + c: the product is rounded, then the sum is rounded. */
export const multiplyAdd = (a: number, b: number, c: number): number => fround(fround(a * b) + c);

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

export function bitsOf(value: number): number {
  float[0] = value;
  return word[0];
}

export function ofBits(bits: number): number {
  word[0] = bits;
  return float[0];
}

/** The lane sum of NUMERICS.md: sixteen partial sums, x_j going to number j mod 16, added up in a fixed tree. */
export function laneSum(x: Float32Array): number {
  const p = new Float32Array(16);
  for (let j = 0; j < x.length; j++) p[j % 16] = add(p[j % 16], x[j]);
  const q = new Float32Array(4);
  for (let i = 0; i < 4; i++) q[i] = add(add(p[i], p[4 + i]), add(p[8 + i], p[12 + i]));
  return add(add(q[0], q[1]), add(q[2], q[3]));
}
