import { Header, WEIGHTS_F32, WEIGHTS_Q8, headerOf } from "../memory/header";
import { paddedInputs, panelBytes } from "../memory/layout";
import { firstNotFinite, packMatrix, packRows, packTransposed, sameBits, widen } from "../kernels/pack";
import { packPanelQ4 } from "../kernels/panel.q4";
import { packPanelQ8 } from "../kernels/panel.q8";

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
    case WTE: embedding(h, h.wte, x, element, count); break;
    case HEAD: embedding(h, h.storedHead, x, element, count); break;
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
    case ATTN_WEIGHT: matrix(h, l + h.attnWeight, w, 3 * w, x, element, count); break;
    case ATTN_PROJ_WEIGHT: matrix(h, l + h.attnProjWeight, w, w, x, element, count); break;
    case FC_WEIGHT: matrix(h, l + h.fcWeight, w, f, x, element, count); break;
    case MLP_PROJ_WEIGHT: matrix(h, l + h.mlpProjWeight, f, w, x, element, count); break;
  }
  return -1;
}

// @ts-ignore: decorator
@inline
function packVector(to: usize, x: usize, element: usize, count: usize): void {
  memory.copy(to + (element << 2), x, count << 2);
}

/** Elements of W[k][n]. Integers need whole columns: such a tensor is gathered as f32 panels first, and packed with its last element. */
function matrix(h: Header, to: usize, k: usize, n: usize, x: usize, element: usize, count: usize): void {
  if (h.weightType == WEIGHTS_F32) { packMatrix(to, k, n, x, element, count); return; }
  const rows = <usize>paddedInputs(k);
  const panels = (n + 15) >> 4;
  if (element == 0) memory.fill(h.packScratch, 0, panels * (rows << 6));
  packMatrix(h.packScratch, rows, n, x, element, count);
  if (element + count == k * n) {
    for (let p: usize = 0; p < panels; p++) packPanel(h, to, p, k, h.packScratch + p * (rows << 6));
  }
}

/** Elements of W[vocab][width]: sixteen rows are a panel, so one panel is gathered at a time. */
function embedding(h: Header, to: usize, x: usize, element: usize, count: usize): void {
  const k = <usize>h.width;
  if (h.weightType == WEIGHTS_F32) { packTransposed(to, k, x, element, count); return; }
  const size = k << 4; // elements of a panel
  const end = k * h.vocab;
  while (count) {
    const panel = element / size;
    const within = element % size;
    const run = min(size - within, count);
    if (within == 0) memory.fill(h.packScratch, 0, <usize>paddedInputs(k) << 6);
    packTransposed(h.packScratch, k, x, within, run);
    x += run << 2; element += run; count -= run;
    if (within + run == size || element == end) packPanel(h, to, panel, k, h.packScratch);
  }
}

function packPanel(h: Header, panels: usize, index: usize, k: usize, x: usize): void {
  const panel = panels + index * panelBytes(h.weightType, k);
  if (h.weightType == WEIGHTS_Q8) packPanelQ8(panel, x, k);
  else packPanelQ4(panel, x, k);
}

/** Compares a stored head with the embedding: equal, and its space is free again; else it is the head. */
export function finishWeights(model: usize): i32 {
  const h = headerOf(model);
  h.untied = h.storedHeadBytes != 0 && !sameBits(h.wte, h.storedHead, h.storedHeadBytes) ? 1 : 0;
  h.head = h.untied ? h.storedHead : h.wte;
  return <i32>h.untied;
}
