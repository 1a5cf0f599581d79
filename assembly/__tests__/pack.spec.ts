import { packMatrix, packRows, packTransposed } from "../kernels/f32/panel";
import { sameBits } from "../kernels/same-bits";
import { BF16, F16, F32, F64 } from "../contract";
import { firstNotFinite, widen } from "../kernels/widen";
import { below, buffer, copy, difference, guarded, randoms, seed, untouched, zeros } from "./support";

/** 2^n. */
function power(n: i32): f32 {
  let p: f32 = 1;
  for (; n > 0; n--) p *= 2;
  for (; n < 0; n++) p /= 2;
  return p;
}

/** The value of an F16, by its definition. */
function half(bits: u32): f32 {
  const sign: f32 = bits & 0x8000 ? -1 : 1;
  const exponent = <i32>((bits >> 10) & 31);
  const fraction = <f32>(bits & 1023);
  const size: f32 = exponent == 0 ? fraction * <f32>(2 ** -24) : (<f32>1 + fraction / <f32>1024) * power(exponent - 15);
  return sign * size;
}

describe("widen", () => {
  it("F16: all finite values exactly, subnormals and both zeros included", () => {
    const x = buffer(65536 * 2 + 6), out = buffer(65536 * 4 + 12);
    let n: usize = 0;
    for (let bits: u32 = 0; bits < 65536; bits++) {
      if (((bits >> 10) & 31) == 31) continue;
      store<u16>(x + (n << 1), <u16>bits);
      n++;
    }
    expect(widen(out, x, F16, n)).toBe(1);
    n = 0;
    let differing = 0;
    for (let bits: u32 = 0; bits < 65536; bits++) {
      if (((bits >> 10) & 31) == 31) continue;
      if (load<u32>(out + (n << 2)) != reinterpret<u32>(half(bits))) differing++;
      n++;
    }
    expect(n).toBe(63488);
    expect(differing).toBe(0);
  });

  it("BF16: all finite values are the upper halves of F32", () => {
    const x = buffer(8), out = buffer(16);
    let differing = 0, refused = 0;
    for (let bits: u32 = 0; bits < 65536; bits++) {
      store<u16>(x, <u16>bits);
      const finite = widen(out, x, BF16, 1);
      if (((bits >> 7) & 255) == 255) refused += 1 - finite;
      else if (!finite || load<u32>(out) != bits << 16) differing++;
    }
    expect(differing).toBe(0);
    expect(refused).toBe(256);
  });

  it("F64: rounded once, to nearest even; beyond F32 it is refused", () => {
    const x = buffer(8 * 8), out = buffer(8 * 4);
    store<f64>(x, 1 + 2 ** -24); // halfway: to even
    store<f64>(x + 8, 1 + 2 ** -24 + 2 ** -50);
    store<f64>(x + 16, 1 + 3 * 2 ** -24);
    store<f64>(x + 24, 2 ** -149 * 1.5);
    store<f64>(x + 32, -(2 ** -150));
    expect(widen(out, x, F64, 5)).toBe(1);
    expect(load<f32>(out)).toBe(1);
    expect(load<f32>(out + 4)).toBe(<f32>(1 + 2 ** -23));
    expect(load<f32>(out + 8)).toBe(<f32>(1 + 2 ** -22));
    expect(load<u32>(out + 12)).toBe(2);
    expect(load<u32>(out + 16)).toBe(0x80000000);
    store<f64>(x, 3.4028235677973366e38); // halfway between the largest F32 and 2¹²⁸
    expect(widen(out, x, F64, 1)).toBe(0);
    store<f64>(x, 3.4028235677973362e38);
    expect(widen(out, x, F64, 1)).toBe(1);
    expect(load<u32>(out)).toBe(0x7f7fffff);
  });

  it("any count at any alignment; at most three elements beyond are written", () => {
    seed(1);
    for (let dtype = F32; dtype <= F64; dtype++) {
      const size: usize = dtype == F64 ? 8 : dtype == F32 ? 4 : 2;
      for (let count: usize = 1; count <= 18; count++) {
        for (let offset: usize = 0; offset < 3; offset++) {
          const x = buffer(size * 32) + offset, out = buffer(96), wanted = buffer(96);
          for (let i: usize = 0; i < count; i++) {
            const v = <f32>(<i32>below(2000) - 1000) / 16; // exact in every type but BF16, where the lower half is cut
            store<f32>(wanted + (i << 2), v);
            if (dtype == F32) store<f32>(x + i * 4, v);
            else if (dtype == F64) store<f64>(x + i * 8, v);
            else if (dtype == BF16) {
              store<u16>(x + i * 2, <u16>(reinterpret<u32>(v) >> 16));
              store<u32>(wanted + (i << 2), reinterpret<u32>(v) & 0xffff0000);
            } else {
              const b = reinterpret<u32>(v);
              store<u16>(x + i * 2, v == 0 ? 0 : <u16>(((b >> 16) & 0x8000) | ((((b >> 23) & 255) - 112) << 10) | ((b >> 13) & 1023)));
            }
          }
          expect(widen(out, x, dtype, count)).toBe(1);
          expect(difference(out, wanted, count)).toBe(-1, `type ${dtype}, ${count} elements`);
          expect(untouched(out + ((count + 3) << 2), 128)).toBe(true);
        }
      }
    }
  });

  it("finds NaN and infinity anywhere, and looks at no element beyond the last", () => {
    const x = buffer(256), out = buffer(256);
    for (let dtype = F32; dtype <= F64; dtype++) {
      for (let count: usize = 1; count <= 9; count++) {
        for (let at: usize = 0; at <= count; at++) {
          memory.fill(x, 0, 128);
          if (dtype == F32) store<f32>(x + at * 4, at & 1 ? f32.NaN : f32.NEGATIVE_INFINITY);
          else if (dtype == F64) store<f64>(x + at * 8, at & 1 ? NaN : Infinity);
          else store<u16>(x + at * 2, dtype == F16 ? (at & 1 ? 0x7e00 : 0xfc00) : (at & 1 ? 0x7fc0 : 0xff80));
          expect(widen(out, x, dtype, count)).toBe(at == count ? 1 : 0, `type ${dtype}, at ${at} of ${count}`);
          if (at < count) expect(firstNotFinite(out, count)).toBe(at);
        }
      }
    }
    expect(firstNotFinite(zeros(64), 16)).toBe(16);
  });
});

