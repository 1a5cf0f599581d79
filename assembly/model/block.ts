import {
  ATTN_BIAS, ATTN_PROJ_BIAS, ATTN_PROJ_WEIGHT, ATTN_WEIGHT, FC_BIAS, FC_WEIGHT, LN_1_BIAS, LN_1_GAIN, LN_2_BIAS, LN_2_GAIN,
  MLP_PROJ_BIAS, MLP_PROJ_WEIGHT,
} from "../contract";
import { Header } from "../memory/header";
import { scratchOf } from "../memory/thread-scratch";
import { activate } from "../kernels/activation";
import { layerNorm } from "../kernels/layer-norm";
import { addResidual } from "../kernels/rows";
import { barrier } from "../threads/barrier";
import { partStart } from "../threads/part";
import { placeOf } from "../weights/tensors";
import { attention } from "./attention";
import { columnBytes, linear } from "./linear";

// One block of GPT-2 over the rows of a step, part `part` of `parts` of each operation:
//   hidden += c_proj(attention(c_attn(ln_1(hidden))));  hidden += mlp.c_proj(act(c_fc(ln_2(hidden))))
// Every linear layer leaves sums without bias; whoever reads them adds it. Between two operations stands a barrier, unless a part reads only
// what it wrote itself.

export function runBlock(h: Header, layer: u32, keep: i32, part: u32, parts: u32): void {
  const rows = <usize>h.stepRows;
  const width = <usize>h.width, inner = <usize>h.inner;
  const row = h.rowBytes;

  norm(h, placeOf(h, LN_1_GAIN, layer), placeOf(h, LN_1_BIAS, layer), part, parts);
  barrier(h);
  linear(h, h.wide, h.wideBytes, h.normed, row, rows, placeOf(h, ATTN_WEIGHT, layer), width, 3 * width, part, parts);
  barrier(h);
  attention(h, layer, placeOf(h, ATTN_BIAS, layer), keep, part, parts);
  barrier(h);
  linear(h, h.projected, row, h.normed, row, rows, placeOf(h, ATTN_PROJ_WEIGHT, layer), width, width, part, parts);
  residual(h, placeOf(h, ATTN_PROJ_BIAS, layer), part, parts);
  barrier(h);
  norm(h, placeOf(h, LN_2_GAIN, layer), placeOf(h, LN_2_BIAS, layer), part, parts);
  barrier(h);
  linear(h, h.wide, h.wideBytes, h.normed, row, rows, placeOf(h, FC_WEIGHT, layer), width, inner, part, parts);
  activation(h, placeOf(h, FC_BIAS, layer), part, parts);
  barrier(h);
  linear(h, h.projected, row, h.wide, h.wideBytes, rows, placeOf(h, MLP_PROJ_WEIGHT, layer), inner, width, part, parts);
  residual(h, placeOf(h, MLP_PROJ_BIAS, layer), part, parts);
  barrier(h);
}

/** normed = layer norm of hidden; rows are divided. */
export function norm(h: Header, gain: usize, bias: usize, part: u32, parts: u32): void {
  const first = partStart(h.stepRows, part, parts), last = partStart(h.stepRows, part + 1, parts);
  const from = first * h.rowBytes;
  layerNorm(h.normed + from, h.hidden + from, gain, bias, h.rowBytes, last - first, h.width, h.epsilon);
}

/** hidden += projected + bias, in the columns that the part has just computed. */
export function residual(h: Header, bias: usize, part: u32, parts: u32): void {
  const from = columnBytes(h.width, part, parts), to = columnBytes(h.width, part + 1, parts);
  addResidual(h.hidden + from, h.projected + from, bias + from, h.rowBytes, h.stepRows, to - from);
}

/** wide = activation(wide + bias), likewise. */
export function activation(h: Header, bias: usize, part: u32, parts: u32): void {
  const from = columnBytes(h.inner, part, parts), to = columnBytes(h.inner, part + 1, parts);
  activate(h.wide + from, bias + from, h.wideBytes, h.stepRows, to - from, h.activation, scratchOf(h, part).exponentials);
}
