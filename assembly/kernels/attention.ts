import { divideRow, scaleRow, softmaxRow } from "./softmax";
import { Attention } from "./attention-record";
import { tileOneRow, tileTwoRows, tileTwoStreams } from "./f32/matmul";
import { HALF_FACTOR } from "./f16/half";
import { halfTileOneRow, halfTileTwoRows, halfTileTwoStreams } from "./f16/matmul";

// Causal attention on the paged cache (docs/NUMERICS.md). A page's keys of one head are a panel with K = head size and 16
// outputs (the tokens); its values are panels with K = 16 tokens and 16 outputs (dimensions). So the matmul tiles do both,
// the values' sums going on from page to page. T is the type of the cache: f32, or u16 for binary16.
//
// With u16, queries and exponentials are multiplied by HALF_FACTOR, both in place (f16/matmul.ts): no bit of a result changes.
//
//   keys    T[head][dimension][16 tokens]             of one page and layer
//   values  T[head][panel of 16 dimensions][16 tokens][16]

// The tiles for a cache of T, 16 elements a k.
// @ts-ignore: decorator
@inline
function twoRows<T>(out: usize, outStride: usize, x: usize, xOffset: usize, xStride: usize, w: usize, wOffset: usize, k: usize, resume: i32): void {
  if (sizeof<T>() == 4) tileTwoRows(out, outStride, x, xOffset, xStride, w, wOffset, k << 6, resume);
  else halfTileTwoRows(out, outStride, x, xOffset, xStride, w, wOffset, k << 5, resume);
}
// @ts-ignore: decorator
@inline
function oneRow<T>(out: usize, x: usize, xOffset: usize, w: usize, wOffset: usize, k: usize, resume: i32): void {
  if (sizeof<T>() == 4) tileOneRow(out, x, xOffset, w, wOffset, k << 6, resume);
  else halfTileOneRow(out, x, xOffset, w, wOffset, k << 5, resume);
}
// @ts-ignore: decorator
@inline
function twoStreams<T>(out: usize, outFar: usize, x: usize, xOffset: usize, w: usize, wOffset: usize, wFar: usize, k: usize): void {
  if (sizeof<T>() == 4) tileTwoStreams(out, outFar, x, xOffset, w, wOffset, wFar, k << 6);
  else halfTileTwoStreams(out, outFar, x, xOffset, w, wOffset, wFar, k << 5);
}

/**
 * One query row, heads first … last − 1. Pages outside, heads inside, so memory is read in its own order: the keys of pages taken one
 * after the other lie in one run, the values likewise. Keys are read as two streams half of the pages apart; values, whose sums go on
 * from page to page, as one (docs/performance.md).
 *   out    f32[heads · headSize]  the row's result
 *   q      f32[heads · headSize]
 *   count  tokens that the row sees
 */
