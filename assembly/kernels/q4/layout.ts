// int4 weights and the activations beside them: sizes, and where an integer lies. GROUP inputs of one output share a scale.
//
//   panel   16 outputs: groups of [4 octets of k][4 quads of outputs][16 bytes] = 256 bytes, then 16 scales f32 = 320 bytes a group
//   row     groups of integers of activations, i32 start, f32 scale, 8 bytes that are not read
//
// The sixteen bytes of an octet hold the weights of eight inputs (k = 0 … 7) and four outputs. There are two orders of them, one for each dot
// product; a module has one. Sums of integers are exact, so both modules compute the same bits:
//
//   dot16   for i32x4.dot_i16x8_s: 16-bit lane 2j + i has, in four nibbles from the low end, k = 2·plane + i of output j; planes 0 … 2 are
//           stored + 8 (0 … 15), plane 3 signed. A group of a row: [4 octets][4 planes][i16 pair] = 64 bytes
//   dot8    for i32x4.relaxed_dot_i8x16_i7x16_add_s: byte 4j + i has k = i of output j in its low half and k = 4 + i in its high one, all
//           stored + 8. A group of a row: i8[32] = 32 bytes

import { GROUP } from "../../contract";

/** Bytes of a group's nibbles in a panel: half a byte an input, 16 outputs; of the group with its scales. */
export const Q4_NIBBLES: usize = GROUP / 2 * 16;
export const Q4_GROUP: usize = Q4_NIBBLES + 64;
/** Bytes of a group's integers in a row; of the group with its start and scale. */
export const Q4_ROW_INTEGERS: usize = ASC_FEATURE_RELAXED_SIMD ? GROUP : 2 * GROUP;
export const Q4_ROW_GROUP: usize = Q4_ROW_INTEGERS + 16;
/** In a group of a row: what the sum of the integers starts with (it takes back the + 8), and the scale. */
export const Q4_START: usize = Q4_ROW_INTEGERS, Q4_SCALE: usize = Q4_ROW_INTEGERS + 4;

// @ts-ignore: decorator
@inline
export function q4Groups(k: usize): usize { return (k + <usize>(GROUP - 1)) / <usize>GROUP; }
// @ts-ignore: decorator
@inline
export function q4PanelBytes(k: usize): usize { return q4Groups(k) * Q4_GROUP; }
// @ts-ignore: decorator
@inline
export function q4RowBytes(k: usize): usize { return (q4Groups(k) * Q4_ROW_GROUP + 63) & ~63; }
/** Bytes of a panel of `k` inputs unpacked for many rows: 16 or 8 bits a weight. */
// @ts-ignore: decorator
@inline
export function q4UnpackedBytes(k: usize): usize { return q4Groups(k) << (ASC_FEATURE_RELAXED_SIMD ? 9 : 10); }

/** One octet: `n` of k = i (0 … 7), four integers of −8 … 7 in 32-bit lanes, at its place in the vector. */
// @ts-ignore: decorator
@inline
export function placeNibbles(n: v128, i: i32): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.shl(i32x4.add(n, i32x4.splat(8)), ((i & 3) << 3) + (i & 4));
  const stored = i < 6 ? i32x4.add(n, i32x4.splat(8)) : v128.and(n, i32x4.splat(15));
  return i32x4.shl(stored, ((i >> 1) << 2) + ((i & 1) << 4));
}

/** One octet: of four outputs eight nibbles + 8 each, ascending k from the low end of a 32-bit lane, as a vector. */
// @ts-ignore: decorator
@inline
export function octetWords(w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return swapNibbles(swapBytes(w)); // 0 4 1 5 2 6 3 7
  return v128.xor(swapBytes(swapNibbles(w)), i32x4.splat(0x80008000)); // 0 2 4 6 1 3 5 7, the last ones signed
}

/** The two bytes in the middle of each 32-bit lane change places. */
// @ts-ignore: decorator
@inline
function swapBytes(w: v128): v128 {
  const t = v128.and(v128.xor(w, i32x4.shr_u(w, 8)), i32x4.splat(0xff00));
  return v128.xor(w, v128.xor(t, i32x4.shl(t, 8)));
}

/** The two nibbles in the middle of each 16-bit lane change places. */
// @ts-ignore: decorator
@inline
function swapNibbles(w: v128): v128 {
  const t = v128.and(v128.xor(w, i32x4.shr_u(w, 4)), i32x4.splat(0x00f000f0));
  return v128.xor(w, v128.xor(t, i32x4.shl(t, 4)));
}

/** The nibble of an output (0 … 15) of a panel for input `k`, −8 … 7. */
export function nibbleAt(panel: usize, output: usize, k: usize): i32 {
  const word = load<u32>(panel + k / <usize>GROUP * Q4_GROUP + (((k >> 3) & 3) << 6) + (output << 2));
  const i = <u32>k & 7;
  if (ASC_FEATURE_RELAXED_SIMD) return <i32>((word >> (((i & 3) << 3) + (i & 4))) & 15) - 8;
  const nibble = (word >> (((i >> 1) << 2) + ((i & 1) << 4))) & 15;
  return i < 6 ? <i32>nibble - 8 : (<i32>(nibble << 28)) >> 28;
}
