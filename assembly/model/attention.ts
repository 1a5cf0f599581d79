import { CACHE_F16, FLAG_INVERSE_LAYER, FLAG_NO_SCALE } from "../contract";
import { Entry, entryAt } from "../memory/entry";
import { Header } from "../memory/header";
import { ThreadScratch, scratchOf } from "../memory/thread-scratch";
import { keysOf, valuesOf } from "../cache/pages";
import { pageTable } from "../cache/sequences";
import { WIDEN_ROWS, widenPages } from "../kernels/f16/widen-pages";
import { addVectors } from "../kernels/rows";
import { divideRow } from "../kernels/softmax";
import { partStart } from "../threads/part";
import { attendRow, attendRowPair, attendRowPairWidened, exponentialFactor, storeHeadKeys, storeHeadValues } from "../types/cache";

// Attention over the rows of a step: each sequence over its own pages, each part over its own heads. A head's keys and values are stored by
// the part that attends to them, so there is no barrier between.

/**
 * normed = attention(wide): of the rows of wide the first `width` columns are queries, then come keys and values, all without `bias`
 * f32[3 · width]. `keep` 1: the probabilities are copied to h.attention.
 */
export function attention(h: Header, layer: u32, bias: usize, keep: i32, part: u32, parts: u32): void {
  const first = partStart(h.heads, part, parts), last = partStart(h.heads, part + 1, parts);
  if (first == last) return;
  for (let i: u32 = 0; i < h.stepEntries; i++) {
    const entry = entryAt(h, i);
    storeKeysValues(h, entry, layer, bias, first, last);
    attend(h, scratchOf(h, part), entry, layer, keep, first, last);
  }
}

/** Of heads first … last − 1: adds the bias to the queries in place, and to keys and values on their way into the cache. */
export function storeKeysValues(h: Header, entry: Entry, layer: u32, bias: usize, first: usize, last: usize): void {
  const size = <usize>h.headSize, width = <usize>h.width << 2;
  const count = last - first;
  const table = pageTable(h, entry.slot);
  const add = bias + first * (size << 2);
  for (let r: u32 = 0; r < entry.rows; r++) {
    const x = h.wide + <usize>(entry.first + r) * h.wideBytes + first * (size << 2);
    const position = entry.start + r;
    const page = load<u32>(table + (<usize>(position >> 4) << 2));
    const lane = <usize>(position & 15);
    const keysFinite = storeHeadKeys(h.cacheType, keysOf(h, layer, page) + first * h.keyHeadBytes, lane, x + width, add + width, count, size);
    const valuesFinite = storeHeadValues(h.cacheType, valuesOf(h, layer, page) + first * h.valueHeadBytes, lane, x + 2 * width, add + 2 * width, count, size);
    if (!(keysFinite & valuesFinite)) entry.notFinite = 1;
    addVectors(x, x, add, count * size);
  }
}

/** Heads first … last − 1 of a sequence's rows, in pairs; an odd row, and so every decoded token, all heads at once. */
export function attend(h: Header, s: ThreadScratch, entry: Entry, layer: u32, keep: i32, first: usize, last: usize): void {
  const a = s.attention;
  const type = h.cacheType;
  const start = <i32>entry.start, rows = <i32>entry.rows;
  const even = rows & ~1;
  const out = h.normed + <usize>entry.first * h.rowBytes, q = h.wide + <usize>entry.first * h.wideBytes;
  a.scale = scaleOf(h, layer);
  a.pages = pageTable(h, entry.slot);
  a.keys = keysOf(h, layer, 0);
  a.values = valuesOf(h, layer, 0);
  const widened = type == CACHE_F16 && even >= WIDEN_ROWS;
  if (even) for (let head = first; head < last; head++) {
    const column = head * (<usize>h.headSize << 2);
    if (widened) widenHead(s, <usize>((start + even + 15) >> 4), head);
    for (let r: i32 = 0; r < even; r += 2) {
      const count = start + r + 2;
      const outRow = out + <usize>r * h.rowBytes + column, queryRow = q + <usize>r * h.wideBytes + column;
      if (widened) attendRowPairWidened(s.widened, outRow, queryRow, count, head);
      else attendRowPair(type, a, outRow, queryRow, count, head);
      if (keep) {
        keepRow(h, head, entry.first + r, a.scores, count - 1, load<f32>(a.divisors));
        keepRow(h, head, entry.first + r + 1, a.scores + a.scoreBytes, count, load<f32>(a.divisors, 4));
      }
    }
  }
  if (rows & 1) {
    const count = start + rows;
    attendRow(type, a, out + <usize>even * h.rowBytes, q + <usize>even * h.wideBytes, count, first, last);
    if (keep) for (let head = first; head < last; head++) {
      keepRow(h, head, entry.first + even, a.scores + head * a.scoreBytes, count, load<f32>(a.divisors + (head << 2)));
    }
  }
}

function scaleOf(h: Header, layer: u32): f32 {
  let scale: f64 = h.flags & FLAG_NO_SCALE ? 1 : 1 / sqrt<f64>(<f64>h.headSize);
  if (h.flags & FLAG_INVERSE_LAYER) scale = scale / <f64>(layer + 1);
  return <f32>scale;
}

/** A head's first `pageCount` pages of the sequence become the cache of the record `widened`. */
function widenHead(s: ThreadScratch, pageCount: usize, head: usize): void {
  const a = s.attention, w = s.widened;
  w.scale = a.scale;
  widenPages(w.keys, a.pages, pageCount, a.keys + head * a.keyHeadBytes, a.keyPageBytes, w.keyPageBytes >> 2);
  widenPages(w.values, a.pages, pageCount, a.values + head * a.valueHeadBytes, a.valuePageBytes, w.valuePageBytes >> 2);
}

/** Copies one row of probabilities to f32[heads][rows][scoreBytes / 4], +0 behind its `count` entries. */
function keepRow(h: Header, head: usize, row: u32, exponentials: usize, count: i32, divisor: f32): void {
  const to = h.attention + (head * h.stepRows + <usize>row) * h.scoreBytes;
  const bytes = <usize>count << 2;
  divideRow(to, exponentials, count, divisor * exponentialFactor(h.cacheType)); // exponentials are multiplied by it as well
  memory.fill(to + bytes, 0, h.scoreBytes - bytes);
}
