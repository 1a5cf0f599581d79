import { Attention } from "../attention-record";
import { SMALLEST } from "../smallest";
import { divideRow, softmaxRow } from "../softmax";
import { q8TileOneRow, q8TileTwoRows, q8TileTwoStreams } from "./matmul";
import { LIMIT_Q8, ROW_HEADER, integers, largestMagnitude, quantizeRow } from "./quantize-rows";

// Causal attention on a cache of int8, one scale a head and token (docs/NUMERICS.md, "Cache"). Keys are panels as weights are,
// the tokens being the outputs: a query is quantised to 12 bits and dotted with them. Values are panels whose inputs are the
// tokens; a token's scale belongs to its exponential, and those products are quantised to 12 bits, one scale a row.
// Sums of a page are exact integers; they are converted and added in f32, pages ascending.
//
//   keys    [head][q8 panel: K = size, 16 tokens, then their scales f32[16]]
//   values  [head][panels of 16 dimensions][8 token pairs][a, b] = 256 bytes each, then the tokens' scales f32[16]

/** Bytes of one head's values in a page. */
// @ts-ignore: decorator
@inline
export function q8ValueBytes(size: usize): usize { return (((size + 15) >> 4) << 8) + 64; }

/** Bytes of a quantised query of `size`. */
// @ts-ignore: decorator
@inline
export function q8QueryBytes(size: usize): usize { return (ROW_HEADER + (size << 1) + 63) & ~63; }

/** Bytes of a page's exponentials: a row of quantize-rows.ts with 16 integers. */
export const Q8_BLOCK_ROW: usize = 128;

/** A query of `size` values at any place, to 12 bits. `copy`: scratch f32[size padded to 16]. */
function quantizeQuery(out: usize, q: usize, size: usize, copy: usize): void {
  const bytes = size << 2;
  memory.copy(copy, q, bytes);
  memory.fill(copy + bytes, 0, (((size + 15) & ~15) << 2) - bytes);
  quantizeRow(out, copy, size);
}

/**
 * exponentials[0 … count−1] (padded with +0 to a multiple of 16) times their tokens' scales, then to 12 bits: a row of
 * Q8_BLOCK_ROW bytes for each page. Returns the scale. `scales`: of this head in page 0; `copy`: scratch, f32[count padded to 16].
 */
function quantizeExponentials(
  out: usize, exponentials: usize, count: usize, pages: usize, scales: usize, pageBytes: usize, copy: usize,
): f32 {
  for (let t: usize = 0; t < count; t += 16) {
    const e = exponentials + (t << 2);
    const s = scales + <usize>load<u32>(pages + (t >> 2)) * pageBytes;
    const to = copy + (t << 2);
    for (let i: usize = 0; i < 64; i += 16) {
      // Behind the last token the exponentials are +0, and the scales what memory held, perhaps a NaN: the product is made +0 there.
      const x = v128.load(e + i);
      v128.store(to + i, v128.and(f32x4.mul(x, v128.load(s + i)), f32x4.ne(x, f32x4.splat(0))));
    }
  }
  const largest = largestMagnitude(copy, (count + 15) & ~15);
  const none = largest < SMALLEST;
  const factor = f32x4.splat(none ? 0 : LIMIT_Q8 / largest);
  const ones = i16x8.splat(1);
  for (let t: usize = 0; t < count; t += 16, out += Q8_BLOCK_ROW) {
    const e = copy + (t << 2);
    const q0 = integers(e, factor), q1 = integers(e + 32, factor);
    v128.store(out + ROW_HEADER, q0);
    v128.store(out + ROW_HEADER, q1, 16);
    const s = i32x4.add(i32x4.dot_i16x8_s(q0, ones), i32x4.dot_i16x8_s(q1, ones));
    store<i32>(out, (i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)) + (i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)), 4);
  }
  return none ? 0 : largest / LIMIT_Q8;
}

/** out[count] = (sums · scale) / divisor. */
function scaleAndDivide(out: usize, sums: usize, count: usize, scale: f32, divisor: f32): void {
  const r = f32x4.splat(scale);
  const end = sums + (count << 2);
  for (let p = sums; p < end; p += 16) v128.store(p, f32x4.mul(v128.load(p), r));
  divideRow(out, sums, count, divisor);
}

