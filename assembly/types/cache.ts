import { CACHE_F16, CACHE_F32, CACHE_Q8 } from "../contract";
import { attendOneRow, attendTwoRows } from "../kernels/attention";
import { Attention } from "../kernels/attention-record";
import { HALF_FACTOR, halvesAreFinite } from "../kernels/f16/half";
import { attendOneRowQ8, attendTwoRowsQ8, q8ValueBytes } from "../kernels/q8/attention";
import { q8PanelBytes } from "../kernels/q8/matmul";
import { storeKeysQ8, storeValuesQ8 } from "../kernels/q8/store-key-value";
import { allFinite, sumsAreFinite } from "../kernels/rows";
import { storeKeys, storeValues } from "../kernels/store-key-value";

// Which kernels a type of cache has: chosen here and nowhere else.

/** Bytes of one head's keys of one layer in a page. */
export function keyHeadBytes(type: u32, size: usize): usize {
  return type == CACHE_Q8 ? q8PanelBytes(size) : type == CACHE_F16 ? size << 5 : size << 6;
}

/** Bytes of one head's values of one layer in a page. */
export function valueHeadBytes(type: u32, size: usize): usize {
  return type == CACHE_Q8 ? q8ValueBytes(size) : ((size + 15) >> 4) << (type == CACHE_F16 ? 9 : 10);
}

/**
 * Keys of some heads of one token, each x + bias, f32[heads · size], into its lane of a page; values likewise. Returns 1 unless a value
 * is a NaN or an infinity that the cache would hide (binary16 holds finite numbers only).
 */
export function storeHeadKeys(type: u32, keys: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): i32 {
  if (type == CACHE_Q8) storeKeysQ8(keys, lane, x, bias, heads, size);
  else if (type == CACHE_F32) storeKeys<f32>(keys, lane, x, bias, heads, size);
  else {
    storeKeys<u16>(keys, lane, x, bias, heads, size);
    return sumsAreFinite(x, bias, heads * size);
  }
  return 1;
}

export function storeHeadValues(type: u32, values: usize, lane: usize, x: usize, bias: usize, heads: usize, size: usize): i32 {
  if (type == CACHE_Q8) storeValuesQ8(values, lane, x, bias, heads, size);
  else if (type == CACHE_F32) storeValues<f32>(values, lane, x, bias, heads, size);
  else {
    storeValues<u16>(values, lane, x, bias, heads, size);
    return sumsAreFinite(x, bias, heads * size);
  }
  return 1;
}

/** 1 if a layer's keys in a page are finite, those of tokens that are not there too. */
export function keysAreFinite(type: u32, keys: usize, heads: usize, size: usize): i32 {
  return headsAreFinite(type, keys, heads, keyHeadBytes(type, size));
}

export function valuesAreFinite(type: u32, values: usize, heads: usize, size: usize): i32 {
  return headsAreFinite(type, values, heads, valueHeadBytes(type, size));
}

function headsAreFinite(type: u32, part: usize, heads: usize, headBytes: usize): i32 {
  if (type == CACHE_F32) return allFinite(part, heads * headBytes >> 2);
  if (type == CACHE_F16) return halvesAreFinite(part, heads * headBytes);
  let fine = 1; // integers are; their scales, one for each token, are a head's last bytes
  for (let h: usize = 1; h <= heads; h++) fine &= allFinite(part + h * headBytes - 64, 16);
  return fine;
}

/** One query row, heads first … last − 1 (kernels/attention.ts). */
export function attendRow(type: u32, a: Attention, out: usize, q: usize, count: i32, first: usize, last: usize): void {
  if (type == CACHE_Q8) attendOneRowQ8(a, out, q, count, first, last);
  else if (type == CACHE_F16) attendOneRow<u16>(a, out, q, count, first, last);
  else attendOneRow<f32>(a, out, q, count, first, last);
}

/** Two query rows of one head. */
export function attendRowPair(type: u32, a: Attention, out: usize, q: usize, count: i32, head: usize): void {
  if (type == CACHE_Q8) attendTwoRowsQ8(a, out, q, count, head);
  else if (type == CACHE_F16) attendTwoRows<u16, u16>(a, out, q, count, head);
  else attendTwoRows<f32, f32>(a, out, q, count, head);
}

/** Two query rows of one head of a binary16 cache, whose pages were widened to `a` (kernels/f16/widen-pages.ts). */
export function attendRowPairWidened(a: Attention, out: usize, q: usize, count: i32, head: usize): void {
  attendTwoRows<u16, f32>(a, out, q, count, head);
}

/** What exponentials and their sums are multiplied by in scratch. */
export function exponentialFactor(type: u32): f32 {
  return type == CACHE_F16 ? HALF_FACTOR : 1;
}
