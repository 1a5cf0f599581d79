import { q8Multiply, q8PanelBytes } from "../kernels/q8/matmul";
import { integerAt, packPanelQ8, unpackOutputQ8 } from "../kernels/q8/panel";
import { quantizeRow, ROW_HEADER } from "../kernels/q8/quantize-rows";
import { decodeQ8, dotQ8, integersOf, outputAt, scaleOf, vectorAt } from "./reference/integers";
import { below, buffer, difference, guarded, paddedRandoms, randomize, seed, untouched, zeros } from "./support";

const SIZES: StaticArray<i32> = [1, 2, 3, 15, 16, 17, 64, 99, 255];

/** f32 panels: some outputs are zeros, some tiny, sizes differ. One more row of zeros behind an odd k. */
function weights(k: usize, panels: usize): usize {
  const w = zeros((panels * k + 1) * 64);
  for (let p: usize = 0; p < panels; p++) {
    for (let n: usize = 0; n < 16; n++) {
      const kind = below(8);
      const scale: f32 = kind == 0 ? 0 : kind == 1 ? 1e-35 : kind == 2 ? 1000 : 0.1;
      for (let i: usize = 0; i < k; i++) {
        randomize(w + ((p * k + i) * 16 + n) * 4, 1, scale);
      }
    }
  }
  return w;
}

/** Panels one by one, each followed by a row of zeros as packPanelQ8 wants it. */
function packAll(w: usize, k: usize, panels: usize): usize {
  const bytes = q8PanelBytes(k);
  const out = buffer(bytes * panels), one = zeros((k + 1) * 64);
  for (let p: usize = 0; p < panels; p++) {
    memory.copy(one, w + p * k * 64, k * 64);
    packPanelQ8(out + p * bytes, one, k);
  }
  expect(guarded(out, bytes * panels)).toBe(true);
  return out;
}

describe("int8 panels", () => {
  it("hold the integers and scales of the definition, in the drawn layout", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      const w = weights(k, 2), packed = packAll(w, k, 2), bytes = q8PanelBytes(k), out = buffer(k * 4);
      let differing = 0;
      for (let n: usize = 0; n < 32; n++) {
        const panel = packed + (n >> 4) * bytes;
        const x = outputAt(w, k, n), q = integersOf(x, 127), s = scaleOf(x, 127);
        unpackOutputQ8(out, packed, k, n);
        for (let j: usize = 0; j < k; j++) {
          const v = q[<i32>j];
          if (decodeQ8(panel, n & 15, j) != v || integerAt(panel, n & 15, j) != v) differing++;
          if (load<f32>(out + (j << 2)) != <f32>v * s) differing++;
        }
        if (reinterpret<u32>(load<f32>(panel + bytes - 64 + (n & 15) * 4)) != reinterpret<u32>(s)) differing++;
      }
      expect(differing).toBe(0, "K = " + k.toString());
      expect(guarded(out, k * 4)).toBe(true);
    }
  });
});

describe("quantizeRow", () => {
  it("any width: scale, integers, sums of blocks, zeros to a multiple of 16", () => {
    seed(3);
    for (let i = 0; i <= SIZES.length; i++) {
      const k: usize = i < SIZES.length ? <usize>SIZES[i] : 16387;
      const padded = (k + 15) & ~15;
      const x = paddedRandoms(k, padded, 3), out = buffer(ROW_HEADER + padded * 2);
      quantizeRow(out, x, k);
      const v = vectorAt(x, k), q = integersOf(v, 2047);
      let differing = 0;
      for (let j: usize = 0; j < padded; j++) if (load<i16>(out + ROW_HEADER + j * 2) != (j < k ? q[<i32>j] : 0)) differing++;
      expect(differing).toBe(0, "K = " + k.toString());
      expect(reinterpret<u32>(load<f32>(out))).toBe(reinterpret<u32>(scaleOf(v, 2047)));
      for (let first: usize = 0, block: usize = 0; first < k; first += 8192, block++) {
        let sum = 0;
        for (let j = first; j < min<usize>(first + 8192, k); j++) sum += q[<i32>j];
        expect(load<i32>(out + 4 + block * 4)).toBe(sum);
      }
      expect(guarded(out, ROW_HEADER + padded * 2)).toBe(true);
    }
  });

  it("a row of zeros or of subnormals is zeros with scale 0; ties go to even", () => {
    const x = zeros(64), out = buffer(ROW_HEADER + 32);
    quantizeRow(out, x, 16);
    expect(load<f32>(out)).toBe(0);
    store<f32>(x, 1e-40);
    quantizeRow(out, x, 16);
    expect(load<f32>(out)).toBe(0);
    expect(load<i16>(out + ROW_HEADER)).toBe(0);
    store<f32>(x, -2047);
    store<f32>(x + 4, 0.5);
    store<f32>(x + 8, 1.5);
    store<f32>(x + 12, -2.5);
    quantizeRow(out, x, 16);
    expect(load<f32>(out)).toBe(1);
    expect(load<i16>(out + ROW_HEADER)).toBe(-2047);
    expect(load<i16>(out + ROW_HEADER + 2)).toBe(0);
    expect(load<i16>(out + ROW_HEADER + 4)).toBe(2);
    expect(load<i16>(out + ROW_HEADER + 6)).toBe(-2);
  });

  it("NaN and infinity do not vanish", () => {
    for (let i = 0; i < 2; i++) {
      const x = zeros(64), out = buffer(ROW_HEADER + 32);
      store<f32>(x + 20, i ? f32.NaN : f32.NEGATIVE_INFINITY);
      quantizeRow(out, x, 16);
      expect(load<f32>(out) - load<f32>(out) == 0).toBe(false, "the scale is not finite");
    }
  });
});

