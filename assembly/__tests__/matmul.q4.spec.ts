import { nibbleAt, q4Groups, q4PanelBytes, q4RowBytes, q4UnpackedBytes } from "../kernels/q4/layout";
import { q4Multiply, quantizeRowsQ4 } from "../kernels/q4/matmul";
import { packPanelQ4, unpackOutputQ4 } from "../kernels/q4/panel";
import { decodeQ4, dotQ4, groupScale, integersOf, nibblesOf, outputAt, scaleOf, slice, vectorAt } from "./reference/integers";
import { below, buffer, difference, guarded, random, randomize, seed, zeros } from "./support";

// Compiled twice: for i32x4.dot_i16x8_s, and with relaxed SIMD for the 8-bit dot product (as-pect.relaxed.asconfig.json).

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
});

/** out = x · packed panels; scratch is filled with what must not show, and has to stay within its bounds. */
function multiplyInto(out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, packed: usize, k: usize, panels: usize): void {
  const rowBytes = q4RowBytes(k), unpackedBytes = q4UnpackedBytes(k);
  const integers = buffer(rowBytes * rows), unpacked = buffer(unpackedBytes);
  quantizeRowsQ4(integers, rowBytes, x, xStride, rows, 0, rows, k);
  q4Multiply(out, outStride, integers, rowBytes, rows, packed, k, panels, unpacked);
  expect(guarded(integers, rowBytes * rows)).toBe(true);
  expect(guarded(unpacked, unpackedBytes)).toBe(true);
}

/** q4Multiply against the definition: −1 if all bits are equal. */
function multiplyDiffers(rows: usize, panels: usize, k: usize, w: usize, x: usize, xStride: usize): i32 {
  const outStride = panels * 64 + 64; // the 64 bytes between two rows are not touched
  const out = buffer(outStride * rows), wanted = buffer(outStride * rows);
  multiplyInto(out, outStride, x, xStride, rows, packAll(w, k, panels), k, panels);
  expect(guarded(out, outStride * rows)).toBe(true);
  for (let n: usize = 0; n < panels * 16; n++) {
    const output = outputAt(w, k, n);
    for (let r: usize = 0; r < rows; r++) store<f32>(wanted + r * outStride + n * 4, dotQ4(vectorAt(x + r * xStride, k), output));
  }
  return difference(out, wanted, outStride / 4 * rows);
}

/** f32[rows][k padded to 16]: every group has a scale of its own; some are zeros or too small to have one. */
function activations(rows: usize, k: usize): usize {
  const stride = ((k + 15) & ~15) * 4, x = zeros(stride * rows);
  for (let r: usize = 0; r < rows; r++) {
    for (let first: usize = 0; first < k; first += 32) {
      const kind = below(8);
      randomize(x + r * stride + first * 4, min<usize>(32, k - first), kind == 0 ? 0 : kind == 1 ? 1e-31 : kind == 2 ? 1e-6 : kind == 3 ? 300 : 2);
    }
  }
  return x;
}

