import { HEAD_ROWS, Header, MAX_ROWS, NO_PAGE, WEIGHTS_Q4, WEIGHTS_Q8, headerOf } from "../memory/header";
import { hasLast, idsOf, lastRow, lengthOf, pagesNeeded, returnStepPages, slotAddress, takeStepPages } from "../cache/sequences";
import { dropPage } from "../cache/pages";
import { addPosition, unpackOutput } from "../kernels/embedding";
import { unpackOutputQ4 } from "../kernels/panel.q4";
import { unpackOutputQ8 } from "../kernels/panel.q8";
import { layerNorm } from "../kernels/layer-norm";
import { linear } from "./linear";
import { allFinite } from "../kernels/rows";
import { runBlock } from "./block";

// A step appends rows (tokens) to one sequence: begin, every block, finish, commit. Nothing of the sequence changes before
// commit: a step that fails leaves it as it was.

const OK = 0, CONTEXT = 1, PAGES = 2, ID = 3, NOT_FINITE = 4; // Status of bindings/wasm/exports.ts
const MODE_NONE = 0, MODE_ALL = 2;

/** Whose logits stand in row 0: a slot, or one of these. */
const NOBODY = -1, LAST_ROW_OF_STEP = -2;

export function step(model: usize, slot: u32, rows: u32, mode: i32): i32 {
  let status = beginStep(model, slot, rows);
  if (status != OK) return status;
  const h = headerOf(model);
  for (let layer: u32 = 0; layer < h.layers; layer++) runBlock(h, layer, 0);
  status = finishStep(model, mode);
  if (status == OK) commitStep(model);
  else abortStep(model);
  return status;
}

export function beginStep(model: usize, slot: u32, rows: u32): i32 {
  const h = headerOf(model);
  const start = lengthOf(h, slot);
  if (rows == 0 || rows > MAX_ROWS || start + rows > h.context) return CONTEXT;
  for (let r: u32 = 0; r < rows; r++) if (load<u32>(h.ids + (r << 2)) >= h.vocab) return ID;
  if (pagesNeeded(h, slot, rows) > h.freeCount) return PAGES;
  h.stepSlot = slot;
  h.stepRows = rows;
  h.stepHasLast = 0;
  h.stepNotFinite = 0;
  takeStepPages(h, slot, rows);
  for (let r: u32 = 0; r < rows; r++) {
    const row = h.hidden + <usize>r * h.rowBytes;
    const id = load<u32>(h.ids + (r << 2));
    if (h.weightType == WEIGHTS_Q8) unpackOutputQ8(row, h.wte, h.width, id);
    else if (h.weightType == WEIGHTS_Q4) unpackOutputQ4(row, h.wte, h.width, id);
    else unpackOutput(row, h.wte, h.width, id);
    addPosition(row, h.rowBytes, h.wpe + <usize>(start + r) * h.rowBytes, h.width);
  }
  return OK;
}

export function runLayer(model: usize, layer: u32, keepAttention: i32): void {
  runBlock(headerOf(model), layer, keepAttention);
}

export function finishStep(model: usize, mode: i32): i32 {
  const h = headerOf(model);
  if (h.stepNotFinite) return NOT_FINITE;
  if (mode == MODE_NONE) return OK;
  const last = h.stepRows - 1;
  const first: u32 = mode == MODE_ALL ? 0 : last;
  const from = <usize>first * h.rowBytes;
  layerNorm(h.normed + from, h.hidden + from, h.lnFGain, h.lnFBias, h.rowBytes, h.stepRows - first, h.width, h.epsilon);
  const status = multiplyHead(h, h.normed + <usize>last * h.rowBytes, 1);
  h.stepHasLast = status == OK ? 1 : 0;
  h.logitsOwner = LAST_ROW_OF_STEP;
  return status;
}

export function commitStep(model: usize): void {
  const h = headerOf(model);
  const slot = h.stepSlot;
  const s = slotAddress(h, slot);
  const start = lengthOf(h, slot);
  const length = start + h.stepRows;
  if (h.stepSharedPage != NO_PAGE) dropPage(h, h.stepSharedPage);
  memory.copy(idsOf(h, slot) + (<usize>start << 2), h.ids, <usize>h.stepRows << 2);
  store<u32>(s, length, 4);
  if (h.stepHasLast) {
    memory.copy(lastRow(h, slot), h.normed + <usize>(h.stepRows - 1) * h.rowBytes, h.rowBytes);
    store<u32>(s, length, 8);
  }
  h.logitsOwner = h.stepHasLast && h.logitsOwner == LAST_ROW_OF_STEP ? <i32>slot : NOBODY;
}

export function abortStep(model: usize): void {
  const h = headerOf(model);
  returnStepPages(h, h.stepSlot);
  h.logitsOwner = NOBODY;
}

/** logits rows 0 … = head · x[rows]. */
function multiplyHead(h: Header, x: usize, rows: u32): i32 {
  linear(h, h.logits, h.logitsBytes, x, h.rowBytes, rows, h.head, h.width, h.vocab);
  for (let r: u32 = 0; r < rows; r++) if (!allFinite(h.logits + <usize>r * h.logitsBytes, h.vocab)) return NOT_FINITE;
  return OK;
}

export function headRows(model: usize, first: u32, count: u32): i32 {
  const h = headerOf(model);
  h.logitsOwner = NOBODY;
  return multiplyHead(h, h.normed + <usize>first * h.rowBytes, min(count, HEAD_ROWS));
}

/** Row 0 of the logits becomes that of the sequence's last token, computed again if another sequence used it since. */
export function sequenceLogits(model: usize, slot: u32): i32 {
  const h = headerOf(model);
  if (!hasLast(h, slot)) return 0;
  if (h.logitsOwner != <i32>slot) {
    multiplyHead(h, lastRow(h, slot), 1);
    h.logitsOwner = <i32>slot;
  }
  return 1;
}
