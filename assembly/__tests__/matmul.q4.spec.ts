import { q4Groups, q4Multiply, q4PanelBytes, q4RowBytes } from "../kernels/matmul.q4";
import { nibbleAt, packIntegersQ4, packPanelQ4, unpackOutputQ4 } from "../kernels/panel.q4";
import { q4MultiplyMany, q4UnpackedBytes } from "../kernels/matmul.q4-many";
import { LIMIT_Q4, quantizeRow, quantizeRowQ4 } from "../kernels/quantize-rows";
import { decodeQ4, dotQ4, groupScale, integersOf, nibblesOf, outputAt, scaleOf, slice, vectorAt } from "./reference/integers";
import { below, buffer, difference, guarded, random, randomize, seed, zeros } from "./support";

const SIZES: StaticArray<i32> = [1, 7, 8, 31, 32, 33, 48, 64, 100];

/** f32 panels: groups of all kinds; every output its own. */
function weights(k: usize, panels: usize): usize {
  const w = zeros(panels * k * 64);
  for (let n: usize = 0; n < panels * 16; n++) {
    for (let first: usize = 0; first < k; first += 32) {
      const kind = below(10);
      const scale: f32 = kind == 0 ? 0 : kind == 1 ? 1e-33 : kind == 2 ? 1e-9 : kind == 3 ? 1000 : 0.1;
      for (let i = first; i < min<usize>(first + 32, k); i++) {
        const v = kind == 4 ? <f32>(<i32>below(16) - 8) : random(scale); // or on a grid exactly
        store<f32>(w + (((n >> 4) * k + i) * 16 + (n & 15)) * 4, v);
      }
    }
  }
  return w;
}

function packAll(w: usize, k: usize, panels: usize): usize {
  const bytes = q4PanelBytes(k);
  const out = buffer(bytes * panels), one = zeros(q4Groups(k) * 2048);
  for (let p: usize = 0; p < panels; p++) {
    memory.copy(one, w + p * k * 64, k * 64);
    packPanelQ4(out + p * bytes, one, k);
  }
  expect(guarded(out, bytes * panels)).toBe(true);
  return out;
}

describe("int4 panels", () => {
  it("hold the nibbles and scales of the definition, in the drawn layout", () => {
    seed(1);
    for (let i = 0; i < SIZES.length; i++) {
      const k = <usize>SIZES[i];
      const w = weights(k, 2), packed = packAll(w, k, 2), bytes = q4PanelBytes(k), out = buffer(k * 4);
      let differing = 0;
      for (let n: usize = 0; n < 32; n++) {
        const panel = packed + (n >> 4) * bytes;
        const x = outputAt(w, k, n);
        unpackOutputQ4(out, packed, k, n);
        for (let first: usize = 0; first < k; first += 32) {
          const group = slice(x, <i32>first, min(<i32>first + 32, <i32>k));
          const s = groupScale(group), q = nibblesOf(group, s);
          if (reinterpret<u32>(load<f32>(panel + (first >> 5) * 320 + 256 + (n & 15) * 4)) != reinterpret<u32>(s)) differing++;
          for (let j = 0; j < q.length; j++) {
            if (decodeQ4(panel, n & 15, first + j) != q[j] || nibbleAt(panel, n & 15, first + j) != q[j]) differing++;
            if (load<f32>(out + (first + j) * 4) != <f32>q[j] * s) differing++;
          }
        }
      }
      expect(differing).toBe(0, "K = " + k.toString());
      expect(guarded(out, k * 4)).toBe(true);
    }
  });

  it("weights that lie on a grid of sixteen steps come back exactly", () => {
    seed(2);
    const k: usize = 32, w = zeros(2048), panel = buffer(320), out = buffer(128);
    for (let i: usize = 0; i < k; i++) {
      for (let n: usize = 0; n < 16; n++) store<f32>(w + (i * 16 + n) * 4, (i == 0 ? -8 : <f32>(<i32>below(16) - 8)) * <f32>0.125);
    }
    packPanelQ4(panel, w, k);
    for (let n: usize = 0; n < 16; n++) {
      unpackOutputQ4(out, panel, k, n);
      for (let i: usize = 0; i < k; i++) expect(load<f32>(out + i * 4)).toBe(load<f32>(w + (i * 16 + n) * 4));
    }
  });

  it("packIntegersQ4 puts nibbles as they are, and no scales", () => {
    seed(3);
    const k: usize = 40, x = zeros(4096), panel = buffer(q4PanelBytes(k)), before = buffer(q4PanelBytes(k));
    for (let i: usize = 0; i < k * 16; i++) store<f32>(x + (i << 2), <f32>(<i32>below(16) - 8));
    packIntegersQ4(panel, x, k);
    let differing = 0;
    for (let n: usize = 0; n < 16; n++) {
      for (let i: usize = 0; i < k; i++) if (decodeQ4(panel, n, i) != <i32>load<f32>(x + (i * 16 + n) * 4)) differing++;
    }
    expect(differing).toBe(0);
    for (let g: usize = 0; g < 2; g++) expect(difference(panel + g * 320 + 256, before, 16)).toBe(-1);
    expect(guarded(panel, q4PanelBytes(k))).toBe(true);
  });
});