/** One query row, heads first … last − 1. As attendOneRow of attention.ts. */
export function attendOneRowQ8(a: Attention, out: usize, q: usize, count: i32, first: usize, last: usize): void {
  const size = a.headSize;
  const panels = (size + 15) >> 4;
  const even = panels & ~1;
  const pages = a.pages, scores = a.scores, scoreBytes = a.scoreBytes, sums = a.sums, divisors = a.divisors, rowScales = a.rowScales;
  const queries = a.queries, blocks = a.blocks, blockStride = a.blockStride;
  const keyBytes = a.keyHeadBytes, valueBytes = a.valueHeadBytes;
  const panelBytes = keyBytes - 64;
  const queryBytes = q8QueryBytes(size);
  const sumBytes = panels << 6;
  for (let h = first; h < last; h++) quantizeQuery(queries + h * queryBytes, q + h * (size << 2), size, a.copy);
  const pageCount = <usize>((count + 15) >> 4);
  const half = pageCount >> 1;
  for (let i: usize = 0; i < half; i++) {
    const page = a.keys + <usize>load<u32>(pages + (i << 2)) * a.keyPageBytes;
    const far = a.keys + <usize>load<u32>(pages + ((i + half) << 2)) * a.keyPageBytes - page; // may be negative: addresses wrap
    const block = scores + (i << 6);
    for (let h = first; h < last; h++) {
      q8TileTwoStreams(
        block + h * scoreBytes, half << 6, queries, h * queryBytes, 0,
        page, h * keyBytes, far, panelBytes, page + h * keyBytes + panelBytes, 0,
      );
    }
  }
  if (pageCount & 1) {
    const page = a.keys + <usize>load<u32>(pages + ((pageCount - 1) << 2)) * a.keyPageBytes;
    const block = scores + ((pageCount - 1) << 6);
    for (let h = first; h < last; h++) {
      q8TileOneRow(block + h * scoreBytes, queries, h * queryBytes, 0, page, h * keyBytes, panelBytes, page + h * keyBytes + panelBytes, 0);
    }
  }
  for (let h = first; h < last; h++) {
    const row = scores + h * scoreBytes;
    store<f32>(divisors + (h << 2), softmaxRow(row, count, a.scale));
    store<f32>(rowScales + (h << 2), quantizeExponentials(
      blocks + h * blockStride, row, count, pages, a.values + h * valueBytes + valueBytes - 64, a.valuePageBytes, a.copy,
    ));
  }
  for (let t: i32 = 0; t < count; t += 16) {
    const page = a.values + <usize>load<u32>(pages + (t >> 2)) * a.valuePageBytes;
    const block = <usize>(t >> 4) * Q8_BLOCK_ROW;
    const resume = i32(t != 0);
    for (let h = first; h < last; h++) {
      for (let p: usize = 0; p < even; p += 2) { // two adjacent panels: they are so short that a call's start and end are much of it
        q8TileTwoStreams(sums + h * sumBytes + (p << 6), 64, blocks, h * blockStride + block, 0, page, h * valueBytes + (p << 8), 256, 256, 0, resume);
      }
      if (panels & 1) {
        q8TileOneRow(sums + h * sumBytes + (even << 6), blocks, h * blockStride + block, 0, page, h * valueBytes + (even << 8), 256, 0, resume);
      }
    }
  }
  for (let h = first; h < last; h++) {
    scaleAndDivide(out + h * (size << 2), sums + h * sumBytes, size, load<f32>(rowScales + (h << 2)), load<f32>(divisors + (h << 2)));
  }
}

/** Two query rows of one head. As attendTwoRows of attention.ts. */
export function attendTwoRowsQ8(a: Attention, out: usize, q: usize, count: i32, head: usize): void {
  const size = a.headSize;
  const panels = (size + 15) >> 4;
  const sumBytes = panels << 6;
  const pages = a.pages, scores = a.scores, scoreBytes = a.scoreBytes, sums = a.sums, queries = a.queries, blocks = a.blocks;
  const keys = a.keys + head * a.keyHeadBytes, values = a.values + head * a.valueHeadBytes;
  const panelBytes = a.keyHeadBytes - 64;
  const queryBytes = q8QueryBytes(size);
  quantizeQuery(queries, q, size, a.copy);
  quantizeQuery(queries + queryBytes, q + a.queryStride, size, a.copy);
  for (let t: i32 = 0; t < count; t += 16) {
    const page = <usize>load<u32>(pages + (t >> 2)) * a.keyPageBytes;
    q8TileTwoRows(scores + (t << 2), scoreBytes, queries, 0, queryBytes, 0, keys, page, panelBytes, keys + page + panelBytes, 0);
  }
  const d0 = softmaxRow(scores, count - 1, a.scale);
  const d1 = softmaxRow(scores + scoreBytes, count, a.scale);
  if (((count - 1) & 15) == 0) memory.fill(scores + ((count - 1) << 2), 0, 64);
  const valueScales = values + a.valueHeadBytes - 64;
  const s0 = quantizeExponentials(blocks, scores, count, pages, valueScales, a.valuePageBytes, a.copy);
  const s1 = quantizeExponentials(blocks + a.blockStride, scores + scoreBytes, count, pages, valueScales, a.valuePageBytes, a.copy);
  for (let t: i32 = 0; t < count; t += 16) {
    const page = <usize>load<u32>(pages + (t >> 2)) * a.valuePageBytes;
    const block = <usize>(t >> 4) * Q8_BLOCK_ROW;
    for (let p: usize = 0; p < panels; p++) {
      q8TileTwoRows(sums + (p << 6), sumBytes, blocks, block, a.blockStride, 0, values, page + (p << 8), 256, 0, i32(t != 0));
    }
  }
  scaleAndDivide(out, sums, size, s0, d0);
  scaleAndDivide(out + a.outStride, sums + sumBytes, size, s1, d1);
  store<f32>(a.divisors, d0);
  store<f32>(a.divisors, d1, 4);
}
