import { GELU_ERF, GELU_TANH, QUICK_GELU, RELU, SILU, TANH } from "../contract";
import { activate } from "../kernels/activation";
import { expReference, phiReference, phiTruth, tanhReference } from "./reference/elementary";
import { buffer, difference, guarded, paddedRandoms, seed, ulps, untouched, zeros } from "./support";

/** docs/NUMERICS.md, Activations. */
function logistic(x: f32, y: f32): f32 {
  return x / (expReference(y > 64 ? 64 : y) + <f32>1);
}

function reference(x: f32, activation: i32): f32 {
  if (activation == GELU_TANH) {
    return logistic(x, x * ((x * x) * reinterpret<f32>(0xbd922279) + reinterpret<f32>(0xbfcc422a)));
  }
  if (activation == GELU_ERF) return x * phiReference(x);
  if (activation == QUICK_GELU) return logistic(x, x * reinterpret<f32>(0xbfd9db23));
  if (activation == RELU) return x > 0 ? x : 0;
  if (activation == SILU) return logistic(x, -x);
  return tanhReference(x);
}

function truth(x: f64, activation: i32): f64 {
  if (activation == GELU_TANH) {
    const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
    return x / (1 + Math.exp(-2 * u));
  }
  if (activation == GELU_ERF) return x * phiTruth(x);
  if (activation == QUICK_GELU) return x / (1 + Math.exp(-1.702 * x));
  if (activation == RELU) return Math.max(x, 0);
  if (activation == SILU) return x / (1 + Math.exp(-x));
  return Math.tanh(x);
}

const WIDTHS: StaticArray<i32> = [1, 3, 15, 16, 17, 33, 100];

/** Largest |y − truth| / max(1, |truth|) for x in [−20, 20], every 1/256 or so. */
function worstError(activation: i32): f64 {
  const count: usize = 10256; // a multiple of 16
  const x = buffer(count << 2), bias = zeros(count << 2), scratch = buffer(64);
  for (let i: usize = 0; i < count; i++) store<f32>(x + (i << 2), <f32>((<f64>i - 5128.0) / 256.4));
  const y = buffer(count << 2);
  memory.copy(y, x, count << 2);
  activate(y, bias, count << 2, 1, count << 2, activation, scratch);
  let worst: f64 = 0;
  for (let i: usize = 0; i < count; i++) {
    const t = truth(load<f32>(x + (i << 2)), activation);
    worst = Math.max(worst, Math.abs(t - load<f32>(y + (i << 2))) / Math.max(1, Math.abs(t)));
  }
  return worst;
}