/** q8Multiply against the definition; returns how many values differ. */
function multiplyDiffers(rows: usize, panels: usize, k: usize, w: usize, x: usize, xStride: usize): i32 {
  const padded = (k + 15) & ~15;
  const rowBytes = (ROW_HEADER + padded * 2 + 63) & ~63;
  const integers = buffer(rowBytes * rows);
  for (let r: usize = 0; r < rows; r++) quantizeRow(integers + r * rowBytes, x + r * xStride, k);
  const outStride = panels * 64 + 64;
  const out = buffer(outStride * rows), wanted = buffer(outStride * rows);
  q8Multiply(out, outStride, integers, rowBytes, rows, packAll(w, k, panels), k, panels);
  for (let n: usize = 0; n < panels * 16; n++) {
    const output = outputAt(w, k, n);
    const q = integersOf(output, 127), s = scaleOf(output, 127);
    for (let r: usize = 0; r < rows; r++) {
      const row = vectorAt(x + r * xStride, k);
      store<f32>(wanted + r * outStride + n * 4, dotQ8(integersOf(row, 2047), q, s, scaleOf(row, 2047)));
    }
  }
  expect(guarded(out, outStride * rows)).toBe(true);
  return difference(out, wanted, outStride / 4 * rows);
}

describe("q8Multiply", () => {
  it("any rows, any K, any number of panels", () => {
    seed(4);
    for (let rows: usize = 1; rows <= 5; rows += 1) {
      for (let panels: usize = 1; panels <= 3; panels++) {
        for (let i = 0; i < SIZES.length; i++) {
          const k = <usize>SIZES[i], xStride = ((k + 15) & ~15) * 4;
          const x = zeros(xStride * rows);
          for (let r: usize = 0; r < rows; r++) randomize(x + r * xStride, k, 2);
          expect(multiplyDiffers(rows, panels, k, weights(k, panels), x, xStride)).toBe(-1, `${rows} rows, ${panels} panels, K = ${k}`);
        }
      }
    }
  });

  it("K beyond a block of 8192", () => {
    seed(5);
    const k: usize = 16384 + 5, xStride: usize = (16384 + 16) * 4;
    const x = zeros(xStride * 3);
    for (let r: usize = 0; r < 3; r++) randomize(x + r * xStride, k, 2);
    const w = weights(k, 1);
    expect(multiplyDiffers(3, 1, k, w, x, xStride)).toBe(-1);
    expect(multiplyDiffers(1, 1, k, w, x, xStride)).toBe(-1);
  });

  it("the largest sums of a block do not overflow: 8192 · 127 · 2047, of either sign", () => {
    const k: usize = 8192;
    const w = zeros((k + 1) * 64), x = buffer(k * 8);
    for (let i: usize = 0; i < k; i++) {
      for (let n: usize = 0; n < 16; n++) store<f32>(w + (i * 16 + n) * 4, n & 1 ? -1 : 1);
      store<f32>(x + i * 4, 5);
      store<f32>(x + (k + i) * 4, -5);
    }
    expect(multiplyDiffers(2, 1, k, w, x, k * 4)).toBe(-1);
    expect(multiplyDiffers(1, 1, k, w, x, k * 4)).toBe(-1);
  });

  it("negative control: one integer off by one shows", () => {
    seed(6);
    const k: usize = 64;
    const w = weights(k, 1);
    for (let i: usize = 0; i < k; i++) store<f32>(w + i * 64, <f32>i);
    const packed = packAll(w, k, 1);
    const integers = buffer(ROW_HEADER + k * 2), out = buffer(64), other = buffer(64);
    quantizeRow(integers, paddedRandoms(k, k, 1), k);
    q8Multiply(out, 64, integers, 0, 1, packed, k, 1);
    store<u8>(packed + 1, load<u8>(packed + 1) + 1); // output 0, k = 0: a high byte
    q8Multiply(other, 64, integers, 0, 1, packed, k, 1);
    expect(difference(out, other, 1)).toBe(0);
    expect(difference(out + 4, other + 4, 15)).toBe(-1, "and only there");
  });
});
