import { divideRow, scaleRow, softmaxRow } from "./softmax";
import { tileOneRow, tileTwoRows, tileTwoStreams } from "./matmul";
import { HALF_FACTOR, halfTileOneRow, halfTileTwoRows, halfTileTwoStreams } from "./matmul.f16";

// Causal attention on the paged cache (docs/NUMERICS.md). A page's keys of one head are a panel with K = head size and 16
// outputs (the tokens); its values are panels with K = 16 tokens and 16 outputs (dimensions). So the matmul tiles do both,
// the values' sums going on from page to page. T is the type of the cache: f32, or u16 for binary16.
//
// With u16, queries and exponentials are multiplied by HALF_FACTOR, both in place (matmul.f16.ts): no bit of a result changes.
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
 * One query row, all heads. Pages outside, heads inside, so memory is read in its own order: the keys of pages taken one after the
 * other lie in one run, the values likewise. Keys are read as two streams half of the pages apart; values, whose sums go on from
 * page to page, as one (docs/performance.md).
 *   out      f32[heads · size]       the row's result
 *   q        f32[heads · size]
 *   pages    u32[⌈count / 16⌉]       page numbers
 *   keys, values                     of this layer in page 0; pages lie `keyPageBytes` and `valuePageBytes` apart
 *   scores   f32[heads][scoreStride] scratch, stride in bytes, a multiple of 64
 *   sums     f32[heads][panels · 16] scratch, panels = ⌈size / 16⌉, followed by the divisors f32[heads]
 */
export function attendOneRow<T>(
  out: usize, q: usize, pages: usize, keys: usize, values: usize, keyPageBytes: usize, valuePageBytes: usize,
  count: i32, heads: usize, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize,
): void {
  const panels = (size + 15) >> 4;
  const keyBytes = (size << 4) * sizeof<T>(); // of one head in one page
  const panelBytes = 256 * sizeof<T>();
  const valueBytes = panels * panelBytes;
  const sumBytes = panels << 6;
  if (sizeof<T>() == 2) scaleRow(q, heads * size, HALF_FACTOR);
  const pageCount = <usize>((count + 15) >> 4);
  const half = pageCount >> 1;
  for (let i: usize = 0; i < half; i++) {
    const page = <usize>load<u32>(pages + (i << 2)) * keyPageBytes;
    const far = <usize>load<u32>(pages + ((i + half) << 2)) * keyPageBytes - page; // may be negative: addresses wrap
    const block = scores + (i << 6);
    for (let h: usize = 0; h < heads; h++) {
      twoStreams<T>(block + h * scoreStride, half << 6, q, h * (size << 2), keys + page, h * keyBytes, far, size);
    }
  }
  if (pageCount & 1) {
    const page = <usize>load<u32>(pages + ((pageCount - 1) << 2)) * keyPageBytes;
    const block = scores + ((pageCount - 1) << 6);
    for (let h: usize = 0; h < heads; h++) {
      oneRow<T>(block + h * scoreStride, q, h * (size << 2), keys + page, h * keyBytes, size, 0);
    }
  }
  const divisors = sums + heads * sumBytes;
  for (let h: usize = 0; h < heads; h++) {
    store<f32>(divisors + (h << 2), softmaxRow(scores + h * scoreStride, count, scale));
    if (sizeof<T>() == 2) scaleRow(scores + h * scoreStride, count, HALF_FACTOR);
  }
  for (let t: i32 = 0; t < count; t += 16) {
    const page = values + <usize>load<u32>(pages + (t >> 2)) * valuePageBytes;
    const block = t << 2;
    const tokens = <usize>min(16, count - t);
    const resume = i32(t != 0);
    for (let h: usize = 0; h < heads; h++) {
      for (let p: usize = 0; p < panels; p++) {
        oneRow<T>(sums + h * sumBytes + (p << 6), scores, h * scoreStride + block, page, h * valueBytes + p * panelBytes, tokens, resume);
      }
    }
  }
  for (let h: usize = 0; h < heads; h++) {
    divideRow(out + h * (size << 2), sums + h * sumBytes, size, load<f32>(divisors + (h << 2)));
  }
}

/**
 * Two query rows of one head, the first at position count − 2, the second at count − 1. `q` and `out` rows lie `qStride` and
 * `outStride` bytes apart; keys and values are this head's in page 0. scores f32[2][scoreStride], sums f32[2][panels · 16];
 * the two divisors are returned in `divisors` f32[2]. P: what the pages hold, f32 also where a head of a u16 cache was widened
 * (widen-pages.ts).
 */
export function attendTwoRows<T, P>(
  out: usize, outStride: usize, q: usize, qStride: usize, pages: usize, keys: usize, values: usize, keyPageBytes: usize, valuePageBytes: usize,
  count: i32, size: usize, scale: f32, scores: usize, scoreStride: usize, sums: usize, divisors: usize,
): void {
  const panels = (size + 15) >> 4;
  const sumBytes = panels << 6;
  if (sizeof<T>() == 2) {
    scaleRow(q, size, HALF_FACTOR);
    scaleRow(q + qStride, size, HALF_FACTOR);
  }
  for (let t: i32 = 0; t < count; t += 16) {
    twoRows<P>(scores + (t << 2), scoreStride, q, 0, qStride, keys, <usize>load<u32>(pages + (t >> 2)) * keyPageBytes, size, 0);
  }
  const s0 = softmaxRow(scores, count - 1, scale);
  const s1 = softmaxRow(scores + scoreStride, count, scale);
  if (sizeof<T>() == 2) {
    scaleRow(scores, count - 1, HALF_FACTOR);
    scaleRow(scores + scoreStride, count, HALF_FACTOR);
  }
  // The first row does not see the last token. Where that opens a new block of 16, its masked lanes were not reached.
  if (((count - 1) & 15) == 0) memory.fill(scores + ((count - 1) << 2), 0, 64);
  for (let t: i32 = 0; t < count; t += 16) {
    const page = <usize>load<u32>(pages + (t >> 2)) * valuePageBytes;
    const tokens = <usize>min(16, count - t);
    for (let p: usize = 0; p < panels; p++) {
      twoRows<P>(sums + (p << 6), sumBytes, scores, t << 2, scoreStride, values, page + p * (256 * sizeof<P>()), tokens, i32(t != 0));
    }
  }
  divideRow(out, sums, size, s0);
  divideRow(out + outStride, sums + sumBytes, size, s1);
  store<f32>(divisors, s0);
  store<f32>(divisors, s1, 4);
}
