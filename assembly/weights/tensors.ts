import {
  ATTN_BIAS, ATTN_PROJ_WEIGHT, ATTN_WEIGHT, FC_BIAS, FC_WEIGHT, HEAD, LN_1_GAIN, MLP_PROJ_WEIGHT, WPE, WTE,
} from "../contract";
import { Header } from "../memory/header";
import { panelBytes } from "../types/weights";

// The tensors of a GPT-2: what sizes they have, and where they lie.

/** Whether a tensor is held in panels; the others are f32 vectors, and wpe f32 rows. */
export function isMatrix(tensor: i32): bool {
  return tensor == WTE || tensor == HEAD || tensor == ATTN_WEIGHT || tensor == ATTN_PROJ_WEIGHT || tensor == FC_WEIGHT || tensor == MLP_PROJ_WEIGHT;
}

/** k of a matrix, or elements of a row. */
export function inputsOf(h: Header, tensor: i32): usize {
  return tensor == MLP_PROJ_WEIGHT ? h.inner : h.width;
}

/** n of a matrix, or elements of a vector. */
export function outputsOf(h: Header, tensor: i32): usize {
  if (tensor == WTE || tensor == HEAD) return h.vocab;
  if (tensor == ATTN_WEIGHT || tensor == ATTN_BIAS) return 3 * h.width;
  return tensor == FC_WEIGHT || tensor == FC_BIAS ? h.inner : h.width;
}

/** Bytes that a tensor takes, a multiple of 64. */
export function bytesOf(h: Header, tensor: i32): u64 {
  const outputs = <u64>outputsOf(h, tensor);
  if (isMatrix(tensor)) return ((outputs + 15) >> 4) * panelBytes(h.weightType, inputsOf(h, tensor));
  return tensor == WPE ? <u64>h.positions * h.rowBytes : ((outputs + 15) >> 4) << 6;
}

/** First byte of a tensor. `layer` counts only for tensors of a layer. */
// @ts-ignore: decorator
@inline
export function placeOf(h: Header, tensor: i32, layer: u32): usize {
  const place = load<usize>(h.places + (<usize>tensor << 2));
  return tensor >= LN_1_GAIN ? place + <usize>layer * h.layerBytes : place;
}

// @ts-ignore: decorator
@inline
export function setPlace(h: Header, tensor: i32, address: u64): void {
  store<usize>(h.places + (<usize>tensor << 2), <usize>address);
}