/** q4Multiply and q4MultiplyMany against the definition; −1 if all are equal. */
function multiplyDiffers(rows: usize, panels: usize, k: usize, w: usize, x: usize, xStride: usize): i32 {
  const rowBytes = q4RowBytes(k);
  const integers = buffer(rowBytes * rows);
  for (let r: usize = 0; r < rows; r++) quantizeRowQ4(integers + r * rowBytes, x + r * xStride, k);
  expect(guarded(integers, rowBytes * rows)).toBe(true);
  const outStride = panels * 64 + 64;
  const out = buffer(outStride * rows), wanted = buffer(outStride * rows);
  const packed = packAll(w, k, panels);
  q4Multiply(out, outStride, integers, rowBytes, rows, packed, k, panels);
  for (let r: usize = 0; r < rows; r++) {
    const row = vectorAt(x + r * xStride, k);
    const q = integersOf(row, 1927), s = scaleOf(row, 1927);
    for (let n: usize = 0; n < panels * 16; n++) store<f32>(wanted + r * outStride + n * 4, dotQ4(q, outputAt(w, k, n), s));
  }
  expect(guarded(out, outStride * rows)).toBe(true);
  const few = difference(out, wanted, outStride / 4 * rows);

  // Plain integers, but for an odd last row; what stands behind them must not show.
  const plain = buffer(rowBytes * rows), many = buffer(outStride * rows), unpacked = buffer(q4UnpackedBytes(k));
  memory.fill(plain, 0x55, rowBytes * rows);
  for (let r: usize = 0; r < (rows & ~1); r++) quantizeRow(plain + r * rowBytes, x + r * xStride, k, LIMIT_Q4);
  if (rows & 1) quantizeRowQ4(plain + (rows - 1) * rowBytes, x + (rows - 1) * xStride, k);
  q4MultiplyMany(many, outStride, plain, rowBytes, rows, packed, k, panels, unpacked);
  expect(guarded(plain, rowBytes * rows) && guarded(many, outStride * rows) && guarded(unpacked, q4UnpackedBytes(k))).toBe(true);
  return few == -1 ? difference(many, wanted, outStride / 4 * rows) : few;
}

describe("q4Multiply", () => {
  it("any rows, any K, any number of panels", () => {
    seed(4);
    for (let rows: usize = 1; rows <= 5; rows++) {
      for (let panels: usize = 1; panels <= 2; panels++) {
        for (let i = 0; i < SIZES.length; i++) {
          const k = <usize>SIZES[i], xStride = ((k + 15) & ~15) * 4;
          const x = zeros(xStride * rows);
          for (let r: usize = 0; r < rows; r++) randomize(x + r * xStride, k, 2);
          expect(multiplyDiffers(rows, panels, k, weights(k, panels), x, xStride)).toBe(-1, `${rows} rows, ${panels} panels, K = ${k}`);
        }
      }
    }
  });

  it("differences of the largest activations fit 16 bits: signs that alternate within an octet", () => {
    const k: usize = 64, x = buffer(k * 8), w = zeros(k * 64);
    for (let i: usize = 0; i < k; i++) {
      store<f32>(x + i * 4, (i >> 1) & 1 ? 1 : -1);
      store<f32>(x + (k + i) * 4, (i >> 2) & 1 ? 1 : -1);
      for (let n: usize = 0; n < 16; n++) store<f32>(w + (i * 16 + n) * 4, <f32>(<i32>((i * 5 + n * 3) & 15) - 8));
    }
    expect(multiplyDiffers(2, 1, k, w, x, k * 4)).toBe(-1);
    expect(multiplyDiffers(1, 1, k, w, x, k * 4)).toBe(-1);
  });

  it("zeros stay zeros", () => {
    seed(5);
    const k: usize = 48, x = zeros(k * 4);
    expect(multiplyDiffers(1, 1, k, weights(k, 1), x, k * 4)).toBe(-1);
    expect(multiplyDiffers(1, 1, k, zeros(k * 64), x, k * 4)).toBe(-1);
  });

  it("negative control: groups added in another order have other bits", () => {
    seed(6);
    const k: usize = 96, w = zeros(k * 64), x = zeros(k * 4), out = buffer(64), other = buffer(64), row = buffer(q4RowBytes(k));
    randomize(w, k * 16, 1);
    randomize(x, k, 1);
    const packed = packAll(w, k, 1);
    quantizeRowQ4(row, x, k);
    q4Multiply(out, 64, row, 0, 1, packed, k, 1);
    const groups = buffer(960), turned = buffer(q4RowBytes(k));
    memory.copy(turned, row, q4RowBytes(k));
    for (let g: usize = 0; g < 3; g++) {
      memory.copy(groups + g * 320, packed + (2 - g) * 320, 320);
      memory.copy(turned + 64 + g * 80, row + 64 + (2 - g) * 80, 80);
    }
    q4Multiply(other, 64, turned, 0, 1, groups, k, 1);
    expect(difference(out, other, 16)).not.toBe(-1);
  });
});
