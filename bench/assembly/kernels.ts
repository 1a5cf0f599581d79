/** The module with the parts of a step one by one, for bench/commands/kernels.ts. Compiled when that runs; not part of the package. */
import { WEIGHTS_F32, WEIGHTS_Q4, WEIGHTS_Q8, Header, headerOf } from "../../assembly/memory/header";
import { lengthOf } from "../../assembly/cache/sequences";
import { activate } from "../../assembly/kernels/activation";
import { layerNorm } from "../../assembly/kernels/layer-norm";
import { multiply } from "../../assembly/kernels/matmul";
import { q4Multiply, quantizeRowsQ4 } from "../../assembly/kernels/matmul.q4";
import { q8Multiply } from "../../assembly/kernels/matmul.q8";
import { quantizeRow } from "../../assembly/kernels/quantize-rows";
import { addResidual, allFinite } from "../../assembly/kernels/rows";
import { softmaxRow } from "../../assembly/kernels/softmax";
import { attend, storeKeysValues } from "../../assembly/model/block";

export * from "../../assembly/index";

/** Activations as ordinary numbers, however often a part was repeated. */
export function refresh(model: usize): void {
  const h = headerOf(model);
  let i: i32 = 0;
  for (let x = h.hidden; x < h.scores; x += 4, i++) store<f32>(x, <f32>(i % 97 - 48) / 97);
}

// Every part works on the rows of the step that has begun, in one layer.

export function norm(model: usize, layer: u32): void {
  const h = headerOf(model);
  const w = h.layer0 + <usize>layer * h.layerBytes;
  layerNorm(h.normed, h.hidden, w + h.ln1Gain, w + h.ln1Bias, h.rowBytes, h.stepRows, h.width, h.epsilon);
}

/** Rows of activations to integers: of the width, or of the inner width. */
export function quantize(model: usize, isInner: i32): void {
  const h = headerOf(model);
  const x = isInner ? h.wide : h.normed, stride = isInner ? h.wideBytes : h.rowBytes;
  const k = isInner ? h.inner : h.width;
  if (h.weightType == WEIGHTS_Q4) quantizeRowsQ4(h.integers, h.integerBytes, x, stride, h.stepRows, k);
  else for (let r: usize = 0; r < h.stepRows; r++) quantizeRow(h.integers + r * h.integerBytes, x + r * stride, k);
}

function product(h: Header, out: usize, outStride: usize, x: usize, xStride: usize, rows: usize, w: usize, k: usize, n: usize): void {
  const panels = (n + 15) >> 4;
  if (h.weightType == WEIGHTS_F32) multiply(out, outStride, x, xStride, rows, w, k, panels);
  else if (h.weightType == WEIGHTS_Q8) q8Multiply(out, outStride, h.integers, h.integerBytes, rows, w, k, panels);
  else q4Multiply(out, outStride, h.integers, h.integerBytes, rows, w, k, panels, h.unpacked);
}

export function attnProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.wide, h.wideBytes, h.normed, h.rowBytes, h.stepRows, h.layer0 + <usize>layer * h.layerBytes + h.attnWeight, h.width, 3 * h.width);
}

export function attnProjProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.projected, h.rowBytes, h.normed, h.rowBytes, h.stepRows, h.layer0 + <usize>layer * h.layerBytes + h.attnProjWeight, h.width, h.width);
}

export function fcProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.wide, h.wideBytes, h.normed, h.rowBytes, h.stepRows, h.layer0 + <usize>layer * h.layerBytes + h.fcWeight, h.width, h.inner);
}

export function mlpProjProduct(model: usize, layer: u32): void {
  const h = headerOf(model);
  product(h, h.projected, h.rowBytes, h.wide, h.wideBytes, h.stepRows, h.layer0 + <usize>layer * h.layerBytes + h.mlpProjWeight, h.inner, h.width);
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
  storeKeysValues(h, layer, h.layer0 + <usize>layer * h.layerBytes + h.attnBias);
}

/** With queries made anew: a binary16 cache multiplies them in place. */
export function attention(model: usize, layer: u32): void {
  const h = headerOf(model);
  for (let r: usize = 0; r < h.stepRows; r++) memory.copy(h.wide + r * h.wideBytes, h.hidden + r * h.rowBytes, h.width << 2);
  attend(h, layer, 0);
}

/** The softmax that is part of it, for all heads and every row. */
export function softmax(model: usize): void {
  const h = headerOf(model);
  const start = lengthOf(h, h.stepSlot);
  for (let r: u32 = 0; r < h.stepRows; r++) {
    for (let head: u32 = 0; head < h.heads; head++) softmaxRow(h.scores + <usize>(r & 1) * h.scoreBytes, <i32>(start + r + 1), 0.125);
  }
}

export function activation(model: usize, layer: u32): void {
  const h = headerOf(model);
  activate(h.wide, h.layer0 + <usize>layer * h.layerBytes + h.fcBias, h.wideBytes, h.stepRows, ((h.inner + 15) & ~15) << 2, h.activation, h.expScratch);
}

export function residual(model: usize, layer: u32): void {
  const h = headerOf(model);
  addResidual(h.hidden, h.projected, h.layer0 + <usize>layer * h.layerBytes + h.attnProjBias, h.rowBytes, h.stepRows, h.rowBytes);
}
