import { CACHE_F16, CACHE_Q8, Header } from "../memory/header";
import { lengthOf, pageTable } from "../cache/sequences";
import { keysOf, valuesOf } from "../cache/pages";
import { layerNorm } from "../kernels/layer-norm";
import { linear } from "./linear";
import { activate } from "../kernels/activation";
import { addResidual, addVectors, sumsAreFinite } from "../kernels/rows";
import { storeKeyValue, storeKeyValueQ8 } from "../kernels/store-key-value";
import { attendOneRow, attendTwoRows } from "../kernels/attention";
import { HALF_FACTOR } from "../kernels/matmul.f16";
import { attendOneRowQ8, attendTwoRowsQ8 } from "../kernels/attention.q8";
import { divideRow } from "../kernels/softmax";
import { WIDEN_ROWS, widenPages } from "../kernels/widen-pages";

// One block of GPT-2 over the rows of a step:
//   hidden += c_proj(attention(c_attn(ln_1(hidden))));  hidden += mlp.c_proj(act(c_fc(ln_2(hidden))))
// Every linear layer leaves sums without bias; whoever reads them adds it.

const NO_SCALE: u32 = 1, INVERSE_LAYER: u32 = 2; // FLAG_* of bindings/wasm/exports.ts

export function runBlock(h: Header, layer: u32, keepAttention: i32): void {
  const rows = <usize>h.stepRows;
  const width = <usize>h.width;
  const row = h.rowBytes;
  const w = h.layer0 + <usize>layer * h.layerBytes;

  layerNorm(h.normed, h.hidden, w + h.ln1Gain, w + h.ln1Bias, row, rows, width, h.epsilon);
  linear(h, h.wide, h.wideBytes, h.normed, row, rows, w + h.attnWeight, width, 3 * width);
  storeKeysValues(h, layer, w + h.attnBias);
  attend(h, layer, keepAttention);
  linear(h, h.projected, row, h.normed, row, rows, w + h.attnProjWeight, width, width);
  addResidual(h.hidden, h.projected, w + h.attnProjBias, row, rows, row);

  layerNorm(h.normed, h.hidden, w + h.ln2Gain, w + h.ln2Bias, row, rows, width, h.epsilon);
  linear(h, h.wide, h.wideBytes, h.normed, row, rows, w + h.fcWeight, width, h.inner);
  activate(h.wide, w + h.fcBias, h.wideBytes, rows, ((h.inner + 15) & ~15) << 2, h.activation, h.expScratch);
  linear(h, h.projected, row, h.wide, h.wideBytes, rows, w + h.mlpProjWeight, h.inner, width);
  addResidual(h.hidden, h.projected, w + h.mlpProjBias, row, rows, row);
}

/** Adds c_attn's bias to the queries in place, and to keys and values on their way into the cache. */
export function storeKeysValues(h: Header, layer: u32, bias: usize): void {
  const width = <usize>h.width;
  const table = pageTable(h, h.stepSlot);
  const start = lengthOf(h, h.stepSlot);
  for (let r: u32 = 0; r < h.stepRows; r++) {
    const x = h.wide + <usize>r * h.wideBytes;
    const position = start + r;
    const page = load<u32>(table + (<usize>(position >> 4) << 2));
    const keys = keysOf(h, layer, page), values = valuesOf(h, layer, page);
    const lane = <usize>(position & 15);
    const from = x + (width << 2), add = bias + (width << 2);
    if (h.cacheType == CACHE_Q8) storeKeyValueQ8(keys, values, lane, from, add, h.heads, h.headSize);
    else if (h.cacheType == CACHE_F16) {
      storeKeyValue<u16>(keys, values, lane, from, add, h.heads, h.headSize);
      if (!sumsAreFinite(from, add, width << 1)) h.stepNotFinite = 1;
    } else storeKeyValue<f32>(keys, values, lane, from, add, h.heads, h.headSize);
    addVectors(x, x, bias, width);
  }
}

function scaleOf(h: Header, layer: u32): f32 {
  let scale: f64 = h.flags & NO_SCALE ? 1 : 1 / sqrt<f64>(<f64>h.headSize);
  if (h.flags & INVERSE_LAYER) scale = scale / <f64>(layer + 1);
  return <f32>scale;
}