describe("activations", () => {
  it("are the reference's to the bit: every width, bias added first, several rows, padding +0", () => {
    seed(1);
    for (let activation = GELU_TANH; activation <= TANH; activation++) {
      for (let i = 0; i < WIDTHS.length; i++) {
        const width = <usize>WIDTHS[i];
        const padded = (width + 15) & ~15;
        const bytes = padded << 2, stride = bytes + 64;
        const bias = paddedRandoms(width, padded, 1), scratch = buffer(64), x = buffer(stride * 3), wanted = buffer(bytes);
        for (let r: usize = 0; r < 3; r++) memory.copy(x + r * stride, paddedRandoms(width, padded, 6), bytes);
        const before = buffer(stride * 3);
        memory.copy(before, x, stride * 3);
        activate(x, bias, stride, 3, bytes, activation, scratch);
        for (let r: usize = 0; r < 3; r++) {
          for (let c: usize = 0; c < padded; c++) {
            const v: f32 = load<f32>(before + r * stride + (c << 2)) + load<f32>(bias + (c << 2));
            store<f32>(wanted + (c << 2), reference(v, activation));
          }
          expect(difference(x + r * stride, wanted, padded)).toBe(-1, `activation ${activation}, width ${width}`);
          expect(difference(x + r * stride + (width << 2), zeros(64), padded - width)).toBe(-1, "padding");
          expect(untouched(x + r * stride + bytes, 64)).toBe(true, "between the rows");
        }
        expect(guarded(x, stride * 3) && guarded(scratch, 64)).toBe(true);
      }
    }
  });

  it("are the reference's to the bit over all sizes of arguments", () => {
    const bias = zeros(64), x = buffer(64), wanted = buffer(64), scratch = buffer(64);
    for (let activation = GELU_TANH; activation <= TANH; activation++) {
      let differing = 0;
      for (let b: u32 = 0; b < 0x47000000; b += 16 * 4567) { // up to 32768
        for (let i: u32 = 0; i < 16; i++) {
          const v = reinterpret<f32>((b + (i >> 1) * 4567) | (i << 31));
          store<f32>(x + (i << 2), v);
          store<f32>(wanted + (i << 2), reference(v, activation));
        }
        activate(x, bias, 64, 1, 64, activation, scratch);
        for (let i: usize = 0; i < 64; i += 4) {
          // −0 + bias +0 is +0, and so is what comes of it
          if (load<f32>(x + i) != load<f32>(wanted + i)) differing++;
        }
      }
      expect(differing).toBe(0, "activation " + activation.toString());
    }
  });

  it("are near the truth in f64", () => {
    // Relative to max(1, |y|). exp and the sums and quotients around it have 1 to 2 ulp of 2⁻²⁴ … 2⁻²³ each; gelu_tanh's exponent
    // of up to 64 carries its own rounding, 2⁻²⁴ · |2u|, but only where e^(2u) is small beside 1: |2u| · e^(−|2u|) < 0.37.
    expect(worstError(GELU_TANH)).toBeLessThan(5e-7);
    expect(worstError(QUICK_GELU)).toBeLessThan(5e-7);
    expect(worstError(SILU)).toBeLessThan(5e-7);
    expect(worstError(RELU)).toBe(0);
    expect(worstError(TANH)).toBeLessThan(2e-7);
    // The polynomial of erfc has 7e-8, and |x| · Φ adds its own half ulp twice.
    expect(worstError(GELU_ERF)).toBeLessThan(5e-7);
    expect(worstError(GELU_ERF)).toBeGreaterThan(1e-9, "a scan that reaches nothing would pass");
  });

  it("the exact and the tanh form of GELU are different functions", () => {
    let apart: f64 = 0;
    for (let i = -400; i < 400; i++) {
      const x = <f64>i / 100;
      apart = Math.max(apart, Math.abs(reference(<f32>x, GELU_TANH) - truth(x, GELU_ERF)));
    }
    expect(apart).toBeGreaterThan(1e-4);
  });

  it("tanh is within 2 ulp, Φ within 3e-7", () => {
    let worst: f64 = 0, worstPhi: f64 = 0;
    for (let b: u32 = 0x30000000; b < 0x41800000; b += 1951) { // 4.7e-10 … 16
      const x = reinterpret<f32>(b);
      worst = Math.max(worst, ulps(tanhReference(x), Math.tanh(x)));
      worstPhi = Math.max(worstPhi, Math.abs(phiReference(x) - phiTruth(x)));
      worstPhi = Math.max(worstPhi, Math.abs(phiReference(-x) - phiTruth(-x)));
    }
    expect(worst).toBeLessThan(2);
    expect(worstPhi).toBeLessThan(3e-7);
  });

  it("do not hide NaN", () => {
    const bias = zeros(64), scratch = buffer(64);
    for (let activation = GELU_TANH; activation <= TANH; activation++) {
      const x = zeros(64);
      store<f32>(x + 20, f32.NaN);
      activate(x, bias, 64, 1, 64, activation, scratch);
      expect(isNaN(load<f32>(x + 20))).toBe(true, "activation " + activation.toString());
      expect(load<f32>(x + 16)).toBe(0);
    }
  });
});
