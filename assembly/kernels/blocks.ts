import {
  Q4_0, Q4_0_BYTES, Q4_1, Q4_1_BYTES, Q4_K, Q4_K_BYTES, Q5_0, Q5_0_BYTES, Q5_1, Q5_1_BYTES, Q5_K, Q5_K_BYTES, Q6_K_BYTES, Q8_0, Q8_0_BYTES,
  QUANTS, QUANTS_K,
} from "../contract";
import { HALF_FACTOR } from "./f16/half";

// GGUF's block formats to f32, with the operations of llama.cpp's dequantize_row_* in their order, each rounded on its own (a
// compiler that fuses a product and a sum gives other bits for Q4_1, Q5_1, Q4_K and Q5_K; this is the definition). A block is a
// run of elements of one output; d and m are its binary16 scales. Drawn in docs/FORMATS.md.

/** out[count] f32 = blocks at x of type `dtype`; `count` a multiple of the block's elements. What is not finite stays so. */
export function dequantize(out: usize, x: usize, dtype: i32, count: usize): void {
  const end = out + (count << 2);
  switch (dtype) {
    case Q4_0: for (; out < end; out += QUANTS * 4, x += Q4_0_BYTES) blockQ4_0(out, x); break;
    case Q4_1: for (; out < end; out += QUANTS * 4, x += Q4_1_BYTES) blockQ4_1(out, x); break;
    case Q5_0: for (; out < end; out += QUANTS * 4, x += Q5_0_BYTES) blockQ5_0(out, x); break;
    case Q5_1: for (; out < end; out += QUANTS * 4, x += Q5_1_BYTES) blockQ5_1(out, x); break;
    case Q8_0: for (; out < end; out += QUANTS * 4, x += Q8_0_BYTES) blockQ8_0(out, x); break;
    case Q4_K: for (; out < end; out += QUANTS_K * 4, x += Q4_K_BYTES) blockQ4_K(out, x); break;
    case Q5_K: for (; out < end; out += QUANTS_K * 4, x += Q5_K_BYTES) blockQ5_K(out, x); break;
    default: for (; out < end; out += QUANTS_K * 4, x += Q6_K_BYTES) blockQ6_K(out, x); break; // Q6_K
  }
}

