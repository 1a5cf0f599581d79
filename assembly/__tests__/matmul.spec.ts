import { multiply, tileOneRow, tileTwoRows, tileTwoStreams } from "../kernels/f32/matmul";
import { multiplyDescending, multiplyFused, multiplyHalves, multiplyReference } from "./reference/matmul";
import { buffer, copy, difference, guarded, randoms, seed, untouched } from "./support";

const SIZES: StaticArray<i32> = [1, 2, 3, 15, 16, 17, 64, 100, 255];

/** Rows whose first 64 bytes differ between out and wanted: −1 if none. */
function rowsDiffer(out: usize, wanted: usize, stride: usize, rows: usize, count: usize): i32 {
  for (let r: usize = 0; r < rows; r++) {
    if (difference(out + r * stride, wanted + r * stride, count) >= 0) return <i32>r;
  }
  return -1;
}

describe("matmul tiles", () => {
  it("tileOneRow: one row, one panel, any K", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      const x = randoms(k, 1), w = randoms(k * 16, 1), out = buffer(64), wanted = buffer(64);
      tileOneRow(out, x - 4, 4, w - 64, 64, k << 6, 0);
      multiplyReference(wanted, 64, x, 0, 1, w, k, 1);
      expect(difference(out, wanted, 16)).toBe(-1, "K = " + k.toString());
      expect(guarded(out, 64)).toBe(true);
    }
  });

  it("tileTwoRows: the second row lies xStride behind, its result outStride behind", () => {
    seed(2);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      const xStride = (k << 2) + 12, outStride: usize = 192;
      const x = randoms(k * 2 + 3, 1), w = randoms(k * 16, 1), out = buffer(256), wanted = buffer(256);
      tileTwoRows(out, outStride, x, 0, xStride, w, 0, k << 6, 0);
      multiplyReference(wanted, outStride, x, xStride, 2, w, k, 1);
      expect(rowsDiffer(out, wanted, outStride, 2, 16)).toBe(-1, "K = " + k.toString());
      expect(guarded(out, 256)).toBe(true);
      expect(untouched(out + 64, 128)).toBe(true, "between the rows");
    }
  });

  it("tileTwoStreams: one row, two outputs and panels, each with its own distance", () => {
    seed(3);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      const x = randoms(k, 1), w = randoms(k * 48, 1), out = buffer(256), wanted = buffer(256);
      tileTwoStreams(out, 192, x, 0, w, 0, k << 7, k << 6);
      multiplyReference(wanted, 64, x, 0, 1, w, k, 1);
      multiplyReference(wanted + 192, 64, x, 0, 1, w + (k << 7), k, 1);
      expect(rowsDiffer(out, wanted, 192, 2, 16)).toBe(-1, "K = " + k.toString());
      expect(guarded(out, 256) && untouched(out + 64, 128)).toBe(true);
    }
  });

  it("a sum that is stored and taken up again is the same sum, wherever it is cut", () => {
    seed(4);
    const k: usize = 37;
    const x = randoms(k * 2, 1), w = randoms(k * 32, 1), wanted = buffer(128), out = buffer(128);
    multiplyReference(wanted, 64, x, k << 2, 2, w, k, 1);
    for (let cut: usize = 0; cut <= k; cut++) {
      const rest = (k - cut) << 6;
      tileTwoRows(out, 64, x, 0, k << 2, w, 0, cut << 6, 0);
      tileTwoRows(out, 64, x, cut << 2, k << 2, w, cut << 6, rest, 1);
      expect(difference(out, wanted, 32)).toBe(-1, "two rows cut at " + cut.toString());
      tileOneRow(out, x, 0, w, 0, cut << 6, 0);
      tileOneRow(out, x, cut << 2, w, cut << 6, rest, 1);
      expect(difference(out, wanted, 16)).toBe(-1, "one row cut at " + cut.toString());
    }
  });
});

describe("multiply", () => {
  it("any rows, any K, any number of panels; strides wider than the rows", () => {
    seed(5);
    for (let rows: usize = 1; rows <= 5; rows++) {
      for (let panels: usize = 1; panels <= 5; panels++) {
        for (let i = 0; i < SIZES.length; i++) {
          const k = <usize>SIZES[i];
          const xStride = (k << 2) + 64, outStride = (panels << 6) + 64;
          const x = randoms((xStride >> 2) * rows, 1), w = randoms(panels * k * 16, 1);
          const out = buffer(outStride * rows), wanted = buffer(outStride * rows);
          multiply(out, outStride, x, xStride, rows, w, k, panels);
          multiplyReference(wanted, outStride, x, xStride, rows, w, k, panels);
          // All of the buffer: what lies between the rows is 0xaa in both.
          expect(difference(out, wanted, (outStride >> 2) * rows)).toBe(-1, `${rows} rows, ${panels} panels, K = ${k}`);
          expect(guarded(out, outStride * rows)).toBe(true);
        }
      }
    }
  });

  it("a row's result does not depend on how many rows stand beside it", () => {
    seed(6);
    const k: usize = 768, panels: usize = 3, rows: usize = 7;
    const x = randoms(k * rows, 1), w = randoms(panels * k * 16, 1), all = buffer(rows * 192), one = buffer(192);
    multiply(all, 192, x, k << 2, rows, w, k, panels);
    for (let r: usize = 0; r < rows; r++) {
      multiply(one, 192, x + r * (k << 2), k << 2, 1, w, k, panels);
      expect(difference(one, all + r * 192, 48)).toBe(-1);
    }
  });

  it("a sum of zeros is +0, of negative zeros too", () => {
    const k: usize = 16;
    const x = buffer(k << 2), w = buffer(k << 6), out = buffer(64);
    for (let i: usize = 0; i < k; i++) store<f32>(x + (i << 2), -0.0);
    for (let i: usize = 0; i < k * 16; i++) store<f32>(w + (i << 2), 1);
    multiply(out, 64, x, k << 2, 1, w, k, 1);
    for (let i: usize = 0; i < 16; i++) expect(load<u32>(out + (i << 2))).toBe(0);
  });

  it("keeps subnormal results", () => {
    const x = buffer(4), w = buffer(64), out = buffer(64);
    store<f32>(x, <f32>1e-20);
    for (let i: usize = 0; i < 16; i++) store<f32>(w + (i << 2), <f32>1e-20);
    multiply(out, 64, x, 4, 1, w, 1, 1);
    expect(load<u32>(out)).toBe(reinterpret<u32>(<f32>1e-20 * <f32>1e-20));
    expect(load<f32>(out)).not.toBe(0);
  });
});

describe("negative control", () => {
  it("another order, halves, or fused products give other bits on this data", () => {
    seed(7);
    const k: usize = 100, panels: usize = 2;
    const x = randoms(k * 3, 1), w = randoms(panels * k * 16, 1), out = buffer(384), other = buffer(384);
    multiply(out, 128, x, k << 2, 3, w, k, panels);
    multiplyDescending(other, 128, x, k << 2, 3, w, k, panels);
    expect(difference(out, other, 96)).not.toBe(-1);
    multiplyHalves(other, 128, x, k << 2, 3, w, k, panels);
    expect(difference(out, other, 96)).not.toBe(-1);
    multiplyFused(other, 128, x, k << 2, 3, w, k, panels);
    expect(difference(out, other, 96)).not.toBe(-1);
    const changed = copy(w, panels * k * 64);
    store<u32>(changed + 4, load<u32>(changed + 4) ^ 0x4000);
    multiply(other, 128, x, k << 2, 3, changed, k, panels);
    expect(difference(out, other, 96)).not.toBe(-1, "one bit of one weight, a thousandth of it");
  });
});
