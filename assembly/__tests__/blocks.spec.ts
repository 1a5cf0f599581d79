import { Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 } from "../contract";
import { dequantize, integersQ4_0, scaleQ4_0 } from "../kernels/blocks";
import { widen } from "../kernels/widen";
import { below, bits, buffer, difference, guarded, seed } from "./support";

/** The value of a binary16, by its definition. */
function half(x: usize): f32 {
  const h = <u32>load<u16>(x);
  const sign: f32 = h & 0x8000 ? -1 : 1;
  const exponent = <i32>((h >> 10) & 31);
  const fraction = <f32>(h & 1023);
  if (exponent == 31) return fraction == 0 ? sign * f32.POSITIVE_INFINITY : f32.NaN;
  if (exponent == 0) return sign * fraction * <f32>(2 ** -24);
  return sign * (<f32>1024 + fraction) * <f32>(2.0 ** <f64>(exponent - 25));
}

function blockBytes(type: i32): usize {
  switch (type) {
    case Q4_0: return 18;
    case Q4_1: return 20;
    case Q5_0: return 22;
    case Q5_1: return 24;
    case Q8_0: return 34;
    case Q4_K: return 144;
    case Q5_K: return 176;
    default: return 210;
  }
}

function blockElements(type: i32): i32 {
  return type >= Q4_K ? 256 : 32;
}

/** Bit number i from x on. */
function bit(x: usize, i: i32): i32 {
  return (<i32>load<u8>(x + (i >> 3)) >> (i & 7)) & 1;
}

/** Nibble of element i of 32 whose first sixteen are the low ones. */
function nibble(x: usize, i: i32): i32 {
  const byte = <i32>load<u8>(x + (i & 15));
  return i < 16 ? byte % 16 : byte / 16;
}

/** Six bits of number i, of scales (which 0) or minima (which 1): four in the lower bits of 4 bytes, four spread. */
function sixBits(x: usize, which: i32, i: i32): f32 {
  if (i < 4) return <f32>(<i32>load<u8>(x + which * 4 + i) % 64);
  const byte = <i32>load<u8>(x + 8 + i - 4);
  const low = which == 0 ? byte % 16 : byte / 16;
  return <f32>(low + <i32>load<u8>(x + which * 4 + i - 4) / 64 * 16);
}

/** Element i of a block, written from the description of the format. */
function element(type: i32, x: usize, i: i32): f32 {
  const d = half(type == Q6_K ? x + 208 : x);
  switch (type) {
    case Q4_0: return <f32>(nibble(x + 2, i) - 8) * d;
    case Q4_1: return <f32>nibble(x + 4, i) * d + half(x + 2);
    case Q5_0: return <f32>(nibble(x + 6, i) + 16 * bit(x + 2, i) - 16) * d;
    case Q5_1: return <f32>(nibble(x + 8, i) + 16 * bit(x + 4, i)) * d + half(x + 2);
    case Q8_0: return <f32>load<i8>(x + 2 + i) * d;
    case Q6_K: {
      const h = i / 128, g = i % 128 / 32, j = i % 32;
      const byte = <i32>load<u8>(x + h * 64 + g % 2 * 32 + j);
      const low = g < 2 ? byte % 16 : byte / 16;
      const high = (<i32>load<u8>(x + 128 + h * 32 + j) >> (2 * g)) % 4;
      const scale = <f32>load<i8>(x + 192 + i / 16);
      return (d * scale) * <f32>(low + 16 * high - 32);
    }
    default: {
      const g = i / 32, j = i % 32;
      const byte = <i32>load<u8>(x + (type == Q4_K ? 16 : 48) + g / 2 * 32 + j);
      const q = (g % 2 == 0 ? byte % 16 : byte / 16) + (type == Q5_K ? 16 * ((<i32>load<u8>(x + 16 + j) >> g) % 2) : 0);
      return (d * sixBits(x + 4, 0, g)) * <f32>q - half(x + 2) * sixBits(x + 4, 1, g);
    }
  }
}

/** Blocks of any bits whose halves are finite. */
function randomBlocks(type: i32, count: usize): usize {
  const size = blockBytes(type);
  const x = buffer(size * count);
  for (let i: usize = 0; i < size * count; i++) store<u8>(x + i, <u8>(bits() >> 24));
  for (let b: usize = 0; b < count; b++) {
    const at = x + b * size + (type == Q6_K ? 208 : 0);
    for (let i: usize = 0; i < 4; i += 2) {
      if (type == Q6_K && i == 2) break;
      const value = <u32>load<u16>(at + i);
      const subnormal = below(4) == 0;
      store<u16>(at + i, <u16>((value & 0x83ff) | (subnormal ? 0 : (1 + below(30)) << 10)));
    }
  }
  return x;
}

