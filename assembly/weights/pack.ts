import { GROUP, HEAD, I8, Q4_0, Q4_0_BYTES, U4, WEIGHTS_F32, WEIGHTS_Q4, WPE, WTE } from "../contract";
import { Header, headerOf } from "../memory/header";
import { integersQ4_0, scaleQ4_0 } from "../kernels/blocks";
import { packMatrix, packRows, packTransposed } from "../kernels/f32/panel";
import { Q4_GROUP, Q4_NIBBLES, q4Groups } from "../kernels/q4/layout";
import { sameBits } from "../kernels/same-bits";
import { firstNotFinite, widen } from "../kernels/widen";
import { packIntegers, packPanel, paddedInputs, panelBytes } from "../types/weights";
import { inputsOf, isMatrix, outputsOf, placeOf } from "./tensors";

/**
 * Widens `count` elements from staging and puts them in their place. `outputMajor`: a matrix comes as [outputs][inputs], as the
 * embedding always does. −1, or the index of the first that is not a finite f32.
 */
export function packTensor(model: usize, tensor: i32, layer: u32, dtype: i32, element: usize, count: usize, outputMajor: i32): i32 {
  const h = headerOf(model);
  const x = h.widened;
  if (dtype == I8 || dtype == U4) return packIntegerRows(h, tensor, layer, h.staging, element, count);
  if (dtype == Q4_0 && h.weightType == WEIGHTS_Q4 && isMatrix(tensor)) return packQ4_0(h, tensor, layer, element, count);
  if (!widen(x, h.staging, dtype, count)) return <i32>firstNotFinite(x, count);
  const to = placeOf(h, tensor, layer);
  if (!isMatrix(tensor)) {
    if (tensor == WPE) packRows(to, h.width, h.rowBytes, x, element, count);
    else memory.copy(to + (element << 2), x, count << 2);
  } else if (outputMajor || tensor == WTE || tensor == HEAD) {
    packOutputs(h, to, inputsOf(h, tensor), outputsOf(h, tensor), x, element, count);
  } else {
    packInputs(h, to, inputsOf(h, tensor), outputsOf(h, tensor), x, element, count);
  }
  return -1;
}

/**
 * The scales of a matrix that comes as integers: int8 f32[outputs], int4 [outputs][groups] in any float type that holds binary16
 * values. −1, or the index of the first that is not a finite f32.
 */
export function packScales(model: usize, tensor: i32, layer: u32, dtype: i32, element: usize, count: usize): i32 {
  const h = headerOf(model);
  const x = h.widened;
  if (!widen(x, h.staging, dtype, count)) return <i32>firstNotFinite(x, count);
  const k = inputsOf(h, tensor);
  const bytes = panelBytes(h.weightType, k);
  const panels = placeOf(h, tensor, layer);
  const isQ4 = h.weightType == WEIGHTS_Q4;
  const groups = isQ4 ? q4Groups(k) : 1;
  const first = isQ4 ? Q4_NIBBLES : bytes - 64;
  let output = element / groups, group = element % groups;
  for (let i: usize = 0; i < count; output++, group = 0) {
    let to = panels + (output >> 4) * bytes + ((output & 15) << 2) + first + group * Q4_GROUP;
    for (const end = min(count, i + groups - group); i < end; i++, to += Q4_GROUP) store<f32>(to, load<f32>(x + (i << 2)));
  }
  return -1;
}

/** Q4_0 has the integers and scales of an int4 matrix whose k is a multiple of GROUP: they are taken as they are. */
function packQ4_0(h: Header, tensor: i32, layer: u32, element: usize, count: usize): i32 {
  const to = placeOf(h, tensor, layer);
  const k = inputsOf(h, tensor);
  const groups = q4Groups(k);
  const bytes = panelBytes(WEIGHTS_Q4, k);
  const first = element / <usize>GROUP, blocks = count / <usize>GROUP;
  for (let i: usize = 0; i < blocks; i++) {
    const scale = scaleQ4_0(h.staging + i * Q4_0_BYTES);
    if ((reinterpret<u32>(scale) & 0x7f800000) == 0x7f800000) return <i32>(i * GROUP);
    const output = (first + i) / groups, group = (first + i) % groups;
    store<f32>(to + (output >> 4) * bytes + group * Q4_GROUP + ((output & 15) << 2), scale, Q4_NIBBLES);
  }
  integersQ4_0(h.widened, h.staging, count);
  return packIntegerRows(h, tensor, layer, h.widened, element, count);
}

