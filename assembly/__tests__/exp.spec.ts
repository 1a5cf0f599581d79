import { exp16, exp4 } from "../kernels/exp";
import { expReference } from "./reference/elementary";
import { buffer, difference, guarded, ulps } from "./support";

/** Arguments by their bits, a prime apart: of all sizes up to 100, and closer where the polynomial matters. */
const STEP: u32 = 7919;
const STEP_NEAR: u32 = 97;
const NEAR: u32 = 0x3d800000; // 1/16
const TOP: u32 = 0x42c80000; // 100

let worst: f64 = 0;
let differing = 0;
let seen = 0;

/** exp4 of four arguments against the reference and, where it neither clamps nor underflows, against f64. */
function check(x0: f32, x1: f32, x2: f32, x3: f32): void {
  const y = exp4(f32x4(x0, x1, x2, x3));
  one(x0, f32x4.extract_lane(y, 0));
  one(x1, f32x4.extract_lane(y, 1));
  one(x2, f32x4.extract_lane(y, 2));
  one(x3, f32x4.extract_lane(y, 3));
}

function one(x: f32, y: f32): void {
  if (reinterpret<u32>(y) != reinterpret<u32>(expReference(x))) differing++;
  if (x >= -87 && x <= 88) worst = Math.max(worst, ulps(y, Math.exp(x)));
  seen++;
}

describe("exp", () => {
  it("is the reference's to the bit, and within 1 ulp of the truth", () => {
    for (let b: u32 = 0; b < TOP;) {
      const step = b < NEAR ? STEP : STEP_NEAR;
      check(reinterpret<f32>(b), reinterpret<f32>(b + step), reinterpret<f32>(b | 0x80000000), reinterpret<f32>((b + step) | 0x80000000));
      b += 2 * step;
    }
    expect(seen).toBeGreaterThan(2000000);
    expect(differing).toBe(0);
    // The bound that NUMERICS.md states: half an ulp from the last addition, the rest from the reduced argument and p · r².
    expect(worst).toBeLessThan(1.0);
    // A scan that reaches nothing would pass: some value is rounded wrongly.
    expect(worst).toBeGreaterThan(0.7);
  });

  it("is 1 at both zeros, and stops at −87 and 88", () => {
    const y = exp4(f32x4(-0.0, 0, -1000, 1000));
    expect(reinterpret<u32>(f32x4.extract_lane(y, 0))).toBe(0x3f800000);
    expect(reinterpret<u32>(f32x4.extract_lane(y, 1))).toBe(0x3f800000);
    expect(f32x4.extract_lane(y, 2)).toBe(expReference(-87));
    expect(f32x4.extract_lane(y, 3)).toBe(expReference(88));
    const z = exp4(f32x4(f32.NEGATIVE_INFINITY, f32.POSITIVE_INFINITY, f32.NaN, 1e-45));
    expect(f32x4.extract_lane(z, 0)).toBe(expReference(-87));
    expect(f32x4.extract_lane(z, 1)).toBe(expReference(88));
    expect(isNaN(f32x4.extract_lane(z, 2))).toBe(true);
    expect(f32x4.extract_lane(z, 3)).toBe(1);
  });

  it("has the same bits sixteen at a time, and writes 64 bytes", () => {
    const out = buffer(64), wanted = buffer(64);
    for (let b: u32 = 0; b < TOP; b += 977 * STEP) {
      for (let i: u32 = 0; i < 16; i++) store<f32>(wanted + (i << 2), reinterpret<f32>((b + i * 4099) | (i << 31)));
      const a = v128.load(wanted), c = v128.load(wanted, 16), d = v128.load(wanted, 32), e = v128.load(wanted, 48);
      exp16(out, a, c, d, e);
      for (let i: usize = 0; i < 64; i += 4) store<f32>(wanted + i, expReference(load<f32>(wanted + i)));
      expect(difference(out, wanted, 16)).toBe(-1);
    }
    expect(guarded(out, 64)).toBe(true);
  });
});
