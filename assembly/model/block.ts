import { ATTENTION_ROWS, Header } from "../memory/header";
import { lengthOf, pageTable } from "../cache/sequences";
import { pageAddress } from "../cache/pages";
import { layerNorm } from "../kernels/layer-norm";
import { multiply } from "../kernels/matmul";
import { activate } from "../kernels/activation";
import { addResidual, addVectors } from "../kernels/rows";
import { storeKeyValue } from "../kernels/cache-rows";
import { attendOneRow, attendTwoRows, divideRow } from "../kernels/attention";

// One block of GPT-2 over the rows of a step:
//   hidden += c_proj(attention(c_attn(ln_1(hidden))));  hidden += mlp.c_proj(act(c_fc(ln_2(hidden))))
// Every linear layer leaves sums without bias; whoever reads them adds it.

const NO_SCALE: u32 = 1, INVERSE_LAYER: u32 = 2; // FLAG_* of bindings/wasm/exports.ts

/** Panels of 16 that `n` outputs fill. */
// @ts-ignore: decorator
@inline
function panelsOf(n: u32): usize { return <usize>((n + 15) >> 4); }

export function runBlock(h: Header, layer: u32, keepAttention: i32): void {
  const rows = <usize>h.stepRows;
  const width = <usize>h.width;
  const row = h.rowBytes;
  const w = h.layer0 + <usize>layer * h.layerBytes;

  layerNorm(h.normed, h.hidden, w + h.ln1Gain, w + h.ln1Bias, row, rows, width, h.epsilon);
  multiply(h.wide, h.wideBytes, h.normed, row, rows, w + h.attnWeight, width, panelsOf(3 * h.width));
  storeKeysValues(h, layer, w + h.attnBias);
  attend(h, layer, keepAttention);
  multiply(h.projected, row, h.normed, row, rows, w + h.attnProjWeight, width, panelsOf(h.width));
  addResidual(h.hidden, h.projected, w + h.attnProjBias, row, rows, row);

  layerNorm(h.normed, h.hidden, w + h.ln2Gain, w + h.ln2Bias, row, rows, width, h.epsilon);
  multiply(h.wide, h.wideBytes, h.normed, row, rows, w + h.fcWeight, width, panelsOf(h.inner));
  activate(h.wide, w + h.fcBias, h.wideBytes, rows, panelsOf(h.inner) << 6, h.activation, h.expScratch);
  multiply(h.projected, row, h.wide, h.wideBytes, rows, w + h.mlpProjWeight, <usize>h.inner, panelsOf(h.width));
  addResidual(h.hidden, h.projected, w + h.mlpProjBias, row, rows, row);
}

/** Adds c_attn's bias to the queries in place, and to keys and values on their way into the cache. */
function storeKeysValues(h: Header, layer: u32, bias: usize): void {
  const width = <usize>h.width;
  const table = pageTable(h, h.stepSlot);
  const start = lengthOf(h, h.stepSlot);
  for (let r: u32 = 0; r < h.stepRows; r++) {
    const x = h.wide + <usize>r * h.wideBytes;
    const position = start + r;
    const keys = pageAddress(h, load<u32>(table + (<usize>(position >> 4) << 2))) + <usize>layer * h.pageLayerBytes;
    storeKeyValue(keys, keys + h.pageValues, <usize>(position & 15), x + (width << 2), bias + (width << 2), h.heads, h.headSize);
    addVectors(x, x, bias, width);
  }
}

function scaleOf(h: Header, layer: u32): f32 {
  let scale: f64 = h.flags & NO_SCALE ? 1 : 1 / sqrt<f64>(<f64>h.headSize);
  if (h.flags & INVERSE_LAYER) scale = scale / <f64>(layer + 1);
  return <f32>scale;
}

/** normed = attention(wide): queries are the first `width` columns of wide, keys and values come from the cache. */
function attend(h: Header, layer: u32, keepAttention: i32): void {
  const table = pageTable(h, h.stepSlot);
  const start = <i32>lengthOf(h, h.stepSlot);
  const rows = <i32>h.stepRows;
  const heads = <usize>h.heads, size = <usize>h.headSize;
  const keys = h.pagePool + <usize>layer * h.pageLayerBytes;
  const values = keys + h.pageValues;
  const scale = scaleOf(h, layer);
  const even = rows & ~1;
  const keyBytes = size << 6;
  const valueBytes = ((size + 15) >> 4) << 10;
  const divisors = h.expScratch;
  for (let head: usize = 0; head < heads; head++) {
    const column = head * (size << 2);
    for (let r: i32 = 0; r < even; r += 2) {
      const count = start + r + 2;
      attendTwoRows(
        h.normed + <usize>r * h.rowBytes + column, h.rowBytes, h.wide + <usize>r * h.wideBytes + column, h.wideBytes, table,
        keys + head * keyBytes, values + head * valueBytes, h.pageBytes, count, size, scale, h.scores, h.scoreBytes, h.sums, divisors,
      );
      if (keepAttention) {
        keepRow(h, head, r, h.scores, count - 1, load<f32>(divisors));
        keepRow(h, head, r + 1, h.scores + h.scoreBytes, count, load<f32>(divisors, 4));
      }
    }
  }
  if (rows & 1) {
    const count = start + rows;
    attendOneRow(
      h.normed + <usize>even * h.rowBytes, h.wide + <usize>even * h.wideBytes, table, keys, values, h.pageBytes,
      count, heads, size, scale, h.scores, h.scoreBytes, h.sums,
    );
    if (keepAttention) {
      const divisors = h.sums + heads * (((size + 15) >> 4) << 6);
      for (let head: usize = 0; head < heads; head++) {
        keepRow(h, head, even, h.scores + head * h.scoreBytes, count, load<f32>(divisors + (head << 2)));
      }
    }
  }
}

/** Copies one row of probabilities to f32[heads][rows][scoreBytes / 4], +0 behind its `count` entries. */
function keepRow(h: Header, head: usize, row: i32, exponentials: usize, count: i32, divisor: f32): void {
  const to = h.attention + (head * h.stepRows + <usize>row) * h.scoreBytes;
  const bytes = <usize>count << 2;
  divideRow(to, exponentials, count, divisor);
  memory.fill(to + bytes, 0, h.scoreBytes - bytes);
}
