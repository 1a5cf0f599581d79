import { packIntegersQ4 } from "../kernels/q4/integers";
import { packIntegersQ8 } from "../kernels/q8/integers";
import { q4Groups, q4PanelBytes } from "../kernels/q4/layout";
import { q8PanelBytes } from "../kernels/q8/matmul";
import { decodeQ4, decodeQ8 } from "./reference/integers";
import { below, buffer, guarded, seed, untouched } from "./support";

// Compiled twice, as matmul.q4.spec.ts: int4 panels have two layouts.

/** Around the 16 inputs of a vector, the 32 of a group. */
const SIZES: StaticArray<i32> = [1, 2, 7, 15, 16, 17, 31, 32, 33, 40, 48, 64, 99, 100];

/** x u8[bytes], any. */
function randomBytes(bytes: usize): usize {
  const x = buffer(bytes);
  for (let i: usize = 0; i < bytes; i++) store<u8>(x + i, <u8>below(256));
  return x;
}

describe("rows of integers to panels", () => {
  it("int8: every integer in its place, −128 included, scales left alone", () => {
    seed(1);
    for (let s = 0; s < SIZES.length; s++) {
      const k = <usize>SIZES[s], bytes = q8PanelBytes(k);
      const x = randomBytes(k * 16), panel = buffer(bytes);
      store<i8>(x, -128);
      packIntegersQ8(panel, x, k);
      let differing = 0;
      for (let n: usize = 0; n < 16; n++) {
        for (let i: usize = 0; i < k; i++) if (decodeQ8(panel, n, i) != <i32>load<i8>(x + n * k + i)) differing++;
        if (k & 1 && decodeQ8(panel, n, k) != 0) differing++; // what fills an odd k up
      }
      expect(differing).toBe(0, "K = " + k.toString());
      expect(untouched(panel + bytes - 64, 64)).toBe(true);
      expect(guarded(panel, bytes)).toBe(true);
    }
  });

  it("int4: every nibble in its place, scales left alone", () => {
    seed(2);
    for (let s = 0; s < SIZES.length; s++) {
      const k = <usize>SIZES[s], bytes = q4PanelBytes(k), row = q4Groups(k) * 16;
      const x = randomBytes(row * 16), panel = buffer(bytes);
      packIntegersQ4(panel, x, k);
      let differing = 0;
      for (let n: usize = 0; n < 16; n++) {
        for (let i: usize = 0; i < row * 2; i++) {
          const nibble = <i32>(load<u8>(x + n * row + i / 2) >> <u8>((i & 1) << 2)) & 15;
          if (decodeQ4(panel, n, <i32>i) != nibble - 8) differing++;
        }
      }
      expect(differing).toBe(0, "K = " + k.toString());
      for (let g: usize = 0; g < q4Groups(k); g++) expect(untouched(panel + g * 320 + 256, 64)).toBe(true);
      expect(guarded(panel, bytes)).toBe(true);
    }
  });

  it("negative control: one integer shows", () => {
    seed(3);
    const x = randomBytes(32 * 16), panel = buffer(q8PanelBytes(32));
    packIntegersQ8(panel, x, 32);
    const before = decodeQ8(panel, 9, 21);
    store<u8>(x + 9 * 32 + 21, load<u8>(x + 9 * 32 + 21) ^ 1);
    packIntegersQ8(panel, x, 32);
    expect(decodeQ8(panel, 9, 21)).not.toBe(before);
  });
});