describe("dequantize", () => {
  it("every format: each element by its definition, any alignment, nothing beyond", () => {
    seed(1);
    for (let type = Q4_0; type <= Q6_K; type++) {
      const elements = <usize>blockElements(type), size = blockBytes(type);
      for (let blocks: usize = 1; blocks <= 9; blocks += 4) {
        const x = randomBlocks(type, blocks);
        const count = blocks * elements;
        const out = buffer(count * 4), wanted = buffer(count * 4);
        for (let i: usize = 0; i < count; i++) store<f32>(wanted + i * 4, element(type, x + i / elements * size, <i32>(i % elements)));
        dequantize(out, x, type, count);
        expect(difference(out, wanted, count)).toBe(-1, `type ${type}, ${blocks} blocks`);
        expect(guarded(out, count * 4)).toBe(true);
        const moved = buffer(blocks * size + 8) + 3;
        memory.copy(moved, x, blocks * size);
        memory.fill(out, 0, count * 4);
        expect(widen(out, moved, type, count)).toBe(1);
        expect(difference(out, wanted, count)).toBe(-1, `type ${type}, ${blocks} blocks, moved`);
      }
    }
  });

  it("infinity and NaN in any scale are found", () => {
    seed(2);
    for (let type = Q4_0; type <= Q6_K; type++) {
      const elements = <usize>blockElements(type), size = blockBytes(type);
      const out = buffer(elements * 12 + 64);
      const scales: usize = type == Q4_1 || type == Q5_1 || type == Q4_K || type == Q5_K ? 2 : 1;
      for (let at: usize = 0; at < 3; at++) {
        for (let which: usize = 0; which < scales; which++) {
          for (let kind = 0; kind < 3; kind++) {
            const x = randomBlocks(type, 3);
            expect(widen(out, x, type, elements * 3)).toBe(1);
            store<u16>(x + at * size + (type == Q6_K ? 208 : which * 2), kind == 0 ? 0x7c00 : kind == 1 ? 0xfc00 : 0x7e01);
            expect(widen(out, x, type, elements * 3)).toBe(0, `type ${type}`);
          }
        }
      }
    }
  });

  it("Q4_0's integers and scales are its numbers", () => {
    seed(3);
    const x = randomBlocks(Q4_0, 50), out = buffer(6400), integers = buffer(800);
    dequantize(out, x, Q4_0, 1600);
    integersQ4_0(integers, x, 1600);
    let differing = 0;
    for (let i: usize = 0; i < 1600; i++) {
      const q = <f32>(<i32>(load<u8>(integers + i / 2) >> <u8>((i & 1) << 2) & 15) - 8);
      if (reinterpret<u32>(q * scaleQ4_0(x + i / 32 * 18)) != load<u32>(out + i * 4)) differing++;
    }
    expect(differing).toBe(0);
    expect(guarded(integers, 800)).toBe(true);
  });

  it("negative control: one bit of a block shows", () => {
    seed(4);
    for (let type = Q4_0; type <= Q6_K; type++) {
      const elements = <usize>blockElements(type), size = blockBytes(type);
      const x = randomBlocks(type, 1), out = buffer(elements * 4), wanted = buffer(elements * 4);
      store<u16>(type == Q6_K ? x + 208 : x, 0x3c00); // 1, so that no integer is lost
      if (type == Q6_K) memory.fill(x + 192, 1, 16);
      if (type == Q4_K || type == Q5_K) memory.fill(x + 4, 0x55, 12);
      dequantize(wanted, x, type, elements);
      let hidden = 0;
      const end: usize = type == Q6_K ? 192 : size;
      for (let byte: usize = type == Q6_K ? 0 : type >= Q4_K ? 16 : 4; byte < end; byte++) {
        store<u8>(x + byte, load<u8>(x + byte) ^ 1);
        dequantize(out, x, type, elements);
        if (difference(out, wanted, elements) < 0) hidden++;
        store<u8>(x + byte, load<u8>(x + byte) ^ 1);
      }
      expect(hidden).toBe(0, `type ${type}`);
    }
  });
});
