import { HEAD_ROWS } from "../contract";
import { entryAt } from "../memory/entry";
import { Header, headerOf } from "../memory/header";
import { hasLast, lastRow } from "../cache/sequences";
import { allFinite } from "../kernels/rows";
import { multiplyHead } from "./work";

// Rows of logits, and whose they are. A sequence keeps the final-norm row of its last token, from which its logits are made again, to the same
// bits, where they are not in a row any more.

/** The owner of a row: a slot, nobody, or PENDING − i: entry i of the step, whose slot will be the owner if the step is committed. */
const NOBODY: i32 = -1, PENDING: i32 = -2;

// @ts-ignore: decorator
@inline
function ownerOf(h: Header, row: u32): i32 { return load<i32>(h.logitsOwners + (<usize>row << 2)); }

// @ts-ignore: decorator
@inline
function setOwner(h: Header, row: u32, owner: i32): void { store<i32>(h.logitsOwners + (<usize>row << 2), owner); }

// @ts-ignore: decorator
@inline
export function setPending(h: Header, row: u32, entry: u32): void { setOwner(h, row, PENDING - <i32>entry); }

// @ts-ignore: decorator
@inline
export function logitsRow(h: Header, row: u32): usize { return h.logits + <usize>row * h.logitsBytes; }

export function initialiseLogits(h: Header): void {
  for (let row: u32 = 0; row < <u32>HEAD_ROWS; row++) setOwner(h, row, NOBODY);
}

/** The sequence has other tokens now, or is no more. */
export function releaseLogits(h: Header, slot: u32): void {
  for (let row: u32 = 0; row < <u32>HEAD_ROWS; row++) if (ownerOf(h, row) == <i32>slot) setOwner(h, row, NOBODY);
}

/** The step is over: rows of its entries become their sequences', or, if it failed, nobody's. */
export function settlePending(h: Header, committed: bool): void {
  for (let row: u32 = 0; row < <u32>HEAD_ROWS; row++) {
    const owner = ownerOf(h, row);
    if (owner <= PENDING) setOwner(h, row, committed ? <i32>entryAt(h, <u32>(PENDING - owner)).slot : NOBODY);
  }
}

/**
 * Rows 0 … rows − 1 of the logits = head · x[rows], and nobody's. Returns the first of them that is not finite, or `rows`.
 */
export function computeLogits(h: Header, x: usize, rows: u32): u32 {
  for (let row: u32 = 0; row < rows; row++) setOwner(h, row, NOBODY);
  multiplyHead(h, x, rows);
  for (let row: u32 = 0; row < rows; row++) if (!allFinite(logitsRow(h, row), h.vocab)) return row;
  return rows;
}

/** 1 if the logits of the sequence's last token are known. */
export function hasLogits(model: usize, slot: u32): i32 { return i32(hasLast(headerOf(model), slot)); }

/** Address of the logits of the sequence's last token, f32[vocab]; 0 if they are not known (it is empty, or was truncated since). */
export function sequenceLogits(model: usize, slot: u32): usize {
  const h = headerOf(model);
  if (!hasLast(h, slot)) return 0;
  for (let row: u32 = 0; row < <u32>HEAD_ROWS; row++) if (ownerOf(h, row) == <i32>slot) return logitsRow(h, row);
  computeLogits(h, lastRow(h, slot), 1);
  setOwner(h, 0, <i32>slot);
  return logitsRow(h, 0);
}