/**
 * Integers at x of a model's own type, whose rows lie one after the other: i8[k], or nibbles of whole groups. A panel that is there as a
 * whole is packed from where it lies, one that comes in parts is gathered first.
 */
function packIntegerRows(h: Header, tensor: i32, layer: u32, x: usize, element: usize, count: usize): i32 {
  const to = placeOf(h, tensor, layer);
  const k = inputsOf(h, tensor);
  const isQ4 = h.weightType == WEIGHTS_Q4;
  const row = isQ4 ? q4Groups(k) << 4 : k;
  const size = row << 4; // bytes of a panel in the file
  const end = row * outputsOf(h, tensor);
  const bytes = panelBytes(h.weightType, k);
  let at = isQ4 ? element >> 1 : element;
  for (let left = isQ4 ? count >> 1 : count; left;) {
    const within = at % size;
    const run = min(size - within, left);
    let rows = x;
    if (run < size) {
      rows = h.packScratch;
      if (within == 0) memory.fill(rows, isQ4 ? 0x88 : 0, size); // zeros, for outputs that the last panel has not
      memory.copy(rows + within, x, run);
    }
    x += run; at += run; left -= run;
    if (within + run < size && at < end) break; // it goes on with the next call
    const panel = to + (at - 1) / size * bytes;
    packIntegers(h.weightType, panel, rows, k);
  }
  return -1;
}

/** Elements of W[k][n]. Integers need whole columns: such a matrix is gathered as f32 panels, and packed with its last element. */
function packInputs(h: Header, to: usize, k: usize, n: usize, x: usize, element: usize, count: usize): void {
  if (h.weightType == WEIGHTS_F32) { packMatrix(to, k, n, x, element, count); return; }
  const rows = <usize>paddedInputs(k);
  const panels = (n + 15) >> 4;
  if (element == 0) memory.fill(h.packScratch, 0, panels * (rows << 6));
  packMatrix(h.packScratch, rows, n, x, element, count);
  if (element + count == k * n) {
    for (let p: usize = 0; p < panels; p++) packGathered(h, to, p, k, h.packScratch + p * (rows << 6));
  }
}

/** Elements of W[n][k]: sixteen rows are a panel, so one panel is gathered at a time. */
function packOutputs(h: Header, to: usize, k: usize, n: usize, x: usize, element: usize, count: usize): void {
  if (h.weightType == WEIGHTS_F32) { packTransposed(to, k, x, element, count); return; }
  const size = k << 4; // elements of a panel
  const end = k * n;
  while (count) {
    const within = element % size;
    const run = min(size - within, count);
    if (within == 0) memory.fill(h.packScratch, 0, <usize>paddedInputs(k) << 6);
    packTransposed(h.packScratch, k, x, within, run);
    x += run << 2; element += run; count -= run;
    if (within + run == size || element == end) packGathered(h, to, (element - 1) / size, k, h.packScratch);
  }
}

function packGathered(h: Header, panels: usize, index: usize, k: usize, x: usize): void {
  packPanel(h.weightType, panels + index * panelBytes(h.weightType, k), x, k);
}

/** Compares a stored head with the embedding: equal, and its space is free again; else it is the head. */
export function finishWeights(model: usize): i32 {
  const h = headerOf(model);
  h.untied = h.storedHeadBytes != 0 && !sameBits(placeOf(h, WTE, 0), h.storedHead, h.storedHeadBytes) ? 1 : 0;
  h.head = h.untied ? h.storedHead : placeOf(h, WTE, 0);
  return <i32>h.untied;
}
