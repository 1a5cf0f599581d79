import { Header } from "../memory/header";

// Where each tensor lies. Numbers of Tensor in bindings/wasm/exports.ts.

export namespace Place {
  export const WTE = 0, WPE = 1, LN_F_GAIN = 2, LN_F_BIAS = 3, HEAD = 4, LN_1_GAIN = 5, LN_1_BIAS = 6, ATTN_WEIGHT = 7,
    ATTN_BIAS = 8, ATTN_PROJ_WEIGHT = 9, ATTN_PROJ_BIAS = 10, LN_2_GAIN = 11, LN_2_BIAS = 12, FC_WEIGHT = 13, FC_BIAS = 14,
    MLP_PROJ_WEIGHT = 15, MLP_PROJ_BIAS = 16;
}

/** Whether a tensor is held in panels; the others are f32 vectors, and wpe f32 rows. */
export function isMatrix(tensor: i32): bool {
  return tensor == Place.WTE || tensor == Place.HEAD || tensor == Place.ATTN_WEIGHT || tensor == Place.ATTN_PROJ_WEIGHT
    || tensor == Place.FC_WEIGHT || tensor == Place.MLP_PROJ_WEIGHT;
}

/** First byte of a tensor. `layer` counts only for tensors of a layer. */
export function placeOf(h: Header, tensor: i32, layer: u32): usize {
  const l = h.layer0 + <usize>layer * h.layerBytes;
  switch (tensor) {
    case Place.WTE: return h.wte;
    case Place.WPE: return h.wpe;
    case Place.LN_F_GAIN: return h.lnFGain;
    case Place.LN_F_BIAS: return h.lnFBias;
    case Place.HEAD: return h.storedHead;
    case Place.LN_1_GAIN: return l + h.ln1Gain;
    case Place.LN_1_BIAS: return l + h.ln1Bias;
    case Place.ATTN_WEIGHT: return l + h.attnWeight;
    case Place.ATTN_BIAS: return l + h.attnBias;
    case Place.ATTN_PROJ_WEIGHT: return l + h.attnProjWeight;
    case Place.ATTN_PROJ_BIAS: return l + h.attnProjBias;
    case Place.LN_2_GAIN: return l + h.ln2Gain;
    case Place.LN_2_BIAS: return l + h.ln2Bias;
    case Place.FC_WEIGHT: return l + h.fcWeight;
    case Place.FC_BIAS: return l + h.fcBias;
    case Place.MLP_PROJ_WEIGHT: return l + h.mlpProjWeight;
    default: return l + h.mlpProjBias;
  }
}

/** k of a matrix. */
export function placeInputs(h: Header, tensor: i32): usize {
  return tensor == Place.MLP_PROJ_WEIGHT ? h.inner : h.width;
}

/** n of a matrix. */
export function placeOutputs(h: Header, tensor: i32): usize {
  if (tensor == Place.WTE || tensor == Place.HEAD) return h.vocab;
  if (tensor == Place.ATTN_WEIGHT) return 3 * h.width;
  return tensor == Place.FC_WEIGHT ? h.inner : h.width;
}