describe("q4Multiply", () => {
  it("any number of rows, packed and unpacked, any K, any number of panels", () => {
    seed(4);
    for (let rows: usize = 1; rows <= 13; rows++) {
      for (let panels: usize = 1; panels <= 3; panels++) {
        for (let i = 0; i < SIZES.length; i++) {
          if (rows > 3 && panels + rows + i & 1) continue; // the definition takes its time
          const k = <usize>SIZES[i];
          expect(multiplyDiffers(rows, panels, k, weights(k, panels), activations(rows, k), ((k + 15) & ~15) * 4)).toBe(-1, `${rows} rows, ${panels} panels, K = ${k}`);
        }
      }
    }
  });

  it("a row has the same bits among any number of others", () => {
    seed(7);
    const k: usize = 100, panels: usize = 3, rows: usize = 13, stride: usize = 112 * 4;
    const x = activations(rows, k), packed = packAll(weights(k, panels), k, panels);
    const alone = buffer(192 * rows), out = buffer(192 * rows);
    for (let r: usize = 0; r < rows; r++) multiplyInto(alone + r * 192, 192, x + r * stride, stride, 1, packed, k, panels);
    for (let count: usize = 2; count <= rows; count++) {
      multiplyInto(out, 192, x + (rows - count) * stride, stride, count, packed, k, panels);
      expect(difference(out, alone + (rows - count) * 192, 48 * count)).toBe(-1, `${count} rows`);
    }
    store<f32>(x, load<f32>(x) + 1000);
    multiplyInto(out, 192, x, stride, rows, packed, k, panels);
    expect(difference(out, alone, 48)).not.toBe(-1, "the control: another activation shows");
  });

  it("the largest activations of all signs beside the largest weights: sums stay exact", () => {
    for (let rows: usize = 1; rows <= 13; rows += 3) {
      const k: usize = 64, x = buffer(k * 4 * rows), w = zeros(k * 64);
      for (let i: usize = 0; i < k; i++) {
        // Signs that alternate by element, pair, octet and half octet, or not at all: every activation is ±127.
        for (let r: usize = 0; r < rows; r++) {
          const kind = r % 7;
          store<f32>(x + (r * k + i) * 4, kind < 5 ? ((i >> kind) & 1 ? 1 : -1) : kind == 5 ? 1 : -1);
        }
        for (let n: usize = 0; n < 16; n++) {
          const v = n < 4 ? -8 : n < 6 ? 7 : n < 12 ? ((i >> (n - 6)) & 1 ? 7 : -8) : <i32>((i * 5 + n * 3) & 15) - 8;
          store<f32>(w + (i * 16 + n) * 4, <f32>v);
        }
      }
      // Groups that have no −8 as yet: so that 7 is 7 and not rounded to another scale's step.
      for (let n: usize = 0; n < 16; n++) for (let first: usize = 0; first < k; first += 32) store<f32>(w + (first * 16 + n) * 4, -8);
      expect(multiplyDiffers(rows, 1, k, w, x, k * 4)).toBe(-1, `${rows} rows`);
    }
  });

  it("zeros stay zeros, +0 from any number of rows", () => {
    seed(5);
    const k: usize = 48;
    for (let rows: usize = 1; rows <= 12; rows += 11) {
      const x = zeros(k * 4 * rows), out = buffer(64 * rows), none = zeros(64 * rows);
      expect(multiplyDiffers(rows, 1, k, weights(k, 1), x, k * 4)).toBe(-1);
      multiplyInto(out, 64, x, k * 4, rows, packAll(weights(k, 1), k, 1), k, 1);
      expect(difference(out, none, 16 * rows)).toBe(-1);
      expect(multiplyDiffers(rows, 1, k, zeros(k * 64), activations(rows, k), k * 4)).toBe(-1);
    }
  });

  it("NaN and infinity of a single activation are in every output", () => {
    seed(8);
    const k: usize = 48;
    for (let rows: usize = 1; rows <= 13; rows += 4) {
      const w = zeros(k * 64), out = buffer(64 * rows);
      randomize(w, k * 16, 1);
      const packed = packAll(w, k, 1);
      for (let at: usize = 0; at < k; at += 5) {
        for (let kind = 0; kind < 3; kind++) {
          const x = activations(rows, k), last = x + (rows - 1) * k * 4;
          store<f32>(last + at * 4, kind == 0 ? f32.NaN : kind == 1 ? f32.POSITIVE_INFINITY : f32.NEGATIVE_INFINITY);
          multiplyInto(out, 64, x, k * 4, rows, packed, k, 1);
          let finite = 0, elsewhere = 0;
          for (let n: usize = 0; n < 16; n++) {
            if (isFinite(load<f32>(out + (rows - 1) * 64 + n * 4))) finite++;
            for (let r: usize = 0; r < rows - 1; r++) if (!isFinite(load<f32>(out + r * 64 + n * 4))) elsewhere++;
          }
          expect(finite).toBe(0, `${rows} rows, activation ${at}`);
          expect(elsewhere).toBe(0, "other rows");
        }
      }
    }
  });

  it("negative control: groups added in another order have other bits", () => {
    seed(6);
    const k: usize = 96, w = zeros(k * 64), x = zeros(k * 4), out = buffer(64), other = buffer(64);
    randomize(w, k * 16, 1);
    randomize(x, k, 1);
    const packed = packAll(w, k, 1);
    multiplyInto(out, 64, x, k * 4, 1, packed, k, 1);
    const groups = buffer(960), turned = buffer(k * 4);
    for (let g: usize = 0; g < 3; g++) {
      memory.copy(groups + g * 320, packed + (2 - g) * 320, 320);
      memory.copy(turned + g * 128, x + (2 - g) * 128, 128);
    }
    multiplyInto(other, 64, turned, k * 4, 1, groups, k, 1);
    expect(difference(out, other, 16)).not.toBe(-1);
  });

  it("negative control: one scale for the whole row, and the scales one after the other, have other bits", () => {
    seed(9);
    const k: usize = 96, w = zeros(k * 64), x = zeros(k * 4), out = buffer(64), wide = buffer(64), split = buffer(64);
    randomize(w, k * 16, 1);
    randomize(x, k, 1);
    multiplyInto(out, 64, x, k * 4, 1, packAll(w, k, 1), k, 1);
    const row = vectorAt(x, k);
    for (let n: usize = 0; n < 16; n++) {
      const output = outputAt(w, k, n);
      let y: f32 = 0, z: f32 = 0;
      for (let first = 0; first < <i32>k; first += 32) {
        const group = slice(output, first, first + 32), activations = slice(row, first, first + 32);
        const s = groupScale(group), q = nibblesOf(group, s);
        const X = integersOf(activations, 127), r = scaleOf(activations, 127), whole = integersOf(row, 127);
        let sum = 0, wholeSum = 0;
        for (let i = 0; i < 32; i++) {
          sum += X[i] * q[i];
          wholeSum += whole[first + i] * q[i];
        }
        y = y + <f32>wholeSum * (s * scaleOf(row, 127));
        z = z + (<f32>sum * s) * r;
      }
      store<f32>(wide + n * 4, y);
      store<f32>(split + n * 4, z);
    }
    expect(difference(out, wide, 16)).not.toBe(-1);
    expect(difference(out, split, 16)).not.toBe(-1);
  });
});
