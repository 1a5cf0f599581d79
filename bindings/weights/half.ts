// Binary16, for what the module does not convert itself: scales of quantised files, and files that are written.

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** The number that the bits of a binary16 stand for. */
export function widenHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 5.9604644775390625e-8; // 2⁻²⁴
  bitsOfFloat[0] = ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  return sign * float[0];
}

/** Bits of the binary16 nearest to a binary32, ties to even; −1 where that would be infinite (from 65520 on) or NaN. */
export function nearestHalf(value: number): number {
  float[0] = value;
  const bits = bitsOfFloat[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) return -1; // 65520, half way to what would be 2¹⁶
  const exponent = magnitude >>> 23;
  if (exponent < 102) return sign; // below 2⁻²⁵, half of the smallest
  // Of the 24 bits with the leading one, 13 go, and more where the half is subnormal. A carry goes into the exponent by itself.
  const isSmall = exponent < 113;
  const shift = isSmall ? 126 - exponent : 13;
  const all = isSmall ? (magnitude & 0x7fffff) | 0x800000 : magnitude - (112 << 23);
  const kept = all >>> shift;
  const rest = all & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept);
}