/** Element (k, n) of W[K][N] packed by definition. */
function packReference(panels: usize, k: usize, n: usize, x: usize): void {
  for (let row: usize = 0; row < k; row++) {
    for (let column: usize = 0; column < n; column++) {
      store<u32>(panels + ((column >> 4) * k + row) * 64 + (column & 15) * 4, load<u32>(x + (row * n + column) * 4));
    }
  }
}

function transpose(k: usize, n: usize, x: usize): usize {
  const t = buffer(k * n * 4);
  for (let i: usize = 0; i < n; i++) {
    for (let j: usize = 0; j < k; j++) store<u32>(t + (j * n + i) * 4, load<u32>(x + (i * k + j) * 4));
  }
  return t;
}

const SIZES: StaticArray<i32> = [1, 3, 15, 16, 17, 33, 48];

describe("packing", () => {
  it("packMatrix and packTransposed: any shape, in pieces of any size", () => {
    seed(2);
    for (let i = 0; i < SIZES.length; i++) {
      for (let j = 0; j < SIZES.length; j++) {
        const k = <usize>SIZES[i], n = <usize>SIZES[j];
        const bytes = ((n + 15) >> 4) * k * 64;
        const x = randoms(k * n, 1), wanted = zeros(bytes), out = zeros(bytes), across = zeros(bytes);
        packReference(wanted, k, n, x);
        const t = transpose(n, k, x); // [N][K]
        for (let at: usize = 0; at < k * n;) {
          const count = min<usize>(1 + <usize>below(40), k * n - at);
          packMatrix(out, k, n, copy(x + (at << 2), count << 2), at, count);
          packTransposed(across, k, copy(t + (at << 2), count << 2), at, count);
          at += count;
        }
        expect(difference(out, wanted, bytes >> 2)).toBe(-1, `${k} × ${n}`);
        expect(difference(across, wanted, bytes >> 2)).toBe(-1, `${k} × ${n} across`);
        expect(guarded(out, bytes) && guarded(across, bytes)).toBe(true);
      }
    }
  });

  it("packRows: rows at their stride, in pieces of any size, nothing between them", () => {
    seed(3);
    for (let i = 0; i < SIZES.length; i++) {
      const width = <usize>SIZES[i], rows: usize = 7;
      const stride = ((width + 15) & ~15) * 4;
      const x = randoms(width * rows, 1), out = buffer(stride * rows), wanted = buffer(stride * rows);
      for (let r: usize = 0; r < rows; r++) memory.copy(wanted + r * stride, x + r * width * 4, width * 4);
      for (let at: usize = 0; at < width * rows;) {
        const count = min<usize>(1 + <usize>below(40), width * rows - at);
        packRows(out, width, stride, x + (at << 2), at, count);
        at += count;
      }
      expect(difference(out, wanted, (stride * rows) >> 2)).toBe(-1, "width " + width.toString());
      expect(guarded(out, stride * rows)).toBe(true);
    }
  });

  it("sameBits sees any one bit", () => {
    seed(4);
    const x = randoms(64, 1);
    expect(sameBits(x, copy(x, 256), 256)).toBe(1);
    for (let i: u32 = 0; i < 64; i++) {
      const y = copy(x, 256);
      store<u32>(y + (i << 2), load<u32>(y + (i << 2)) ^ (1 << (i & 31)));
      expect(sameBits(x, y, 256)).toBe(0);
    }
    expect(sameBits(zeros(16), zeros(16), 0)).toBe(1);
  });
});
