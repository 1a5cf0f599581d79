import { layerNorm } from "../kernels/layer-norm";
import { layerNormReference } from "./reference/layer-norm";
import { buffer, difference, guarded, paddedRandoms, randoms, seed, untouched, zeros } from "./support";

const WIDTHS: StaticArray<i32> = [1, 2, 4, 15, 16, 17, 31, 33, 100, 768];

describe("layer norm", () => {
  it("any width; several rows; padding stays +0", () => {
    seed(1);
    for (let i = 0; i < WIDTHS.length; i++) {
      const width = <usize>WIDTHS[i];
      const padded = (width + 15) & ~15;
      const stride = (padded << 2) + 64;
      const gain = paddedRandoms(width, padded, 2), bias = paddedRandoms(width, padded, 2), scratch = buffer(padded << 2);
      const x = buffer(stride * 3), out = buffer(stride * 3), wanted = buffer(padded << 2);
      for (let r: usize = 0; r < 3; r++) {
        memory.copy(x + r * stride, paddedRandoms(width, padded, 5), padded << 2);
      }
      layerNorm(out, x, gain, bias, stride, 3, width, 1e-5);
      for (let r: usize = 0; r < 3; r++) {
        layerNormReference(wanted, x + r * stride, gain, bias, <i32>width, 1e-5, scratch);
        expect(difference(out + r * stride, wanted, width)).toBe(-1, "width " + width.toString());
        expect(difference(out + r * stride + (width << 2), zeros(64), padded - width)).toBe(-1, "padding");
        expect(untouched(out + r * stride + (padded << 2), 64)).toBe(true, "between the rows");
      }
      expect(guarded(out, stride * 3)).toBe(true);
    }
  });

  it("in place gives the same bits", () => {
    seed(2);
    const x = randoms(48, 3), gain = randoms(48, 1), bias = randoms(48, 1), out = buffer(192);
    layerNorm(out, x, gain, bias, 192, 1, 48, 1e-5);
    layerNorm(x, x, gain, bias, 192, 1, 48, 1e-5);
    expect(difference(out, x, 48)).toBe(-1);
  });

  it("is within 2e-6 of f64 for values of one size", () => {
    // Sixteen partial sums of 48 terms: relative error of mean and variance below 60 · 2⁻²⁴ = 3.6e-6 at worst; of variance
    // half of that reaches the result. With gain 1 and results up to 1.8, twice 2⁻²⁴ · 60 / 2 · 1.8 is 6.4e-6 at worst; random
    // errors add as their root: 2e-6 leaves a factor of 4.
    seed(3);
    const width: usize = 768;
    const x = randoms(width, 5), one = buffer(width << 2), none = zeros(width << 2), out = buffer(width << 2);
    for (let i: usize = 0; i < width; i++) store<f32>(one + (i << 2), 1);
    layerNorm(out, x, one, none, width << 2, 1, width, 1e-5);
    let mean: f64 = 0, variance: f64 = 0, worst: f64 = 0;
    for (let i: usize = 0; i < width; i++) mean += load<f32>(x + (i << 2));
    mean /= <f64>width;
    for (let i: usize = 0; i < width; i++) variance += (load<f32>(x + (i << 2)) - mean) * (load<f32>(x + (i << 2)) - mean);
    variance /= <f64>width;
    for (let i: usize = 0; i < width; i++) {
      const truth = (<f64>load<f32>(x + (i << 2)) - mean) / Math.sqrt(variance + <f64><f32>1e-5);
      worst = Math.max(worst, Math.abs(truth - load<f32>(out + (i << 2))));
    }
    expect(worst).toBeLessThan(2e-6);
    expect(worst).toBeGreaterThan(0);
  });

  it("a constant row gives the bias", () => {
    const x = buffer(64), gain = randoms(16, 1), bias = randoms(16, 1), out = buffer(64);
    for (let i: usize = 0; i < 16; i++) store<f32>(x + (i << 2), 3);
    layerNorm(out, x, gain, bias, 64, 1, 16, 1e-5);
    expect(difference(out, bias, 16)).toBe(-1);
  });

  it("squares that overflow make a row of NaN, not the bias", () => {
    const x = zeros(64), gain = randoms(16, 1), bias = randoms(16, 1), out = buffer(64);
    for (let i: usize = 0; i < 16; i++) store<f32>(x + (i << 2), i & 1 ? 1e20 : -1e20);
    layerNorm(out, x, gain, bias, 64, 1, 16, 1e-5);
    for (let i: usize = 0; i < 16; i++) expect(isNaN(load<f32>(out + (i << 2)))).toBe(true);
    for (let i: usize = 0; i < 16; i++) store<f32>(x + (i << 2), i & 1 ? 1e18 : -1e18);
    layerNorm(out, x, gain, bias, 64, 1, 16, 1e-5);
    for (let i: usize = 0; i < 16; i++) expect(isFinite(load<f32>(out + (i << 2)))).toBe(true);
  });

  it("negative control: plain ascending sums, or epsilon outside, give other bits", () => {
    seed(4);
    const width: usize = 100, padded: usize = 112;
    const x = paddedRandoms(width, padded, 5), gain = paddedRandoms(width, padded, 2), bias = paddedRandoms(width, padded, 2);
    const out = buffer(padded << 2), other = buffer(padded << 2);
    layerNorm(out, x, gain, bias, padded << 2, 1, width, 1e-5);
    let sum: f32 = 0;
    for (let i: usize = 0; i < width; i++) sum = sum + load<f32>(x + (i << 2));
    const mean: f32 = sum / <f32>width;
    sum = 0;
    for (let i: usize = 0; i < width; i++) {
      const d: f32 = load<f32>(x + (i << 2)) - mean;
      sum = sum + d * d;
    }
    const r: f32 = <f32>1 / sqrt<f32>(sum / <f32>width + <f32>1e-5);
    for (let i: usize = 0; i < width; i++) {
      const d: f32 = load<f32>(x + (i << 2)) - mean;
      store<f32>(other + (i << 2), (d * r) * load<f32>(gain + (i << 2)) + load<f32>(bias + (i << 2)));
    }
    expect(difference(out, other, width)).not.toBe(-1);
    layerNorm(other, x, gain, bias, padded << 2, 1, width, 1.5e-5);
    expect(difference(out, other, width)).not.toBe(-1, "epsilon");
  });
});