/** A binary16, exactly; infinity and NaN stay what they are. */
// @ts-ignore: decorator
@inline
function half(x: usize): f32 {
  const bits = <u32>load<u16>(x);
  const moved = reinterpret<f32>((bits & 0x7fff) << 13) * HALF_FACTOR;
  const filled: u32 = (bits & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
  return reinterpret<f32>(reinterpret<u32>(moved) | filled | (bits & 0x8000) << 16);
}

/** d, 16 bytes: byte j has element j (low nibble) and element 16 + j, stored + 8. */
function blockQ4_0(out: usize, x: usize): void {
  const d = half(x);
  for (let j: usize = 0; j < 16; j++) {
    const q = <i32>load<u8>(x + j, 2);
    store<f32>(out + (j << 2), <f32>((q & 15) - 8) * d);
    store<f32>(out + (j << 2), <f32>((q >> 4) - 8) * d, 64);
  }
}

/** The same integers without their scales, as dtype U4 has them: out[count / 2], nibbles + 8, the first of two elements low. */
export function integersQ4_0(out: usize, x: usize, count: usize): void {
  const end = out + (count >> 1);
  for (; out < end; out += QUANTS / 2, x += Q4_0_BYTES) {
    const q = v128.load(x, 2);
    v128.store(out, i8x16.narrow_i16x8_u(joinNibbles(v128.and(q, i8x16.splat(15))), joinNibbles(i8x16.shr_u(q, 4))));
  }
}

/** Two bytes of 0 … 15 to one, in the low half of a 16-bit lane. */
// @ts-ignore: decorator
@inline
function joinNibbles(x: v128): v128 {
  return v128.and(v128.or(x, i16x8.shr_u(x, 4)), i16x8.splat(255));
}

/** The scale of the Q4_0 block at x. */
export function scaleQ4_0(x: usize): f32 {
  return half(x);
}

/** d, m, then as Q4_0 without the 8: q · d + m. */
function blockQ4_1(out: usize, x: usize): void {
  const d = half(x), m = half(x + 2);
  for (let j: usize = 0; j < 16; j++) {
    const q = <i32>load<u8>(x + j, 4);
    store<f32>(out + (j << 2), <f32>(q & 15) * d + m);
    store<f32>(out + (j << 2), <f32>(q >> 4) * d + m, 64);
  }
}

/** d, a u32 whose bit i is the fifth bit of element i, then 16 bytes as Q4_0: (q − 16) · d. */
function blockQ5_0(out: usize, x: usize): void {
  const d = half(x);
  const fifth = load<u32>(x, 2);
  for (let j: usize = 0; j < 16; j++) {
    const q = <i32>load<u8>(x + j, 6);
    const low = (q & 15) | <i32>((fifth >> <u32>j << 4) & 16);
    const high = (q >> 4) | <i32>((fifth >> (<u32>j + 12)) & 16);
    store<f32>(out + (j << 2), <f32>(low - 16) * d);
    store<f32>(out + (j << 2), <f32>(high - 16) * d, 64);
  }
}

/** d, m, fifth bits and nibbles as Q5_0: q · d + m. */
function blockQ5_1(out: usize, x: usize): void {
  const d = half(x), m = half(x + 2);
  const fifth = load<u32>(x, 4);
  for (let j: usize = 0; j < 16; j++) {
    const q = <i32>load<u8>(x + j, 8);
    const low = (q & 15) | <i32>((fifth >> <u32>j << 4) & 16);
    const high = (q >> 4) | <i32>((fifth >> (<u32>j + 12)) & 16);
    store<f32>(out + (j << 2), <f32>low * d + m);
    store<f32>(out + (j << 2), <f32>high * d + m, 64);
  }
}

/** d, 32 signed bytes: q · d. */
function blockQ8_0(out: usize, x: usize): void {
  const d = half(x);
  for (let j: usize = 0; j < 32; j++) store<f32>(out + (j << 2), <f32>load<i8>(x + j, 2) * d);
}

/** Six bits of scale number i (0 … 7) of a Q4_K or Q5_K block, its 12 bytes of scales at x. */
// @ts-ignore: decorator
@inline
function scaleOf(x: usize, i: usize): i32 {
  return i < 4 ? load<u8>(x + i) & 63 : (load<u8>(x + i, 4) & 15) | ((load<u8>(x + i - 4) >> 6) << 4);
}

/** Likewise of the minimum number i. */
// @ts-ignore: decorator
@inline
function minimumOf(x: usize, i: usize): i32 {
  return i < 4 ? load<u8>(x + i, 4) & 63 : (load<u8>(x + i, 4) >> 4) | ((load<u8>(x + i) >> 6) << 4);
}

/**
 * d, m, 12 bytes of eight 6-bit scales and minima, 128 bytes: group g of 32 elements has the low nibbles (g even) or the high ones
 * (g odd) of bytes 32 · ⌊g / 2⌋ …: (d · scale) · q − m · minimum.
 */
function blockQ4_K(out: usize, x: usize): void {
  const d = half(x), m = half(x + 2);
  for (let g: usize = 0; g < 8; g++, out += 128) {
    const scale = d * <f32>scaleOf(x + 4, g), minimum = m * <f32>minimumOf(x + 4, g);
    const nibbles = x + 16 + ((g >> 1) << 5);
    const shift = <i32>(g & 1) << 2;
    for (let j: usize = 0; j < 32; j++) store<f32>(out + (j << 2), scale * <f32>((<i32>load<u8>(nibbles + j) >> shift) & 15) - minimum);
  }
}

/** As Q4_K with 32 bytes before the nibbles: bit g of byte j is the fifth bit of element j of group g. */
function blockQ5_K(out: usize, x: usize): void {
  const d = half(x), m = half(x + 2);
  for (let g: usize = 0; g < 8; g++, out += 128) {
    const scale = d * <f32>scaleOf(x + 4, g), minimum = m * <f32>minimumOf(x + 4, g);
    const nibbles = x + 48 + ((g >> 1) << 5);
    const shift = <i32>(g & 1) << 2;
    for (let j: usize = 0; j < 32; j++) {
      const fifth = ((<i32>load<u8>(x + j, 16) >> <i32>g) & 1) << 4;
      store<f32>(out + (j << 2), scale * <f32>(((<i32>load<u8>(nibbles + j) >> shift) & 15) | fifth) - minimum);
    }
  }
}

/**
 * 128 bytes of low nibbles, 64 bytes of two upper bits each, 16 signed scales, d; in halves of 128 elements. Quarter g (32 elements)
 * of a half has nibble g / 2 of bytes 32 · (g mod 2) …, bits 2g of the upper bytes, and scale 2g + ⌊j / 16⌋: (d · scale) · (q − 32).
 */
function blockQ6_K(out: usize, x: usize): void {
  const d = half(x + 208);
  for (let h: usize = 0; h < 2; h++) {
    const upper = x + 128 + (h << 5);
    for (let g: usize = 0; g < 4; g++, out += 128) {
      const nibbles = x + (h << 6) + ((g & 1) << 5);
      const scales = x + 192 + (h << 3) + (g << 1);
      const shift = <i32>(g >> 1) << 2;
      for (let j: usize = 0; j < 32; j++) {
        const q = ((<i32>load<u8>(nibbles + j) >> shift) & 15) | (((<i32>load<u8>(upper + j) >> <i32>(g << 1)) & 3) << 4);
        store<f32>(out + (j << 2), d * <f32>load<i8>(scales + (j >> 4)) * <f32>(q - 32));
      }
    }
  }
}
