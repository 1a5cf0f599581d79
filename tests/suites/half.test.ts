/** Binary16 in JavaScript, against its definition and over all of its values. */
import { nearestHalf, widenHalf } from "../../bindings/weights/half.ts";
import { assert, describe, it } from "../support/harness.ts";

/** By the definition: (−1)^s · 2^(e − 15) · 1.f, subnormal for e = 0. */
function defined(bits: number): number {
  const [sign, e, f] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
  if (e === 31) return f === 0 ? sign * Infinity : NaN;
  return sign * (e === 0 ? f * 2 ** -14 : (1 + f) * 2 ** (e - 15));
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
function next(value: number, steps: number): number {
  float[0] = value;
  bits[0] += steps;
  return float[0];
}

describe("binary16", () => {
  it("widens all of its values, and rounds them to themselves", () => {
    for (let half = 0; half < 65536; half++) {
      assert.ok(Object.is(widenHalf(half), defined(half)), half.toString(16));
      assert.equal(nearestHalf(defined(half)), Number.isFinite(defined(half)) ? half : -1, half.toString(16));
    }
  });

  it("rounds what lies between two values to the nearer one, to the even one from the middle", () => {
    for (let half = 0; half < 0x7bff; half++) {
      const middle = (defined(half) + defined(half + 1)) / 2; // exact in binary32
      for (const sign of [0, 0x8000]) {
        const s = sign ? -1 : 1;
        assert.equal(nearestHalf(s * middle), sign | (half & 1 ? half + 1 : half), `middle after ${half}`);
        assert.equal(nearestHalf(s * next(middle, -1)), sign | half, `below the middle after ${half}`);
        assert.equal(nearestHalf(s * next(middle, 1)), sign | half + 1, `above the middle after ${half}`);
      }
    }
  });

  it("has nothing for what is larger", () => {
    assert.equal(nearestHalf(next(65520, -1)), 0x7bff);
    for (const value of [65520, 65536, 3e38, Infinity, -65520, -Infinity, NaN]) assert.equal(nearestHalf(value), -1, String(value));
  });
});
