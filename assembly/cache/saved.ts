import { PAGE_TOKENS } from "../contract";
import { Header } from "../memory/header";
import { keysAreFinite, storeHeadKeys, storeHeadValues, valuesAreFinite } from "../types/cache";
import { keysOf, takePage, valuesOf } from "./pages";
import { lengthOf, openSlot, pageTable, pagesFor, slotAddress } from "./sequences";

// What saving a sequence and restoring it need of its pages (docs/FORMATS.md, "Saved sequences").

/** The number in the pool of a sequence's page `index`. */
// @ts-ignore: decorator
@inline
function pageAt(h: Header, slot: u32, index: u32): u32 { return load<u32>(pageTable(h, slot) + (<usize>index << 2)); }

/** First byte of the keys of a sequence's page `index`, or of its values. */
export function partOf(h: Header, slot: u32, layer: u32, index: u32, values: i32): usize {
  const page = pageAt(h, slot, index);
  return values ? valuesOf(h, layer, page) : keysOf(h, layer, page);
}

/**
 * A copy of a layer's keys, or values, in the last page, which is partly filled; tokens that are not there are zeros, for what stands in the
 * page may be another sequence's. It lies where the activations of a step do, and stays until something else is computed.
 */
export function copyLastPage(h: Header, slot: u32, layer: u32, values: i32): usize {
  const length = lengthOf(h, slot);
  const copy = h.wide, zeros = h.hidden;
  memory.copy(copy, partOf(h, slot, layer, length / PAGE_TOKENS, values), values ? h.valuePageBytes : h.keyPageBytes);
  memory.fill(zeros, 0, h.rowBytes);
  for (let lane = <usize>(length % PAGE_TOKENS); lane < <usize>PAGE_TOKENS; lane++) {
    if (values) storeHeadValues(h.cacheType, copy, lane, zeros, zeros, h.heads, h.headSize);
    else storeHeadKeys(h.cacheType, copy, lane, zeros, zeros, h.heads, h.headSize);
  }
  return copy;
}

/** 1 if every number in a layer's keys, or values, in a page is finite. */
export function partIsFinite(h: Header, slot: u32, layer: u32, index: u32, values: i32): i32 {
  const part = partOf(h, slot, layer, index, values);
  return values ? valuesAreFinite(h.cacheType, part, h.heads, h.headSize) : keysAreFinite(h.cacheType, part, h.heads, h.headSize);
}

/** A sequence of `length` tokens whose ids and pages the caller has to fill, without a last row; −1 if no slot is free. There are enough pages. */
export function openFilled(h: Header, length: u32): i32 {
  const slot = openSlot(h);
  if (slot < 0) return -1;
  const pages = pagesFor(length);
  for (let i: u32 = 0; i < pages; i++) store<u32>(pageTable(h, slot) + (<usize>i << 2), takePage(h));
  store<u32>(slotAddress(h, slot), length, 4);
  return slot;
}

/** The caller has filled the last row. */
export function markLast(h: Header, slot: u32): void { store<u32>(slotAddress(h, slot), lengthOf(h, slot), 8); }
