import { WEIGHTS_Q8, WPE } from "../contract";
import { headerOf } from "../memory/header";
import { Q4_GROUP, Q4_NIBBLES, nibbleAt, q4Groups } from "../kernels/q4/layout";
import { integerAt } from "../kernels/q8/panel";
import { paddedInputs, panelBytes, unpack } from "../types/weights";
import { inputsOf, isMatrix, placeOf } from "./tensors";

// Weights on their way out again, output by output, into staging: for files that hold what the model holds.

/** f32[inputs] of an output of a matrix; of wpe the first `count` f32 of row `output`, of a vector its first `count`. */
export function readWeights(model: usize, tensor: i32, layer: u32, output: usize, count: usize): void {
  const h = headerOf(model);
  const from = placeOf(h, tensor, layer);
  if (!isMatrix(tensor)) memory.copy(h.staging, tensor == WPE ? from + output * h.rowBytes : from, count << 2);
  else unpack(h.weightType, h.staging, from, inputsOf(h, tensor), output);
}

/** The integers of an output as dtype I8 or U4 have them: i8[inputs], or nibbles of whole groups, two a byte. Returns bytes. */
export function readIntegers(model: usize, tensor: i32, layer: u32, output: usize): usize {
  const h = headerOf(model);
  const k = inputsOf(h, tensor);
  const panel = placeOf(h, tensor, layer) + (output >> 4) * panelBytes(h.weightType, k);
  const o = output & 15;
  if (h.weightType == WEIGHTS_Q8) {
    for (let i: usize = 0; i < k; i++) store<i8>(h.staging + i, integerAt(panel, o, i));
    return k;
  }
  const padded = <usize>paddedInputs(k);
  for (let i: usize = 0; i < padded; i += 2) {
    store<u8>(h.staging + (i >> 1), (nibbleAt(panel, o, i) + 8) | ((nibbleAt(panel, o, i + 1) + 8) << 4));
  }
  return padded >> 1;
}

/** f32 scales of an output: one, or one a group. Returns how many. */
export function readScales(model: usize, tensor: i32, layer: u32, output: usize): usize {
  const h = headerOf(model);
  const k = inputsOf(h, tensor);
  const bytes = panelBytes(h.weightType, k);
  const panel = placeOf(h, tensor, layer) + (output >> 4) * bytes + ((output & 15) << 2);
  if (h.weightType == WEIGHTS_Q8) {
    store<f32>(h.staging, load<f32>(panel + bytes - 64));
    return 1;
  }
  const groups = q4Groups(k);
  for (let g: usize = 0; g < groups; g++) store<f32>(h.staging + (g << 2), load<f32>(panel + g * Q4_GROUP + Q4_NIBBLES));
  return groups;
}