/** normed = attention(wide): queries are the first `width` columns of wide, keys and values come from the cache. */
export function attend(h: Header, layer: u32, keepAttention: i32): void {
  const table = pageTable(h, h.stepSlot);
  const start = <i32>lengthOf(h, h.stepSlot);
  const rows = <i32>h.stepRows;
  const heads = <usize>h.heads, size = <usize>h.headSize;
  const keys = keysOf(h, layer, 0), values = valuesOf(h, layer, 0);
  const scale = scaleOf(h, layer);
  const even = rows & ~1;
  const widened = h.cacheType == CACHE_F16 && even >= WIDEN_ROWS;
  const pageCount = <usize>((start + even + 15) >> 4);
  if (widened) for (let i: u32 = 0; i < <u32>pageCount; i++) store<u32>(h.floatPages + (i << 2), i);
  const divisors = h.expScratch;
  for (let head: usize = 0; head < heads; head++) {
    const column = head * (size << 2);
    const headKeys = keys + head * h.keyHeadBytes, headValues = values + head * h.valueHeadBytes;
    if (widened) {
      widenPages(h.floatKeys, table, pageCount, headKeys, h.keyPageBytes, size << 4);
      widenPages(h.floatValues, table, pageCount, headValues, h.valuePageBytes, ((size + 15) & ~15) << 4);
    }
    for (let r: i32 = 0; r < even; r += 2) {
      const count = start + r + 2;
      const out = h.normed + <usize>r * h.rowBytes + column, q = h.wide + <usize>r * h.wideBytes + column;
      if (widened) twoRowsWidened(h, out, q, count, scale, divisors);
      else twoRows(h, out, q, table, headKeys, headValues, count, scale, divisors);
      if (keepAttention) {
        keepRow(h, head, r, h.scores, count - 1, load<f32>(divisors));
        keepRow(h, head, r + 1, h.scores + h.scoreBytes, count, load<f32>(divisors, 4));
      }
    }
  }
  if (rows & 1) {
    const count = start + rows;
    oneRow(h, h.normed + <usize>even * h.rowBytes, h.wide + <usize>even * h.wideBytes, table, keys, values, count, scale);
    if (keepAttention) {
      const divisors = h.sums + heads * (((size + 15) >> 4) << 6);
      for (let head: usize = 0; head < heads; head++) {
        keepRow(h, head, even, h.scores + head * h.scoreBytes, count, load<f32>(divisors + (head << 2)));
      }
    }
  }
}

/** attendTwoRows for the cache's type: one head, rows of normed and wide. */
function twoRows(h: Header, out: usize, q: usize, table: usize, keys: usize, values: usize, count: i32, scale: f32, divisors: usize): void {
  if (h.cacheType == CACHE_Q8) {
    attendTwoRowsQ8(
      out, h.rowBytes, q, h.wideBytes, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.headSize, scale, h.scores, h.scoreBytes, h.sums,
      divisors, h.queries, h.blocks, h.blockStride, h.copy,
    );
  } else if (h.cacheType == CACHE_F16) {
    attendTwoRows<u16, u16>(
      out, h.rowBytes, q, h.wideBytes, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.headSize, scale, h.scores, h.scoreBytes, h.sums, divisors,
    );
  } else {
    attendTwoRows<f32, f32>(
      out, h.rowBytes, q, h.wideBytes, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.headSize, scale, h.scores, h.scoreBytes, h.sums, divisors,
    );
  }
}

/** The same on a head of a binary16 cache that was widened. */
function twoRowsWidened(h: Header, out: usize, q: usize, count: i32, scale: f32, divisors: usize): void {
  const size = <usize>h.headSize;
  attendTwoRows<u16, f32>(
    out, h.rowBytes, q, h.wideBytes, h.floatPages, h.floatKeys, h.floatValues, size << 6, ((size + 15) >> 4) << 10, count, size, scale,
    h.scores, h.scoreBytes, h.sums, divisors,
  );
}

/** attendOneRow for the cache's type: all heads. */
function oneRow(h: Header, out: usize, q: usize, table: usize, keys: usize, values: usize, count: i32, scale: f32): void {
  if (h.cacheType == CACHE_Q8) {
    attendOneRowQ8(
      out, q, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.heads, h.headSize, scale, h.scores, h.scoreBytes, h.sums,
      h.queries, h.blocks, h.blockStride, h.copy,
    );
  } else if (h.cacheType == CACHE_F16) {
    attendOneRow<u16>(out, q, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.heads, h.headSize, scale, h.scores, h.scoreBytes, h.sums);
  } else {
    attendOneRow<f32>(out, q, table, keys, values, h.keyPageBytes, h.valuePageBytes, count, h.heads, h.headSize, scale, h.scores, h.scoreBytes, h.sums);
  }
}

/** Copies one row of probabilities to f32[heads][rows][scoreBytes / 4], +0 behind its `count` entries. */
function keepRow(h: Header, head: usize, row: i32, exponentials: usize, count: i32, divisor: f32): void {
  if (h.cacheType == CACHE_F16) divisor *= HALF_FACTOR; // as the exponentials are
  const to = h.attention + (head * h.stepRows + <usize>row) * h.scoreBytes;
  const bytes = <usize>count << 2;
  divideRow(to, exponentials, count, divisor);
  memory.fill(to + bytes, 0, h.scoreBytes - bytes);
}
