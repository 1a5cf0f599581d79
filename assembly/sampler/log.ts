/**
 * Natural logarithm of a normal v > 0 by docs/NUMERICS.md: 2 · artanh((m − 1) / (m + 1)), m in (√½, √2]. Error below 4 ulp,
 * most where e · ln 2 and a negative logarithm of m nearly halve each other.
 */
export function log(v: f64): f64 {
  const bits = reinterpret<u64>(v);
  let exponent = <i32>(bits >>> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m = m * 0.5;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let p: f64 = 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  return <f64>exponent * 0.6931471805599453 + (s + s) * (p * z + 1);
}
