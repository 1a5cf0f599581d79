// exp, tanh and Φ of docs/NUMERICS.md, one value at a time; and what they approximate, in f64.

export function expReference(x: f32): f32 {
  if (x < -87) x = -87;
  if (x > 88) x = 88;
  const t: f32 = x * <f32>1.44269502 + <f32>12582912;
  const n: f32 = t - <f32>12582912;
  let r: f32 = x - n * <f32>0.693359375;
  r = r - n * reinterpret<f32>(0xb95e8083);
  let p = reinterpret<f32>(0x39506967);
  p = p * r + reinterpret<f32>(0x3ab743ce);
  p = p * r + reinterpret<f32>(0x3c088908);
  p = p * r + reinterpret<f32>(0x3d2aa9c1);
  p = p * r + reinterpret<f32>(0x3e2aaaaa);
  p = p * r + <f32>0.5;
  const y: f32 = (p * (r * r) + r) + <f32>1;
  return reinterpret<f32>(reinterpret<u32>(y) + (reinterpret<u32>(t) << 23));
}

export function tanhReference(x: f32): f32 {
  const a = abs(x);
  if (a < <f32>0.625) {
    const z: f32 = x * x;
    let p = reinterpret<f32>(0xbbbaf0ea);
    p = p * z + reinterpret<f32>(0x3ca9134e);
    p = p * z + reinterpret<f32>(0xbd5c1e2d);
    p = p * z + reinterpret<f32>(0x3e088393);
    p = p * z + reinterpret<f32>(0xbeaaaa99);
    return (p * z) * x + x;
  }
  return copysign<f32>(<f32>1 - <f32>2 / (expReference(a + a) + <f32>1), x);
}

export function phiReference(x: f32): f32 {
  const a: f32 = abs(x) * reinterpret<f32>(0x3f3504f3);
  const t: f32 = <f32>1 / (a * <f32>0.328125 + <f32>1);
  let q = reinterpret<f32>(0xbb38b5fc);
  q = q * t + reinterpret<f32>(0xbe0342f3);
  q = q * t + reinterpret<f32>(0x3eeff91d);
  q = q * t + reinterpret<f32>(0xbec06f28);
  q = q * t + reinterpret<f32>(0x3ede680c);
  q = q * t + reinterpret<f32>(0x3d055bbf);
  q = q * t + reinterpret<f32>(0x3e51953d);
  q = q * t + reinterpret<f32>(0x3e3989c3);
  q = q * t + reinterpret<f32>(0x3e3dcbd7);
  const e: f32 = (q * t) * expReference(-(a * a));
  return x >= 0 ? <f32>1 - e * <f32>0.5 : e * <f32>0.5;
}

/** Φ in f64: the series of erf (all terms positive) up to 3, the continued fraction of erfc beyond. */
export function phiTruth(x: f64): f64 {
  const a = Math.abs(x) * Math.SQRT1_2;
  let tail: f64;
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; term > sum * 1e-18; n++) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    tail = 1 - 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
  } else {
    let fraction = a;
    for (let n = 200; n > 0; n--) fraction = a + <f64>n / 2 / fraction;
    tail = Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction;
  }
  return x < 0 ? tail / 2 : 1 - tail / 2;
}
