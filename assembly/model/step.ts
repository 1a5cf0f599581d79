import { CONTEXT, HEAD_ROWS, ID, LN_F_BIAS, LN_F_GAIN, MAX_ROWS, MODE_ALL, MODE_LAST, MODE_ROWS, NOT_FINITE, OK, PAGES, WPE, WTE } from "../contract";
import { Entry, entryAt } from "../memory/entry";
import { Header, headerOf } from "../memory/header";
import { commitRows, lengthOf, pagesNeeded, returnStepPages, setLast, takeStepPages } from "../cache/sequences";
import { addPosition } from "../kernels/embedding";
import { layerNorm } from "../kernels/layer-norm";
import { unpack } from "../types/weights";
import { placeOf } from "../weights/tensors";
import { computeLogits, releaseLogits, setPending, settlePending } from "./logits";
import { runLayers } from "./work";

// A step appends rows (tokens) to sequences, each of them once: begin, every block, finish, commit. Rows of one sequence are neighbours, in the
// order of the entries. Nothing of any sequence changes before commit: a step that fails leaves all of them as they were.

export function step(model: usize, entries: u32): i32 {
  let status = beginStep(model, entries);
  if (status != OK) return status;
  const h = headerOf(model);
  runLayers(h, 0, h.layers, 0);
  status = finishStep(model);
  if (status == OK) commitStep(model);
  else abortStep(model);
  return status;
}

/** Checks everything, takes pages and embeds the rows. */
export function beginStep(model: usize, entries: u32): i32 {
  const h = headerOf(model);
  h.stepEntries = entries;
  let rows: u32 = 0, pages: u32 = 0;
  for (let i: u32 = 0; i < entries; i++) {
    const entry = entryAt(h, i);
    h.stepFailed = i;
    entry.first = rows;
    entry.start = lengthOf(h, entry.slot);
    entry.notFinite = 0;
    rows += entry.rows;
    if (entry.rows == 0 || rows > <u32>MAX_ROWS || entry.start + entry.rows > h.context) return CONTEXT;
    pages += pagesNeeded(h, entry.slot, entry.rows);
    if (pages > h.freeCount) return PAGES;
    for (let r = entry.first; r < rows; r++) if (load<u32>(h.ids + (<usize>r << 2)) >= h.vocab) return ID;
  }
  h.stepRows = rows;
  for (let i: u32 = 0; i < entries; i++) {
    const entry = entryAt(h, i);
    takeStepPages(h, entry);
    embed(h, entry);
  }
  return OK;
}

/** hidden = embedding of the id + embedding of the position. */
function embed(h: Header, entry: Entry): void {
  for (let r: u32 = 0; r < entry.rows; r++) {
    const row = h.hidden + <usize>(entry.first + r) * h.rowBytes;
    unpack(h.weightType, row, placeOf(h, WTE, 0), h.width, load<u32>(h.ids + (<usize>(entry.first + r) << 2)));
    addPosition(row, h.rowBytes, placeOf(h, WPE, 0) + <usize>(entry.start + r) * h.rowBytes, h.width);
  }
}

export function runLayer(model: usize, layer: u32, keepAttention: i32): void {
  runLayers(headerOf(model), layer, layer + 1, keepAttention);
}

/**
 * The final norm of the rows that logits are asked for, to normed for MODE_ALL and MODE_ROWS; each sequence's last of them also to projected, one behind the
 * other; the logits of those to rows 0, 1, 2 …, HEAD_ROWS at a time: where there are more, the first ones give place to the last.
 */
export function finishStep(model: usize): i32 {
  const h = headerOf(model);
  let wanted: u32 = 0;
  for (let i: u32 = 0; i < h.stepEntries; i++) {
    const entry = entryAt(h, i);
    if (entry.notFinite) {
      h.stepFailed = i;
      return NOT_FINITE;
    }
    const first = <usize>entry.first * h.rowBytes, last = first + <usize>(entry.rows - 1) * h.rowBytes;
    if (entry.mode == MODE_ALL || entry.mode == MODE_ROWS) finalNorm(h, h.normed + first, h.hidden + first, entry.rows);
    if (!wantsLogits(entry)) continue;
    finalNorm(h, finalRow(h, wanted), h.hidden + last, 1);
    wanted++;
  }
  for (let from: u32 = 0; from < wanted; from += HEAD_ROWS) {
    const rows = min(<u32>HEAD_ROWS, wanted - from);
    const bad = computeLogits(h, finalRow(h, from), rows);
    if (bad < rows) {
      h.stepFailed = entryOf(h, from + bad);
      return NOT_FINITE;
    }
    for (let row: u32 = 0; row < rows; row++) setPending(h, row, entryOf(h, from + row));
  }
  return OK;
}

function finalNorm(h: Header, out: usize, x: usize, rows: usize): void {
  layerNorm(out, x, placeOf(h, LN_F_GAIN, 0), placeOf(h, LN_F_BIAS, 0), h.rowBytes, rows, h.width, h.epsilon);
}

/** The logits of its last row are made, and the row is kept. */
// @ts-ignore: decorator
@inline
function wantsLogits(entry: Entry): bool { return entry.mode == MODE_LAST || entry.mode == MODE_ALL; }

/** Where the final-norm row of the `wanted`-th sequence that wants logits is. */
// @ts-ignore: decorator
@inline
function finalRow(h: Header, wanted: u32): usize { return h.projected + <usize>wanted * h.rowBytes; }

/** The entry of the `wanted`-th sequence that wants logits. */
function entryOf(h: Header, wanted: u32): u32 {
  let i: u32 = 0;
  while (!wantsLogits(entryAt(h, i)) || wanted-- != 0) i++;
  return i;
}

export function commitStep(model: usize): void {
  const h = headerOf(model);
  let wanted: u32 = 0;
  for (let i: u32 = 0; i < h.stepEntries; i++) {
    const entry = entryAt(h, i);
    commitRows(h, entry);
    releaseLogits(h, entry.slot);
    if (wantsLogits(entry)) setLast(h, entry.slot, finalRow(h, wanted++));
  }
  settlePending(h, true);
}

/** Gives the step's pages back. */
export function abortStep(model: usize): void {
  const h = headerOf(model);
  for (let i = <i32>h.stepEntries - 1; i >= 0; i--) returnStepPages(h, entryAt(h, i));
  settlePending(h, false);
}

/** The entry that the status of the last step is about. */
export function failedEntry(model: usize): u32 {
  return headerOf(model).stepFailed;
}

/** Logits of rows first … first + count − 1 of a step of MODE_ALL or MODE_ROWS, to rows 0 … count − 1. */
export function headRows(model: usize, first: u32, count: u32): i32 {
  const h = headerOf(model);
  const rows = min(count, <u32>HEAD_ROWS);
  return computeLogits(h, h.normed + <usize>first * h.rowBytes, rows) == rows ? OK : NOT_FINITE;
}