export function attendOneRow<T>(a: Attention, out: usize, q: usize, count: i32, first: usize, last: usize): void {
  const size = a.headSize;
  const panels = (size + 15) >> 4;
  const pages = a.pages, scores = a.scores, scoreBytes = a.scoreBytes, sums = a.sums, divisors = a.divisors;
  const keyBytes = a.keyHeadBytes, valueBytes = a.valueHeadBytes;
  const panelBytes = 256 * sizeof<T>();
  const sumBytes = panels << 6;
  const column = first * (size << 2);
  if (sizeof<T>() == 2) scaleRow(q + column, (last - first) * size, HALF_FACTOR);
  const pageCount = <usize>((count + 15) >> 4);
  const half = pageCount >> 1;
  for (let i: usize = 0; i < half; i++) {
    const page = <usize>load<u32>(pages + (i << 2)) * a.keyPageBytes;
    const far = <usize>load<u32>(pages + ((i + half) << 2)) * a.keyPageBytes - page; // may be negative: addresses wrap
    const block = scores + (i << 6);
    for (let h = first; h < last; h++) {
      twoStreams<T>(block + h * scoreBytes, half << 6, q, h * (size << 2), a.keys + page, h * keyBytes, far, size);
    }
  }
  if (pageCount & 1) {
    const page = <usize>load<u32>(pages + ((pageCount - 1) << 2)) * a.keyPageBytes;
    const block = scores + ((pageCount - 1) << 6);
    for (let h = first; h < last; h++) {
      oneRow<T>(block + h * scoreBytes, q, h * (size << 2), a.keys + page, h * keyBytes, size, 0);
    }
  }
  for (let h = first; h < last; h++) {
    store<f32>(divisors + (h << 2), softmaxRow(scores + h * scoreBytes, count, a.scale));
    if (sizeof<T>() == 2) scaleRow(scores + h * scoreBytes, count, HALF_FACTOR);
  }
  for (let t: i32 = 0; t < count; t += 16) {
    const page = a.values + <usize>load<u32>(pages + (t >> 2)) * a.valuePageBytes;
    const block = t << 2;
    const tokens = <usize>min(16, count - t);
    const resume = i32(t != 0);
    for (let h = first; h < last; h++) {
      for (let p: usize = 0; p < panels; p++) {
        oneRow<T>(sums + h * sumBytes + (p << 6), scores, h * scoreBytes + block, page, h * valueBytes + p * panelBytes, tokens, resume);
      }
    }
  }
  for (let h = first; h < last; h++) {
    divideRow(out + h * (size << 2), sums + h * sumBytes, size, load<f32>(divisors + (h << 2)));
  }
}

/**
 * Two query rows of one head, the first at position count − 2, the second at count − 1. `out` and `q`: the head's columns of the first
 * row. The rows' exponentials and divisors stand in rows 0 and 1 of the record's. P: what the pages hold, f32 also where a head of a
 * u16 cache was widened (f16/widen-pages.ts).
 */
export function attendTwoRows<T, P>(a: Attention, out: usize, q: usize, count: i32, head: usize): void {
  const size = a.headSize;
  const panels = (size + 15) >> 4;
  const sumBytes = panels << 6;
  const pages = a.pages, scores = a.scores, scoreBytes = a.scoreBytes, sums = a.sums, divisors = a.divisors;
  const keys = a.keys + head * a.keyHeadBytes, values = a.values + head * a.valueHeadBytes;
  if (sizeof<T>() == 2) {
    scaleRow(q, size, HALF_FACTOR);
    scaleRow(q + a.queryStride, size, HALF_FACTOR);
  }
  for (let t: i32 = 0; t < count; t += 16) {
    twoRows<P>(scores + (t << 2), scoreBytes, q, 0, a.queryStride, keys, <usize>load<u32>(pages + (t >> 2)) * a.keyPageBytes, size, 0);
  }
  const s0 = softmaxRow(scores, count - 1, a.scale);
  const s1 = softmaxRow(scores + scoreBytes, count, a.scale);
  if (sizeof<T>() == 2) {
    scaleRow(scores, count - 1, HALF_FACTOR);
    scaleRow(scores + scoreBytes, count, HALF_FACTOR);
  }
  // The first row does not see the last token. Where that opens a new block of 16, its masked lanes were not reached.
  if (((count - 1) & 15) == 0) memory.fill(scores + ((count - 1) << 2), 0, 64);
  for (let t: i32 = 0; t < count; t += 16) {
    const page = <usize>load<u32>(pages + (t >> 2)) * a.valuePageBytes;
    const tokens = <usize>min(16, count - t);
    for (let p: usize = 0; p < panels; p++) {
      twoRows<P>(sums + (p << 6), sumBytes, scores, t << 2, scoreBytes, values, page + p * (256 * sizeof<P>()), tokens, i32(t != 0));
    }
  }
  divideRow(out, sums, size, s0);
  divideRow(out + a.outStride, sums + sumBytes, size, s1);
  store<f32>(divisors, s0);
  store<f32>(divisors, s1, 4);
}
