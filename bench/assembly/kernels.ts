/** The module with the parts of a step one by one, for bench/commands/kernels.ts. Compiled when that runs; not part of the package. */
import {
  ATTN_BIAS, ATTN_PROJ_BIAS, ATTN_PROJ_WEIGHT, ATTN_WEIGHT, FC_BIAS, FC_WEIGHT, LN_1_BIAS, LN_1_GAIN, MLP_PROJ_WEIGHT,
} from "../../assembly/contract";
import { entryAt } from "../../assembly/memory/entry";
import { Header, headerOf } from "../../assembly/memory/header";
import { scratchOf } from "../../assembly/memory/thread-scratch";
import { allFinite } from "../../assembly/kernels/rows";
import { softmaxRow } from "../../assembly/kernels/softmax";
import { attend, storeKeysValues } from "../../assembly/model/attention";
import { activation as activationOf, norm as normOf, residual as residualOf } from "../../assembly/model/block";
import { integerRowBytes, multiplyPanels, quantizeRows } from "../../assembly/types/weights";
import { placeOf } from "../../assembly/weights/tensors";

export * from "../../assembly/index";

/** Activations as ordinary numbers, however often a part was repeated. */
export function refresh(model: usize): void {
  const h = headerOf(model);
  let i: i32 = 0;
  for (let x = h.hidden; x < h.integers; x += 4, i++) store<f32>(x, <f32>(i % 97 - 48) / 97);
}

// Every part works on the rows of the step that has begun, of one sequence, in one layer.

export function norm(model: usize, layer: u32): void {
  const h = headerOf(model);
  normOf(h, placeOf(h, LN_1_GAIN, layer), placeOf(h, LN_1_BIAS, layer), 0, 1);
}

/** Rows of activations to integers: of the width, or of the inner width. */
export function quantize(model: usize, isInner: i32): void {
  const h = headerOf(model);
  const x = isInner ? h.wide : h.normed, stride = isInner ? h.wideBytes : h.rowBytes;
  quantizeRows(h.weightType, h.integers, h.integerBytes, x, stride, h.stepRows, 0, h.stepRows, isInner ? h.inner : h.width);
}

/** Without the quantisation of x. */
function product(h: Header, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, n: usize): void {
  const isInteger = integerRowBytes(h.weightType, k) != 0;
  multiplyPanels(
    h.weightType, out, outStride, isInteger ? h.integers : x, isInteger ? h.integerBytes : xStride, rows, w, k, (n + 15) >> 4, scratchOf(h, 0).unpacked,
  );
}

export function attnProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.wide, h.wideBytes, h.normed, h.rowBytes, h.stepRows, placeOf(h, ATTN_WEIGHT, layer), h.width, 3 * h.width);
}

export function attnProjProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.projected, h.rowBytes, h.normed, h.rowBytes, h.stepRows, placeOf(h, ATTN_PROJ_WEIGHT, layer), h.width, h.width);
}

export function fcProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.wide, h.wideBytes, h.normed, h.rowBytes, h.stepRows, placeOf(h, FC_WEIGHT, layer), h.width, h.inner);
}

export function mlpProjProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.projected, h.rowBytes, h.wide, h.wideBytes, h.stepRows, placeOf(h, MLP_PROJ_WEIGHT, layer), h.inner, h.width);
}

export function headProduct(model: usize): void {
  const h = headerOf(model);
  product(h, h.logits, h.logitsBytes, h.normed, h.rowBytes, 1, h.head, h.width, h.vocab);
}

/** The look at all logits that ends a step. */
export function logitsFinite(model: usize): i32 {
  const h = headerOf(model);
  return allFinite(h.logits, h.vocab) ? 1 : 0;
}

export function storeCache(model: usize, layer: u32): void {
  const h = headerOf(model);
  storeKeysValues(h, entryAt(h, 0), layer, placeOf(h, ATTN_BIAS, layer), 0, h.heads);
}

/** With queries made anew: a binary16 cache multiplies them in place. */
export function attention(model: usize, layer: u32): void {
  const h = headerOf(model);
  for (let r: usize = 0; r < h.stepRows; r++) memory.copy(h.wide + r * h.wideBytes, h.hidden + r * h.rowBytes, h.width << 2);
  attend(h, scratchOf(h, 0), entryAt(h, 0), layer, 0, 0, h.heads);
}

/** The softmax that is part of it, for all heads and every row. */
export function softmax(model: usize): void {
  const h = headerOf(model);
  const a = scratchOf(h, 0).attention;
  for (let r: u32 = 0; r < h.stepRows; r++) {
    for (let head: u32 = 0; head < h.heads; head++) softmaxRow(a.scores + <usize>(r & 1) * a.scoreBytes, <i32>(entryAt(h, 0).start + r + 1), 0.125);
  }
}

export function activation(model: usize, layer: u32): void {
  const h = headerOf(model);
  activationOf(h, placeOf(h, FC_BIAS, layer), 0, 1);
}

export function residual(model: usize, layer: u32): void {
  const h = headerOf(model);
  residualOf(h, placeOf(h, ATTN_PROJ_BIAS, layer), 0, 1);
}
