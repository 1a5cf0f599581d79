import { Header, headerOf } from "../memory/header";
import { firstNotFinite, packMatrix, packRows, packTransposed, sameBits, widen } from "../kernels/pack";

// Which tensor goes where. Numbers of Tensor in bindings/wasm/exports.ts.
const WTE = 0, WPE = 1, LN_F_GAIN = 2, LN_F_BIAS = 3, HEAD = 4, LN_1_GAIN = 5, LN_1_BIAS = 6, ATTN_WEIGHT = 7, ATTN_BIAS = 8,
  ATTN_PROJ_WEIGHT = 9, ATTN_PROJ_BIAS = 10, LN_2_GAIN = 11, LN_2_BIAS = 12, FC_WEIGHT = 13, FC_BIAS = 14,
  MLP_PROJ_WEIGHT = 15, MLP_PROJ_BIAS = 16;

/** Widens `count` elements from staging and packs them. −1, or the index of the first that is not a finite f32. */
export function packTensor(model: usize, tensor: i32, layer: u32, dtype: i32, element: usize, count: usize): i32 {
  const h = headerOf(model);
  const x = h.widened;
  if (!widen(x, h.staging, dtype, count)) return <i32>firstNotFinite(x, count);
  const w = <usize>h.width, f = <usize>h.inner;
  const l = h.layer0 + <usize>layer * h.layerBytes;
  switch (tensor) {
    case WTE: packTransposed(h.wte, w, x, element, count); break;
    case HEAD: packTransposed(h.storedHead, w, x, element, count); break;
    case WPE: packRows(h.wpe, w, h.rowBytes, x, element, count); break;
    case LN_F_GAIN: packVector(h.lnFGain, x, element, count); break;
    case LN_F_BIAS: packVector(h.lnFBias, x, element, count); break;
    case LN_1_GAIN: packVector(l + h.ln1Gain, x, element, count); break;
    case LN_1_BIAS: packVector(l + h.ln1Bias, x, element, count); break;
    case LN_2_GAIN: packVector(l + h.ln2Gain, x, element, count); break;
    case LN_2_BIAS: packVector(l + h.ln2Bias, x, element, count); break;
    case ATTN_BIAS: packVector(l + h.attnBias, x, element, count); break;
    case ATTN_PROJ_BIAS: packVector(l + h.attnProjBias, x, element, count); break;
    case FC_BIAS: packVector(l + h.fcBias, x, element, count); break;
    case MLP_PROJ_BIAS: packVector(l + h.mlpProjBias, x, element, count); break;
    case ATTN_WEIGHT: packMatrix(l + h.attnWeight, w, 3 * w, x, element, count); break;
    case ATTN_PROJ_WEIGHT: packMatrix(l + h.attnProjWeight, w, w, x, element, count); break;
    case FC_WEIGHT: packMatrix(l + h.fcWeight, w, f, x, element, count); break;
    case MLP_PROJ_WEIGHT: packMatrix(l + h.mlpProjWeight, f, w, x, element, count); break;
  }
  return -1;
}

// @ts-ignore: decorator
@inline
function packVector(to: usize, x: usize, element: usize, count: usize): void {
  memory.copy(to + (element << 2), x, count << 2);
}

/** Compares a stored head with the embedding: equal, and its space is free again; else it is the head. */
export function finishWeights(model: usize): i32 {
  const h = headerOf(model);
  h.untied = h.storedHeadBytes != 0 && !sameBits(h.wte, h.storedHead, h.storedHeadBytes) ? 1 : 0;
  h.head = h.untied ? h.storedHead : h.wte;
  return <i32>h.untied;
}
