import { addPosition } from "../kernels/embedding";
import { unpackOutput } from "../kernels/f32/panel";
import { addResidual, addVectors, allFinite, sumsAreFinite } from "../kernels/rows";
import { buffer, copy, difference, guarded, paddedRandoms, randoms, seed, zeros } from "./support";

const WIDTHS: StaticArray<i32> = [1, 3, 4, 15, 16, 17, 33, 100];

describe("rows", () => {
  it("addResidual: x + (y + bias), rows at their stride, nothing between them", () => {
    seed(1);
    for (let i = 0; i < WIDTHS.length; i++) {
      const width = <usize>WIDTHS[i];
      const padded = (width + 15) & ~15, stride = padded * 4 + 64;
      const x = buffer(stride * 3), y = randoms(stride / 4 * 3, 1), bias = paddedRandoms(width, padded, 1);
      for (let r: usize = 0; r < 3; r++) memory.copy(x + r * stride, paddedRandoms(width, padded, 1), padded * 4);
      const wanted = copy(x, stride * 3);
      for (let r: usize = 0; r < 3; r++) {
        for (let c: usize = 0; c < padded * 4; c += 4) {
          store<f32>(wanted + r * stride + c, load<f32>(x + r * stride + c) + (load<f32>(y + r * stride + c) + load<f32>(bias + c)));
        }
      }
      addResidual(x, y, bias, stride, 3, padded * 4);
      expect(difference(x, wanted, stride / 4 * 3)).toBe(-1, "width " + width.toString());
      expect(guarded(x, stride * 3)).toBe(true);
    }
  });

  it("negative control: (x + y) + bias has other bits", () => {
    seed(2);
    const x = randoms(64, 1), y = randoms(64, 1), bias = randoms(64, 1), other = copy(x, 256);
    for (let c: usize = 0; c < 256; c += 4) {
      store<f32>(other + c, (load<f32>(x + c) + load<f32>(y + c)) + load<f32>(bias + c));
    }
    addResidual(x, y, bias, 256, 1, 256);
    expect(difference(x, other, 64)).not.toBe(-1);
  });

  it("addVectors: any count at any alignment, nothing behind it", () => {
    seed(3);
    for (let count: usize = 1; count <= 20; count++) {
      const x = randoms(count, 1), y = randoms(count, 1), out = buffer(128), wanted = buffer(128);
      addVectors(out + 4, x, y, count);
      for (let i: usize = 0; i < count; i++) store<f32>(wanted + 4 + (i << 2), load<f32>(x + (i << 2)) + load<f32>(y + (i << 2)));
      expect(difference(out, wanted, 32)).toBe(-1);
    }
  });

  it("allFinite sees NaN and infinity anywhere, and nothing else", () => {
    for (let count: usize = 1; count <= 20; count++) {
      const x = zeros(128);
      for (let i: usize = 0; i < count; i++) store<f32>(x + (i << 2), i & 1 ? f32.MAX_VALUE : -f32.MAX_VALUE);
      expect(allFinite(x, count)).toBe(1);
      for (let i: usize = 0; i < count; i++) {
        const y = copy(x, 128);
        store<f32>(y + (i << 2), i % 3 == 0 ? f32.NaN : i % 3 == 1 ? f32.POSITIVE_INFINITY : f32.NEGATIVE_INFINITY);
        expect(allFinite(y, count)).toBe(0);
      }
    }
  });
});

describe("sumsAreFinite", () => {
  it("sees NaN and infinity anywhere, sums that overflow too, and nothing beyond the count", () => {
    for (let count: usize = 1; count <= 20; count++) {
      const x = buffer(132) + 4, y = buffer(132) + 4; // unaligned
      for (let i: usize = 0; i < 32; i++) { store<f32>(x + (i << 2), f32.NaN); store<f32>(y + (i << 2), 1); }
      for (let i: usize = 0; i < count; i++) store<f32>(x + (i << 2), i & 1 ? f32.MAX_VALUE : -f32.MAX_VALUE);
      expect(sumsAreFinite(x, y, count)).toBe(1);
      for (let i: usize = 0; i < count; i++) {
        const kept = load<f32>(x + (i << 2));
        store<f32>(x + (i << 2), i % 3 == 0 ? f32.NaN : i % 3 == 1 ? f32.POSITIVE_INFINITY : f32.NEGATIVE_INFINITY);
        expect(sumsAreFinite(x, y, count)).toBe(0);
        store<f32>(x + (i << 2), kept);
        store<f32>(y + (i << 2), kept); // twice the largest
        expect(sumsAreFinite(x, y, count)).toBe(0);
        store<f32>(y + (i << 2), 1);
      }
    }
  });
});

describe("unpackOutput and addPosition", () => {
  it("a token's column of the packed embedding plus its position; padding is set to +0", () => {
    seed(4);
    for (let i = 0; i < WIDTHS.length; i++) {
      const width = <usize>WIDTHS[i];
      const padded = (width + 15) & ~15;
      const panels: usize = 3;
      const wte = randoms(panels * width * 16, 1), position = randoms(width, 1);
      for (let id: usize = 0; id < panels * 16; id += 5) {
        const out = buffer(padded * 4), wanted = zeros(padded * 4);
        unpackOutput(out, wte, width, id);
        addPosition(out, padded * 4, position, width);
        for (let c: usize = 0; c < width; c++) {
          store<f32>(wanted + (c << 2), load<f32>(wte + ((id >> 4) * width + c) * 64 + (id & 15) * 4) + load<f32>(position + (c << 2)));
        }
        expect(difference(out, wanted, padded)).toBe(-1, `id ${id}, width ${width}`);
        expect(guarded(out, padded * 4)).toBe(true);
      }
    }
  });
});
