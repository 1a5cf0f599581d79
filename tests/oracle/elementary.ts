/** "Elementary functions" of docs/NUMERICS.md. Constants are the bits that stand there. */
import { add, bitsOf, divide, multiply, multiplyAdd, ofBits, subtract } from "./float.ts";

const constants = (...bits: number[]): readonly number[] => bits.map(ofBits);

const LOG2_E = ofBits(0x3fb8aa3b);
const ROUNDER = ofBits(0x4b400000); // 1.5 · 2²³: adding it rounds to an integer, which its low bits then are
const LN2_HIGH = ofBits(0x3f318000);
const LN2_LOW = ofBits(0xb95e8083);
const EXP = constants(0x39506967, 0x3ab743ce, 0x3c088908, 0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000);

export function exp(x: number): number {
  x = x < -87 ? -87 : x;
  x = x > 88 ? 88 : x;
  const t = multiplyAdd(x, LOG2_E, ROUNDER);
  const n = subtract(t, ROUNDER);
  let r = subtract(x, multiply(n, LN2_HIGH));
  r = subtract(r, multiply(n, LN2_LOW));
  let p = EXP[0];
  for (let i = 1; i < EXP.length; i++) p = multiplyAdd(p, r, EXP[i]);
  const y = add(multiplyAdd(p, multiply(r, r), r), 1);
  return ofBits((bitsOf(y) + (bitsOf(t) << 23)) | 0);
}

const TANH = constants(0xbbbaf0ea, 0x3ca9134e, 0xbd5c1e2d, 0x3e088393, 0xbeaaaa99);

export function tanh(x: number): number {
  const a = Math.abs(x);
  if (a < 0.625) {
    const z = multiply(x, x);
    let p = TANH[0];
    for (let i = 1; i < TANH.length; i++) p = multiplyAdd(p, z, TANH[i]);
    return multiplyAdd(multiply(p, z), x, x);
  }
  const magnitude = subtract(1, divide(2, add(exp(add(a, a)), 1)));
  return x < 0 ? -magnitude : magnitude;
}

const SQRT_HALF = ofBits(0x3f3504f3);
const T_SCALE = 0.328125;
const ERFC = constants(
  0xbb38b5fc, 0xbe0342f3, 0x3eeff91d, 0xbec06f28, 0x3ede680c, 0x3d055bbf, 0x3e51953d, 0x3e3989c3, 0x3e3dcbd7,
);

/** Φ, the normal distribution function. */
export function normalDistribution(x: number): number {
  const a = multiply(Math.abs(x), SQRT_HALF);
  const t = divide(1, multiplyAdd(a, T_SCALE, 1));
  let q = ERFC[0];
  for (let i = 1; i < ERFC.length; i++) q = multiplyAdd(q, t, ERFC[i]);
  const e = multiply(multiply(q, t), exp(-multiply(a, a)));
  return x >= 0 ? subtract(1, multiply(e, 0.5)) : multiply(e, 0.5);
}

const LN2 = 0.6931471805599453;
const SQRT_2 = 1.4142135623730951;
const double = new Float64Array(1);
const doubleWords = new DataView(double.buffer);

/** log of a normal positive binary64, in binary64. */
export function log(v: number): number {
  double[0] = v;
  const high = doubleWords.getUint32(4, true);
  let e = (high >>> 20) - 1023;
  doubleWords.setUint32(4, (high & 0x000fffff) | (1023 << 20), true);
  let m = double[0];
  if (m > SQRT_2) {
    m = m * 0.5;
    e = e + 1;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let p = 1 / 19;
  for (let k = 17; k >= 3; k -= 2) p = p * z + 1 / k;
  return e * LN2 + (s + s) * (p * z + 1);
}
